// A window k rows high slides down each image, and for every column holds how many of its pixels there are missing: one
// row enters at its foot, one leaves at its head.  A patch is then k neighbouring columns, summed.  All loops go along
// a row, and in none does an x depend on the one before, so that the compiler can use vectors.
#include "weight_map.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "parallel.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

// Bytes of a cache line, and of the widest vector.
constexpr std::size_t LINE = 64;

// The first place from there on where a line begins; no more than LINE bytes further.
template <class T>
T* first_of_line(T* from) {
    const auto beyond = reinterpret_cast<std::uintptr_t>(from) % LINE;
    return beyond == 0 ? from : from + (LINE - beyond) / sizeof(T);
}

// The columns of the window one row further down; copied, because the sums want zeros to either side.  Each row reads
// the columns that the last one wrote: where they were not in whole cache lines, that took half of the time of narrow
// images.
template <class Count, class Pixel>
void step_down(const Pixel* entering, const Pixel* leaving, Pixel threshold, std::int64_t width,
               Count* __restrict columns, Count* __restrict copy) {
    columns = static_cast<Count*>(__builtin_assume_aligned(columns, LINE));
    for (std::int64_t x = 0; x < width; ++x) {
        columns[x] += static_cast<Count>((entering[x] >= threshold) - (leaving[x] >= threshold));
        copy[x] = columns[x];
    }
}

// sums[x] of n neighbours from x on -> of 2 n
template <class Count>
void join(const Count* sums, std::int64_t n, std::int64_t size, Count* __restrict joined) {
    for (std::int64_t x = 0; x < size; ++x) joined[x] = static_cast<Count>(sums[x] + sums[x + n]);
}

// sums[x] of n neighbours from x on -> of 2 n + 1
template <class Count>
void join_and_add(const Count* sums, const Count* single, std::int64_t n, std::int64_t size, Count* __restrict joined) {
    for (std::int64_t x = 0; x < size; ++x)
        joined[x] = static_cast<Count>(sums[x] + sums[x + n] + single[x + 2 * n]);
}

// W of a count, in double: one rounding whatever alpha, and 1 + scale * count may cancel.
struct InDouble {
    double scale;
    template <class Count>
    float operator()(Count count) const {
        return static_cast<float>(1.0 + scale * static_cast<double>(count));
    }
};

// The same bits in float, at half the time, for scales and counts of which `agrees` says so.  The scale is a head of so
// few bits that its product with a count is exact, and a rest; what the sum 1 + head * count loses goes to the rest.
struct InFloat {
    float head, rest;

    explicit InFloat(double scale) {
        constexpr int BITS = 15;
        int exponent;
        const double mantissa = std::frexp(scale, &exponent);
        head = static_cast<float>(std::ldexp(std::nearbyint(std::ldexp(mantissa, BITS)), exponent - BITS));
        rest = static_cast<float>(scale - head);
    }
    template <class Count>
    float operator()(Count count) const {
        const float n = static_cast<float>(count), more = n * head, sum = 1.0f + more;
        return sum + (more - (sum - 1.0f) + n * rest);
    }
};

// With ordinary stores, because the caller's memory is fresh: the system zeroed each page a moment ago, its lines are
// still in cache.  Streaming stores took 22 ms at 4096x4096 on a Xeon where these took 15, and 12.5 on an EPYC where
// these took 10.8 (where pages had been written before, 5 instead of 10, and 5.1 instead of 5.4).
template <class Weight, class Counted>
void write_weights(const Weight& weight, const Counted& count_at, std::int64_t width, float* __restrict weights) {
    for (std::int64_t x = 0; x < width; ++x) weights[x] = weight(count_at(x));
}

// Whether the counts from 0 to `most` have the same weights in float as in double.
bool agrees(const InFloat& weight, const InDouble& exact, std::int64_t most) {
    std::vector<float> found(most + 1), expected(most + 1);
    const auto count_at = [](std::int64_t x) { return static_cast<std::uint8_t>(x); };
    write_weights(weight, count_at, most + 1, found.data());
    write_weights(exact, count_at, most + 1, expected.data());
    return found == expected;
}

// The counts of columns for a few rows at a time, and the weights that they make.
template <class Count, class Weight>
class Band {
public:
    Band(std::int64_t width, std::int64_t reach, Weight weight)
        : width_(width),
          reach_(reach),
          weight_(weight),
          stride_(width + 2 * reach),
          rows_(std::max<std::int64_t>(1, COUNTS / stride_)),
          // the last sums of a band read on beyond it; nothing uses what they make of that
          padded_(rows_ * stride_ + 2 * reach),
          sums_(padded_.size()),
          spare_(padded_.size()) {}

    // how many it holds
    std::int64_t rows() const { return rows_; }
    // where the counts of a row's columns go
    Count* row(std::int64_t row) { return padded_.data() + row * stride_ + reach_; }

