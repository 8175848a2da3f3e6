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
        const auto first = y * coarse.pitch, left = blocks.left() - first, right = blocks.right() - first;
        for (auto x = std::max<std::int64_t>(2 * left - STEP, 0); x < std::min(2 * right + STEP, fine.pitch); x += STEP)
            store(0.75f * (load(upper + x) + load(lower + x)) + 0.25f * (load(above + x) + load(below + x)), line + x);
        line[-1] = line[0];
        if (width % 2 == 0) line[width] = line[width - 1];
        const float* inverse = coarse.inverse_diagonal.data() + first;
        float* out = b[y];
        for (const auto at : blocks)
            for (auto x = at - first; x < std::min(at - first + STEP, coarse.width); ++x) {
                const float sum = 0.75f * (line[2 * x] + line[2 * x + 1]) + 0.25f * (line[2 * x - 1] + line[2 * x + 2]);
                out[x] = inverse[x] != 0 ? sum : 0.0f;
            }
    }
}

// x += P of the coarse level's e at the unknown cells; coarse_line and line are rows' room
void prolong(const Level& fine, Field<float>& x, const Level& coarse, const Field<float>& e, float* coarse_line,
             float* line) {
    const V none{};
    const float* inverse = fine.inverse_diagonal.data();
    float* out = x.cells();
    for (std::int64_t y = 0; y < fine.height; ++y) {
        const auto blocks = fine.unknown[y];
        if (blocks.empty()) continue;
        const auto other = std::clamp<std::int64_t>(y / 2 + (y % 2 ? 1 : -1), 0, coarse.height - 1);
        const float *near = e[y / 2], *far = e[other];
        const auto first = y * fine.pitch;
        const auto left = std::max<std::int64_t>((blocks.left() - first) / 2 - 1, 0);
        const auto right = std::min((blocks.right() - first) / 2 + 1, coarse.width);
        for (auto i = left / STEP * STEP; i < right; i += STEP)
            store(0.75f * load(near + i) + 0.25f * load(far + i), coarse_line + i);
        coarse_line[-1] = coarse_line[0];
        coarse_line[coarse.width] = coarse_line[coarse.width - 1];
        for (auto i = left; i < right; ++i) {
            line[2 * i] = 0.75f * coarse_line[i] + 0.25f * coarse_line[i - 1];
            line[2 * i + 1] = 0.75f * coarse_line[i] + 0.25f * coarse_line[i + 1];
        }
        for (const auto at : blocks)
            store(load(out + at) + (load(inverse + at) != 0 ? load(line + (at - first)) : none), out + at);
    }
}

// Chebyshev's method for K z = b on a level: each z from the one before and the one before that.
class Smoother {
public:
    // tension matters on the finest level, which has no coefficients
    Smoother(const Level& level, float tension, LevelWork& work)
        : level_(level), tension_(tension), inverse_(level.inverse_diagonal.data()), work_(work) {}

    // from z = 0
    void begin() {
        const float gain = level_.steps[0].gain, *inverse = inverse_, *b = work_.b.cells();
        float *z = work_.z.cells(), *before = work_.before.cells();
        for (const auto at : level_.unknown) {
            store(gain * load(inverse + at) * load(b + at), z + at);
            store(V{}, before + at);
        }
        advance(1);
    }

    // the steps from this one on
    void advance(std::size_t first) {
        for (auto i = first; i < level_.steps.size(); ++i) {
            // as copies, which no number that is written can overlie, these stay in registers
            apply([keep = level_.steps[i].keep, gain = level_.steps[i].gain, inverse = inverse_, b = work_.b.cells(),
                   cells = work_.z.cells(), before = work_.before.cells()](auto at, const V& Kz) {
                const V z = load(cells + at), left = load(b + at) - Kz;
                store(z + keep * (z - load(before + at)) + gain * load(inverse + at) * left, before + at);
            });
            std::swap(work_.z, work_.before);
        }
    }

    // r = b - K z
    void leave() {
        apply([inverse = inverse_, b = work_.b.cells(), r = work_.r.cells()](auto at, const V& Kz) {
            const V none{};
            store(load(inverse + at) != 0 ? load(b + at) - Kz : none, r + at);
        });
    }

private:
    // use(at, K z) at all cells where there are unknown ones
    template <class Use>
    void apply(const Use& use) {
        if (!level_.coefficients.empty()) return stencil(level_, work_.z, use);
        mirror(level_, work_.z);
        const float* z = work_.z.cells();
        const auto pitch = level_.pitch;
        for (const auto at : level_.unknown) use(at, thirteen_points(z + at, pitch, tension_));
    }

    const Level& level_;
    float tension_;
    const float* inverse_;
    LevelWork& work_;
};

}  // namespace

void Plate::cycle(std::size_t k, Work& work) const {
    auto& fine = work.levels[k];
    if (k + 1 == levels_.size()) return solve_coarsest(fine.b.cells(), fine.z.cells());
    Smoother smoother(levels_[k], static_cast<float>(tension_), fine);
    smoother.begin();
    smoother.leave();

    auto& coarse = work.levels[k + 1];
    float *line = fine.line.data() + STEP, *coarse_line = coarse.line.data() + STEP;
    restrict(levels_[k], fine.r, levels_[k + 1], coarse.b, line);
    cycle(k + 1, work);
    prolong(levels_[k], fine.z, levels_[k + 1], coarse.z, coarse_line, line);

    smoother.advance(0);
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
