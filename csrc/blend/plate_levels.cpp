// A plate's levels, from the hole to so few unknowns that their inverse is at hand.
#include <algorithm>
#include <cmath>
#include <utility>

#include "blend/plate.hpp"
#include "blend/plate_galerkin.hpp"
#include "blend/plate_operator.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

using namespace plate;

namespace {

// Of Chebyshev's polynomials on the finest level, the next two, and all others: the degree, and the
// largest eigenvalue over the least of those that are smoothed.  By what factor, at least, a V-cycle of theirs alone makes
// the residual smaller.
struct Smoothing {
    int degrees[4];
    double ratios[4];
    double last;
};

// How many unknown cells a level has.
std::int64_t count(const Mask& unknown, const Level& level) {
    double sum = 0;
    for (std::int64_t y = 0; y < level.height; ++y) {
        const double* row = unknown[y];
        // in vectors, as a compiler may not sum doubles in another order
        Vector<double> lanes{};
        for (std::int64_t x = 0; x < level.width; x += LANES<double>) lanes += load(row + x);
        for (int lane = 0; lane < LANES<double>; ++lane) sum += lanes[lane];
    }
    return static_cast<std::int64_t>(sum);
}

// Where they are.
std::vector<std::int64_t> places_of(const Mask& unknown, const Level& level) {
    std::vector<std::int64_t> places;
    for (std::int64_t y = 0; y < level.height; ++y)
        for (std::int64_t x = 0; x < level.width; ++x)
            if (unknown[y][x] != 0) places.push_back(y * level.pitch + x);
    return places;
}

// Keeps K in float: its diagonal's inverse and, unless it is the finest one, its coefficients.
void keep(Operator& K, const Mask& unknown, bool finest, Level& level) {
    level.inverse_diagonal.resize(level.height * level.pitch);
    if (!finest) level.coefficients.resize(COEFFICIENTS * level.height * level.pitch);
    for (std::int64_t y = 0; y < level.height; ++y) {
        const auto row = K.row(y);
        const double *diagonal = row(offset_of(0, 0)), *is_unknown = unknown[y];
        float* inverse = level.inverse_diagonal.data() + y * level.pitch;
        // that of a known cell is 0
        for (std::int64_t x = 0; x < level.width; ++x)
            inverse[x] = static_cast<float>(is_unknown[x] / (diagonal[x] + (1 - is_unknown[x])));
        if (finest) continue;
        for (int n = 0; n < COEFFICIENTS; ++n)
            std::copy_n(row(offset_of(NEIGHBOURS[n].down, NEIGHBOURS[n].right)), level.width,
                        level.coefficients.data() + (n * level.height + y) * level.pitch);
    }
}

// The inverse of a symmetric positive definite (n, n), in place, by sweeps (Goodnight 1979), which leave it symmetric: what
// lies right of the diagonal is filled in at the end.
void invert(std::vector<double>& matrix, std::int64_t n) {
    std::vector<double> of_pivot(n);
    for (std::int64_t pivot = 0; pivot < n; ++pivot) {
        double* at_pivot = matrix.data() + pivot * n;
        const double scale = 1 / at_pivot[pivot];
        for (std::int64_t j = 0; j < n; ++j) of_pivot[j] = j < pivot ? at_pivot[j] : matrix[j * n + pivot];
        of_pivot[pivot] = 0;
        for (std::int64_t i = 0; i < n; ++i) {
            // K has few entries a row, and at first so has what becomes its inverse
            if (of_pivot[i] == 0) continue;
            double* row = matrix.data() + i * n;
            const double factor = scale * of_pivot[i];
            for (std::int64_t j = 0; j <= i; ++j) row[j] -= factor * of_pivot[j];
            (i < pivot ? at_pivot[i] : row[pivot]) = factor;
        }
        at_pivot[pivot] = -scale;
    }
    for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j <= i; ++j) matrix[i * n + j] = matrix[j * n + i] = -matrix[i * n + j];
}

// K's inverse between the unknowns at these places.
std::vector<float> inverse_of(Operator& K, const Level& level, const std::vector<std::int64_t>& places) {
    const std::int64_t count = places.size();
    std::vector<std::int64_t> number(level.height * level.pitch, -1);
    for (std::int64_t i = 0; i < count; ++i) number[places[i]] = i;
    std::vector<double> matrix(count * count);
    for (std::int64_t y = 0; y < level.height; ++y) {
        const auto row = K.row(y);
        for (std::int64_t x = 0; x < level.width; ++x) {
            const auto i = number[y * level.pitch + x];
            if (i < 0) continue;
            for (const auto& [down, right] : NEIGHBOURS) {
                if (y + down >= level.height || x + right < 0 || x + right >= level.width) continue;
                const auto j = number[(y + down) * level.pitch + x + right];
                if (j >= 0) matrix[i * count + j] = matrix[j * count + i] = row(offset_of(down, right))[x];
            }
        }
    }
    invert(matrix, count);
    return {matrix.begin(), matrix.end()};
}

