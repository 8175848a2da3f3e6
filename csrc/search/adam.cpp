#include "search/adam.hpp"

#include <cmath>

#include "parallel.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

// numbers whose sum is taken in float, lane by lane, before it goes on in double
constexpr std::int64_t RUN = 512, LANE = 16;

template <bool ALL_ALIKE>
AdamOutcome step_row(AdamRule rule, AdamStep step, const float* gradient, const float* centre, std::int64_t size,
                     float* u, float* mean, float* square) {
    double distance = 0;
    float beyond = 0;
    for (std::int64_t run = 0; run < size; run += RUN) {
        float squares[LANE] = {}, nowhere[LANE] = {};
        const auto take = [&](std::int64_t i, std::int64_t lane) {
            const float away = u[i] - centre[ALL_ALIKE ? 0 : i];
            const float g = gradient[i] + step.pull * away;
            const float m = mean[i] + (1 - rule.beta1) * (g - mean[i]);
            const float v = square[i] + (1 - rule.beta2) * (g * g - square[i]);
            const float moved = u[i] - step.size * (m * step.mean) / (std::sqrt(v * step.square) + rule.epsilon);
            mean[i] = m;
            square[i] = v;
            u[i] = moved > rule.bound ? rule.bound : (moved < -rule.bound ? -rule.bound : moved);
            squares[lane] += away * away;
            // 0, and NaN for what is not finite
            nowhere[lane] += moved * 0;
        };
        const std::int64_t last = run + RUN < size ? run + RUN : size;
        std::int64_t i = run;
        for (; i + LANE <= last; i += LANE)
            for (std::int64_t lane = 0; lane < LANE; ++lane) take(i + lane, lane);
        for (std::int64_t lane = 0; i < last; ++i, ++lane) take(i, lane);
        for (std::int64_t lane = 0; lane < LANE; ++lane) {
            distance += squares[lane];
            beyond += nowhere[lane];
        }
    }
    return {distance, beyond == 0};
}

}  // namespace

void adam(AdamRule rule, const AdamStep* steps, const float* gradient, const float* centre, std::int64_t centres,
          std::int64_t rows, std::int64_t size, int threads, float* u, float* mean, float* square,
          AdamOutcome* outcomes) {
    const auto step = centres == 1 ? &step_row<true> : &step_row<false>;
    parallel_runs(rows, threads, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t row = begin; row < end; ++row) {
            const auto at = row * size;
            outcomes[row] = step(rule, steps[row], gradient + at, centre + row * centres, size, u + at, mean + at,
                                 square + at);
        }
    });
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
