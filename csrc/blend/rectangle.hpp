// Poisson's equation on a rectangle, by the eigenvectors of its second differences: four products with small matrices.
#pragma once

#include <cstdint>

#include "blend/poisson.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// A rectangle of missing pixels of a grid and, in rows of `pitch` numbers, whole vectors of them with zeros at the end:
struct Rectangle {
    std::int64_t top, left, height, width, pitch;
    const float* down;             // (height, height) eigenvectors of the difference down a column, one a row
    const float* down_transposed;  // (height, height)
    const float* across;           // (width, pitch) those of the difference along a row, one a row
    const float* across_transposed;
    const float* inverse;          // (height, pitch): 1 / the sum of their eigenvalues
};

// Laplacian(f) = v at the missing pixels, from what f holds there, to a relative residual of `tolerance` in float64 or
// to what float64 allows; reached: what each plane came to.  v may be null.
void solve_rectangle(const Grid& finest, const Rectangle& rectangle, const double* v, double tolerance,
                     std::int64_t planes, double* f, double* reached);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
