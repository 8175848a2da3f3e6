// Eq. 7: W(p) = 1 + alpha / k^2 * (how many of the k x k pixels around p are missing), by box sums.
#pragma once

#include <cstdint>

#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// Holes of one size, one after the other, each row by row.
struct Holes {
    std::int64_t count, height, width;
};

// Writes W of every image of `hole` to `weights`, both laid out as `shape`, all three sizes >= 1.
//
// Pixel      std::uint8_t, float or double
// threshold  a pixel is missing where it is >= this, which is more than the least number a Pixel can be
// radius     (k - 1) / 2, any size: patches are clipped at the border
// scale      alpha / k^2, whatever is clipped
//
// Counts are exact integers; 1 + scale * count is computed in double and rounded to float once.
template <class Pixel>
void weight_map(const Pixel* hole, Pixel threshold, Holes shape, std::int64_t radius, double scale, int threads,
                float* weights);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