// At least the largest eigenvalue of K over its diagonal, by Gershgorin's discs.
double largest_eigenvalue(const Level& level) {
    Field<float> sums(level.height, level.pitch), roots(level.height, level.pitch);
    for (std::int64_t y = 0; y < level.height; ++y)
        for (std::int64_t x = 0; x < level.width; ++x)
            roots[y][x] = std::sqrt(level.inverse_diagonal[y * level.pitch + x]);
    for (std::int64_t y = 0; y < level.height; ++y)
        for (int n = 1; n < COEFFICIENTS; ++n) {
            const auto [down, right] = NEIGHBOURS[n];
            if (y + down >= level.height) continue;
            const float* from = level.coefficients.data() + (n * level.height + y) * level.pitch;
            const float *root = roots[y], *other = roots[y + down] + right;
            float *sum = sums[y], *of_other = sums[y + down] + right;
            // one after the other, for in a row they overlap
            for (std::int64_t x = 0; x < level.width; ++x) sum[x] += std::abs(from[x]) * root[x] * other[x];
            for (std::int64_t x = 0; x < level.width; ++x) of_other[x] += std::abs(from[x]) * root[x] * other[x];
        }
    double largest = 0;
    for (std::int64_t y = 0; y < level.height; ++y)
        for (std::int64_t x = 0; x < level.width; ++x) largest = std::max(largest, 1.0 + sums[y][x]);
    return largest;
}

// Chebyshev's method for the eigenvalues [largest / ratio, largest] of K over its diagonal (Saad 2003, algorithm 12.1).
std::vector<ChebyshevStep> chebyshev(int degree, double largest, double ratio) {
    const double centre = (largest + largest / ratio) / 2, half = (largest - largest / ratio) / 2;
    double rho = half / centre;
    std::vector<ChebyshevStep> steps{{0, static_cast<float>(1 / centre)}};
    while (static_cast<int>(steps.size()) < degree) {
        const double next = 1 / (2 * centre / half - rho);
        steps.push_back({static_cast<float>(next * rho), static_cast<float>(2 * next / half)});
        rho = next;
    }
    return steps;
}

// The next coarser level's unknown cells: those with an unknown one among their 2x2.
Mask coarser(const Mask& unknown, std::int64_t height, std::int64_t width) {
    Mask coarse((height + 1) / 2, row_of((width + 1) / 2));
    for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x)
            coarse[y / 2][x / 2] = std::max(coarse[y / 2][x / 2], unknown[y][x]);
    return coarse;
}

}  // namespace

void Plate::set_levels(const std::uint8_t* missing) {
    // The finest level's largest eigenvalue of K over its diagonal is 64 / 20 inside; over all kinds of holes it was
    // 3.20 at most.  That of -L over its own diagonal is 2 at most, and the diagonals are d (d + 1) and d, d <= 4 being
    // the number of neighbours: tension t brings it down to (3.25 * 5 + 2 t) / (5 + t).
    const double largest = (3.25 * 5 + 2 * tension_) / (5 + tension_);
    // Tension leaves the coarse levels less to do: from 1 on, low degrees take no more cycles on any kind of hole.
    // Without it high ones pay, for the small levels cost little: with {2, 3, 4, 5} the hardest holes took 15 cycles,
    // not 11.
    const Smoothing smoothing = tension_ >= 1 ? Smoothing{{4, 2, 2, 4}, {12, 8, 8, 16}, 8}
                                              : Smoothing{{2, 3, 6, 12}, {10, 12, 24, 80}, 3};
    last_ = smoothing.last;

    auto height = height_, width = width_;
    Mask unknown(height, row_of(width));
    for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x) unknown[y][x] = missing[y * width + x] != 0;
    Operator K(unknown, tension_, height, width);
    while (true) {
        const auto k = std::min<std::size_t>(levels_.size(), 3);
        Level level{height, width, row_of(width), {}, {}, {}, {}};
        level.unknown = Blocks(height, width, level.pitch, [&](auto y, auto x) { return unknown[y][x] != 0; });
        keep(K, unknown, k == 0, level);
        level.steps =
            chebyshev(smoothing.degrees[k], k == 0 ? largest : largest_eigenvalue(level), smoothing.ratios[k]);
        levels_.push_back(std::move(level));
        if (count(unknown, levels_.back()) <= FEW) {
            unknowns_ = places_of(unknown, levels_.back());
            inverse_ = inverse_of(K, levels_.back(), unknowns_);
            return;
        }
        auto coarse = coarser(unknown, height, width);
        auto coefficients = galerkin(K, coarse);
        unknown = std::move(coarse);
        height = (height + 1) / 2, width = (width + 1) / 2;
        K = Operator(std::move(coefficients), height, width);
    }
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
