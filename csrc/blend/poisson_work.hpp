// What a level of Poisson's multigrid works in, made once and for any hole of its size.
#pragma once

#include <algorithm>
#include <cstdint>

#include "blend/poisson.hpp"
#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// The last four rows of something that is computed row by row; zero outside their spans, above and below.
class Grid::Rows {
public:
    explicit Rows(std::int64_t pitch) : pitch_(pitch + 2 * SPAN), numbers_(ROWS * pitch_ + SPAN) {}

    float* operator[](std::int64_t y) { return numbers_.data() + (y & (ROWS - 1)) * pitch_ + SPAN; }

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
    Numbers<float> numbers_;
    Span spans_[ROWS];
};

struct Grid::Work {
    // what is looked at in vectors may end half of one behind a plane
    explicit Work(const Grid& grid)
        : b(grid.plane()), u(grid.plane() + SPAN), red(grid.pitch()), black(grid.pitch()), left(grid.pitch()) {}

    // for another hole, whose known pixels are to have u = 0
    void clear() { std::fill(u.begin(), u.end(), 0.0f); }

    Numbers<float> b, u;
    Rows red, black, left;
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
