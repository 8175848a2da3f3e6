#include "blend/rectangle.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

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

void solve_rectangle(const Grid& finest, const Rectangle& rectangle, const double* v, double tolerance,
                     std::int64_t planes, double* f, double* reached) {
    const auto [top, left, height, width, pitch, down, down_transposed, across, across_transposed, inverse] = rectangle;
    // the last row of a product reads a vector beyond the plane
    std::vector<float> r(finest.plane() + pitch), one(height * pitch), other(height * pitch);
    const auto corner = (top + 1) * finest.pitch() + left;
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        double* of_f = f + plane * finest.plane();
        const double* of_v = v ? v + plane * finest.plane() : nullptr;
        const bool wanted = true;
        double squares = 0;
        finest.residual(of_f, of_v, &wanted, 1, r.data(), &squares);
        const double goal = tolerance * tolerance * squares;
        // float32 makes the residual smaller by a factor each time, until float64 does not
        for (double before = INFINITY; squares > goal && squares < before / 4;) {
            before = squares;
            product(down, height, r.data() + corner, finest.pitch(), height, height, pitch, one.data(), pitch);
            product(one.data(), pitch, across_transposed, pitch, height, width, pitch, other.data(), pitch);
            for (std::int64_t x = 0; x < height * pitch; ++x) other[x] *= inverse[x];
            product(other.data(), pitch, across, pitch, height, width, pitch, one.data(), pitch);
            product(down_transposed, height, one.data(), pitch, height, height, pitch, other.data(), pitch);
            for (std::int64_t y = 0; y < height; ++y)
                for (std::int64_t x = 0; x < width; ++x)
                    of_f[corner + y * finest.pitch() + x] += other[y * pitch + x];
            finest.residual(of_f, of_v, &wanted, 1, r.data(), &squares);
        }
        reached[plane] = goal > 0 ? std::sqrt(squares / goal) * tolerance : 0.0;
    }
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
