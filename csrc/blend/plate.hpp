// The biharmonic equation on the missing pixels of an image, or that of a thin plate under tension: conjugate gradients
// in double, preconditioned by a multigrid V-cycle in float.
//
// L is the graph Laplacian of the image's 4-neighbour grid, (L u)_p = sum over the neighbours q of p in the image of
// (u_q - u_p), M keeps the missing pixels.  The unknowns u, 0 at the known pixels, have
//
//     K u = r,  K = M L (L - tension) M,
//
// whose solution minimises the sum of (L F)^2 over all pixels and of tension (F_q - F_p)^2 over all edges, or of how far
// either is from what is expected of it.
//
// A coarser level has a cell for 2x2 cells of the finer one, unknown if any of them is; P interpolates bilinearly between the cells' centres, K_coarse = P^T K P.  That is 25
// coefficients a cell, of which symmetry leaves 13.  Each level is smoothed by Chebyshev's polynomial in K over its
// diagonal; the coarsest is solved by its inverse.
//
// Arrays of the interface are (planes, height + 2, pitch) as in poisson.hpp, all of one hole.
#pragma once

#include <cstdint>
#include <vector>

#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

class Biharmonic {
public:
    // A hole (height, width), 0 = known.  Its border must be the image's, or two known pixels away from all missing ones.
    Biharmonic(const std::uint8_t* missing, std::int64_t height, std::int64_t width, double tension);

    std::int64_t height() const { return levels_[0].height; }
    std::int64_t width() const { return levels_[0].width; }
    std::int64_t pitch() const { return pitch_; }

    // r = -L (L f - tension f - expected) at the missing pixels, and r . r.  expected may be null: 0.
    void residual(const double* f, const double* expected, std::int64_t planes, double* r, double* squares) const;

    // f += u with K u = r, to r . r <= goal, and the largest error to a hundred times the share that |r| comes down to;
    // planes with r . r <= goal stay as they are.  Leaves in r what is left of it; returns the most V-cycles that a
    // plane took.
    std::int64_t add_solution(double* r, double* squares, const double* goal, std::int64_t planes, double* f) const;

    // A step of Chebyshev's method: p = keep p + gain r / diagonal.
    struct Step {
        float keep, gain;
    };

    // The grid and its operator.
    struct Level {
        std::int64_t height, width, pitch;
        std::vector<Step> steps;
        std::vector<float> inverse_diagonal;  // (height, pitch), 0 at known cells
        std::vector<float> coefficients;      // (2 + height, 13, pitch) amid zeros; none on the finest level
    };

private:
    struct Work;

    // z = a V-cycle's answer to b, both in the work of level k
    void cycle(std::size_t k, std::vector<Work>& work) const;

    std::int64_t pitch_;
    double tension_;
    std::vector<Level> levels_;
    std::vector<std::int64_t> unknowns_;  // where the coarsest level has them
    std::vector<float> inverse_;          // of its K
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
