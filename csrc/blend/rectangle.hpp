// Poisson's equation on a rectangle, by the eigenvectors of its second differences: four products with small matrices.
#pragma once

#include <cstdint>

#include "blend/poisson.hpp"
#include "level.hpp"
#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// The difference along a line of pixels: its eigenvectors (pixels, pixels), one a row, and their eigenvalues.
struct Modes {
    std::int64_t pixels;
    const float* vectors;
    const double* values;
};

class Rectangle {
public:
    // A hole (height, width), 0 = known: the rectangle that begins at top, left and whose columns and rows have these modes.
    Rectangle(const std::uint8_t* missing, std::int64_t height, std::int64_t width, std::int64_t top, std::int64_t left,
              const Modes& down, const Modes& across);

    // `Multigrid::solve`: from what f holds to the tolerance, or to what double allows.  Returns 1.
    std::int64_t solve(double* f, const double* v, std::int64_t planes, double tolerance, double* reached) const;

    std::int64_t holes() const { return 1; }
    std::int64_t height() const { return grid_.height(); }
    std::int64_t width() const { return grid_.width(); }

private:
    Grid grid_;  // of the image
    std::int64_t top_, left_, height_, width_, pitch_;
    // rows of pitch numbers, whole vectors with zeros at the end, but for the square ones of the rectangle's columns
    Numbers<float> down_, down_transposed_, across_, across_transposed_;
    Numbers<float> inverse_;  // (height, pitch): 1 / the sum of the eigenvalues
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
