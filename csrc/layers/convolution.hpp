// The layers of a DCGAN as products with packed weights: 4x4 convolutions of stride 2 and padding 1, which halve an
// image; their transposes, which double it; and those between 1x1 and 4x4 pixels, which are plain products.
// The gradient of each is another of them.
#pragma once

#include <cstdint>

#include "layers/finish.hpp"
#include "layers/matrix_product.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// half[y, x] = finish(sum over ky, kx of images[2 y - 1 + ky, 2 x - 1 + kx] weights[ky, kx]), zeros beyond the border.
// weights: (k, depth), where k >= 16 channels counts (ky, kx, channel), and the rest of its rows does not matter.
template <class Number, class Pixel>
void halve(const Pixel* images, Halving shape, const PackedMatrix<Number>& weights, Finish<Number> finish, int threads,
           Number* half);

// images[2 y - 1 + ky, 2 x - 1 + kx] = finish(sum over all that name that pixel of half[y, x] weights[ky, kx]).
// weights: (depth, 16 channels), columns counting (ky, kx, channel).
template <class Number, class Pixel>
void double_(const Number* half, Halving shape, const PackedMatrix<Number>& weights, Finish<Pixel> finish, int threads,
             Pixel* images);

// out (m, n) = finish(a (m, k) weights)
template <class Number, class Out>
void connect(const Number* a, std::int64_t m, const PackedMatrix<Number>& weights, Finish<Out> finish, int threads,
             Out* out);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
