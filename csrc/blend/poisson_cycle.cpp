// A cycle's sweeps and transfers, and a step of conjugate gradients: each goes down the rows once, and of what lies
// between two of its sweeps only a few rows are ever held.
#include <algorithm>

#include "blend/poisson.hpp"
#include "blend/poisson_work.hpp"
#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

using V = Vector<float>;
using D = Vector<double>;
constexpr std::int64_t STEP = LANES<float>, HALF = LANES<double>;

// 1 at the red pixels of row y, those with an even y + x, and 0 at the black ones
V red_lanes(std::int64_t y) {
    V lanes;
    for (std::int64_t lane = 0; lane < STEP; ++lane) lanes[lane] = (lane + y) % 2 == 0;
    return lanes;
}

// k times the neighbours in their rows
V neighbours(const float* above, const float* row, const float* below, V across, V down) {
    return down * (load(above) + load(below)) + across * (load(row - 1) + load(row + 1));
}

// The blacks of row y from the reds around them, 0 at the reds.
template <class Rows>
void black_row(float* out, std::int64_t first, std::int64_t last, const float* b, const float* inverse, Rows& red,
               std::int64_t y, V across, V down) {
    const float *above = red[y - 1], *same = red[y], *below = red[y + 1];
    const V lanes = red_lanes(y + 1);
    for (auto x = first; x < last; x += STEP)
        store(lanes * load(inverse + x) * (load(b + x) + neighbours(above + x, same + x, below + x, across, down)),
              out + x);
}

D widened(const float* from) { return __builtin_convertvector(load_floats(from), D); }

}  // namespace

// The residual of one plane, row by row.
class Grid::Residual {
public:
    Residual(const Grid& grid, const double* f, const double* v, float* r)
        : grid_(grid), f_(f + grid.pitch_), v_(v ? v + grid.pitch_ : nullptr), r_(r + grid.pitch_) {}

    // Row y, once the rows around it are what they are to be.
    void push(std::int64_t y) {
        if (v_)
            push<true>(y);
        else
            push<false>(y);
    }

    double squares() const {
        double sum = 0;
        for (std::int64_t lane = 0; lane < HALF; ++lane) sum += squares_[lane];
        return sum;
    }

private:
    template <bool FOLLOWS>
    void push(std::int64_t y) {
        const auto [first, last] = grid_.span(y);
        const auto pitch = grid_.pitch_;
        const double* row = f_ + y * pitch;
        // above and below being the row itself where the image ends, nothing flows there
        const double *above = y > 0 ? row - pitch : row, *below = y < grid_.height_ - 1 ? row + pitch : row;
        const double *left = grid_.left_.data(), *right = grid_.right_.data();
        const float* inverse = grid_.inverse(y);
        float* out = r_ + y * pitch;
        D squares = squares_;
        const D none{};
        for (auto x = first; x < last; x += HALF) {
            const D here = load(row + x);
            D found = ((load(above + x) - here) + (load(below + x) - here)) +
                      (load(left + x) * (load(row + x - 1) - here) + load(right + x) * (load(row + x + 1) - here));
            if constexpr (FOLLOWS) found -= load(v_ + y * pitch + x);
            found = widened(inverse + x) != 0 ? found : none;
            squares += found * found;
            store(__builtin_convertvector(found, Floats), out + x);
        }
        squares_ = squares;
    }

    const Grid& grid_;
    const double *f_, *v_;
    float* r_;
    D squares_{};
};

double Grid::residual(const double* f, const double* v, float* r) const {
    Residual residual(*this, f, v, r);
    for (std::int64_t y = 0; y < height_; ++y) residual.push(y);
    return residual.squares();
}

