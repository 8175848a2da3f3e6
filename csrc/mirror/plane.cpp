// Along the rows first, then down the columns, as many neighbours at a time as registers hold.
#include "mirror/plane.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

constexpr std::int64_t BLOCK = 32;

// The weights of a place's own number, and of those so many places to either side.
std::vector<float> taps_of(double sigma) {
    const auto reach = (static_cast<std::int64_t>(std::nearbyint(8 * sigma + 1)) | 1) / 2;
    std::vector<double> weights(reach + 1);
    double total = 0;
    for (std::int64_t k = 0; k <= reach; ++k) {
        weights[k] = std::exp(-0.5 * (k / sigma) * (k / sigma));
        total += k == 0 ? weights[k] : 2 * weights[k];
    }
    std::vector<float> taps;
    for (const double weight : weights) taps.push_back(static_cast<float>(weight / total));
    return taps;
}

// BLOCK sums of what lies around BLOCK neighbouring numbers, `step` apart.
void weigh(const float* middle, std::int64_t step, const std::vector<float>& taps, float* out) {
    float sums[BLOCK];
    for (std::int64_t i = 0; i < BLOCK; ++i) sums[i] = taps[0] * middle[i];
    const std::int64_t reach = static_cast<std::int64_t>(taps.size()) - 1;
    for (std::int64_t k = 1; k <= reach; ++k)
        for (std::int64_t i = 0; i < BLOCK; ++i) sums[i] += taps[k] * (middle[i - k * step] + middle[i + k * step]);
    std::copy_n(sums, BLOCK, out);
}

}  // namespace

Plane blurred(const Plane& plane, double sigma) {
    const auto taps = taps_of(sigma);
    const std::int64_t reach = static_cast<std::int64_t>(taps.size()) - 1, height = plane.height;
    const std::int64_t blocks = (plane.width + BLOCK - 1) / BLOCK, pitch = blocks * BLOCK;
    Plane across(height, pitch), out(height, plane.width);
    std::vector<float> row(pitch + 2 * reach);
    for (std::int64_t y = 0; y < height; ++y) {
        for (std::int64_t x = -reach; x < pitch + reach; ++x)
            row[reach + x] = plane(std::clamp<std::int64_t>(x, 0, plane.width - 1), y);
        for (std::int64_t x = 0; x < pitch; x += BLOCK) weigh(&row[reach + x], 1, taps, &across(x, y));
    }
    std::vector<float> columns((height + 2 * reach) * BLOCK);
    float sums[BLOCK];
    for (std::int64_t x = 0; x < pitch; x += BLOCK) {
        for (std::int64_t y = -reach; y < height + reach; ++y)
            std::copy_n(&across(x, std::clamp<std::int64_t>(y, 0, height - 1)), BLOCK, &columns[(reach + y) * BLOCK]);
        for (std::int64_t y = 0; y < height; ++y) {
            weigh(&columns[(reach + y) * BLOCK], BLOCK, taps, sums);
            std::copy_n(sums, std::min(BLOCK, plane.width - x), &out(x, y));
        }
    }
    return out;
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
