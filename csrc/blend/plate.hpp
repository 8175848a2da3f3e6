// A thin plate under tension on the missing pixels of an image, or the biharmonic equation, which is one without: a
// solver by conjugate gradients in double, preconditioned by a multigrid V-cycle in float.
//
// L is the graph Laplacian of the image's 4-neighbour grid, (L u)_p = sum over the neighbours q of p in the image of
// (u_q - u_p), M keeps the missing pixels.  Of all F with the known pixels' values, the plate that is pulled to the
// guidance G has the least sum of (L F - c L G)^2 over all pixels and of tension ((F - G)_q - (F - G)_p)^2 over all
// edges,
//
//     c = 1 - exp(-tension (d / DEPTH)^2),  d a pixel's distance from the nearest known one,
//
// so that  M L (L F - tension F - pull) = 0,  pull = c L G - tension G.  A change u of F, 0 at the known pixels, has
//
//     K u = r,  K = M L (L - tension) M.
//
// A coarser level has a cell for 2x2 cells of the finer one, unknown if any of them is; P interpolates bilinearly
// between the cells' centres, K_coarse = P^T K P.  That is 25 coefficients a cell, of which symmetry leaves 13.  Each
// level is smoothed by Chebyshev's polynomial in K over its diagonal; the coarsest is solved by its inverse.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "blend/plate_level.hpp"
#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

class Plate {
public:
    // how deep a plate bends as the guidance does, in its reaches of 1 / sqrt(tension) pixels: docs/choices.md
    static constexpr double DEPTH = 3;
    // how far the residual comes down before it is taken anew from F
    static constexpr double ROUND = 1e-12;

    // A hole (height, width), 0 = known.
    Plate(const std::uint8_t* missing, std::int64_t height, std::int64_t width, double tension);

    // Puts F into the missing pixels of f, from what f holds there.  Arrays are (planes, height + 2, pitch_of(width)),
    // 0 around the image; guidance may be null: 0.
    //
    // tolerance  share of the residual's norm that may be left; the largest number of what a V-cycle finds in it, which
    //            is close to the error, comes down to a hundred times that share
    // reached    the share that each plane came to, above the tolerance where double does not allow that
    //
    // Returns the most V-cycles that a plane took.
    std::int64_t solve(double* f, const double* guidance, std::int64_t planes, double tolerance, double* reached) const;

    std::int64_t height() const { return image_height_; }
    std::int64_t width() const { return image_width_; }

private:
    struct Work;
    // How many V-cycles a plane took, and the share of its residual that is left.
    struct Solved {
        std::int64_t cycles;
        double reached;
    };

    // The hole with two known pixels around it, within the image: the part that is solved.  Empty if none is missing.
    std::vector<std::uint8_t> crop(const std::uint8_t* missing);
    void set_levels(const std::uint8_t* missing);

    // One of the known pixels of the part of a plane.
    double any_known(const double* f, std::int64_t pitch) const;

    // Of a plane, whose part lies in the work:
    void set_pull(const double* guidance, std::int64_t pitch, Work& work) const;
    Solved solve(bool pulled, double tolerance, Work& work) const;
    // r = -L (L f - tension f - pull) at the missing pixels; returns r . r
    double residual(bool pulled, Work& work) const;
    // f += u with K u = r, from r . r = squares down to `content`, and a last correction; returns the number of V-cycles
    std::int64_t add_solution(double squares, double content, Work& work) const;
    // z = a V-cycle's answer to b, on level k and those below it
    void cycle(std::size_t k, Work& work) const;
    void solve_coarsest(const float* b, float* z) const;

    // so few unknowns are solved by their inverse
    static constexpr std::int64_t FEW = 64;

    std::int64_t image_height_, image_width_;
    std::int64_t top_ = 0, left_ = 0, height_ = 0, width_ = 0;  // of the part
    double tension_;
    double last_ = 1;  // the last correction makes the residual smaller by a factor that is larger than this
    std::vector<plate::Level> levels_;
    std::vector<double> trust_;           // (height, width): c; none without tension
    std::vector<std::int64_t> unknowns_;  // where the coarsest level has them
    std::vector<float> inverse_;          // of its K
};

// Plates of many holes of one size; those that are alike share one.
class Plates {
public:
    // Holes (holes, height, width), 0 = known.
    Plates(const std::uint8_t* missing, std::int64_t holes, std::int64_t height, std::int64_t width, double tension);

    // `Plate::solve`, where plane i has the hole i * holes / planes.
    std::int64_t solve(double* f, const double* guidance, std::int64_t planes, double tolerance, double* reached) const;

    std::int64_t holes() const { return plates_.size(); }
    std::int64_t height() const { return plates_[0]->height(); }
    std::int64_t width() const { return plates_[0]->width(); }

private:
    std::vector<std::shared_ptr<const Plate>> plates_;
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