// The restriction of one plane, for which the rows of b come one after the other.
class Grid::Restriction {
public:
    Restriction(const Grid& fine, Work& work, const Grid& coarse, Work& of_coarse)
        : fine_(fine),
          coarse_(coarse),
          red_(work.red),
          black_(work.black),
          left_(work.left),
          b_(work.b.data() + fine.pitch_),
          to_(of_coarse.b.data() + coarse.pitch_) {
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
    void sweep_red(std::int64_t y) {
        if (y >= fine_.height_) return void(red_.begin(y, {}));
        const auto [first, last] = fine_.span(y);
        float* out = red_.begin(y, {first, last});
        const float *scale = fine_.inverse(y), *row = b_ + y * fine_.pitch_;
        const V lanes = red_lanes(y);
        for (auto x = first; x < last; x += STEP) store(lanes * load(scale + x) * load(row + x), out + x);
    }

    void sweep_black(std::int64_t y) {
        if (y >= fine_.height_) return void(black_.begin(y, {}));
        const auto [first, last] = fine_.span(y);
        black_row(black_.begin(y, {first, last}), first, last, b_ + y * fine_.pitch_, fine_.inverse(y), red_, y,
                  fine_.across(), fine_.down());
    }

    void leave(std::int64_t y) {
        const auto [first, last] = fine_.span(y);
        float* out = left_.begin(y, {first, last});
        const float *scale = fine_.inverse(y), *doubled = fine_.doubled_.data();
        const float *above = black_[y - 1], *same = black_[y], *below = black_[y + 1];
        // beyond the last row and column there is no coarse one to share with
        const bool alone = y % 2 == 1 && y == fine_.height_ - 1;
        const V lanes = red_lanes(y) * (alone ? 2.0f : 1.0f), across = fine_.across(), down = fine_.down(), none{};
        for (auto x = first; x < last; x += STEP) {
            const V found = lanes * load(doubled + x) * neighbours(above + x, same + x, below + x, across, down);
            store(load(scale + x) != 0 ? found : none, out + x);
        }
    }

    void gather(std::int64_t row) {
        const auto [first, last] = coarse_.span(row);
        const float *above = left_[2 * row - 1], *same = left_[2 * row], *below = left_[2 * row + 1];
        float* out = to_ + row * coarse_.pitch_;
        for (auto x = first; x < last; x += STEP) {
            const V before = evens(above + 2 * x - 1) + evens(below + 2 * x - 1);
            const V behind = evens(above + 2 * x + 1) + evens(below + 2 * x + 1);
            store(evens(same + 2 * x) + 0.25f * (before + behind), out + x);
        }
    }

    const Grid &fine_, &coarse_;
    Rows &red_, &black_, &left_;
    const float* b_;
    float* to_;
};

void Grid::restrict(Work& work, const Grid& coarse, Work& of_coarse) const {
    Restriction restriction(*this, work, coarse, of_coarse);
    for (std::int64_t y = 0; y < height_ + 2; ++y) restriction.push(y);
}

// The correction of one plane, for which the rows of b come one after the other.
class Grid::Correction {
public:
    // coarse may be null: there is none
    Correction(const Grid& grid, Work& work, const Grid* coarse, const Work* of_coarse)
        : grid_(grid),
          coarse_(coarse),
          red_(work.red),
          black_(work.black),
          b_(work.b.data() + grid.pitch_),
          from_(coarse ? of_coarse->u.data() + coarse->pitch_ : nullptr),
          u_(work.u.data() + grid.pitch_) {
        red_.clear(), black_.clear();
    }

    // Row y of b, from 0 to height + 1: the reds of row y, the blacks of row y - 1 and, which is u, the reds of row y - 2
    // again.
    void push(std::int64_t y, bool add) {
        sweep_red(y);
        if (y >= 1) sweep_black(y - 1);
        if (y >= 2) sweep_red_again(y - 2, add);
    }

    Found found() const {
        float largest = 0;
        for (std::int64_t lane = 0; lane < STEP; ++lane) largest = std::max(largest, most_[lane]);
        return {product_.total(), product_.total() - change_.total(), largest};
    }

private:
    void sweep_red(std::int64_t y) {
        if (y >= grid_.height_) return void(red_.begin(y, {}));
        const auto [first, last] = grid_.span(y);
        const float *scale = grid_.inverse(y), *row = b_ + y * grid_.pitch_;
        float* out = red_.begin(y, {first, last});
        const V lanes = red_lanes(y), none{};
        if (!coarse_) {
            for (auto x = first; x < last; x += STEP) store(lanes * load(scale + x) * load(row + x), out + x);
            return;
        }
        // of the bilinear interpolation of the coarse plane the reds are the coarse pixels themselves, or lie amid four
        const float *above = from_ + y / 2 * coarse_->pitch_, *below = above + coarse_->pitch_;
        const float* doubled = grid_.doubled_.data();
        // beyond the last row and column the last is all there is
        const float share = y == grid_.height_ - 1 ? 0.5f : 0.25f;
        for (auto x = first; x < last; x += STEP) {
            const auto at = x / 2;
            const V added = y % 2 == 0 ? apart<float>(load(above + at), false)
                                       : load(doubled + x) * share *
                                             apart<float>((load(above + at) + load(below + at)) +
                                                              (load(above + at + 1) + load(below + at + 1)),
                                                          true);
            const V of_b = load(scale + x);
            store(lanes * (of_b * load(row + x) + (of_b != 0 ? added : none)), out + x);
        }
    }

