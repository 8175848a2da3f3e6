// Poisson's equation on the missing pixels of images: conjugate gradients, preconditioned by a multigrid cycle
// (Trottenberg et al. 2001) on the levels of poisson.hpp.  The solution and its residual are double, all else is float.
#pragma once

#include <cstdint>
#include <vector>

#include "blend/poisson.hpp"
#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

class Multigrid {
public:
    // Holes (holes, height, width), 0 = known.
    Multigrid(const std::uint8_t* missing, std::int64_t holes, std::int64_t height, std::int64_t width);

    // Puts into the missing pixels of f what has v as its Laplacian, from what f holds there.  Arrays are (planes,
    // height + 2, pitch_of(width)), 0 around the image; v may be null: 0.  Plane i has the hole i * holes / planes.
    //
    // tolerance  share of the residual's norm that may be left; the largest number of what a cycle finds in it, which is
    //            close to the error, comes down to ten times that share
    // reached    the share that each plane came to, above the tolerance where double does not allow that
    //
    // Returns the most cycles that a plane took.
    std::int64_t solve(double* f, const double* v, std::int64_t planes, double tolerance, double* reached) const;

    // Of each hole, from the finest to a single pixel.
    const std::vector<std::vector<Grid>>& levels() const { return holes_; }

    std::int64_t holes() const { return holes_.size(); }
    std::int64_t height() const { return holes_[0][0].height(); }
    std::int64_t width() const { return holes_[0][0].width(); }

private:
    using Levels = std::vector<Grid>;
    struct Work;
    // How many cycles a plane took, and the share of its residual that is left.
    struct Solved {
        std::int64_t cycles;
        double reached;
    };

    static Solved solve(const Levels& levels, double* f, const double* v, double tolerance, Work& work);

    std::vector<Levels> holes_;
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
