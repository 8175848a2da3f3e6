// The layers of convolution.hpp between large images, by Winograd's minimal filtering: 9 products in place of 16.
//
// Along one axis, half[y] is the sum over two phases p of d[y] g0 + d[y + 1] g1, where d[y] = images[2 y - p] are every
// second pixel, and g0 = weights[1 - p], g1 = weights[3 - p].  Two neighbours, half[y] and half[y + 1], need
//     m0 = (d0 - d1) g0,    m1 = d1 (g0 + g1),    m2 = (d2 - d1) g1,
//     half[y] = m0 + m1,    half[y + 1] = m1 + m2:
// 3 products, not 4.  The phases' products have the same sums, so that they are one product with 2 channels for each.
// Doubling is the adjoint: from x0 = half[y], x1 = half[y + 1]
//     m0 = x0 g0,    m1 = (x0 + x1) (g0 + g1),    m2 = x1 g1
// and images[2 y - p], [2 y - p + 2], [2 y - p + 4] get m0, m1 - m0 - m2, m2.
// Over both axes that makes 9 matrices, of 4 phases by channels, and tiles of 2x2 pixels of the half.
#pragma once

#include <cstdint>
#include <vector>

#include "layers/finish.hpp"
#include "layers/matrix_product.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// It reads 2.25 times the weights: it pays from so many images on, or with one of so many pixels; always, where computing
// takes longer than reading.  With fewer channels, as at the ends of a network, its sums of pixels cost more than the
// products they save.
constexpr std::int64_t WINOGRAD_IMAGES = 8, WINOGRAD_PIXELS = NARROW ? 4 : 256, WINOGRAD_CHANNELS = 16;

// Whether it can be done for so many images of so many channels, whose halves are of that size, and pays.
constexpr bool winograd_pays(std::int64_t images, std::int64_t height, std::int64_t width, std::int64_t channels) {
    const bool fits = height % 2 == 0 && width % 2 == 0;
    return fits && channels >= WINOGRAD_CHANNELS && (images >= WINOGRAD_IMAGES || height * width >= WINOGRAD_PIXELS);
}

// The half has an even height and width.
class WinogradHalving {
public:
    // weights (depth, 16 channels): columns count (ky, kx, channel)
    WinogradHalving(const float* weights, std::int64_t depth, std::int64_t channels);
    // half = finish(convolution of images): convolution.hpp
    void operator()(const float* images, Halving shape, Finish<float> finish, int threads, float* half) const;

    std::int64_t depth() const { return matrices_[0].n(); }
    std::int64_t channels() const { return matrices_[0].k() / 4; }

private:
    // (4 channels, depth): rows count (py, px, channel)
    std::vector<PackedMatrix<float>> matrices_;
};

class WinogradDoubling {
public:
    WinogradDoubling(const float* weights, std::int64_t depth, std::int64_t channels);
    // images = finish(transposed convolution of half)
    void operator()(const float* half, Halving shape, Finish<float> finish, int threads, float* images) const;

    std::int64_t depth() const { return matrices_[0].k(); }
    std::int64_t channels() const { return matrices_[0].n() / 4; }

private:
    // (depth, 4 channels): columns count (py, px, channel)
    std::vector<PackedMatrix<float>> matrices_;
};

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
