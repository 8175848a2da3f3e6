// Multigrid for Poisson's equation on the missing pixels of an image: what a level of pixels does to its arrays.
//
// A level is a grid of height x width pixels, each missing (unknown) or known (0).  Its operator is
//
//     (A u)_p = g_p u_p + sum over the missing neighbours q of p of k (u_p - u_q),
//
// with a conductance k between neighbours, one for the edges along a row and one for those down a column, and a
// conductance g from p to the known.  Missing pixels hold 1 / the diagonal of A in `inverse_diagonal`, known ones 0:
// that array is all of A but k.  On the finest level k = 1 and g_p counts p's known neighbours.  A coarser level has
// every second row and column of the one before, the even ones, and g_coarse = P^T g, P being bilinear interpolation,
// and at least an edge to each known neighbour: what holds a pixel to the known ones is shared out among the coarse
// pixels around it, so that known pixels that lie between the coarse ones, alone or in a line, still count.
//
// An array is a plane, one channel of one image: (height + 2, pitch) with a row of zeros above and one below and
// pitch > width, so that a neighbour beyond the border is a zero; pitch is a multiple of 16.
#pragma once

#include <cstdint>
#include <vector>

#include "level.hpp"
#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

class Grid {
public:
    // What a level holds while it is worked on (poisson_work.hpp): b, u and some rows.
    struct Work;
    // Of a correction u: b . u, u . A u and the largest |u|.
    struct Found {
        double product, energy;
        float largest;
    };

    // The finest level of a hole (height, width), 0 = known.
    static Grid finest(const std::uint8_t* hole, std::int64_t height, std::int64_t width);
    // Every level, two at least, from the finest to a single pixel.
    static std::vector<Grid> levels(const std::uint8_t* hole, std::int64_t height, std::int64_t width);

    std::int64_t height() const { return height_; }
    std::int64_t width() const { return width_; }
    std::int64_t pitch() const { return pitch_; }
    std::int64_t plane() const { return (height_ + 2) * pitch_; }
    // A row of `inverse_diagonal`.
    const float* inverse(std::int64_t y) const { return inverse_diagonal_.data() + (y + 1) * pitch_; }

    // A red-black sweep from u = 0, and what it leaves of b, restricted: the next coarser grid's b.
    void restrict(Work& work, const Grid& coarse, Work& of_coarse) const;

    // u = the same sweep, the coarse grid's u added (none on the coarsest), and a black-red sweep, or what there was and
    // that.
    Found correct(Work& work, const Grid* coarse, const Work* of_coarse, bool add) const;

    // b -= A u.
    void subtract(Work& work) const;

    // On the finest grid: r = Laplacian(f) - v at the missing pixels, and r . r, in double, of an f with the known pixels'
    // values in it; v may be null.
    double residual(const double* f, const double* v, float* r) const;

    // On the finest grid, a step of conjugate gradients from z, which is u: p = z + beta p, f += alpha p, b = the residual
    // of f, its restriction, and b . b.
    double advance(double beta, double alpha, double* f, const double* v, float* p, Work& work, const Grid& coarse,
                   Work& of_coarse) const;

private:
    // columns [first, last) outside of which a row has no missing pixel, in whole vectors of any processor
    struct Span {
        std::int64_t first = 0, last = 0;
    };
    static constexpr std::int64_t SPAN = 16;
    class Rows;
    class Residual;
    class Restriction;
    class Correction;

    Grid(std::int64_t height, std::int64_t width, float across, float down);
    // From which pixels are missing and, both like all arrays, the least g of each, which becomes g.
    void set(const Numbers<float>& missing, Numbers<float>& ground);
    // The finest grid, and those two of it.
    static Grid finest(const std::uint8_t* hole, std::int64_t height, std::int64_t width, Numbers<float>& missing,
                       Numbers<float>& ground);
    // The next coarser grid, from those two of this one, which become its own.
    Grid coarser(Numbers<float>& missing, Numbers<float>& ground) const;

    const Span& span(std::int64_t y) const { return spans_[y]; }
    Vector<float> across() const { return Vector<float>{} + across_; }
    Vector<float> down() const { return Vector<float>{} + down_; }

    std::int64_t height_, width_, pitch_;
    float across_, down_;
    Numbers<float> inverse_diagonal_;
    std::vector<Span> spans_;                // (height)
    Numbers<double> left_, right_;  // (pitch): 1 where a pixel has a neighbour there, else 0
    Numbers<float> doubled_;        // (pitch): 2 in an odd last column, which has no coarse one behind it, else 1
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
