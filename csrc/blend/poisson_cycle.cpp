// A V-cycle's sweeps and transfers, and a step of conjugate gradients: each goes down the rows once, and of what lies
// between two of its sweeps only a few rows are ever held.
#include <algorithm>

#include "blend/poisson.hpp"
#include "blend/poisson_rows.hpp"
#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

using namespace poisson;

// The restriction of one plane, for which the rows of b come one after the other.
class Grid::Restriction {
public:
    Restriction(const Grid& fine, const Grid& coarse)
        : fine_(fine), coarse_(coarse), red_(fine.pitch_), black_(fine.pitch_), left_(fine.pitch_) {}

    void begin(const float* b, float* coarse_b, std::int64_t plane, std::int64_t planes) {
        b_ = b + plane * fine_.plane() + fine_.pitch_;
        to_ = coarse_b + plane * coarse_.plane() + coarse_.pitch_;
        hole_ = fine_.hole_of(plane, planes), coarse_hole_ = coarse_.hole_of(plane, planes);
        for (Rows* rows : {&red_, &black_, &left_}) rows->clear();
    }

    // Row y of b, from 0 to height + 1: the last two are none, but what was held back comes out.  The reds of row y,
    // the blacks of row y - 1, which need the reds around them, and at the reds of row y - 2 what is left.
    void push(std::int64_t y) {
        sweep_red(y);
        if (y >= 1) sweep_black(y - 1);
        if (y >= 2) leave(y - 2);
        // a coarse row needs the rows around it; there is none below the last
        if (const auto last = y - 2; last >= 0 && (last % 2 == 1 || last == fine_.height_ - 1)) {
            if (last % 2 == 0) left_.begin(last + 1, {});
            gather(last / 2);
        }
    }

private:
    V across() const { return V{} + fine_.across_; }
    V down() const { return V{} + fine_.down_; }

    void sweep_red(std::int64_t y) {
        if (y >= fine_.height_) return void(red_.begin(y, {}));
        const auto [first, last] = hole_.span(y);
        float* out = red_.begin(y, {first, last});
        const float *scale = hole_.inverse(y), *row = b_ + y * fine_.pitch_;
        const V lanes = red_lanes(y);
        for (auto x = first; x < last; x += STEP) store(lanes * load(scale + x) * load(row + x), out + x);
    }

    void sweep_black(std::int64_t y) {
        if (y >= fine_.height_) return void(black_.begin(y, {}));
        const auto [first, last] = hole_.span(y);
        black_row(black_.begin(y, {first, last}), first, last, b_ + y * fine_.pitch_, hole_.inverse(y), red_, y,
                  across(), down());
    }

    void leave(std::int64_t y) {
        const auto [first, last] = hole_.span(y);
        float* out = left_.begin(y, {first, last});
        const float* scale = hole_.inverse(y);
        const float *above = black_[y - 1], *same = black_[y], *below = black_[y + 1];
        // beyond the last row and column there is no coarse one to share with
        const bool alone = y % 2 == 1 && y == fine_.height_ - 1;
        const V lanes = red_lanes(y) * (alone ? 2.0f : 1.0f), none{};
        for (auto x = first; x < last; x += STEP)
            store(load(scale + x) != 0 ? lanes * neighbours(above + x, same + x, below + x, across(), down()) : none,
                  out + x);
        if (fine_.width_ % 2 == 0) out[fine_.width_ - 1] *= 2;
    }

    void gather(std::int64_t row) {
        const auto [first, last] = coarse_hole_.span(row);
        const float *above = left_[2 * row - 1], *same = left_[2 * row], *below = left_[2 * row + 1];
        float* out = to_ + row * coarse_.pitch_;
        for (auto x = first; x < std::min(last, coarse_.width_); ++x)
            out[x] = same[2 * x] +
                     0.25f * ((above[2 * x - 1] + above[2 * x + 1]) + (below[2 * x - 1] + below[2 * x + 1]));
    }

