// The V-cycle: each level is smoothed before and after the next coarser one's answer is added.
#include <algorithm>

#include "blend/plate.hpp"
#include "blend/plate_operator.hpp"
#include "blend/plate_work.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

using namespace plate;

namespace {

// b = P^T r at the unknown cells of the coarse level; line is a row's room
void restrict(const Level& fine, const Field<float>& r, const Level& coarse, Field<float>& b, float* line) {
    const auto height = fine.height, width = fine.width;
    for (std::int64_t y = 0; y < coarse.height; ++y) {
        const auto blocks = coarse.unknown[y];
        if (blocks.empty()) continue;
        // beyond the border is the same cell again: its share stays
        const float *above = r[y > 0 ? 2 * y - 1 : 0], *upper = r[2 * y], *lower = r[2 * y + 1];
        const float* below = r[2 * y + 2 == height ? height - 1 : 2 * y + 2];
        const auto left = std::max<std::int64_t>(2 * blocks.left() - STEP, 0);
        for (auto x = left; x < std::min(2 * blocks.right() + STEP, fine.pitch); x += STEP)
            store(0.75f * (load(upper + x) + load(lower + x)) + 0.25f * (load(above + x) + load(below + x)), line + x);
        line[-1] = line[0];
        if (width % 2 == 0) line[width] = line[width - 1];
        const float* inverse = coarse.inverse_diagonal.data() + y * coarse.pitch;
        float* out = b[y];
        for (const std::int64_t first : blocks)
            for (auto x = first; x < std::min(first + STEP, coarse.width); ++x) {
                const float sum = 0.75f * (line[2 * x] + line[2 * x + 1]) + 0.25f * (line[2 * x - 1] + line[2 * x + 2]);
                out[x] = inverse[x] != 0 ? sum : 0.0f;
            }
    }
}

// x += P of the coarse level's e at the unknown cells; coarse_line and line are rows' room
void prolong(const Level& fine, Field<float>& x, const Level& coarse, const Field<float>& e, float* coarse_line,
             float* line) {
    const V none{};
    for (std::int64_t y = 0; y < fine.height; ++y) {
        const auto blocks = fine.unknown[y];
        if (blocks.empty()) continue;
        const auto other = std::clamp<std::int64_t>(y / 2 + (y % 2 ? 1 : -1), 0, coarse.height - 1);
        const float *near = e[y / 2], *far = e[other];
        const auto left = std::max<std::int64_t>(blocks.left() / 2 - 1, 0);
        const auto right = std::min(blocks.right() / 2 + 1, coarse.width);
        for (auto i = left / STEP * STEP; i < right; i += STEP)
            store(0.75f * load(near + i) + 0.25f * load(far + i), coarse_line + i);
        coarse_line[-1] = coarse_line[0];
        coarse_line[coarse.width] = coarse_line[coarse.width - 1];
        for (auto i = left; i < right; ++i) {
            line[2 * i] = 0.75f * coarse_line[i] + 0.25f * coarse_line[i - 1];
            line[2 * i + 1] = 0.75f * coarse_line[i] + 0.25f * coarse_line[i + 1];
        }
        const float* inverse = fine.inverse_diagonal.data() + y * fine.pitch;
        float* out = x[y];
        for (const std::int64_t i : blocks)
            store(load(out + i) + (load(inverse + i) != 0 ? load(line + i) : none), out + i);
    }
}

// Chebyshev's method for K z = b on a level, on which the work's r is what is left of b, and p the step to come.
class Smoother {
public:
    // tension matters on the finest level, which has no coefficients
    Smoother(const Level& level, float tension, LevelWork& work)
        : level_(level), tension_(tension), gain_(level.steps[0].gain), work_(work) {}

    // from z = 0
    void begin() {
        const float gain = gain_;
        for (std::int64_t y = 0; y < level_.height; ++y) {
            const float *scale = inverse(y), *of_b = work_.b[y];
            float *of_p = work_.p[y], *of_r = work_.r[y], *of_z = work_.z[y];
            for (const std::int64_t x : level_.unknown[y]) {
                const V right = load(of_b + x);
                store(gain * load(scale + x) * right, of_p + x);
                store(right, of_r + x);
                store(V{}, of_z + x);
            }
        }
    }

