// What a plate's operator does to the rows of a level: on the finest one L twice, on others a stencil of 25 numbers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "blend/plate_level.hpp"
#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace plate {

using V = Vector<float>;

// A field of a level's cells with two rows of zeros above and below and as many columns, a row's behind the one before.
template <class T>
class Field {
public:
    Field(std::int64_t height, std::int64_t pitch) : pitch_(pitch), numbers_((height + 4) * pitch + 2 * STEP) {}
    T* operator[](std::int64_t y) { return numbers_.data() + STEP + (y + 2) * pitch_; }
    const T* operator[](std::int64_t y) const { return numbers_.data() + STEP + (y + 2) * pitch_; }
    void clear() { std::fill(numbers_.begin(), numbers_.end(), T{0}); }

private:
    std::int64_t pitch_;
    std::vector<T> numbers_;
};

// The last four rows of L p.
template <class T>
class Rows {
public:
    explicit Rows(std::int64_t pitch) : pitch_(pitch + 2 * STEP), numbers_(4 * pitch_) {}
    T* operator[](std::int64_t y) { return numbers_.data() + (y & 3) * pitch_ + STEP; }

private:
    std::int64_t pitch_;
    std::vector<T> numbers_;
};

// STEP numbers of either kind
inline V wide(const float* from) { return load(from); }
inline Doubles wide(const double* from) { return load_doubles(from); }

inline double total(const Doubles& lanes) {
    double sum = 0;
    for (std::int64_t lane = 0; lane < STEP; ++lane) sum += lanes[lane];
    return sum;
}

// 1 at the missing pixels, 0 at the known ones
inline Doubles mask(const float* inverse_diagonal) {
    const V none{}, one = none + 1;
    return __builtin_convertvector(load(inverse_diagonal) != 0 ? one : none, Doubles);
}

template <class T>
auto five_points(const T* above, const T* row, const T* below) {
    return (wide(above) + wide(below)) + (wide(row - 1) + wide(row + 1)) - 4 * wide(row);
}

// Row y of L p - tension p - pull on the finest level, where its second L needs it, for a p that is zero beside the
// image: a neighbour beyond the border is the pixel itself, for that second L too.  pull may be null: 0.
template <class T>
void laplacian(const Field<T>& p, const Field<T>* pull, T tension, const Level& level, std::int64_t y, T* out) {
    const auto blocks = level.near[y];
    if (blocks.empty()) return;
    const T *row = p[y], *above = y > 0 ? p[y - 1] : row, *below = y < level.height - 1 ? p[y + 1] : row;
    if (pull == nullptr) {
        for (const std::int64_t x : blocks)
            store(five_points(above + x, row + x, below + x) - tension * wide(row + x), out + x);
    } else {
        const T* of_pull = (*pull)[y];
        for (const std::int64_t x : blocks)
            store(five_points(above + x, row + x, below + x) - tension * wide(row + x) - wide(of_pull + x), out + x);
    }
    const auto last = level.width - 1;
    const bool at_left = blocks.left() == 0, at_right = blocks.right() > last;
    if (at_left) out[0] += row[0];
    if (at_right) out[last] += row[last];
    if (at_left) out[-1] = out[0];
    if (at_right) out[last + 1] = out[last];
}

// use(x, L of what these rows are) at the pixels x... of row y where there are unknown ones
template <class LineOf, class Use>
void second(const Level& level, std::int64_t y, const LineOf& line_of, Use use) {
    const auto *row = line_of(y), *above = y > 0 ? line_of(y - 1) : row,
               *below = y < level.height - 1 ? line_of(y + 1) : row;
    for (const std::int64_t x : level.unknown[y]) use(x, five_points(above + x, row + x, below + x));
}

// use_of(y)(x, L (L p - tension p - pull) at the pixels x... of row y) where there are unknown ones, and only there
// does it matter; it may change row y of p.
template <class T, class UseOf>
void twice(const Field<T>& p, const Field<T>* pull, T tension, const Level& level, Rows<T>& rows, UseOf use_of) {
    for (std::int64_t y = 0; y <= level.height; ++y) {
        if (y < level.height) laplacian(p, pull, tension, level, y, rows[y]);
        // whose pointers are its own: through references they would be read again after every store
        if (y > 0) second(level, y - 1, [&](std::int64_t row) { return rows[row]; }, use_of(y - 1));
    }
}

// The neighbours that have a coefficient of their own, besides the cell itself; the others have theirs by symmetry.
struct Neighbour {
    std::int64_t down, right;
};
constexpr int COEFFICIENTS = 13;
constexpr Neighbour NEIGHBOURS[COEFFICIENTS] = {{0, 0},  {0, 1}, {0, 2}, {1, -2}, {1, -1}, {1, 0}, {1, 1},
                                                {1, 2}, {2, -2}, {2, -1}, {2, 0}, {2, 1}, {2, 2}};

// Where those of row y begin; two rows of zeros come before.
inline std::int64_t start(const Level& level, std::int64_t y) { return STEP + (y + 2) * COEFFICIENTS * level.pitch; }

// use_of(y)(x, K p at the cells x... of row y) where there are unknown ones
template <class UseOf>
void stencil(const Level& level, const Field<float>& p, UseOf use_of) {
    const auto pitch = level.pitch;
    for (std::int64_t y = 0; y < level.height; ++y) {
        const float* at[3];
        for (int up = 0; up < 3; ++up) at[up] = level.coefficients.data() + start(level, y - up);
        const float* row[5] = {p[y - 2], p[y - 1], p[y], p[y + 1], p[y + 2]};
        const auto use = use_of(y);
        for (const std::int64_t x : level.unknown[y]) {
            V ahead = load(at[0] + x) * load(row[2] + x), behind{};
#pragma GCC unroll 16
            for (int n = 1; n < COEFFICIENTS; ++n) {
                const auto [down, right] = NEIGHBOURS[n];
                ahead += load(at[0] + n * pitch + x) * load(row[2 + down] + x + right);
                behind += load(at[down] + n * pitch + x - right) * load(row[2 - down] + x - right);
            }
            use(x, ahead + behind);
        }
    }
}

}  // namespace plate
}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
