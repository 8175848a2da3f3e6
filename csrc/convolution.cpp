// An image's columns are the 4x4 patches that a convolution of stride 2 sees, a row for each pixel of the half: with
// them, halving is a product (im2col), and doubling a product whose columns are then summed where they overlap (col2im).
// Both go a few images at a time, so that the columns stay in an L2 cache.
#include "convolution.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "parallel.hpp"

namespace faceinpaint {
namespace {

constexpr std::int64_t CACHED = 3 << 19;  // bytes

// Memory that nobody reads before it is written.
template <class Number>
std::unique_ptr<Number[]> fresh(std::int64_t count) {
    return std::unique_ptr<Number[]>(new Number[count]);
}

// work(first, count) over runs of images that fit the cache with all that is made of them, in parallel
template <class Work>
void over_images(std::int64_t images, std::int64_t bytes_each, int threads, const Work& work) {
    const std::int64_t together = std::max<std::int64_t>(1, CACHED / bytes_each);
    parallel_runs(images, threads, [&](std::int64_t begin, std::int64_t end) {
        for (; begin < end; begin += together) work(begin, std::min(together, end - begin));
    });
}

template <class Number>
float finished(float sum, Number gate, float slope) {
    return widened(gate) > 0 ? sum : slope * sum;
}

template <class Number>
void finish_row(const float* sums, std::int64_t size, Finish<Number> finish, std::int64_t at, Number* out) {
    if (finish.gate)
        for (std::int64_t i = 0; i < size; ++i)
            narrow(finished(sums[i] * finish.scale[i] + finish.bias[i], finish.gate[at + i], finish.slope), out[at + i]);
    else
        for (std::int64_t i = 0; i < size; ++i) {
            const float sum = sums[i] * finish.scale[i] + finish.bias[i];
            narrow(finished(sum, sum, finish.slope), out[at + i]);
        }
}

template <class Number>
void copy_numbers(const Number* from, std::int64_t count, Number* to) {
    std::copy_n(from, count, to);
}
inline void copy_numbers(const float* from, std::int64_t count, BFloat16* to) {
    for (std::int64_t i = 0; i < count; ++i) narrow(from[i], to[i]);
}

// The columns of an image's row y of the half, each `length` numbers long.  CHANNELS: their number, or 0 for any
template <int CHANNELS, class Number, class Pixel>
void unfold(const Pixel* image, const Halving& shape, std::int64_t y, std::int64_t length, Number* columns) {
    const std::int64_t channels = CHANNELS ? CHANNELS : shape.channels, patch = 4 * channels;
    for (std::int64_t x = 0; x < shape.width; ++x, columns += length) {
        for (std::int64_t ky = 0; ky < 4; ++ky) {
            Number* out = columns + ky * patch;
            const std::int64_t from = 2 * y - 1 + ky;
            const Pixel* in = image + (from * 2 * shape.width + 2 * x - 1) * channels;
            if (from < 0 || from >= 2 * shape.height) {
                std::fill_n(out, patch, Number{});
            } else if (x > 0 && x < shape.width - 1) {
                copy_numbers(in, patch, out);
            } else {
                // a pixel lies beyond the border, or one to either side
                const std::int64_t first = x == 0 ? channels : 0, last = x == shape.width - 1 ? patch - channels : patch;
                std::fill_n(out, patch, Number{});
                copy_numbers(in + first, last - first, out + first);
            }
        }
        std::fill(columns + 4 * patch, columns + length, Number{});
    }
}

// Row `at` of an image, `to` its place in images, from the columns, each `length` floats long.  An even row 2 y is the
// sum of tap 1 of row y of the half and tap 3 of y - 1, an odd row 2 y + 1 that of tap 2 of y and tap 0 of y + 1; pixels
// within a row likewise.
// CHANNELS  their number, or 0 for any
// line      (width + 2, 4, channels): the sum over rows, between margins of zeros
template <int CHANNELS, class Pixel>
void fold(const float* __restrict columns, const Halving& shape, std::int64_t at, std::int64_t length,
          float* __restrict line, Finish<Pixel> finish, std::int64_t to, Pixel* images) {
    const std::int64_t channels = CHANNELS ? CHANNELS : shape.channels, patch = 4 * channels;
    const std::int64_t y = at / 2, beside = at % 2 ? y + 1 : y - 1;
    const float* one = columns + y * shape.width * length + (at % 2 ? 2 : 1) * patch;
    const float* other = columns + beside * shape.width * length + (at % 2 ? 0 : 3) * patch;
    // beyond the border, nothing
    const float weight = beside >= 0 && beside < shape.height ? 1 : 0;
    if (!weight) other = one;
    for (std::int64_t x = 0; x < shape.width; ++x)
        for (std::int64_t i = 0; i < patch; ++i)
            line[(x + 1) * patch + i] = one[x * length + i] + weight * other[x * length + i];

    for (std::int64_t x = 0; x < shape.width; ++x) {
        const float* here = line + (x + 1) * patch;
        const auto pixel = [&](const float* tap, const float* tap_beside) {
            const auto sum = [&](std::int64_t i) { return (tap[i] + tap_beside[i]) * finish.scale[i] + finish.bias[i]; };
            if (finish.gate)
                for (std::int64_t i = 0; i < channels; ++i)
                    narrow(finished(sum(i), finish.gate[to + i], finish.slope), images[to + i]);
            else
                for (std::int64_t i = 0; i < channels; ++i)
                    narrow(finished(sum(i), sum(i), finish.slope), images[to + i]);
            to += channels;
        };
        pixel(here + channels, here - channels);
        pixel(here + 2 * channels, here + patch);
    }
}

}  // namespace

template <class Number, class Pixel>
void halve(const Pixel* images, Halving shape, const PackedMatrix<Number>& weights, Finish<Number> finish, int threads,
           Number* half) {
    const std::int64_t area = shape.height * shape.width, length = weights.k(), row = in_panels(weights.n());
    const std::int64_t bytes = area * (length * sizeof(Number) + row * sizeof(float) +
                                       4 * shape.channels * sizeof(Pixel) + shape.depth * sizeof(Number));
    const auto unfold_row = shape.channels == 3 ? unfold<3, Number, Pixel> : unfold<0, Number, Pixel>;
    over_images(shape.count, bytes, threads, [&](std::int64_t begin, std::int64_t count) {
        const auto columns = fresh<Number>(count * area * length);
        const auto sums = fresh<float>(count * area * row);
        for (std::int64_t line = 0; line < count * shape.height; ++line) {
            const Pixel* image = images + (begin + line / shape.height) * 4 * area * shape.channels;
            unfold_row(image, shape, line % shape.height, length, columns.get() + line * shape.width * length);
        }
        weights.multiply(columns.get(), count * area, sums.get());
        for (std::int64_t i = 0; i < count * area; ++i)
            finish_row(sums.get() + i * row, shape.depth, finish, (begin * area + i) * shape.depth, half);
    });
}

template <class Number, class Pixel>
void double_(const Number* half, Halving shape, const PackedMatrix<Number>& weights, Finish<Pixel> finish, int threads,
             Pixel* images) {
    const std::int64_t area = shape.height * shape.width, length = in_panels(weights.n());
    const auto fold_row = shape.channels == 3 ? fold<3, Pixel> : fold<0, Pixel>;
    const std::int64_t bytes =
        area * (length * sizeof(float) + 4 * shape.channels * sizeof(Pixel) + shape.depth * sizeof(Number));
    over_images(shape.count, bytes, threads, [&](std::int64_t begin, std::int64_t count) {
        const auto columns = fresh<float>(count * area * length);
        std::vector<float> row_sum((shape.width + 2) * 4 * shape.channels);
        weights.multiply(half + begin * area * shape.depth, count * area, columns.get());
        for (std::int64_t line = 0; line < count * 2 * shape.height; ++line) {
            const std::int64_t image = line / (2 * shape.height);
            const std::int64_t to = (begin * 2 * shape.height + line) * 2 * shape.width * shape.channels;
            fold_row(columns.get() + image * area * length, shape, line % (2 * shape.height), length, row_sum.data(),
                     finish, to, images);
        }
    });
}

template <class Number, class Out>
void connect(const Number* a, std::int64_t m, const PackedMatrix<Number>& weights, Finish<Out> finish, int threads,
             Out* out) {
    const std::int64_t k = weights.k(), n = weights.n(), row = in_panels(n);
    parallel_runs(m, threads, [&](std::int64_t begin, std::int64_t end) {
        const auto sums = fresh<float>((end - begin) * row);
        weights.multiply(a + begin * k, end - begin, sums.get());
        for (std::int64_t i = begin; i < end; ++i) finish_row(sums.get() + (i - begin) * row, n, finish, i * n, out);
    });
}

#define INSTANTIATE(Number, Ends)                                                                                    \
    template void halve(const Ends*, Halving, const PackedMatrix<Number>&, Finish<Number>, int, Number*);            \
    template void double_(const Number*, Halving, const PackedMatrix<Number>&, Finish<Ends>, int, Ends*);            \
    template void connect(const Number*, std::int64_t, const PackedMatrix<Number>&, Finish<Ends>, int, Ends*);
INSTANTIATE(float, float)
INSTANTIATE(BFloat16, BFloat16)
// the ends of a network are float
INSTANTIATE(BFloat16, float)

}  // namespace faceinpaint
