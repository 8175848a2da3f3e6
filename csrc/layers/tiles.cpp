#include "layers/tiles.hpp"

#if FACEINPAINT_TILES

#include <immintrin.h>

#include <algorithm>
#include <vector>

#include "layers/matrix_product.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

// of a row; numbers of a tile of B
constexpr std::int64_t BYTES = 64, TILE_OF_B = TILE_DEPTH * TILE;
static_assert(PANEL == 2 * TILE);

// The calling thread's tiles, all of full size.
class Tiles {
public:
    Tiles() {
        struct alignas(BYTES) {
            std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
            std::uint16_t row_bytes[16] = {BYTES, BYTES, BYTES, BYTES, BYTES, BYTES, BYTES, BYTES};
            std::uint8_t rows[16] = {TILE, TILE, TILE, TILE, TILE, TILE, TILE, TILE};
        } shape;
        _tile_loadconfig(&shape);
    }
    ~Tiles() { _tile_release(); }
    Tiles(const Tiles&) = delete;
    Tiles& operator=(const Tiles&) = delete;
};

// 32 rows times a panel: four tiles of C, so that no sum waits for the one before it
void multiply_square(const BFloat16* a, std::int64_t k, const BFloat16* b, float* c, std::int64_t stride) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (std::int64_t i = 0; i < k; i += TILE_DEPTH, b += 2 * TILE_OF_B) {
        _tile_loadd(4, a + i, k * sizeof *a);
        _tile_loadd(5, a + TILE * k + i, k * sizeof *a);
        _tile_loadd(6, b, BYTES);
        _tile_loadd(7, b + TILE_OF_B, BYTES);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, c, stride * sizeof *c);
    _tile_stored(1, c + TILE, stride * sizeof *c);
    _tile_stored(2, c + TILE * stride, stride * sizeof *c);
    _tile_stored(3, c + TILE * stride + TILE, stride * sizeof *c);
}

// 16 rows times a panel: even and odd steps along k in tiles of their own, for the same reason, summed at the end
void multiply_row(const BFloat16* a, std::int64_t k, const BFloat16* b, float* c, std::int64_t stride) {
    _tile_zero(0);
    _tile_zero(1);
    for (std::int64_t i = 0; i < k; i += TILE_DEPTH, b += 2 * TILE_OF_B) {
        for (std::int64_t line = 0; line < 2 * TILE_OF_B; line += TILE * 2)
            __builtin_prefetch(b + 8 * TILE_OF_B + line);
        _tile_loadd(4, a + i, k * sizeof *a);
        _tile_loadd(6, b, BYTES);
        _tile_loadd(7, b + TILE_OF_B, BYTES);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
    }
    _tile_stored(0, c, stride * sizeof *c);
    _tile_stored(1, c + TILE, stride * sizeof *c);
}

}  // namespace

std::int64_t in_tile_order(std::int64_t i, std::int64_t j, std::int64_t k) {
    const std::int64_t pair_of_tiles = j / PANEL * (k / TILE_DEPTH) + i / TILE_DEPTH;
    return (2 * pair_of_tiles + j % PANEL / TILE) * TILE_OF_B + i % TILE_DEPTH / 2 * TILE_DEPTH + j % TILE * 2 + i % 2;
}

void multiply_tiles(const BFloat16* a, const BFloat16* b, std::int64_t m, std::int64_t k, std::int64_t columns,
                    float* c) {
    const std::int64_t whole = m / TILE * TILE, rest = m - whole;
    {
        const Tiles tiles;
        for (std::int64_t column = 0; column < columns; column += PANEL) {
            const BFloat16* panel = b + column * k;
            std::int64_t row = 0;
            for (; row + 2 * TILE <= whole; row += 2 * TILE)
                multiply_square(a + row * k, k, panel, c + row * columns + column, columns);
            for (; row < whole; row += TILE) multiply_row(a + row * k, k, panel, c + row * columns + column, columns);
        }
    }
    if (rest == 0) return;
    // rows that fill no tile are filled up to one
    std::vector<BFloat16> rows(TILE * k);
    std::vector<float> sums(TILE * columns);
    std::copy_n(a + whole * k, rest * k, rows.begin());
    multiply_tiles(rows.data(), b, TILE, k, columns, sums.data());
    std::copy_n(sums.begin(), rest * columns, c + whole * columns);
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint

#endif
