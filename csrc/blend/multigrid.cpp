#include "blend/multigrid.hpp"

#include <algorithm>
#include <cmath>

#include "blend/poisson_work.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

constexpr std::int64_t MOST_CYCLES = 100;
// in so many cycles the residual has to become smaller by a factor of 4, or double does not allow it
constexpr std::int64_t PATIENCE = 10;
// the last correction makes the residual smaller by a factor that is larger than this
constexpr double LAST = 3;
// the largest number of the error, as a share of the correction, for a relative residual of 1
constexpr double ERROR = 10;
// smaller grids cost too much of their own for what a second cycle saves
constexpr std::int64_t LARGE = 64 * 64;

}  // namespace

// Of the finest level b is the residual, and u what a cycle finds in it.
struct Multigrid::Work {
    explicit Work(const Levels& grids) : p(grids[0].plane()) {
        levels.reserve(grids.size());
        for (const Grid& grid : grids) levels.emplace_back(grid);
    }

    // u of the k-th level from its b, which is lost, by a cycle on it and those below; large ones are cycled twice
    void cycle(const Levels& grids, std::size_t k) {
        const bool coarsest = k + 1 == grids.size();
        for (const bool again : {false, true}) {
            if (again && grids[k].height() * grids[k].width() <= LARGE) break;
            if (again) grids[k].subtract(levels[k]);
            if (!coarsest) {
                grids[k].restrict(levels[k], grids[k + 1], levels[k + 1]);
                cycle(grids, k + 1);
            }
            grids[k].correct(levels[k], coarsest ? nullptr : &grids[k + 1], coarsest ? nullptr : &levels[k + 1], again);
        }
    }

    std::vector<Grid::Work> levels;
    Numbers<float> p;
};

Multigrid::Multigrid(const std::uint8_t* missing, std::int64_t holes, std::int64_t height, std::int64_t width) {
    holes_.reserve(holes);
    for (std::int64_t hole = 0; hole < holes; ++hole)
        holes_.push_back(Grid::levels(missing + hole * height * width, height, width));
}

std::int64_t Multigrid::solve(double* f, const double* v, std::int64_t planes, double tolerance,
                              double* reached) const {
    Work work(holes_[0]);
    const Levels* before = nullptr;
    std::int64_t most = 0;
    for (std::int64_t plane = 0; plane < planes; ++plane) {
        const Levels& levels = holes_[plane * holes() / planes];
        if (before && before != &levels)
            for (Grid::Work& level : work.levels) level.clear();
        before = &levels;
        const auto offset = plane * levels[0].plane();
        const auto [cycles, share] = solve(levels, f + offset, v ? v + offset : nullptr, tolerance, work);
        most = std::max(most, cycles), reached[plane] = share;
    }
    return most;
}

Multigrid::Solved Multigrid::solve(const Levels& levels, double* f, const double* v, double tolerance, Work& work) {
    const Grid &finest = levels[0], &second = levels[1];
    Grid::Work &here = work.levels[0], &below = work.levels[1];
    const double first = finest.residual(f, v, here.b.data());
    double share = first == 0 ? 0 : 1, lowest = share, alpha = 0, product = 0, enough = 0;
    std::int64_t cycles = 0, at_lowest = 0;
    bool solved = share <= tolerance;
    if (!solved) finest.restrict(here, second, below);
    while (!solved && cycles < MOST_CYCLES && cycles < at_lowest + PATIENCE) {
        work.cycle(levels, 1);
        const auto found = finest.correct(here, &second, &below, false);
        if (++cycles == 1) enough = ERROR * tolerance * found.largest;
        const bool last = share <= LAST * tolerance && found.largest <= enough;
        double beta = 0;
        if (last) {
            // the estimate of the error is its correction too
            alpha = 1;
        } else {
            beta = alpha > 0 ? found.product / product : 0;
            // p . A p from z . A z, so that nothing waits for the new p (Chronopoulos and Gear 1989)
            const double energy = alpha > 0 ? found.energy - beta * found.product / alpha : found.energy;
            alpha = energy > 0 ? found.product / energy : 0;
        }
        product = found.product;
        share = std::sqrt(finest.advance(beta, alpha, f, v, work.p.data(), here, second, below) / first);
        if (share < lowest / 4) lowest = share, at_lowest = cycles;
        if (!last) continue;
        solved = share <= tolerance;
        // else what follows begins anew
        alpha = 0;
    }
    return {cycles, share};
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
