#include "blend/plate_galerkin.hpp"

#include <algorithm>

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace plate {
namespace {

using Lines = Vector<double>;

// Row y of the finest K, into row 0 of out; beside: how many neighbours a pixel has in its row.
void set_finest_row(const Mask& missing, double tension, std::int64_t height, std::int64_t width, const double* beside,
                    std::int64_t y, Stencil& out) {
    const double down = neighbours(y, height), further_down = neighbours(y + 1, height);
    const double *row = missing[y], *below = missing[y + 1], *further = missing[y + 2];
    // rows of their own
#pragma GCC ivdep
    for (std::int64_t x = 0; x < width; ++x) {
        const double degree = down + beside[x];
        out(0, 2)[x] = row[x] * degree * (degree + 1 + tension);
        out(0, 3)[x] = -row[x] * row[x + 1] * (degree + down + beside[x + 1] + tension);
        out(0, 4)[x] = row[x] * row[x + 2];
        out(0, 6)[x] = 2 * row[x] * below[x - 1];
        out(0, 7)[x] = -row[x] * below[x] * (degree + further_down + beside[x] + tension);
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

    void operator()(const Operator::Row& fine, Stencil& out, std::int64_t to) {
        for (int offset = 0; offset < OFFSETS; ++offset) {
            const double* from = fine(offset);
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

// A coarse row of P^T K P from rows that were collapsed across: down the columns.  It is made of the fine rows from
// 2 y - 1 to 2 y + 4, of which the last eight are kept.
class DownColumns {
public:
    DownColumns(std::int64_t height, std::int64_t coarse_width)
        : height_(height), coarse_(coarse_width), across_(9, coarse_width), sums_(1, coarse_width) {}

    // where the collapsed row y goes
    Stencil& across() { return across_; }
    static std::int64_t place(std::int64_t y) { return y & 7; }

    // row y, which may be one beyond the border
    void sum(std::int64_t y) {
        for (int right = -2; right <= 2; ++right)
            for (std::int64_t x = 0; x < coarse_; x += LANES<double>) sum_cells(y, right, x);
    }

    // Adds it to the coarse level.  The cells beyond the border are the border's, where both orders of two cells that
    // become one count.
    void fold(std::int64_t y, std::int64_t coarse_height, Stencil& coarse) const {
        for (int down = 0; down < 3; ++down) {
            if (y + down > coarse_height) continue;
            const auto to = std::clamp<std::int64_t>(y, 0, coarse_height - 1);
            const auto further = std::clamp<std::int64_t>(y + down, 0, coarse_height - 1) - to;
            for (int right = -2; right <= 2; ++right) {
                const double *same = sums_(0, offset_of(down, right)),
                             *turned = sums_(0, offset_of(down, -right)) + right;
                double* out = coarse(to, offset_of(further, right));
                const bool both = down > 0 && further == 0;
                for (std::int64_t x = 0; x < coarse_; ++x) out[x] += same[x] + (both ? turned[x] : 0.0);
            }
        }
    }

private:
    // rows that are not there are a row of zeros
    std::int64_t fine(std::int64_t y) const { return y >= 0 && y < height_ ? place(y) : NONE; }

    void sum_cells(std::int64_t y, int right, std::int64_t x) {
        Lines of[6];
#pragma GCC unroll 6
        for (int t = -1; t <= 4; ++t) {
            Lines sum{};
#pragma GCC unroll 4
            for (int b = -1; b <= 2; ++b) {
                const int down = t - b;
                if (down < -2 || down > 2) continue;
                const double* from = down >= 0 ? across_(fine(2 * y + b), offset_of(down, right)) + x
                                               : across_(fine(2 * y + t), offset_of(-down, -right)) + x + right;
                // rows that are not there have no neighbours either
                if (fine(2 * y + b) != NONE && fine(2 * y + t) != NONE) sum += share(b) * load(from);
            }
            of[t + 1] = sum;
        }
#pragma GCC unroll 3
        for (int down = 0; down < 3; ++down) {
            Lines sum{};
#pragma GCC unroll 6
            for (int t = -1; t <= 4; ++t)
                if (share(t - 2 * down) != 0) sum += share(t - 2 * down) * of[t + 1];
            store(sum, sums_(0, offset_of(down, right)) + x);
        }
    }

    static constexpr std::int64_t NONE = 8;
    std::int64_t height_, coarse_;
    Stencil across_, sums_;
};

}  // namespace

Operator::Row Operator::row(std::int64_t y) {
    if (missing_ == nullptr) return {&held_, y};
    set_finest_row(*missing_, tension_, height_, width_, beside_.data(), y, held_);
    return {&held_, 0};
}

Stencil galerkin(Operator& K, const Mask& unknown) {
    const auto height = K.height(), coarse_height = (height + 1) / 2, coarse_width = (K.width() + 1) / 2;
    Stencil coarse(coarse_height, coarse_width);
    AcrossRow collapse(coarse_width);
    DownColumns columns(height, coarse_width);
    std::int64_t next = 0;
    for (std::int64_t y = -1; y <= coarse_height; ++y) {
        for (; next < height && next <= 2 * y + 2; ++next)
            collapse(K.row(next), columns.across(), DownColumns::place(next));
        columns.sum(y);
        columns.fold(y, coarse_height, coarse);
    }
    for (std::int64_t y = 0; y < coarse_height; ++y)
        for (int offset = 0; offset < OFFSETS; ++offset) {
            double* out = coarse(y, offset);
            const double *same = unknown[y], *other = unknown[y + offset / 5] + offset % 5 - 2;
            for (std::int64_t x = 0; x < coarse_width; ++x) out[x] *= same[x] * other[x];
        }
    return coarse;
}

}  // namespace plate
}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
