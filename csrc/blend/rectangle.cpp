#include "blend/rectangle.hpp"

#include <algorithm>
#include <cmath>

#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

using V = Vector<float>;
constexpr std::int64_t STEP = LANES<float>;

// C (rows, columns) = A (rows, depth) B (depth, columns), columns whole vectors.
template <int ROWS, int VECTORS>
void block(const float* a, std::int64_t a_pitch, const float* b, std::int64_t b_pitch, std::int64_t depth, float* c,
           std::int64_t c_pitch) {
    V sums[ROWS][VECTORS] = {};
    for (std::int64_t k = 0; k < depth; ++k)
        for (int j = 0; j < VECTORS; ++j) {
            const V row = load(b + k * b_pitch + j * STEP);
            for (int i = 0; i < ROWS; ++i) sums[i][j] += a[i * a_pitch + k] * row;
        }
    for (int i = 0; i < ROWS; ++i)
        for (int j = 0; j < VECTORS; ++j) store(sums[i][j], c + i * c_pitch + j * STEP);
}

void product(const float* a, std::int64_t a_pitch, const float* b, std::int64_t b_pitch, std::int64_t rows,
             std::int64_t depth, std::int64_t columns, float* c, std::int64_t c_pitch) {
    for (std::int64_t j = 0; j < columns;) {
        const bool two = j + 2 * STEP <= columns;
        for (std::int64_t i = 0; i < rows;) {
            const bool eight = i + 8 <= rows;
            const auto compute = two ? (eight ? block<8, 2> : block<1, 2>) : (eight ? block<8, 1> : block<1, 1>);
            compute(a + i * a_pitch, a_pitch, b + j, b_pitch, depth, c + i * c_pitch + j, c_pitch);
            i += eight ? 8 : 1;
        }
        j += two ? 2 * STEP : STEP;
    }
}

}  // namespace

Rectangle::Rectangle(const std::uint8_t* missing, std::int64_t height, std::int64_t width, std::int64_t top,
                     std::int64_t left, const Modes& down, const Modes& across)
    : grid_(Grid::finest(missing, height, width)),
      top_(top),
      left_(left),
      height_(down.pixels),
      width_(across.pixels),
      pitch_((across.pixels + 15) / 16 * 16),
      down_(down.vectors, down.vectors + height_ * height_),
      down_transposed_(height_ * height_),
      across_(width_ * pitch_),
      across_transposed_(width_ * pitch_),
      inverse_(height_ * pitch_) {
    for (std::int64_t y = 0; y < height_; ++y)
        for (std::int64_t x = 0; x < height_; ++x) down_transposed_[x * height_ + y] = down_[y * height_ + x];
    for (std::int64_t y = 0; y < width_; ++y)
        for (std::int64_t x = 0; x < width_; ++x)
            across_[y * pitch_ + x] = across_transposed_[x * pitch_ + y] = across.vectors[y * width_ + x];
    for (std::int64_t y = 0; y < height_; ++y)
        for (std::int64_t x = 0; x < width_; ++x)
            inverse_[y * pitch_ + x] = static_cast<float>(1 / (down.values[y] + across.values[x]));
}

std::int64_t Rectangle::solve(double* f, const double* v, std::int64_t planes, double tolerance,
                              double* reached) const {
    const auto pitch = grid_.pitch(), corner = (top_ + 1) * pitch + left_;
    // the last row of a product reads a vector beyond the plane
    Numbers<float> r(grid_.plane() + pitch_), one(height_ * pitch_), other(height_ * pitch_);
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        double* of_f = f + plane * grid_.plane();
        const double* of_v = v ? v + plane * grid_.plane() : nullptr;
        const double first = grid_.residual(of_f, of_v, r.data());
        double share = first == 0 ? 0 : 1;
        // float32 makes the residual smaller by a factor each time, until float64 does not
        for (double before = INFINITY; share > tolerance && share < before / 2;) {
            before = share;
            product(down_.data(), height_, r.data() + corner, pitch, height_, height_, pitch_, one.data(), pitch_);
            product(one.data(), pitch_, across_transposed_.data(), pitch_, height_, width_, pitch_, other.data(), pitch_);
            for (std::int64_t x = 0; x < height_ * pitch_; ++x) other[x] *= inverse_[x];
            product(other.data(), pitch_, across_.data(), pitch_, height_, width_, pitch_, one.data(), pitch_);
            product(down_transposed_.data(), height_, one.data(), pitch_, height_, height_, pitch_, other.data(), pitch_);
            for (std::int64_t y = 0; y < height_; ++y)
                for (std::int64_t x = 0; x < width_; ++x) of_f[corner + y * pitch + x] += other[y * pitch_ + x];
            share = std::sqrt(grid_.residual(of_f, of_v, r.data()) / first);
        }
        reached[plane] = share;
    }
    return 1;
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
