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

// The vectors of a grid's rows in which there is something to do, by the columns where they begin.
class Blocks {
public:
    Blocks() = default;

    // holds(y, x): whether there is at that cell
    template <class Holds>
    Blocks(std::int64_t height, std::int64_t width, const Holds& holds) {
        for (std::int64_t y = 0; y < height; ++y) {
            ends_.push_back(columns_.size());
            for (std::int64_t x = 0; x < width; ++x)
                if (holds(y, x)) {
                    columns_.push_back(static_cast<std::int32_t>(x / STEP * STEP));
                    x = x / STEP * STEP + STEP - 1;
                }
        }
        ends_.push_back(columns_.size());
    }

    struct Row {
        const std::int32_t *first, *last;

        const std::int32_t* begin() const { return first; }
        const std::int32_t* end() const { return last; }
        bool empty() const { return first == last; }
        // the first column, and the one behind the last
        std::int64_t left() const { return *first; }
        std::int64_t right() const { return last[-1] + STEP; }
    };
    Row operator[](std::int64_t y) const { return {columns_.data() + ends_[y], columns_.data() + ends_[y + 1]}; }

private:
    std::vector<std::int32_t> columns_;
    std::vector<std::size_t> ends_;  // of the rows before
};

// A step of Chebyshev's method: p = keep p + gain r / diagonal.
struct ChebyshevStep {
    float keep, gain;
};

struct Level {
    std::int64_t height, width, pitch;
    Blocks unknown;
    Blocks near;  // on the finest level: what is beside an unknown cell too
    std::vector<ChebyshevStep> steps;
    std::vector<float> inverse_diagonal;  // (height, pitch), 0 at known cells
    std::vector<float> coefficients;      // (2 + height, 13, pitch) amid zeros; none on the finest level
};

}  // namespace plate
}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
