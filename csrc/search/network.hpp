// The layers of a DCGAN for one image, whose channels lie side by side, and the generator behind one of them with its
// adjoint: networks/adjoint.py says why a network needs no tape.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "layers/convolution.hpp"
#include "layers/winograd.hpp"
#include "search/search_file.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// A layer between an image and its half; where the half is one pixel, the image has 4x4 and all is connected with all.
class Layer {
public:
    enum class Ways { HALVES, DOUBLES, BOTH };

    // side: of the half, in pixels
    Layer(const LayerNumbers& numbers, std::int64_t side, Ways ways);

    void halve(const float* image, Finish<float> finish, float* half) const;
    void double_(const float* half, Finish<float> finish, float* image) const;

    // forwards, with this slope below 0
    Finish<float> finish(float slope) const { return {scale_.data(), bias_.data(), slope, nullptr}; }
    float slope() const { return slope_; }
    std::int64_t depth() const { return depth_; }
    std::int64_t size_of_half() const { return side_ * side_ * depth_; }
    std::int64_t size_of_image() const { return (connects() ? 16 : 4 * side_ * side_) * channels_; }

private:
    bool connects() const { return side_ == 1; }
    Halving shape() const { return {1, side_, side_, channels_, depth_}; }

    std::int64_t side_, depth_, channels_;
    float slope_;
    // of what it makes forwards
    std::vector<float> scale_, bias_;
    // those that are needed
    std::optional<PackedMatrix<float>> halving_, doubling_;
    std::optional<WinogradHalving> winograd_halving_;
    std::optional<WinogradDoubling> winograd_doubling_;
};

// What of a generator lies behind its layer of that number, counted from 1: from activations u, before their ReLU, to x.
class Beyond {
public:
    Beyond(const std::vector<Layer>& generator, std::int64_t layer);

    // x in [-1, 1], (size, size, channels), until it is called again
    const std::vector<float>& forward(const std::vector<float>& u);
    // The gradient in u, of that in the argument of the tanh that ends it; once, in the place of the activations.
    const std::vector<float>& backward(const std::vector<float>& gradient);

private:
    const Layer& before(std::size_t index) const { return generator_[layer_ + index - 1]; }
    const Layer& at(std::size_t index) const { return generator_[layer_ + index]; }

    const std::vector<Layer>& generator_;
    std::size_t layer_;
    // what enters each layer
    std::vector<std::vector<float>> inputs_;
    std::vector<float> x_;
    // of a gradient's sums: as they are, without a bias
    std::vector<float> ones_, zeros_;
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
