#include "search/objective.hpp"

#include <algorithm>
#include <numeric>

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

constexpr int THREADS = 1;

double sum_of(const std::vector<float>& numbers) { return std::accumulate(numbers.begin(), numbers.end(), 0.0); }

}  // namespace

Objective::Objective(const SearchNumbers& search, const std::vector<float>& image, const std::vector<float>& known,
                     const std::vector<float>& weights)
    : search_(search),
      batch_{1, search.channels, search.size, search.size},
      window_{search.taps.data(), static_cast<int>(search.taps.size()), 0},
      w_(known.size()),
      v_(image.size()) {
    const std::size_t area = known.size(), windows = window_.positions(search.size) * window_.positions(search.size);
    for (std::size_t i = 0; i < area; ++i) w_[i] = known[i] * weights[i];
    for (std::size_t i = 0; i < v_.size(); ++i) v_[i] = w_[i % area] * image[i];
    mean_.resize(search.channels * windows);
    variance_.resize(search.channels * windows);
    window_statistics(v_.data(), batch_, window_, THREADS, mean_.data(), variance_.data());

    share_.resize(windows);
    std::vector<float> unused(windows);
    window_statistics(known.data(), {1, 1, search.size, search.size}, window_, THREADS, share_.data(), unused.data());
    const double total = search.channels * sum_of(share_);
    for (float& each : share_) each /= static_cast<float>(total > 0 ? total : 1);
    // an image of which no window sees a known pixel has no structure to agree with
    of_ssim_ = total > 0 ? -search.lambda_s : 0;
    // W >= 1, so a sum below 1 is that of an image of which nothing is known
    of_l1_ = search.lambda_c / static_cast<float>(std::max(search.channels * sum_of(w_), 1.0));
}

void Objective::gradient(const std::vector<float>& unit, std::vector<float>& gradient) const {
    const SsimTarget<float> target{w_.data(),   v_.data(), mean_.data(), variance_.data(), share_.data(), false,
                                   false,       search_.c1, search_.c2};
    // x in [-1, 1] is twice as long as in [0, 1]
    const float a = of_ssim_ / 2, b = of_l1_ / 2;
    float ssim, l1;
    ssim_l1(unit.data(), batch_, target, window_, &a, &b, THREADS, &ssim, &l1, gradient.data());
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