    void sweep_black(std::int64_t y) {
        if (y >= grid_.height_) return void(black_.begin(y, {}));
        const auto [first, last] = grid_.span(y);
        black_row(black_.begin(y, {first, last}), first, last, b_ + y * grid_.pitch_, grid_.inverse(y), red_, y,
                  grid_.across(), grid_.down());
    }

    void sweep_red_again(std::int64_t y, bool add) {
        const auto [first, last] = grid_.span(y);
        const float *scale = grid_.inverse(y), *row = b_ + y * grid_.pitch_, *before = red_[y];
        const float *above = black_[y - 1], *same = black_[y], *below = black_[y + 1];
        float* out = u_ + y * grid_.pitch_;
        const V lanes = red_lanes(y), across = grid_.across(), down = grid_.down();
        V product{}, change{}, most = most_;
        for (auto x = first; x < last; x += STEP) {
            const V right = load(row + x), around = neighbours(above + x, same + x, below + x, across, down);
            const V red = lanes * load(scale + x) * (right + around), found = load(same + x) + red;
            product += right * found;
            // A u is b at the reds; at the blacks it was, before the reds around them changed
            change += (red - load(before + x)) * around;
            const V size = absolute(found);
            most = size > most ? size : most;
            store(add ? load(out + x) + found : found, out + x);
        }
        product_.add(product), change_.add(change);
        most_ = most;
    }

    const Grid& grid_;
    const Grid* coarse_;
    Rows &red_, &black_;
    const float *b_, *from_;
    float* u_;
    Sum<float> product_, change_;
    V most_{};
};

Grid::Found Grid::correct(Work& work, const Grid* coarse, const Work* of_coarse, bool add) const {
    Correction correction(*this, work, coarse, of_coarse);
    for (std::int64_t y = 0; y < height_ + 2; ++y) correction.push(y, add);
    return correction.found();
}

void Grid::subtract(Work& work) const {
    const V across = this->across(), down = this->down(), none{};
    for (std::int64_t y = 0; y < height_; ++y) {
        const auto [first, last] = span(y);
        const float *scale = inverse(y), *row = work.u.data() + (y + 1) * pitch_;
        float* b = work.b.data() + (y + 1) * pitch_;
        for (auto x = first; x < last; x += STEP) {
            const V of_u = load(row + x) / load(scale + x) -
                           neighbours(row + x - pitch_, row + x, row + x + pitch_, across, down);
            store(load(scale + x) != 0 ? load(b + x) - of_u : none, b + x);
        }
    }
}

double Grid::advance(double beta, double alpha, double* f, const double* v, float* p, Work& work, const Grid& coarse,
                     Work& of_coarse) const {
    Residual residual(*this, f, v, work.b.data());
    Restriction restriction(*this, work, coarse, of_coarse);
    const Floats share = Floats{} + static_cast<float>(beta), none{};
    // else what another plane left in p does not matter
    const bool turns = beta != 0;
    const D scale = D{} + alpha;
    for (std::int64_t y = 0; y < height_ + 3; ++y) {
        if (y < height_) {
            const auto [first, last] = span(y);
            const auto offset = (y + 1) * pitch_;
            const float* z = work.u.data() + offset;
            for (auto x = first; x < last; x += HALF) {
                const Floats turned = load_floats(z + x) + (turns ? share * load_floats(p + offset + x) : none);
                store(turned, p + offset + x);
                store(load(f + offset + x) + scale * __builtin_convertvector(turned, D), f + offset + x);
            }
        }
        if (y == 0) continue;
        if (y <= height_) residual.push(y - 1);
        restriction.push(y - 1);
    }
    return residual.squares();
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
