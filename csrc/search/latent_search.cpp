#include "search/latent_search.hpp"

#include <utility>

#include "weight_map.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

constexpr int THREADS = 1;

float to_unit(float x) { return (x + 1) / 2; }
float to_signed(float x) { return x * 2 - 1; }

// (size, size, channels) -> (channels, size, size)
void to_planes(const std::vector<float>& x, std::int64_t channels, float* planes) {
    const std::int64_t area = x.size() / channels;
    for (std::int64_t channel = 0; channel < channels; ++channel)
        for (std::int64_t i = 0; i < area; ++i) planes[channel * area + i] = to_unit(x[i * channels + channel]);
}

}  // namespace

LatentSearch::LatentSearch(SearchNumbers numbers) : numbers_(std::move(numbers)) {
    std::int64_t side = numbers_.size;
    for (LayerNumbers& layer : numbers_.encoder) {
        side = side == 4 ? 1 : side / 2;
        encoder_.emplace_back(layer, side, Layer::Ways::HALVES);
        layer.weights = {};
    }
    // the layers up to the first that is searched behind are gone through one way
    const std::size_t searched = numbers_.stages.front().layer;
    for (LayerNumbers& layer : numbers_.generator) {
        generator_.emplace_back(layer, side, generator_.size() < searched ? Layer::Ways::DOUBLES : Layer::Ways::BOTH);
        layer.weights = {};
        side = side == 1 ? 4 : 2 * side;
    }
}

void LatentSearch::operator()(const float* image, const std::uint8_t* missing, float* generated) const {
    const std::int64_t area = size() * size(), numbers = channels() * area;
    std::vector<float> known(area), visible(numbers), weights(area);
    for (std::int64_t i = 0; i < area; ++i) known[i] = missing[i] ? 0.0F : 1.0F;
    // a choice, not a product: the hole may hold NaN
    for (std::int64_t i = 0; i < numbers; ++i) visible[i] = missing[i % area] ? 0.0F : image[i];
    weight_map<std::uint8_t>(missing, 1, {1, size(), size()}, numbers_.radius, numbers_.scale, THREADS, weights.data());
    const Objective objective(numbers_, visible, known, weights);

    std::vector<float> u = guess(visible, known);
    std::int64_t layer = 0;
    for (const Stage& stage : numbers_.stages) {
        for (; layer < stage.layer; ++layer) {
            // what was found behind a layer goes through its activation, and through the next one's BatchNorm alone
            if (layer > 0)
                for (float& each : u) each *= each > 0 ? 1.0F : generator_[layer - 1].slope();
            std::vector<float> next(generator_[layer].size_of_image());
            generator_[layer].double_(u.data(), generator_[layer].finish(1), next.data());
            u = std::move(next);
        }
        descend(stage, objective, u);
    }
    to_planes(Beyond(generator_, layer).forward(u), channels(), generated);
}

std::vector<float> LatentSearch::guess(const std::vector<float>& image, const std::vector<float>& known) const {
    const std::int64_t area = known.size();
    std::vector<float> x;
    for (std::int64_t i = 0; i < area; ++i) {
        for (std::int64_t channel = 0; channel < channels(); ++channel)
            x.push_back(to_signed(image[channel * area + i]) * known[i]);
        x.push_back(known[i]);
    }
    for (const Layer& layer : encoder_) {
        std::vector<float> half(layer.size_of_half());
        layer.halve(x.data(), layer.finish(layer.slope()), half.data());
        x = std::move(half);
    }
    return x;
}

void LatentSearch::descend(const Stage& stage, const Objective& objective, std::vector<float>& u) const {
    Beyond beyond(generator_, stage.layer);
    const std::int64_t count = u.size(), area = size() * size();
    const std::vector<float> began = u;
    std::vector<float> mean(count), square(count), unit(channels() * area), of_x(unit.size()), of_sums(unit.size());
    for (const AdamStep& step : stage.steps) {
        const std::vector<float>& x = beyond.forward(u);
        to_planes(x, channels(), unit.data());
        objective.gradient(unit, of_x);
        for (std::int64_t i = 0; i < area; ++i)
            for (std::int64_t channel = 0; channel < channels(); ++channel) {
                const float value = x[i * channels() + channel];
                of_sums[i * channels() + channel] = of_x[channel * area + i] * (1 - value * value);
            }
        AdamOutcome outcome;
        adam(numbers_.rule, &step, beyond.backward(of_sums).data(), began.data(), count, 1, count, THREADS, u.data(),
             mean.data(), square.data(), &outcome);
    }
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