    // from the z that there is
    void begin_again() {
        LevelWork& w = work_;
        apply(w.z, [&](std::int64_t y) {
            return [=, gain = gain_, scale = inverse(y), of_b = w.b[y], of_r = w.r[y], of_p = w.p[y]](std::int64_t x,
                                                                                               const V& Kz) {
                const V by = load(scale + x), none{};
                const V left = by != 0 ? load(of_b + x) - Kz : none;
                store(left, of_r + x);
                store(gain * by * left, of_p + x);
            };
        });
    }

    // r -= K p and z += p, and the next p, up to the last one
    void advance() {
        LevelWork& w = work_;
        for (std::size_t i = 1; i < level_.steps.size(); ++i) {
            apply(w.p, [&, step = level_.steps[i]](std::int64_t y) {
                return [=, scale = inverse(y), of_p = w.p[y], of_r = w.r[y], of_z = w.z[y], next = w.q[y]](std::int64_t x,
                                                                                                 const V& Kp) {
                    const V by = load(scale + x), last = load(of_p + x), none{};
                    const V left = by != 0 ? load(of_r + x) - Kp : none;
                    store(left, of_r + x);
                    store(load(of_z + x) + last, of_z + x);
                    store(step.keep * last + step.gain * by * left, next + x);
                };
            });
            std::swap(w.p, w.q);
        }
    }

    // the last step, with what it leaves of b
    void finish_with_residual() {
        LevelWork& w = work_;
        apply(w.p, [&](std::int64_t y) {
            return [=, scale = inverse(y), of_p = w.p[y], of_r = w.r[y], of_z = w.z[y]](std::int64_t x, const V& Kp) {
                const V none{};
                store(load(scale + x) != 0 ? load(of_r + x) - Kp : none, of_r + x);
                store(load(of_z + x) + load(of_p + x), of_z + x);
            };
        });
    }

    // the last step
    void finish() {
        for (std::int64_t y = 0; y < level_.height; ++y) {
            const float* of_p = work_.p[y];
            float* of_z = work_.z[y];
            for (const std::int64_t x : level_.unknown[y]) store(load(of_z + x) + load(of_p + x), of_z + x);
        }
    }

private:
    const float* inverse(std::int64_t y) const { return level_.inverse_diagonal.data() + y * level_.pitch; }

    // use_of(y)(x, K of) of all rows: one is found after all that need the same row of `of`, a row of a stencil before
    template <class UseOf>
    void apply(const Field<float>& of, const UseOf& use_of) {
        if (level_.coefficients.empty())
            twice<float>(of, nullptr, tension_, level_, work_.rows, use_of);
        else
            stencil(level_, of, use_of);
    }

    const Level& level_;
    float tension_, gain_;
    LevelWork& work_;
};

}  // namespace

void Plate::cycle(std::size_t k, Work& work) const {
    auto& fine = work.levels[k];
    if (k + 1 == levels_.size()) return solve_coarsest(fine.b[0], fine.z[0]);
    Smoother smoother(levels_[k], static_cast<float>(tension_), fine);
    smoother.begin();
    smoother.advance();
    smoother.finish_with_residual();

    auto& coarse = work.levels[k + 1];
    float *line = fine.line.data() + STEP, *coarse_line = coarse.line.data() + STEP;
    restrict(levels_[k], fine.r, levels_[k + 1], coarse.b, line);
    cycle(k + 1, work);
    prolong(levels_[k], fine.z, levels_[k + 1], coarse.z, coarse_line, line);

    smoother.begin_again();
    smoother.advance();
    smoother.finish();
}

void Plate::solve_coarsest(const float* b, float* z) const {
    const std::size_t count = unknowns_.size();
    float sums[FEW] = {};
    for (std::size_t j = 0; j < count; ++j)
        for (std::size_t i = 0; i < count; ++i) sums[i] += inverse_[j * count + i] * b[unknowns_[j]];
    for (std::size_t i = 0; i < count; ++i) z[unknowns_[i]] = sums[i];
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
