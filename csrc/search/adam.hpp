// A step of Adam (Kingma and Ba 2015, algorithm 1) and the prior that holds it, in one pass over what is searched.
#pragma once

#include <cstdint>

#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// What all rows and steps have in common; u is clipped to [-bound, bound].
struct AdamRule {
    float beta1, beta2, epsilon, bound;
};

// What a row's step takes: its size; 1 / (1 - beta^age) of either moment; and the prior's pull, which is added to the
// gradient: pull * (u - centre).
struct AdamStep {
    float size, mean, square, pull;
};

// What a row's step came to: the sum of (u - centre)^2 before it, and whether every number is finite after it.
struct AdamOutcome {
    double distance;
    bool finite;
};

// With g = gradient + pull (u - centre):  m += (1 - beta1) (g - m),  v += (1 - beta2) (g^2 - v),
// u -= size (m / (1 - beta1^age)) / (sqrt(v / (1 - beta2^age)) + epsilon).  Rows (rows, size) in place; centre has
// `centres` numbers a row, size or 1.
void adam(AdamRule rule, const AdamStep* steps, const float* gradient, const float* centre, std::int64_t centres,
          std::int64_t rows, std::int64_t size, int threads, float* u, float* mean, float* square,
          AdamOutcome* outcomes);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
