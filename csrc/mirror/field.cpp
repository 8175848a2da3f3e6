#include "mirror/field.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

Splines splines_at(double coordinate) {
    const double along = within((coordinate + 0.5) / SIZE, 0, 1) * SPANS;
    const int span = std::min(static_cast<int>(along), SPANS - 1);
    const double u = along - span, v = 1 - u;
    return {span, {v * v * v / 6, (3 * u - 6) * u * u / 6 + 4.0 / 6, (3 * v - 6) * v * v / 6 + 4.0 / 6, u * u * u / 6}};
}

Point Field::at(const Splines& across, const Splines& down) const {
    Point sum{0, 0};
    for (int i = 0; i < 4; ++i) {
        const int row = (down.first + i) * SPLINES + across.first;
        Point along{0, 0};
        for (int j = 0; j < 4; ++j) {
            along.x += across.values[j] * x[row + j];
            along.y += across.values[j] * y[row + j];
        }
        sum.x += down.values[i] * along.x;
        sum.y += down.values[i] * along.y;
    }
    return sum;
}

// by Cholesky's factor L of the matrix, which takes its place
std::vector<double> System::solved() {
    auto& L = *this;
    std::vector<double> solution = right;
    for (int row = 0; row < size; ++row) {
        for (int column = 0; column <= row; ++column) {
            double rest = L(row, column);
            for (int k = 0; k < column; ++k) rest -= L(row, k) * L(column, k);
            L(row, column) = row == column ? std::sqrt(rest) : rest / L(column, column);
        }
        for (int k = 0; k < row; ++k) solution[row] -= L(row, k) * solution[k];
        solution[row] /= L(row, row);
    }
    for (int row = size - 1; row >= 0; --row) {
        for (int k = row + 1; k < size; ++k) solution[row] -= L(k, row) * solution[k];
        solution[row] /= L(row, row);
    }
    return solution;
}

std::vector<double> stiffness() {
    // of second differences along a row of coefficients
    double bends[SPLINES][SPLINES] = {};
    constexpr double SECOND[] = {1, -2, 1};
    for (int first = 0; first + 2 < SPLINES; ++first)
        for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 3; ++j) bends[first + i][first + j] += SECOND[i] * SECOND[j];
    double trace = 0;
    for (int i = 0; i < SPLINES; ++i) trace += 2 * SPLINES * bends[i][i];
    std::vector<double> matrix(COEFFICIENTS * COEFFICIENTS);
    for (int row = 0; row < SPLINES; ++row)
        for (int column = 0; column < SPLINES; ++column)
            for (int other = 0; other < SPLINES; ++other) {
                const int at = row * SPLINES + column;
                matrix[at * COEFFICIENTS + other * SPLINES + column] += bends[row][other] * COEFFICIENTS / trace;
                matrix[at * COEFFICIENTS + row * SPLINES + other] += bends[column][other] * COEFFICIENTS / trace;
            }
    return matrix;
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
