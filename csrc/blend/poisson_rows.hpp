// What the sweeps of Poisson's multigrid do to a row of a level.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "blend/poisson.hpp"
#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace poisson {

using V = Vector<float>;
constexpr std::int64_t STEP = LANES<float>;

// 1 at the red pixels of row y, those with an even y + x, and 0 at the black ones
inline V red_lanes(std::int64_t y) {
    V lanes;
    for (std::int64_t lane = 0; lane < STEP; ++lane) lanes[lane] = (lane + y) % 2 == 0;
    return lanes;
}

// k times the neighbours in their rows
inline V neighbours(const float* above, const float* row, const float* below, V across, V down) {
    return down * (load(above) + load(below)) + across * (load(row - 1) + load(row + 1));
}

// The blacks of row y from the reds around them, 0 at the reds.
template <class Rows>
void black_row(float* out, std::int64_t first, std::int64_t last, const float* b, const float* inverse, Rows& red,
               std::int64_t y, V across, V down) {
    const float *above = red[y - 1], *same = red[y], *below = red[y + 1];
    const V lanes = red_lanes(y + 1);
    for (auto x = first; x < last; x += STEP)
        store(lanes * load(inverse + x) * (load(b + x) + neighbours(above + x, same + x, below + x, across, down)),
              out + x);
}

// The Laplacian at a row's pixels, above and below being the row itself where the image ends, left and right 0 there.
// Of large numbers that differ little, the differences are exact: float32 is enough.
inline V laplacian(const float* above, const float* row, const float* below, V left, V right) {
    const V here = load(row);
    return ((load(above) - here) + (load(below) - here)) +
           (left * (load(row - 1) - here) + right * (load(row + 1) - here));
}

}  // namespace poisson

// The last four rows of something that is computed row by row; zero outside their spans, above and below.
class Grid::Rows {
public:
    explicit Rows(std::int64_t pitch) : pitch_(pitch + 2 * poisson::STEP), numbers_(ROWS * pitch_) {}

    float* operator[](std::int64_t y) { return numbers_.data() + (y & (ROWS - 1)) * pitch_ + poisson::STEP; }

    float* begin(std::int64_t y, const Span& span) {
        Span& held = spans_[y & (ROWS - 1)];
        // what is written next covers the rest
        if (held.first < span.first || held.last > span.last)
            std::fill((*this)[y] + held.first, (*this)[y] + held.last, 0.0f);
        held = span;
        return (*this)[y];
    }

    void clear() {
        for (std::int64_t y = 0; y < ROWS; ++y) begin(y, {});
    }

private:
    static constexpr std::int64_t ROWS = 4;
    std::int64_t pitch_;
    std::vector<float> numbers_;
    Span spans_[ROWS];
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
