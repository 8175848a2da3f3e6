#include "layers/pairs.hpp"

#if FACEINPAINT_PAIRS

#include <immintrin.h>

#include <cstring>

#include "layers/panels.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

static_assert(PANEL == 32 && DEPTH % 2 == 0);

// As FloatBlocks of matrix_product.cpp, over pairs.
struct PairBlocks {
    template <int ROWS_HERE>
    static void multiply(const BFloat16* __restrict a, std::int64_t k, const BFloat16* __restrict b, std::int64_t depth,
                         Ahead ahead, bool first, float* __restrict c, std::int64_t stride) {
        __m512 sums[ROWS_HERE][2];
        for (auto& row : sums) row[0] = row[1] = _mm512_setzero_ps();
        for (std::int64_t i = 0; i < depth; i += 2, b += 2 * PANEL) {
            ahead.fetch();
            const auto left = reinterpret_cast<__m512bh>(_mm512_load_si512(b));
            const auto right = reinterpret_cast<__m512bh>(_mm512_load_si512(b + PANEL));
            for (int row = 0; row < ROWS_HERE; ++row) {
                int pair;
                std::memcpy(&pair, a + row * k + i, sizeof pair);
                const auto numbers = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
                sums[row][0] = _mm512_dpbf16_ps(sums[row][0], numbers, left);
                sums[row][1] = _mm512_dpbf16_ps(sums[row][1], numbers, right);
            }
        }
        for (int row = 0; row < ROWS_HERE; ++row)
            for (int half = 0; half < 2; ++half) {
                float* to = c + row * stride + half * 16;
                _mm512_storeu_ps(to, first ? sums[row][half] : _mm512_add_ps(_mm512_loadu_ps(to), sums[row][half]));
            }
    }
};

}  // namespace

std::int64_t in_pair_order(std::int64_t i, std::int64_t j, std::int64_t k, std::int64_t n) {
    // two rows of a panel side by side
    return in_order_of_panels(i / 2 * 2, j / PANEL * PANEL, k, n) + j % PANEL * 2 + i % 2;
}

void multiply_pairs(const BFloat16* a, const BFloat16* b, std::int64_t m, std::int64_t k, std::int64_t columns,
                    float* c) {
    multiply_panels<PairBlocks, BFloat16>(a, b, m, k, columns, c);
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint

#endif