    const Grid &fine_, &coarse_;
    Rows red_, black_, left_;
    const float* b_ = nullptr;
    float* to_ = nullptr;
    Hole hole_{}, coarse_hole_{};
};

void Grid::restrict(const float* b, std::int64_t planes, const Grid& coarse, float* coarse_b) const {
    Restriction restriction(*this, coarse);
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        restriction.begin(b, coarse_b, plane, planes);
        for (std::int64_t y = 0; y < height_ + 2; ++y) restriction.push(y);
    }
}

// The correction of one plane, for which the rows of b come one after the other.
class Grid::Correction {
public:
    // coarse may be null: there is none
    Correction(const Grid& grid, const Grid* coarse)
        : grid_(grid), coarse_(coarse), red_(grid.pitch_), black_(grid.pitch_), added_(grid.pitch_ + SPAN) {}

    void begin(const float* b, const float* coarse_u, std::int64_t plane, std::int64_t planes, float* u) {
        b_ = b + plane * grid_.plane() + grid_.pitch_;
        u_ = u + plane * grid_.plane() + grid_.pitch_;
        from_ = coarse_ ? coarse_u + plane * coarse_->plane() + coarse_->pitch_ : nullptr;
        hole_ = grid_.hole_of(plane, planes);
        product_ = energy_ = {}, most_ = V{};
        red_.clear(), black_.clear();
    }

    // Row y of b, from 0 to height + 2: the reds of row y, the blacks of row y - 1 and, which is u, the reds of row
    // y - 2 again; energy: of row y - 3, whose neighbours are known by then.
    void push(std::int64_t y, bool add, bool energy) {
        sweep_red(y);
        sweep_black(y - 1);
        if (y >= 2 && y - 2 < grid_.height_) sweep_red_again(y - 2, add);
        if (energy && y >= 3) add_energy(y - 3);
    }

    double product() const { return product_.total(); }
    double energy() const { return energy_.total(); }
    float largest() const {
        float largest = 0;
        for (std::int64_t lane = 0; lane < STEP; ++lane) largest = std::max(largest, most_[lane]);
        return largest;
    }

private:
    V across() const { return V{} + grid_.across_; }
    V down() const { return V{} + grid_.down_; }

    void sweep_red(std::int64_t y) {
        if (y >= grid_.height_) return void(red_.begin(y, {}));
        const auto [first, last] = hole_.span(y);
        if (coarse_) interpolate(y, first, last);
        const float *scale = hole_.inverse(y), *row = b_ + y * grid_.pitch_, *added = added_.data();
        float* out = red_.begin(y, {first, last});
        const V lanes = red_lanes(y), none{};
        for (auto x = first; x < last; x += STEP) {
            const V share = load(scale + x);
            store(lanes * (share * load(row + x) + (share != 0 ? load(added + x) : none)), out + x);
        }
    }

    // The row of the bilinear interpolation of the coarse plane, at the reds that its pixels are or lie around.
    void interpolate(std::int64_t y, std::int64_t first, std::int64_t last) {
        const float* above = from_ + y / 2 * coarse_->pitch_;
        float* row = added_.data();
        const auto begin = first / 2, end = std::min(last / 2, coarse_->width_);
        if (y % 2 == 0) {
            for (auto x = begin; x < end; ++x) row[2 * x] = above[x], row[2 * x + 1] = 0;
            return;
        }
        const float* below = above + coarse_->pitch_;
        // beyond the last row and column the last is all there is
        const float share = y == grid_.height_ - 1 ? 0.5f : 0.25f;
        for (auto x = begin; x < end; ++x) {
            row[2 * x] = 0;
            row[2 * x + 1] = share * ((above[x] + below[x]) + (above[x + 1] + below[x + 1]));
        }
        if (grid_.width_ % 2 == 0) row[grid_.width_ - 1] *= 2;
    }

