// An image's columns are the 4x4 patches that a convolution of stride 2 sees, a row for each pixel of the half: with
// them, halving is a product (im2col), and doubling a product whose columns are then summed where they overlap (col2im).
// Both go a few images at a time, so that the columns stay in an L2 cache.
#include "layers/convolution.hpp"

#include <algorithm>
#include <vector>

#include "parallel.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

constexpr std::int64_t CACHED = 3 << 19;  // bytes

// work(first, count) over runs of images that fit the cache with all that is made of them, in parallel
template <class Work>
void over_images(std::int64_t images, std::int64_t bytes_each, int threads, const Work& work) {
    const std::int64_t together = std::max<std::int64_t>(1, CACHED / bytes_each);
    parallel_runs(images, threads, [&](std::int64_t begin, std::int64_t end) {
        for (; begin < end; begin += together) work(begin, std::min(together, end - begin));
    });
}

template <class Number>
void copy_numbers(const Number* from, std::int64_t count, Number* to) {
    std::copy_n(from, count, to);
}
inline void copy_numbers(const float* from, std::int64_t count, BFloat16* to) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = round_to<BFloat16>(from[i]);
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

// Folds columns, each `length` floats long, into an image, row by row.  An even row 2 y is the sum of tap 1 of row y of
// the half and tap 3 of y - 1, an odd row 2 y + 1 that of tap 2 of y and tap 0 of y + 1; pixels within a row likewise.
// CHANNELS: their number, if they are so few that a row is finished in one go; or 0 for any
template <int CHANNELS, class Pixel>
class Folding {
public:
    Folding(const Halving& shape, std::int64_t length, Finish<Pixel> finish)
        : height_(shape.height),
          width_(shape.width),
          channels_(CHANNELS ? CHANNELS : shape.channels),
          length_(length),
          together_(CHANNELS ? 2 * width_ * channels_ : channels_),
          finish_(finish),
          line_((width_ + 2) * 4 * channels_),
          sums_(2 * width_ * channels_) {
        for (std::int64_t i = 0; i < together_; ++i) {
            scale_.push_back(finish.scale[i % channels_]);
            bias_.push_back(finish.bias[i % channels_]);
        }
        finish_.scale = scale_.data();
        finish_.bias = bias_.data();
    }

    // row `at` of the image, `to` its place in images
    void fold(const float* columns, std::int64_t at, std::int64_t to, Pixel* images) {
        const std::int64_t channels = CHANNELS ? CHANNELS : channels_, patch = 4 * channels;
        const std::int64_t y = at / 2, beside = at % 2 ? y + 1 : y - 1;
        const float* one = columns + y * width_ * length_ + (at % 2 ? 2 : 1) * patch;
        const float* other = columns + beside * width_ * length_ + (at % 2 ? 0 : 3) * patch;
        // beyond the border, nothing
        const float weight = beside >= 0 && beside < height_ ? 1 : 0;
        if (!weight) other = one;
        float* __restrict line = line_.data() + patch;
        for (std::int64_t x = 0; x < width_; ++x)
            for (std::int64_t i = 0; i < patch; ++i)
                line[x * patch + i] = one[x * length_ + i] + weight * other[x * length_ + i];

        float* __restrict sums = sums_.data();
        for (std::int64_t x = 0; x < width_; ++x) {
            const float* here = line + x * patch;
            const auto even = [=](std::int64_t i) { return here[channels + i] + here[i - channels]; };
            const auto odd = [=](std::int64_t i) { return here[2 * channels + i] + here[patch + i]; };
            if constexpr (CHANNELS) {
                for (std::int64_t i = 0; i < channels; ++i) *sums++ = even(i);
                for (std::int64_t i = 0; i < channels; ++i) *sums++ = odd(i);
            } else {
                finish_row(even, channels, finish_, to + 2 * x * channels, images);
                finish_row(odd, channels, finish_, to + (2 * x + 1) * channels, images);
            }
        }
        if constexpr (CHANNELS)
            finish_row([&](std::int64_t i) { return sums_[i]; }, together_, finish_, to, images);
    }

private:
    std::int64_t height_, width_, channels_, length_, together_;
    Finish<Pixel> finish_;
    std::vector<float> scale_, bias_;
    // (width + 2, 4, channels): the sum over rows, between margins of zeros
    std::vector<float> line_;
    // (2 width, channels), where a row is finished in one go
    std::vector<float> sums_;
};

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
            finish_row([&](std::int64_t j) { return sums[i * row + j]; }, shape.depth, finish,
                       (begin * area + i) * shape.depth, half);
    });
}

template <class Number, class Pixel>
void double_(const Number* half, Halving shape, const PackedMatrix<Number>& weights, Finish<Pixel> finish, int threads,
             Pixel* images) {
    const std::int64_t area = shape.height * shape.width, length = in_panels(weights.n());
    const std::int64_t bytes =
        area * (length * sizeof(float) + 4 * shape.channels * sizeof(Pixel) + shape.depth * sizeof(Number));
    const auto fold_all = [&](auto folding, const float* columns, std::int64_t begin, std::int64_t count) {
        for (std::int64_t row = 0; row < count * 2 * shape.height; ++row) {
            const std::int64_t to = (begin * 2 * shape.height + row) * 2 * shape.width * shape.channels;
            folding.fold(columns + row / (2 * shape.height) * area * length, row % (2 * shape.height), to, images);
        }
    };
    over_images(shape.count, bytes, threads, [&](std::int64_t begin, std::int64_t count) {
        const auto columns = fresh<float>(count * area * length);
        weights.multiply(half + begin * area * shape.depth, count * area, columns.get());
        if (shape.channels == 3)
            fold_all(Folding<3, Pixel>(shape, length, finish), columns.get(), begin, count);
        else
            fold_all(Folding<0, Pixel>(shape, length, finish), columns.get(), begin, count);
    });
}

template <class Number, class Out>
void connect(const Number* a, std::int64_t m, const PackedMatrix<Number>& weights, Finish<Out> finish, int threads,
             Out* out) {
    const std::int64_t k = weights.k(), n = weights.n(), row = in_panels(n);
    parallel_runs(m, threads, [&](std::int64_t begin, std::int64_t end) {
        const auto sums = fresh<float>((end - begin) * row);
        weights.multiply(a + begin * k, end - begin, sums.get());
        for (std::int64_t i = begin; i < end; ++i)
            finish_row([&](std::int64_t j) { return sums[(i - begin) * row + j]; }, n, finish, i * n, out);
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

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
