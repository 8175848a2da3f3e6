// Products of bfloat16, two at a time: instructions that multiply pairs of neighbours along k and add both to a float.
// pairs.cpp belongs to levels with PAIRS: elsewhere nobody may call this.
#pragma once

#include <cstdint>

#include "layers/numbers.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// Where B[i, j] lies, for pairs; k even.
std::int64_t in_pair_order(std::int64_t i, std::int64_t j, std::int64_t k, std::int64_t n);

// C (m, columns) = A (m, k) B for B in pair order; k even, columns in whole panels.
void multiply_pairs(const BFloat16* a, const BFloat16* b, std::int64_t m, std::int64_t k, std::int64_t columns,
                    float* c);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
