// A level of a plate's multigrid: a grid, where its unknown cells are, its operator and how it is smoothed.
#pragma once

#include <cstdint>
#include <vector>

#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace plate {

constexpr std::int64_t STEP = LANES<float>;

constexpr std::int64_t up_to(std::int64_t n, std::int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// The vectors of a grid's rows in which there is something to do, by the cells y * pitch + x where they begin.
class Blocks {
public:
    Blocks() = default;

    // holds(y, x): whether there is at that cell
    template <class Holds>
    Blocks(std::int64_t height, std::int64_t width, std::int64_t pitch, const Holds& holds) {
        for (std::int64_t y = 0; y < height; ++y) {
            ends_.push_back(cells_.size());
            for (std::int64_t x = 0; x < width; ++x)
                if (holds(y, x)) {
                    cells_.push_back(y * pitch + x / STEP * STEP);
                    x = x / STEP * STEP + STEP - 1;
                }
        }
        ends_.push_back(cells_.size());
    }

    struct Row {
        const std::int64_t *first, *last;

        const std::int64_t* begin() const { return first; }
        const std::int64_t* end() const { return last; }
        bool empty() const { return first == last; }
        // the first cell, and the one behind the last
        std::int64_t left() const { return *first; }
        std::int64_t right() const { return last[-1] + STEP; }
    };
    Row operator[](std::int64_t y) const { return {cells_.data() + ends_[y], cells_.data() + ends_[y + 1]}; }

    // of all rows
    const std::int64_t* begin() const { return cells_.data(); }
    const std::int64_t* end() const { return cells_.data() + cells_.size(); }

private:
    std::vector<std::int64_t> cells_;
    std::vector<std::size_t> ends_;  // of the rows before
};

// A step of Chebyshev's method: p = keep p + gain r / diagonal.
struct ChebyshevStep {
    float keep, gain;
};

// The numbers of a level's row: whole vectors, and two beyond either end.
constexpr std::int64_t row_of(std::int64_t width) { return up_to(width + 4, 16); }

struct Level {
    std::int64_t height, width, pitch;
    Blocks unknown;
    std::vector<ChebyshevStep> steps;
    Numbers<float> inverse_diagonal;  // (height, pitch), 0 at known cells
    Numbers<float> coefficients;      // (13, height, pitch); none on the finest level
};

}  // namespace plate
}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