    void sweep_black(std::int64_t y) {
        if (y < 0 || y >= grid_.height_) return void(black_.begin(y, {}));
        const auto [first, last] = hole_.span(y);
        black_row(black_.begin(y, {first, last}), first, last, b_ + y * grid_.pitch_, hole_.inverse(y), red_, y,
                  across(), down());
    }

    void sweep_red_again(std::int64_t y, bool add) {
        const auto [first, last] = hole_.span(y);
        const float *scale = hole_.inverse(y), *row = b_ + y * grid_.pitch_;
        const float *above = black_[y - 1], *same = black_[y], *below = black_[y + 1];
        float* out = u_ + y * grid_.pitch_;
        const V lanes = red_lanes(y), across = this->across(), down = this->down();
        V of_row{}, most = most_;
        for (auto x = first; x < last; x += STEP) {
            const V right = load(row + x), around = neighbours(above + x, same + x, below + x, across, down);
            const V found = load(same + x) + lanes * load(scale + x) * (right + around);
            of_row += right * found;
            const V size = absolute(found);
            most = size > most ? size : most;
            store(add ? load(out + x) + found : found, out + x);
        }
        product_.add(of_row);
        most_ = most;
    }

    // by the finest grid's A
    void add_energy(std::int64_t y) {
        const auto [first, last] = hole_.span(y);
        const float *row = u_ + y * grid_.pitch_, *left = grid_.left_.data(), *right = grid_.right_.data();
        const float* above = y > 0 ? row - grid_.pitch_ : row;
        const float* below = y < grid_.height_ - 1 ? row + grid_.pitch_ : row;
        V of_row{};
        for (auto x = first; x < last; x += STEP)
            of_row -= load(row + x) * laplacian(above + x, row + x, below + x, load(left + x), load(right + x));
        energy_.add(of_row);
    }

    const Grid& grid_;
    const Grid* coarse_;
    Rows red_, black_;
    std::vector<float> added_;
    const float *b_ = nullptr, *from_ = nullptr;
    float* u_ = nullptr;
    Hole hole_{};
    Sum<float> product_, energy_;
    V most_{};
};

void Grid::correct(const float* b, std::int64_t planes, const Grid* coarse, const float* coarse_u, bool add, float* u,
                   double* products, double* energies, float* largest) const {
    Correction correction(*this, coarse);
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        correction.begin(b, coarse_u, plane, planes, u);
        for (std::int64_t y = 0; y < height_ + 3; ++y) correction.push(y, add, energies != nullptr);
        if (!energies) continue;
        products[plane] = correction.product();
        energies[plane] = correction.energy();
        largest[plane] = correction.largest();
    }
}

void Grid::subtract(const float* u, std::int64_t planes, float* b) const {
    const V across = V{} + across_, down = V{} + down_, none{};
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        const Hole hole = hole_of(plane, planes);
        for (std::int64_t y = 0; y < height_; ++y) {
            const auto [first, last] = hole.span(y);
            const auto offset = plane * this->plane() + (y + 1) * pitch_;
            const float *scale = hole.inverse(y), *row = u + offset;
            for (auto x = first; x < last; x += STEP) {
                const V of_u = load(row + x) / load(scale + x) -
                               neighbours(row + x - pitch_, row + x, row + x + pitch_, across, down);
                store(load(scale + x) != 0 ? load(b + offset + x) - of_u : none, b + offset + x);
            }
        }
    }
}

void Grid::solve(const std::vector<const Grid*>& grids, const std::vector<float*>& b, const std::vector<float*>& u,
                 std::int64_t planes) {
    // smaller grids cost too much of their own for what they save
    constexpr std::int64_t LARGE = 64 * 64;
    const auto cycle = [&](auto& self, std::size_t k) -> void {
        const bool coarsest = k + 1 == grids.size();
        for (const bool again : {false, true}) {
            if (again && grids[k]->height_ * grids[k]->width_ <= LARGE) break;
            if (again) grids[k]->subtract(u[k], planes, b[k]);
            if (!coarsest) {
                grids[k]->restrict(b[k], planes, *grids[k + 1], b[k + 1]);
                self(self, k + 1);
            }
            grids[k]->correct(b[k], planes, coarsest ? nullptr : grids[k + 1], coarsest ? nullptr : u[k + 1], again,
                              u[k], nullptr, nullptr, nullptr);
        }
    };
    cycle(cycle, 0);
}

