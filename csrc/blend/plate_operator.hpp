// What a plate's operator does to a level: on the finest one the same 13 numbers everywhere, on others 25 of each cell.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

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
    // where the cell y * pitch + x lies at that place
    T* cells() { return (*this)[0]; }
    const T* cells() const { return (*this)[0]; }
    void clear() { std::fill(numbers_.begin(), numbers_.end(), T{0}); }

private:
    std::int64_t pitch_;
    Numbers<T> numbers_;
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

// Writes what lies beyond the image's border as L has it, the pixels again from the border on: two rows and columns.
template <class T>
void mirror(const Level& level, Field<T>& p) {
    const auto height = level.height, width = level.width;
    for (std::int64_t y = 0; y < height; ++y) {
        T* row = p[y];
        row[-1] = row[0], row[width] = row[width - 1];
        row[-2] = row[width > 1 ? 1 : 0], row[width + 1] = row[width > 1 ? width - 2 : 0];
    }
    const auto copy = [&](std::int64_t from, std::int64_t to) { std::copy_n(p[from] - 2, width + 4, p[to] - 2); };
    copy(0, -1), copy(height - 1, height);
    copy(height > 1 ? 1 : 0, -2), copy(height > 1 ? height - 2 : 0, height + 1);
}

// L at STEP cells.
template <class T>
auto five_points(const T* p, std::int64_t pitch) {
    return (wide(p - pitch) + wide(p + pitch)) + (wide(p - 1) + wide(p + 1)) - 4 * wide(p);
}

// L (L - tension) at STEP cells of the finest level, from sums of the cells two away, askew and beside, and these.
template <class Lanes, class T>
Lanes bent(const Lanes& far, const Lanes& askew, const Lanes& beside, const Lanes& here, T tension) {
    return far + 2 * askew - (8 + tension) * beside + (20 + 4 * tension) * here;
}

inline Doubles thirteen_points(const double* p, std::int64_t pitch, double tension) {
    const auto far = (wide(p - 2 * pitch) + wide(p + 2 * pitch)) + (wide(p - 2) + wide(p + 2));
    const auto askew = (wide(p - pitch - 1) + wide(p - pitch + 1)) + (wide(p + pitch - 1) + wide(p + pitch + 1));
    const auto beside = (wide(p - pitch) + wide(p + pitch)) + (wide(p - 1) + wide(p + 1));
    return bent(far, askew, beside, wide(p), tension);
}

inline V thirteen_points(const float* p, std::int64_t pitch, float tension) {
    const Surrounded<float> row(p), rows({Surrounded<float>(p - pitch), Surrounded<float>(p + pitch)});
    const V far = (load(p - 2 * pitch) + load(p + 2 * pitch)) + (row.shifted<-2>() + row.shifted<2>());
    const V askew = rows.shifted<-1>() + rows.shifted<1>(), beside = rows.here + (row.shifted<-1>() + row.shifted<1>());
    return bent(far, askew, beside, row.here, tension);
}

// The neighbours that have a coefficient of their own, besides the cell itself; the others have theirs by symmetry.
struct Neighbour {
    std::int64_t down, right;
};
constexpr int COEFFICIENTS = 13;
constexpr Neighbour NEIGHBOURS[COEFFICIENTS] = {{0, 0},  {0, 1}, {0, 2}, {1, -2}, {1, -1}, {1, 0}, {1, 1},
                                                {1, 2}, {2, -2}, {2, -1}, {2, 0}, {2, 1}, {2, 2}};

// use(n) with the number of each neighbour but the cell itself, known when this is compiled
template <class Use, int... I>
void with_neighbours(const Use& use, std::integer_sequence<int, I...>) {
    (use(std::integral_constant<int, I + 1>{}), ...);
}
template <class Use>
void with_neighbours(const Use& use) {
    with_neighbours(use, std::make_integer_sequence<int, COEFFICIENTS - 1>{});
}

// use(at, K p) at all cells where there are unknown ones
template <class Use>
void stencil(const Level& level, const Field<float>& p, const Use& use) {
    const auto pitch = level.pitch, plane = level.height * pitch;
    const float* of_p = p.cells();
    for (const auto at : level.unknown) {
        const float *coefficients = level.coefficients.data() + at, *cells = of_p + at;
        const Surrounded<float> rows[5] = {Surrounded<float>(cells - 2 * pitch), Surrounded<float>(cells - pitch),
                                           Surrounded<float>(cells), Surrounded<float>(cells + pitch),
                                           Surrounded<float>(cells + 2 * pitch)};
        V ahead = load(coefficients) * rows[2].here, behind{};
        with_neighbours([&](auto n) {
            constexpr auto neighbour = NEIGHBOURS[n];
            constexpr int down = neighbour.down, right = neighbour.right;
            const float* of_neighbour = coefficients + n * plane;
            ahead += load(of_neighbour) * rows[2 + down].template shifted<right>();
            // where none is there, what is read in its place counts nothing, for p is zero there
            behind += load(of_neighbour - down * pitch - right) * rows[2 - down].template shifted<-right>();
        });
        use(at, ahead + behind);
    }
}

}  // namespace plate
}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
