// A plate's operator on the next coarser level: P^T K P (Galerkin).
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "blend/plate_operator.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace plate {

// Which cells are unknown, 1, amid two rows and columns of zeros.
using Mask = Field<double>;

// All coefficients of rows of cells in double, while a level and the next coarser one are set up: those of 15
// neighbours, 0 to 2 down, -2 to 2 right, a row of each, with zeros beside.
constexpr int OFFSETS = 15;
constexpr int offset_of(std::int64_t down, std::int64_t right) { return static_cast<int>(down * 5 + right + 2); }

class Stencil {
public:
    Stencil(std::int64_t rows, std::int64_t width)
        : pitch_(up_to(width + 4, 8) + 16), numbers_(rows * OFFSETS * pitch_) {}
    double* operator()(std::int64_t y, int offset) { return numbers_.data() + (y * OFFSETS + offset) * pitch_ + 8; }
    const double* operator()(std::int64_t y, int offset) const {
        return numbers_.data() + (y * OFFSETS + offset) * pitch_ + 8;
    }

private:
    std::int64_t pitch_;
    Numbers<double> numbers_;
};

// How many neighbours the i-th of n has.
inline double neighbours(std::int64_t i, std::int64_t n) { return (i > 0) + (i < n - 1); }

// K of a level: its rows, which are held or, on the finest level, made when they are asked for.
class Operator {
public:
    Operator(const Mask& missing, double tension, std::int64_t height, std::int64_t width)
        : height_(height), width_(width), missing_(&missing), tension_(tension), held_(1, width), beside_(width + 1) {
        for (std::int64_t x = 0; x <= width; ++x) beside_[x] = neighbours(x, width);
    }
    Operator(Stencil coefficients, std::int64_t height, std::int64_t width)
        : height_(height), width_(width), held_(std::move(coefficients)) {}

    std::int64_t height() const { return height_; }
    std::int64_t width() const { return width_; }

    struct Row {
        const Stencil* stencil;
        std::int64_t y;

        const double* operator()(int offset) const { return (*stencil)(y, offset); }
    };
    // to be used before the next one is asked for
    Row row(std::int64_t y);

private:
    std::int64_t height_, width_;
    const Mask* missing_ = nullptr;
    double tension_ = 0;
    Stencil held_;
    std::vector<double> beside_;  // how many neighbours a pixel has in its row; on the finest level
};

// P^T K P for the coarse cells that are unknown.
Stencil galerkin(Operator& K, const Mask& unknown);

}  // namespace plate
}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
