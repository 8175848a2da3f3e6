#include "search/network.hpp"

#include <algorithm>
#include <cmath>

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

constexpr int THREADS = 1;

std::vector<float> repeated(const std::vector<float>& numbers, std::int64_t times) {
    std::vector<float> all;
    for (std::int64_t i = 0; i < times; ++i) all.insert(all.end(), numbers.begin(), numbers.end());
    return all;
}

std::vector<float> transposed(const std::vector<float>& numbers, std::int64_t rows, std::int64_t columns) {
    std::vector<float> result(numbers.size());
    for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < columns; ++j) result[j * rows + i] = numbers[i * columns + j];
    return result;
}

}  // namespace

Layer::Layer(const LayerNumbers& numbers, std::int64_t side, Ways ways)
    : side_(side), depth_(numbers.depth), channels_(numbers.channels), slope_(numbers.slope) {
    const bool halves = ways != Ways::DOUBLES, doubles = ways != Ways::HALVES;
    // the 16 pixels of a connection are one row of channels
    const std::int64_t pixels = connects() && doubles ? 16 : 1;
    scale_ = repeated(numbers.scale, pixels);
    bias_ = repeated(numbers.bias, pixels);
    const std::int64_t columns = 16 * channels_;
    if (!connects() && winograd_pays(1, side, side, channels_)) {
        if (halves) winograd_halving_.emplace(numbers.weights.data(), depth_, channels_);
        if (doubles) winograd_doubling_.emplace(numbers.weights.data(), depth_, channels_);
        return;
    }
    if (halves) halving_.emplace(transposed(numbers.weights, depth_, columns).data(), columns, depth_, !connects());
    if (doubles) doubling_.emplace(numbers.weights.data(), depth_, columns, !connects());
}

void Layer::halve(const float* image, Finish<float> finish, float* half) const {
    if (connects()) return connect(image, 1, *halving_, finish, THREADS, half);
    if (winograd_halving_) return (*winograd_halving_)(image, shape(), finish, THREADS, half);
    faceinpaint::halve(image, shape(), *halving_, finish, THREADS, half);
}

void Layer::double_(const float* half, Finish<float> finish, float* image) const {
    if (connects()) return connect(half, 1, *doubling_, finish, THREADS, image);
    if (winograd_doubling_) return (*winograd_doubling_)(half, shape(), finish, THREADS, image);
    faceinpaint::double_(half, shape(), *doubling_, finish, THREADS, image);
}

Beyond::Beyond(const std::vector<Layer>& generator, std::int64_t layer)
    : generator_(generator),
      layer_(layer),
      x_(generator.back().size_of_image()),
      ones_(generator[layer].depth(), 1.0F) {
    for (std::size_t index = layer_; index < generator.size(); ++index) {
        inputs_.emplace_back(generator[index].size_of_half());
        zeros_.resize(std::max<std::size_t>(zeros_.size(), generator[index].depth()));
    }
}

const std::vector<float>& Beyond::forward(const std::vector<float>& u) {
    const float slope = before(0).slope();
    for (std::size_t i = 0; i < u.size(); ++i) inputs_[0][i] = u[i] * (u[i] > 0 ? 1.0F : slope);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
        float* to = i + 1 < inputs_.size() ? inputs_[i + 1].data() : x_.data();
        at(i).double_(inputs_[i].data(), at(i).finish(at(i).slope()), to);
    }
    for (float& each : x_) each = std::tanh(each);
    return x_;
}

const std::vector<float>& Beyond::backward(const std::vector<float>& gradient) {
    const float* from = gradient.data();
    for (std::size_t i = inputs_.size(); i-- > 0;) {
        // through the layer, then through the activation before it and, but for what is searched, its BatchNorm
        float* to = inputs_[i].data();
        const float* scale = i > 0 ? before(i).finish(1).scale : ones_.data();
        at(i).halve(from, {scale, zeros_.data(), before(i).slope(), to}, to);
        from = to;
    }
    return inputs_[0];
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
