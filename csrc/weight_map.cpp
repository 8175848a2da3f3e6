// A window k rows high slides down each image, and for every column holds how many of its pixels there are missing: one
// row enters at its foot, one leaves at its head.  A patch is then k neighbouring columns, summed.  All loops go along
// a row, and in none does an x depend on the one before, so that the compiler can use vectors.
#include "weight_map.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "parallel.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

// Counts summed in one go: several rows where rows are short, so that loops are long; small enough for an L1 cache.
constexpr std::int64_t BAND = 4096;

// The columns of the window one row further down; copied, because the sums want zeros to either side.
template <class Count, class Pixel>
void step_down(const Pixel* entering, const Pixel* leaving, Pixel threshold, std::int64_t width,
               Count* __restrict columns, Count* __restrict copy) {
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

// In double, which costs 1 ms of 15 at 4096x4096: one rounding whatever alpha, and 1 + scale * count may cancel.
// With ordinary stores, because the caller's memory is fresh: the system zeroed each page a moment ago, its lines are
// still in cache.  Streaming stores took 22 ms there (where pages had been written before, 5 instead of 10).
template <class Count>
void write_weights(const Count* counts, std::int64_t width, double scale, float* __restrict weights) {
    for (std::int64_t x = 0; x < width; ++x)
        weights[x] = static_cast<float>(1.0 + scale * static_cast<double>(counts[x]));
}

// Count holds the number of pixels of a patch clipped to the image.
template <class Count, class Pixel>
class Window {
public:
    Window(Holes shape, Pixel threshold, std::int64_t radius, double scale)
        : height_(shape.height),
          width_(shape.width),
          threshold_(threshold),
          scale_(scale),
          reach_x_(std::min(radius, width_ - 1)),
          reach_y_(std::min(radius, height_ - 1)),
          stride_(width_ + 2 * reach_x_),
          band_rows_(std::max<std::int64_t>(1, BAND / stride_)),
          known_(width_, std::numeric_limits<Pixel>::lowest()),
          columns_(width_),
          // the last sums of a band read on beyond it; nothing uses what they make of that
          padded_(band_rows_ * stride_ + 2 * reach_x_),
          sums_(padded_.size()),
          spare_(padded_.size()) {}

    // W of rows [begin, end) of an image
    void slide(const Pixel* image, std::int64_t begin, std::int64_t end, float* weights) {
        const auto row_at = [&](std::int64_t y) { return y < 0 || y >= height_ ? known_.data() : image + y * width_; };

        // the window around the row before the first
        std::fill(columns_.begin(), columns_.end(), Count{0});
        const std::int64_t head = std::max<std::int64_t>(0, begin - 1 - reach_y_);
        const std::int64_t foot = std::min(height_, begin + reach_y_);
        for (std::int64_t y = head; y < foot; ++y)
            step_down(row_at(y), known_.data(), threshold_, width_, columns_.data(), padded_.data() + reach_x_);

        for (std::int64_t top = begin; top < end; top += band_rows_) {
            const std::int64_t rows = std::min(band_rows_, end - top);
            for (std::int64_t row = 0; row < rows; ++row) {
                const std::int64_t y = top + row;
                step_down(row_at(y + reach_y_), row_at(y - 1 - reach_y_), threshold_, width_, columns_.data(),
                          padded_.data() + row * stride_ + reach_x_);
            }
            const Count* patches = sum_columns(rows * stride_);
            for (std::int64_t row = 0; row < rows; ++row)
                write_weights(patches + row * stride_, width_, scale_, weights + (top + row) * width_);
        }
    }

private:
    // Sums of 2 reach_x + 1 neighbours of padded_, by doubling: the number's binary digits from the second on, each
    // doubles the neighbours summed and adds one where it is set.
    const Count* sum_columns(std::int64_t size) {
        const std::int64_t neighbours = 2 * reach_x_ + 1;
        int digit = 0;
        while (neighbours >> (digit + 1)) ++digit;

        const Count* sums = padded_.data();
        while (digit > 0) {
            const std::int64_t summed = neighbours >> digit--;
            if (neighbours >> digit & 1)
                join_and_add(sums, padded_.data(), summed, size, spare_.data());
            else
                join(sums, summed, size, spare_.data());
            std::swap(sums_, spare_);
            sums = sums_.data();
        }
        return sums;
    }

    std::int64_t height_, width_;
    Pixel threshold_;
    double scale_;
    std::int64_t reach_x_, reach_y_, stride_, band_rows_;
    // stands for every row beyond the border
    std::vector<Pixel> known_;
    std::vector<Count> columns_;
    // rows of columns_, reach_x zeros to either side of each
    std::vector<Count> padded_;
    std::vector<Count> sums_, spare_;
};

template <class Count, class Pixel>
void slide_over(const Pixel* hole, Pixel threshold, Holes shape, std::int64_t radius, double scale, int threads,
                float* weights) {
    // a thread takes a run of rows, be they of many images or a strip of one
    parallel_runs(shape.count * shape.height, threads, [&](std::int64_t begin, std::int64_t end) {
        Window<Count, Pixel> window(shape, threshold, radius, scale);
        while (begin < end) {
            const std::int64_t first = begin / shape.height * shape.height;
            const std::int64_t last = std::min(end, first + shape.height);
            window.slide(hole + first * shape.width, begin - first, last - first, weights + first * shape.width);
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
    // the narrower the counts, the more of them in a vector
    const auto slide = most <= 0xff     ? slide_over<std::uint8_t, Pixel>
                       : most <= 0xffff ? slide_over<std::uint16_t, Pixel>
                                        : slide_over<std::int64_t, Pixel>;
    slide(hole, threshold, shape, radius, scale, threads, weights);
}

template void weight_map(const std::uint8_t*, std::uint8_t, Holes, std::int64_t, double, int, float*);
template void weight_map(const float*, float, Holes, std::int64_t, double, int, float*);
template void weight_map(const double*, double, Holes, std::int64_t, double, int, float*);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
