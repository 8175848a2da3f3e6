// A displacement over the frame of a face, by cubic B-splines along both of its axes.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "level.hpp"
#include "mirror/plane.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

constexpr int SIZE = 64;  // of the frame, in whose pixels all lengths are
constexpr int SPANS = 6, SPLINES = 9, COEFFICIENTS = SPLINES * SPLINES;  // along the frame, and of a field along one axis

// The four splines that are not 0 at a coordinate along the frame, the first of them by its number; beyond the frame those
// of its border.
struct Splines {
    int first;
    std::array<double, 4> values;
};
Splines splines_at(double coordinate);

struct Field {
    std::array<double, COEFFICIENTS> x{}, y{};  // row by row

    Point at(const Splines& across, const Splines& down) const;
    Point at(Point place) const { return at(splines_at(place.x), splines_at(place.y)); }
};

// A symmetric matrix, and what to solve with it.
struct System {
    explicit System(int size) : size(size), matrix(size * size), right(size) {}

    double& operator()(int row, int column) { return matrix[row * size + column]; }

    // The solution; the matrix, which is positive definite, of which only the lower half is read, is lost.
    std::vector<double> solved();

    int size;
    std::vector<double> matrix, right;
};

// The matrix (COEFFICIENTS, COEFFICIENTS) of how much a field bends along one axis, with a mean diagonal of 1.
std::vector<double> stiffness();

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
