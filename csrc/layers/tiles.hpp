// Products of bfloat16 on the matrix tiles of a processor.  tiles.cpp belongs to levels with TILES, which are used where
// the system lets the process have tiles (processor.cpp): elsewhere nobody may call this.
#pragma once

#include <cstdint>

#include "layers/numbers.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// A tile has 16 rows of 64 bytes: of C 16x16 floats, of A 16x32 numbers, of B 32x16, as pairs along k side by side.
constexpr std::int64_t TILE = 16, TILE_DEPTH = 2 * TILE;

// Where B[i, j] lies, for tiles; k in whole depths.
std::int64_t in_tile_order(std::int64_t i, std::int64_t j, std::int64_t k);

// C (m, columns) = A (m, k) B for B in tile order; k in whole depths, columns in whole panels.
void multiply_tiles(const BFloat16* a, const BFloat16* b, std::int64_t m, std::int64_t k, std::int64_t columns,
                    float* c);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
