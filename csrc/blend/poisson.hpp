// Multigrid for Poisson's equation on the missing pixels of an image: what a level of pixels does to its arrays.
//
// A level is a grid of height x width pixels, each missing (unknown) or known (0).  Its operator is
//
//     (A u)_p = g_p u_p + sum over the missing neighbours q of p of k (u_p - u_q),
//
// with a conductance k between neighbours, one for the edges along a row and one for those down a column, and a
// conductance g from p to the known.  Missing pixels hold 1 / the diagonal of A in `inverse_diagonal`, known ones 0:
// that array is all of A but k.  On the finest level k = 1 and g_p counts p's known neighbours.
//
// Arrays are (planes, height + 2, pitch): a plane is one channel of one image, with a row of zeros above and one below
// and pitch > width, so that a neighbour beyond the border is a zero; pitch is a multiple of 16.  Plane i has the hole
// i * holes / planes.
#pragma once

#include <cstdint>
#include <vector>

#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

class Grid {
public:
    std::int64_t holes() const { return holes_; }
    std::int64_t height() const { return height_; }
    std::int64_t width() const { return width_; }
    std::int64_t pitch() const { return pitch_; }
    std::int64_t plane() const { return (height_ + 2) * pitch_; }
    const float* inverse_diagonal() const { return inverse_diagonal_.data(); }

    // A red-black sweep from u = 0, and what it leaves of b, restricted: the right-hand side of the next coarser grid.
    void restrict(const float* b, std::int64_t planes, const Grid& coarse, float* coarse_b) const;

    // The same sweep, the coarse grid's answer added (none on the coarsest), and a black-red sweep: u, or what is added
    // to u.  Of it, unless the pointers are null, b . u, u . A u and the largest |u|.
    void correct(const float* b, std::int64_t planes, const Grid* coarse, const float* coarse_u, bool add, float* u,
                 double* products, double* energies, float* largest) const;

    // b -= A u.
    void subtract(const float* u, std::int64_t planes, float* b) const;

    // A cycle on a grid and those below it, from the right-hand side b[0] of the first: u[0].  b and u have an array a
    // grid; b is lost.  Large grids are cycled twice.
    static void solve(const std::vector<const Grid*>& grids, const std::vector<float*>& b, const std::vector<float*>& u,
                      std::int64_t planes);

    // On the finest grid, a step of conjugate gradients: p = z + beta p, f += alpha p, r -= alpha A p, r . r, and the
    // restriction of the new r.
    void advance(const float* z, const double* beta, const double* alpha, std::int64_t planes, float* p, double* f,
                 float* r, double* squares, const Grid& coarse, float* coarse_r) const;

    // On the finest grid: r = Laplacian(f) - v at the missing pixels, and r . r, of an f with the known pixels' values
    // in it; v may be null.  Planes that are not wanted keep theirs.
    void residual(const double* f, const double* v, const bool* wanted, std::int64_t planes, float* r,
                  double* squares) const;

    // Every level of holes (holes, height, width), 0 = known, from the finest to a single pixel.
    static std::vector<Grid> levels(const std::uint8_t* missing, std::int64_t holes, std::int64_t height,
                                    std::int64_t width);

private:
    // columns [first, last) outside of which a row has no missing pixel, in whole vectors of any processor
    struct Span {
        std::int64_t first = 0, last = 0;
    };
    static constexpr std::int64_t SPAN = 16;
    class Rows;
    class Restriction;
    class Correction;

    // A hole's rows.
    struct Hole {
        const float* inverse_diagonal;
        const Span* spans;
        std::int64_t pitch;

        const float* inverse(std::int64_t y) const { return inverse_diagonal + (y + 1) * pitch; }
        const Span& span(std::int64_t y) const { return spans[y]; }
    };

    Grid(std::int64_t holes, std::int64_t height, std::int64_t width, float across, float down);
    Hole hole_of(std::int64_t plane, std::int64_t planes) const;
    // From which pixels are missing and, both padded like all arrays, the least g of each, which becomes g.
    void set(const std::vector<float>& missing, std::vector<float>& ground);
    // The next coarser grid, from those two of this one, which become its own.
    Grid coarser(std::vector<float>& missing, std::vector<float>& ground) const;

    std::int64_t holes_, height_, width_, pitch_;
    float across_, down_;
    std::vector<float> inverse_diagonal_;
    std::vector<Span> spans_;           // (holes, height)
    std::vector<float> left_, right_;  // (pitch): 1 where a pixel has a neighbour there, else 0
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