void Grid::advance(const float* z, const double* beta, const double* alpha, std::int64_t planes, float* p, double* f,
                   float* r, double* squares, const Grid& coarse, float* coarse_r) const {
    Restriction restriction(*this, coarse);
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        const auto offset = plane * this->plane() + pitch_;
        const V share = V{} + static_cast<float>(beta[plane]), scale = V{} + static_cast<float>(alpha[plane]), none{};
        const Doubles wide = Doubles{} + static_cast<float>(alpha[plane]);
        Sum<float> square;
        const Hole hole = hole_of(plane, planes);
        restriction.begin(r, coarse_r, plane, planes);
        for (std::int64_t y = 0; y < height_ + 3; ++y) {
            if (y < height_) {
                const auto [first, last] = hole.span(y);
                const float* of_z = z + offset + y * pitch_;
                float* row = p + offset + y * pitch_;
                for (auto x = first; x < last; x += STEP) store(load(of_z + x) + share * load(row + x), row + x);
            }
            const auto ya = y - 1;
            if (ya < 0) continue;
            if (ya < height_) {
                const auto [first, last] = hole.span(ya);
                const float *inverse = hole.inverse(ya), *row = p + offset + ya * pitch_;
                double* of_f = f + offset + ya * pitch_;
                float* of_r = r + offset + ya * pitch_;
                const float *above = ya > 0 ? row - pitch_ : row, *below = ya < height_ - 1 ? row + pitch_ : row;
                V of_row{};
                for (auto x = first; x < last; x += STEP) {
                    const V of_p =
                        laplacian(above + x, row + x, below + x, load(left_.data() + x), load(right_.data() + x));
                    const V left = load(inverse + x) != 0 ? load(of_r + x) + scale * of_p : none;
                    store(load_doubles(of_f + x) + wide * load_doubles(row + x), of_f + x);
                    store(left, of_r + x);
                    of_row += left * left;
                }
                square.add(of_row);
            }
            restriction.push(ya);
        }
        squares[plane] = square.total();
    }
}

void Grid::residual(const double* f, const double* v, const bool* wanted, std::int64_t planes, float* r,
                    double* squares) const {
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        if (!wanted[plane]) continue;
        const auto offset = plane * this->plane() + pitch_;
        const Hole hole = hole_of(plane, planes);
        const V none{};
        Doubles sums{};
        for (std::int64_t y = 0; y < height_; ++y) {
            const auto [first, last] = hole.span(y);
            const float* inverse = hole.inverse(y);
            const double *row = f + offset + y * pitch_, *of_v = v ? v + offset + y * pitch_ : nullptr;
            float* of_r = r + offset + y * pitch_;
            const double *above = y > 0 ? row - pitch_ : row, *below = y < height_ - 1 ? row + pitch_ : row;
            for (auto x = first; x < last; x += STEP) {
                const Doubles here = load_doubles(row + x);
                Doubles left = ((load_doubles(above + x) - here) + (load_doubles(below + x) - here)) +
                               (load_doubles(left_.data() + x) * (load_doubles(row + x - 1) - here) +
                                load_doubles(right_.data() + x) * (load_doubles(row + x + 1) - here));
                if (of_v) left -= load_doubles(of_v + x);
                const V missing = load(inverse + x) != 0 ? none + 1 : none;
                left *= __builtin_convertvector(missing, Doubles);
                sums += left * left;
                store(__builtin_convertvector(left, V), of_r + x);
            }
        }
        squares[plane] = 0;
        for (std::int64_t lane = 0; lane < STEP; ++lane) squares[plane] += sums[lane];
    }
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
