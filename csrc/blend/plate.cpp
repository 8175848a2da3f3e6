#include "blend/plate.hpp"

#include <algorithm>
#include <cmath>

#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

using Level = Biharmonic::Level;
using V = Vector<float>;
constexpr std::int64_t STEP = LANES<float>;
constexpr int MOST_CYCLES = 30;
// so few unknowns are solved by their inverse
constexpr std::int64_t FEW = 64;

std::int64_t up_to(std::int64_t n, std::int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// A field of a level's cells with two rows of zeros above and below and as many columns, a row's behind the one before.
template <class T>
class Field {
public:
    Field(std::int64_t height, std::int64_t pitch) : pitch_(pitch), numbers_((height + 4) * pitch + 2 * STEP) {}
    T* operator[](std::int64_t y) { return numbers_.data() + STEP + (y + 2) * pitch_; }
    const T* operator[](std::int64_t y) const { return numbers_.data() + STEP + (y + 2) * pitch_; }

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
V wide(const float* from) { return load(from); }
Doubles wide(const double* from) { return load_doubles(from); }

double total(const Doubles& lanes) {
    double sum = 0;
    for (std::int64_t lane = 0; lane < STEP; ++lane) sum += lanes[lane];
    return sum;
}

// 1 at the missing pixels, 0 at the known ones
Doubles mask(const float* inverse_diagonal) {
    const V none{}, one = none + 1;
    return __builtin_convertvector(load(inverse_diagonal) != 0 ? one : none, Doubles);
}

template <class T>
auto five_points(const T* above, const T* row, const T* below) {
    return (wide(above) + wide(below)) + (wide(row - 1) + wide(row + 1)) - 4 * wide(row);
}

// Row y of L p - tension p - expected, for a p that is zero beside the image, with what L of it asks for: a neighbour
// beyond the border is the pixel itself.  expected may be null: 0.
template <class T>
void laplacian(const T* p, const T* expected, T tension, std::int64_t pitch, std::int64_t y, std::int64_t height,
               std::int64_t width, T* out) {
    const T *row = p + y * pitch, *above = y > 0 ? row - pitch : row, *below = y < height - 1 ? row + pitch : row;
    for (std::int64_t x = 0; x < width; x += STEP)
        store(five_points(above + x, row + x, below + x) - tension * wide(row + x), out + x);
    if (expected != nullptr)
        for (std::int64_t x = 0; x < width; x += STEP) store(wide(out + x) - wide(expected + y * pitch + x), out + x);
    out[0] += row[0];
    out[width - 1] += row[width - 1];
    out[-1] = out[0];
    out[width] = out[width - 1];
}

// use_of(y)(x, L (L p - tension p - expected) at the pixels x... of row y), which may change row y of p
template <class T, class UseOf>
void twice(const T* p, const T* expected, T tension, std::int64_t pitch, std::int64_t height, std::int64_t width,
           Rows<T>& rows, UseOf use_of) {
    for (std::int64_t y = 0; y <= height; ++y) {
        if (y < height) laplacian(p, expected, tension, pitch, y, height, width, rows[y]);
        if (y == 0) continue;
        const T *row = rows[y - 1], *above = y > 1 ? rows[y - 2] : row, *below = y < height ? rows[y] : row;
        // whose pointers are its own: through references they would be read again after every store
        const auto use = use_of(y - 1);
        for (std::int64_t x = 0; x < width; x += STEP) use(x, five_points(above + x, row + x, below + x));
    }
}

// p = z + beta p, and p . K p, which is the sum of L p (L p - tension p)
double turn(const Field<float>& z, double beta, double* p, double tension, std::int64_t pitch, std::int64_t height,
            std::int64_t width, Rows<double>& rows) {
    Doubles energy{};
    for (std::int64_t y = 0; y <= height; ++y) {
        if (y < height) {
            const float* from = z[y];
            double* to = p + y * pitch;
            for (std::int64_t x = 0; x < width; x += STEP)
                store(beta * load_doubles(to + x) + load_doubles(from + x), to + x);
        }
        if (y == 0) continue;
        double* row = rows[y - 1];
        laplacian<double>(p, nullptr, tension, pitch, y - 1, height, width, row);
        std::fill(row + width, row + up_to(width, STEP), 0.0);
        const double* of_p = p + (y - 1) * pitch;
        for (std::int64_t x = 0; x < width; x += STEP)
            energy += load_doubles(row + x) * (load_doubles(row + x) + tension * load_doubles(of_p + x));
    }
    return total(energy);
}

// The neighbours that have a coefficient of their own, besides the cell itself; the others have theirs by symmetry.
struct Neighbour {
    std::int64_t down, right;
};
constexpr int COEFFICIENTS = 13;
constexpr Neighbour NEIGHBOURS[COEFFICIENTS] = {{0, 0},  {0, 1}, {0, 2}, {1, -2}, {1, -1}, {1, 0}, {1, 1},
                                                {1, 2}, {2, -2}, {2, -1}, {2, 0}, {2, 1}, {2, 2}};

// Where those of row y begin; two rows of zeros come before.
std::int64_t start(const Level& level, std::int64_t y) { return STEP + (y + 2) * COEFFICIENTS * level.pitch; }

// use_of(y)(x, K p at the cells x... of row y)
template <class UseOf>
void stencil(const Level& level, const Field<float>& p, UseOf use_of) {
    const auto width = level.width, pitch = level.pitch;
    for (std::int64_t y = 0; y < level.height; ++y) {
        const float* at[3];
        for (int up = 0; up < 3; ++up) at[up] = level.coefficients.data() + start(level, y - up);
        const float* row[5] = {p[y - 2], p[y - 1], p[y], p[y + 1], p[y + 2]};
        const auto use = use_of(y);
        for (std::int64_t x = 0; x < width; x += STEP) {
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

// b = P^T r at the unknown cells of the coarse level; line is a row's room
void restrict(const Level& fine, const Field<float>& r, const Level& coarse, Field<float>& b, float* line) {
    const auto height = fine.height, width = fine.width;
    for (std::int64_t y = 0; y < coarse.height; ++y) {
        // beyond the border is the same cell again: its share stays
        const float *above = r[y > 0 ? 2 * y - 1 : 0], *upper = r[2 * y], *lower = r[2 * y + 1];
        const float* below = r[2 * y + 2 == height ? height - 1 : 2 * y + 2];
        for (std::int64_t x = 0; x < fine.pitch; x += STEP)
            store(0.75f * (load(upper + x) + load(lower + x)) + 0.25f * (load(above + x) + load(below + x)), line + x);
        line[-1] = line[0];
        if (width % 2 == 0) line[width] = line[width - 1];
        const float* inverse = coarse.inverse_diagonal.data() + y * coarse.pitch;
        float* out = b[y];
        for (std::int64_t x = 0; x < coarse.width; ++x) {
            const float sum = 0.75f * (line[2 * x] + line[2 * x + 1]) + 0.25f * (line[2 * x - 1] + line[2 * x + 2]);
            out[x] = inverse[x] != 0 ? sum : 0.0f;
        }
    }
}

// x += P of the coarse level's e at the unknown cells; coarse_line and line are rows' room
void prolong(const Level& fine, Field<float>& x, const Level& coarse, const Field<float>& e, float* coarse_line,
             float* line) {
    const V none{};
    for (std::int64_t y = 0; y < fine.height; ++y) {
        const auto other = std::clamp<std::int64_t>(y / 2 + (y % 2 ? 1 : -1), 0, coarse.height - 1);
        const float *near = e[y / 2], *far = e[other];
        for (std::int64_t i = 0; i < coarse.width; i += STEP)
            store(0.75f * load(near + i) + 0.25f * load(far + i), coarse_line + i);
        coarse_line[-1] = coarse_line[0];
        coarse_line[coarse.width] = coarse_line[coarse.width - 1];
        for (std::int64_t i = 0; i < coarse.width; ++i) {
            line[2 * i] = 0.75f * coarse_line[i] + 0.25f * coarse_line[i - 1];
            line[2 * i + 1] = 0.75f * coarse_line[i] + 0.25f * coarse_line[i + 1];
        }
        const float* inverse = fine.inverse_diagonal.data() + y * fine.pitch;
        float* out = x[y];
        for (std::int64_t i = 0; i < fine.width; i += STEP)
            store(load(out + i) + (load(inverse + i) != 0 ? load(line + i) : none), out + i);
    }
}

// All coefficients of a level in double while it and the next coarser one are set up: those of the 15 neighbours
// (0 to 2 down, -2 to 2 right), a row of each, with zeros beside.
constexpr int OFFSETS = 15;
using Lines = Vector<double>;

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
    std::vector<double> numbers_;
};

// Which cells are unknown, 1, amid two rows and columns of zeros.
using Mask = Field<double>;

// Row y of K, into row 0 of out.
void finest_row(const Mask& missing, double tension, std::int64_t height, std::int64_t width, std::int64_t y,
                Stencil& out) {
    const auto neighbours = [](std::int64_t i, std::int64_t n) { return (i > 0) + (i < n - 1); };
    const double down = neighbours(y, height), further_down = neighbours(y + 1, height);
    const double *row = missing[y], *below = missing[y + 1], *further = missing[y + 2];
    for (std::int64_t x = 0; x < width; ++x) {
        const double degree = down + neighbours(x, width);
        out(0, 2)[x] = row[x] * degree * (degree + 1 + tension);
        out(0, 3)[x] = -row[x] * row[x + 1] * (degree + down + neighbours(x + 1, width) + tension);
        out(0, 4)[x] = row[x] * row[x + 2];
        out(0, 6)[x] = 2 * row[x] * below[x - 1];
        out(0, 7)[x] = -row[x] * below[x] * (degree + further_down + neighbours(x, width) + tension);
        out(0, 8)[x] = 2 * row[x] * below[x + 1];
        out(0, 12)[x] = row[x] * further[x];
    }
    for (std::int64_t x = 0; x < width; ++x) {
        out(0, 1)[x] = x > 0 ? out(0, 3)[x - 1] : 0;
        out(0, 0)[x] = x > 1 ? out(0, 4)[x - 2] : 0;
    }
}

// The share that the coarse cell 2 i has of the fine cell 2 i + t.
constexpr double share(int t) { return t == 0 || t == 1 ? 0.75 : t == -1 || t == 2 ? 0.25 : 0.0; }

// A row of K's coefficients into that of (1 x P)^T K (1 x P): across the rows.
class AcrossRow {
public:
    explicit AcrossRow(std::int64_t coarse_width)
        : coarse_(coarse_width), even_(1, coarse_width), odd_(1, coarse_width), open_(1, coarse_width) {}

    void operator()(const Stencil& fine, std::int64_t y, Stencil& out, std::int64_t to) {
        for (int offset = 0; offset < OFFSETS; ++offset) {
            const double* from = fine(y, offset);
            double *even = even_(0, offset), *odd = odd_(0, offset);
            for (std::int64_t x = 0; x < coarse_; ++x) even[x] = from[2 * x], odd[x] = from[2 * x + 1];
        }
        for (int down = 0; down < 3; ++down) {
            // the border's cells as if there were one more at either end
            for (std::int64_t x = -1; x <= coarse_; x += LANES<double>) {
                Lines sums[8];
#pragma GCC unroll 8
                for (int t = -3; t <= 4; ++t) {
                    Lines sum{};
#pragma GCC unroll 4
                    for (int a = -1; a <= 2; ++a) {
                        if (t - a < -2 || t - a > 2) continue;
                        const Stencil& cells = a == 0 || a == 2 ? even_ : odd_;
                        sum += share(a) * load(cells(0, down * 5 + t - a + 2) + x + (a == -1 ? -1 : a == 2 ? 1 : 0));
                    }
                    sums[t + 3] = sum;
                }
#pragma GCC unroll 5
                for (int right = -2; right <= 2; ++right) {
                    Lines sum{};
#pragma GCC unroll 8
                    for (int t = -3; t <= 4; ++t)
                        if (share(t - 2 * right) != 0) sum += share(t - 2 * right) * sums[t + 3];
                    store(sum, open_(0, down * 5 + right + 2) + x);
                }
            }
            fold(down, out, to);
        }
    }

private:
    // The cells beyond the border are the border's.
    void fold(int down, Stencil& out, std::int64_t to) const {
        const auto inside = [&](std::int64_t x) { return std::clamp<std::int64_t>(x, 0, coarse_ - 1); };
        for (int right = -2; right <= 2; ++right) {
            double* row = out(to, down * 5 + right + 2);
            std::copy_n(open_(0, down * 5 + right + 2), coarse_, row);
            // a row's last ones have none to their right, its first ones none to their left
            if (right > 0) std::fill(row + std::max<std::int64_t>(coarse_ - right, 0), row + coarse_, 0.0);
            if (right < 0) std::fill(row, row + std::min<std::int64_t>(-right, coarse_), 0.0);
        }
        for (std::int64_t x = -1; x <= coarse_; ++x) {
            if (x == 2) x = std::max<std::int64_t>(x, coarse_ - 2);
            for (int right = -2; right <= 2; ++right) {
                const auto other = x + right;
                if (other < -1 || other > coarse_ || (x == inside(x) && other == inside(other))) continue;
                out(to, down * 5 + static_cast<int>(inside(other) - inside(x)) + 2)[inside(x)] +=
                    open_(0, down * 5 + right + 2)[x];
            }
        }
    }

    std::int64_t coarse_;
    Stencil even_, odd_, open_;
};

// P^T K P: row(y) is row y of K's coefficients, asked for in order, as a row of a stencil.
template <class Row>
Stencil galerkin(std::int64_t height, std::int64_t width, Row row, const Mask& unknown) {
    const auto coarse_height = (height + 1) / 2, coarse_width = (width + 1) / 2;
    Stencil coarse(coarse_height, coarse_width);
    // of the fine rows the last eight, and a row of zeros
    Stencil across(9, coarse_width), sums(1, coarse_width);
    AcrossRow collapse(coarse_width);
    std::int64_t next = 0;
    for (std::int64_t y = -1; y <= coarse_height; ++y) {
        for (; next < height && next <= 2 * y + 2; ++next) {
            const auto [from, at] = row(next);
            collapse(*from, at, across, next & 7);
        }
        const auto fine = [&](std::int64_t i) { return i >= 0 && i < height ? i & 7 : 8; };
        for (int right = -2; right <= 2; ++right) {
            for (std::int64_t x = 0; x < coarse_width; x += LANES<double>) {
                Lines of[6];
#pragma GCC unroll 6
                for (int t = -1; t <= 4; ++t) {
                    Lines sum{};
#pragma GCC unroll 4
                    for (int b = -1; b <= 2; ++b) {
                        const int down = t - b;
                        if (down < -2 || down > 2) continue;
                        const double* from = down >= 0 ? across(fine(2 * y + b), down * 5 + right + 2) + x
                                                       : across(fine(2 * y + t), -down * 5 - right + 2) + x + right;
                        // rows that are not there have no neighbours either
                        if (fine(2 * y + b) != 8 && fine(2 * y + t) != 8) sum += share(b) * load(from);
                    }
                    of[t + 1] = sum;
                }
#pragma GCC unroll 3
                for (int down = 0; down < 3; ++down) {
                    Lines sum{};
#pragma GCC unroll 6
                    for (int t = -1; t <= 4; ++t)
                        if (share(t - 2 * down) != 0) sum += share(t - 2 * down) * of[t + 1];
                    store(sum, sums(0, down * 5 + right + 2) + x);
                }
            }
        }
        // the cells beyond the border are the border's, where both orders of two cells that become one count
        for (int down = 0; down < 3; ++down) {
            if (y + down > coarse_height) continue;
            const auto to = std::clamp<std::int64_t>(y, 0, coarse_height - 1);
            const auto further = std::clamp<std::int64_t>(y + down, 0, coarse_height - 1) - to;
            for (int right = -2; right <= 2; ++right) {
                const double *same = sums(0, down * 5 + right + 2), *turned = sums(0, down * 5 - right + 2) + right;
                double* out = coarse(to, static_cast<int>(further) * 5 + right + 2);
                const bool both = down > 0 && further == 0;
                for (std::int64_t x = 0; x < coarse_width; ++x) out[x] += same[x] + (both ? turned[x] : 0.0);
            }
        }
    }
    for (std::int64_t y = 0; y < coarse_height; ++y)
        for (int offset = 0; offset < OFFSETS; ++offset) {
            double* out = coarse(y, offset);
            const double *same = unknown[y], *other = unknown[y + offset / 5] + offset % 5 - 2;
            for (std::int64_t x = 0; x < coarse_width; ++x) out[x] *= same[x] * other[x];
        }
    return coarse;
}

// The inverse of a symmetric positive definite (n, n), in place, by Gauss and Jordan.
void invert(std::vector<double>& matrix, std::int64_t n) {
    for (std::int64_t pivot = 0; pivot < n; ++pivot) {
        double* of_pivot = matrix.data() + pivot * n;
        const double scale = 1 / of_pivot[pivot];
        of_pivot[pivot] = 1;
        for (std::int64_t j = 0; j < n; ++j) of_pivot[j] *= scale;
        for (std::int64_t i = 0; i < n; ++i) {
            if (i == pivot) continue;
            double* row = matrix.data() + i * n;
            const double factor = row[pivot];
            row[pivot] = 0;
            for (std::int64_t j = 0; j < n; ++j) row[j] -= factor * of_pivot[j];
        }
    }
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
            const float* from = level.coefficients.data() + start(level, y) + n * level.pitch;
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
std::vector<Biharmonic::Step> chebyshev(int degree, double largest, double ratio) {
    const double centre = (largest + largest / ratio) / 2, half = (largest - largest / ratio) / 2;
    double rho = half / centre;
    std::vector<Biharmonic::Step> steps{{0, static_cast<float>(1 / centre)}};
    while (static_cast<int>(steps.size()) < degree) {
        const double next = 1 / (2 * centre / half - rho);
        steps.push_back({static_cast<float>(next * rho), static_cast<float>(2 * next / half)});
        rho = next;
    }
    return steps;
}

}  // namespace

// What a level's part of a V-cycle works on.
struct Biharmonic::Work {
    explicit Work(const Level& level)
        : b(level.height, level.pitch),
          r(level.height, level.pitch),
          z(level.height, level.pitch),
          p(level.height, level.pitch),
          q(level.height, level.pitch),
          rows(level.pitch),
          line(level.pitch + 3 * STEP) {}

    // right-hand side, residual, answer, step, next step
    Field<float> b, r, z, p, q;
    Rows<float> rows;
    std::vector<float> line;
};

Biharmonic::Biharmonic(const std::uint8_t* missing, std::int64_t height, std::int64_t width, double tension)
    : pitch_((width + 16) / 16 * 16), tension_(tension) {
    // The finest level's largest eigenvalue of K over its diagonal is 64 / 20 inside; over all kinds of holes it was 3.20
    // at most; with tension it is less, for that of -L over its own diagonal is 2 at most.  High degrees cost little on the
    // small levels: with {2, 3, 4, 5} the hardest holes took 15 cycles, not 11.
    constexpr double LARGEST = 3.25, RATIO[] = {10, 12, 24, 80};
    constexpr int DEGREE[] = {2, 3, 6, 12};

    Mask unknown(height, up_to(width + 2, 16));
    for (std::int64_t y = 0; y < height; ++y)
        for (std::int64_t x = 0; x < width; ++x) unknown[y][x] = missing[y * width + x] != 0;
    Stencil held(1, width);
    while (true) {
        const auto k = levels_.size();
        Level level{height, width, up_to(width + 2, 16), {}, {}, {}};
        const auto of = std::min<std::size_t>(k, 3);
        level.inverse_diagonal.resize(height * level.pitch);
        if (k > 0) level.coefficients.resize((height + 2) * COEFFICIENTS * level.pitch + 2 * STEP);
        const auto row = [&](std::int64_t y) {
            if (k == 0) finest_row(unknown, tension_, height, width, y, held);
            return std::pair<const Stencil*, std::int64_t>(&held, k == 0 ? 0 : y);
        };

        unknowns_.clear();
        std::vector<std::int64_t> number(height * width, -1);
        for (std::int64_t y = 0; y < height; ++y)
            for (std::int64_t x = 0; x < width; ++x)
                if (unknown[y][x] != 0) {
                    number[y * width + x] = unknowns_.size();
                    unknowns_.push_back(y * level.pitch + x);
                }
        const std::int64_t count = unknowns_.size();
        const bool last = count <= FEW;
        std::vector<double> matrix(last ? count * count : 0);
        for (std::int64_t y = 0; y < height; ++y) {
            const auto [stencil, at] = row(y);
            const double* diagonal = (*stencil)(at, 2);
            for (std::int64_t x = 0; x < width; ++x)
                level.inverse_diagonal[y * level.pitch + x] =
                    unknown[y][x] != 0 ? static_cast<float>(1 / diagonal[x]) : 0.0f;
            if (k > 0)
                for (int n = 0; n < COEFFICIENTS; ++n) {
                    const double* from = (*stencil)(at, NEIGHBOURS[n].down * 5 + NEIGHBOURS[n].right + 2);
                    std::copy_n(from, width, level.coefficients.data() + start(level, y) + n * level.pitch);
                }
            if (!last) continue;
            for (std::int64_t x = 0; x < width; ++x) {
                const auto i = number[y * width + x];
                if (i < 0) continue;
                for (const auto& [down, right] : NEIGHBOURS) {
                    if (y + down >= height || x + right < 0 || x + right >= width) continue;
                    const auto j = number[(y + down) * width + x + right];
                    if (j >= 0) matrix[i * count + j] = matrix[j * count + i] = (*stencil)(at, down * 5 + right + 2)[x];
                }
            }
        }
        level.steps = chebyshev(DEGREE[of], k == 0 ? LARGEST : largest_eigenvalue(level), RATIO[of]);
        levels_.push_back(std::move(level));
        if (last) {
            invert(matrix, count);
            inverse_.assign(matrix.begin(), matrix.end());
            return;
        }

        const auto coarse_height = (height + 1) / 2, coarse_width = (width + 1) / 2;
        Mask coarse(coarse_height, up_to(coarse_width + 2, 16));
        for (std::int64_t y = 0; y < height; ++y)
            for (std::int64_t x = 0; x < width; ++x)
                coarse[y / 2][x / 2] = std::max(coarse[y / 2][x / 2], unknown[y][x]);
        held = galerkin(height, width, row, coarse);
        unknown = std::move(coarse);
        height = coarse_height, width = coarse_width;
    }
}

void Biharmonic::cycle(std::size_t k, std::vector<Work>& work) const {
    const Level& level = levels_[k];
    auto& [b, r, z, p, q, rows, line] = work[k];
    if (k + 1 == levels_.size()) {
        const std::size_t count = unknowns_.size();
        const float* from = b[0];
        for (std::size_t i = 0; i < count; ++i) {
            float sum = 0;
            for (std::size_t j = 0; j < count; ++j) sum += inverse_[j * count + i] * from[unknowns_[j]];
            z[0][unknowns_[i]] = sum;
        }
        return;
    }
    const auto tension = static_cast<float>(tension_);
    // a row of K p is found after all that need the same row of p, a row of a stencil before
    const auto apply = [&](Field<float>& of, const auto& use_of) {
        if (k == 0) twice<float>(of[0], nullptr, tension, level.pitch, level.height, level.width, rows, use_of);
        else stencil(level, of, use_of);
    };
    const auto inverse = [&](std::int64_t y) { return level.inverse_diagonal.data() + y * level.pitch; };
    const V none{};
    const float gain = level.steps[0].gain;
    // r -= K p and z += p, and the next p
    const auto advance = [&](const Step& step) {
        apply(p, [&](std::int64_t y) {
            return [=, scale = inverse(y), of_p = p[y], of_r = r[y], of_z = z[y], next = q[y]](std::int64_t x,
                                                                                             const V& Kp) {
                const V by = load(scale + x), last = load(of_p + x);
                const V left = by != 0 ? load(of_r + x) - Kp : none;
                store(left, of_r + x);
                store(load(of_z + x) + last, of_z + x);
                store(step.keep * last + step.gain * by * left, next + x);
            };
        });
        std::swap(p, q);
    };

    for (std::int64_t y = 0; y < level.height; ++y) {
        const float *scale = inverse(y), *of_b = b[y];
        float *of_p = p[y], *of_r = r[y], *of_z = z[y];
        for (std::int64_t x = 0; x < level.width; x += STEP) {
            const V right = load(of_b + x);
            store(gain * load(scale + x) * right, of_p + x);
            store(right, of_r + x);
            store(none, of_z + x);
        }
    }
    for (std::size_t i = 1; i < level.steps.size(); ++i) advance(level.steps[i]);
    apply(p, [&](std::int64_t y) {
        return [=, scale = inverse(y), of_p = p[y], of_r = r[y], of_z = z[y]](std::int64_t x, const V& Kp) {
            store(load(scale + x) != 0 ? load(of_r + x) - Kp : none, of_r + x);
            store(load(of_z + x) + load(of_p + x), of_z + x);
        };
    });

    const Level& coarse = levels_[k + 1];
    Work& below = work[k + 1];
    restrict(level, r, coarse, below.b, line.data() + STEP);
    cycle(k + 1, work);
    prolong(level, z, coarse, below.z, below.line.data() + STEP, line.data() + STEP);

    apply(z, [&](std::int64_t y) {
        return [=, scale = inverse(y), of_b = b[y], of_r = r[y], of_p = p[y]](std::int64_t x, const V& Kz) {
            const V by = load(scale + x);
            const V left = by != 0 ? load(of_b + x) - Kz : none;
            store(left, of_r + x);
            store(gain * by * left, of_p + x);
        };
    });
    for (std::size_t i = 1; i < level.steps.size(); ++i) advance(level.steps[i]);
    for (std::int64_t y = 0; y < level.height; ++y) {
        const float* of_p = p[y];
        float* of_z = z[y];
        for (std::int64_t x = 0; x < level.width; x += STEP) store(load(of_z + x) + load(of_p + x), of_z + x);
    }
}

void Biharmonic::residual(const double* f, const double* expected, std::int64_t planes, double* r,
                          double* squares) const {
    const Level& finest = levels_[0];
    Rows<double> rows(pitch_);
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        const auto offset = plane * (height() + 2) * pitch_ + pitch_;
        const double* of_plane = expected == nullptr ? nullptr : expected + offset;
        Doubles square{};
        twice(f + offset, of_plane, tension_, pitch_, height(), width(), rows, [&](std::int64_t y) {
            const float* inverse = finest.inverse_diagonal.data() + y * finest.pitch;
            return [=, &square, of_r = r + offset + y * pitch_](std::int64_t x, const Doubles& found) {
                const Doubles left = -found * mask(inverse + x);
                square += left * left;
                store(left, of_r + x);
            };
        });
        squares[plane] = total(square);
    }
}

std::int64_t Biharmonic::add_solution(double* r, double* squares, const double* goal, std::int64_t planes,
                                      double* f) const {
    const Level& finest = levels_[0];
    std::vector<Work> work;
    for (const Level& level : levels_) work.emplace_back(level);
    Rows<double> rows(pitch_);
    const auto size = (height() + 2) * pitch_;
    std::vector<double> direction(size);
    double* p = direction.data() + pitch_;
    const auto& z = work[0].z;
    std::int64_t most = 0;
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        if (squares[plane] <= goal[plane]) continue;
        double *of_r = r + plane * size + pitch_, *of_f = f + plane * size + pitch_;
        // what a V-cycle finds in the residual is close to the error, of which the residual itself says little
        const double share = 100 * std::sqrt(goal[plane] / squares[plane]);
        double product = 0, enough = 0;
        std::fill(direction.begin(), direction.end(), 0.0);
        for (std::int64_t cycles = 1; cycles <= MOST_CYCLES; ++cycles) {
            most = std::max(most, cycles);
            for (std::int64_t y = 0; y < height(); ++y) std::copy_n(of_r + y * pitch_, width(), work[0].b[y]);
            cycle(0, work);
            Doubles products{};
            V sizes{};
            for (std::int64_t y = 0; y < height(); ++y) {
                const float* row = z[y];
                for (std::int64_t x = 0; x < width(); x += STEP) {
                    const V found = absolute(load(row + x));
                    sizes = found > sizes ? found : sizes;
                    products += load_doubles(row + x) * load_doubles(of_r + y * pitch_ + x);
                }
            }
            double largest = 0;
            for (std::int64_t lane = 0; lane < STEP; ++lane) largest = std::max<double>(largest, sizes[lane]);
            if (cycles == 1) enough = share * largest;
            if (squares[plane] <= goal[plane] && largest <= enough) {
                // the estimate of the error is its correction too
                for (std::int64_t y = 0; y < height(); ++y)
                    for (std::int64_t x = 0; x < width(); ++x) of_f[y * pitch_ + x] += z[y][x];
                break;
            }
            const double before = product;
            product = total(products);
            const double beta = cycles > 1 ? product / before : 0;
            const double energy = turn(z, beta, p, tension_, pitch_, height(), width(), rows);
            // r is below what float holds
            if (!(energy > 0)) break;
            const double alpha = product / energy;
            Doubles square{};
            twice<double>(p, nullptr, tension_, pitch_, height(), width(), rows, [&](std::int64_t y) {
                const float* inverse = finest.inverse_diagonal.data() + y * finest.pitch;
                const double* row = p + y * pitch_;
                return [=, &square, into = of_f + y * pitch_, rest = of_r + y * pitch_](std::int64_t x,
                                                                                        const Doubles& Kp) {
                    const Doubles left = (load_doubles(rest + x) - alpha * Kp) * mask(inverse + x);
                    square += left * left;
                    store(left, rest + x);
                    store(load_doubles(into + x) + alpha * load_doubles(row + x), into + x);
                };
            });
            squares[plane] = total(square);
        }
    }
    return most;
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