    // W of the first rows, from the sums of 2 reach + 1 neighbours, by doubling: the number's binary digits from the
    // second on, each doubles the neighbours summed and adds one where it is set.  The last digit is an odd number's,
    // and its sums become weights at once.
    void write(std::int64_t rows, float* weights) {
        const std::int64_t neighbours = 2 * reach_ + 1, size = rows * stride_;
        int digit = 0;
        while (neighbours >> (digit + 1)) ++digit;

        const Count *single = padded_.data(), *sums = single;
        while (digit > 1) {
            const std::int64_t summed = neighbours >> digit--;
            if (neighbours >> digit & 1)
                join_and_add(sums, single, summed, size, spare_.data());
            else
                join(sums, summed, size, spare_.data());
            std::swap(sums_, spare_);
            sums = sums_.data();
        }
        for (std::int64_t row = 0; row < rows; ++row, single += stride_, sums += stride_, weights += width_) {
            const auto column = [=](std::int64_t x) { return single[x]; };
            const auto patch = [=, n = reach_](std::int64_t x) {
                return static_cast<Count>(sums[x] + sums[x + n] + single[x + 2 * n]);
            };
            if (reach_ == 0)
                write_weights(weight_, column, width_, weights);
            else
                write_weights(weight_, patch, width_, weights);
        }
    }

private:
    // counts summed in one go: several rows where rows are short, so that loops are long; small enough for an L1 cache
    static constexpr std::int64_t COUNTS = 4096;

    std::int64_t width_, reach_;
    Weight weight_;
    std::int64_t stride_, rows_;
    // rows of counts, `reach` zeros to either side of each
    std::vector<Count> padded_;
    std::vector<Count> sums_, spare_;
};

// W of rows [begin, end) of an image.
template <class Count, class Pixel, class Weight>
void slide(const Pixel* image, Pixel threshold, Holes shape, std::int64_t radius, std::int64_t begin, std::int64_t end,
           Band<Count, Weight>& band, float* weights) {
    const std::int64_t height = shape.height, width = shape.width, reach = std::min(radius, height - 1);
    // stands for every row beyond the border
    const std::vector<Pixel> known(width, std::numeric_limits<Pixel>::lowest());
    const auto row_at = [&](std::int64_t y) { return y < 0 || y >= height ? known.data() : image + y * width; };

    // the window around the row before the first
    std::vector<Count> memory(width + LINE / sizeof(Count));
    Count* const columns = first_of_line(memory.data());
    for (std::int64_t y = std::max<std::int64_t>(0, begin - 1 - reach); y < std::min(height, begin + reach); ++y)
        step_down(row_at(y), known.data(), threshold, width, columns, band.row(0));

    for (std::int64_t top = begin; top < end; top += band.rows()) {
        const std::int64_t rows = std::min(band.rows(), end - top);
        for (std::int64_t y = top; y < top + rows; ++y)
            step_down(row_at(y + reach), row_at(y - 1 - reach), threshold, width, columns, band.row(y - top));
        band.write(rows, weights + top * width);
    }
}

// Count holds the number of pixels of a patch clipped to the image.
template <class Count, class Pixel, class Weight>
void slide_over(const Pixel* hole, Pixel threshold, Holes shape, std::int64_t radius, Weight weight, int threads,
                float* weights) {
    // a thread takes a run of rows, be they of many images or a strip of one
    parallel_runs(shape.count * shape.height, threads, [&](std::int64_t begin, std::int64_t end) {
        Band<Count, Weight> band(shape.width, std::min(radius, shape.width - 1), weight);
        while (begin < end) {
            const std::int64_t first = begin / shape.height * shape.height;
            const std::int64_t last = std::min(end, first + shape.height), from = first * shape.width;
            slide(hole + from, threshold, shape, radius, begin - first, last - first, band, weights + from);
            begin = last;
        }
    });
}

}  // namespace

template <class Pixel>
void weight_map(const Pixel* hole, Pixel threshold, Holes shape, std::int64_t radius, double scale, int threads,
                float* weights) {
    const std::int64_t k = 2 * std::min(radius, std::max(shape.height, shape.width)) + 1;
    const std::int64_t most = std::min(k, shape.height) * std::min(k, shape.width);
    const InDouble exact{scale};
    const auto count_in = [&](auto count, const auto& weight) {
        slide_over<decltype(count)>(hole, threshold, shape, radius, weight, threads, weights);
    };
    // the narrower the counts, the more of them in a vector
    if (most > 0xffff) return count_in(std::int64_t{}, exact);
    if (most > 0xff) return count_in(std::uint16_t{}, exact);
    const InFloat in_float(scale);
    if (agrees(in_float, exact, most)) return count_in(std::uint8_t{}, in_float);
    count_in(std::uint8_t{}, exact);
}

template void weight_map(const std::uint8_t*, std::uint8_t, Holes, std::int64_t, double, int, float*);
template void weight_map(const float*, float, Holes, std::int64_t, double, int, float*);
template void weight_map(const double*, double, Holes, std::int64_t, double, int, float*);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
