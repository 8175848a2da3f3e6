// SSIM and L1 of weighted images, weighted L1, and their gradients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace faceinpaint {

// Images of one size, one after the other, each its channels, each row by row; all sizes >= 1.
struct Batch {
    std::int64_t images, channels, height, width;
};

// A separable window: its taps of one dimension, size (odd, 3 to 31) of them; `pad` zeros beyond each border, none or
// size / 2.
template <class T>
struct LocalWindow {
    const T* taps;
    int size, pad;

    // how many windows there are along a side, which fits at least one
    std::int64_t positions(std::int64_t side) const { return side + 2 * pad - size + 1; }
};

// Sums of an image's planes, in the order of its channels: the same whoever computed them.
template <class T>
void add_channels(const std::vector<double>& planes, std::int64_t channels, T* images) {
    for (std::size_t plane = 0; plane < planes.size(); plane += channels) {
        double sum = 0;
        for (std::int64_t channel = 0; channel < channels; ++channel) sum += planes[plane + channel];
        images[plane / channels] = static_cast<T>(sum);
    }
}

// What the loss against v = w y needs of y, see ops/ssim_l1.py.
template <class T>
struct SsimTarget {
    // w (B, H, W) or null for 1 everywhere, v (B, C, H, W), mean and variance (B, C, H', W'), share (B, H', W') or null
    // for the same of every window; an image's shares sum to 1 over windows and channels
    const T *w, *v, *mean, *variance, *share;
    // one for all images instead
    bool one_w, one_share;
    T c1, c2;
};

// mean = E[v], variance = E[v^2] - E[v]^2 under each window, (B, C, H, W) -> (B, C, H', W')
template <class T>
void window_statistics(const T* v, Batch batch, LocalWindow<T> window, int threads, T* mean, T* variance);

// With u = w x: ssim = 1 - sum_q share_q (1 - S_q(u, v)), which is exactly 1 where u = v and never more, and
// l1 = sum_p |u_p - v_p| of each image (B,), and, unless it is null,
// gradient = w (a dssim/du + b sign(u - v)), a and b (B,), laid out as x.
//
// An image's results are the same bits in any batch and with any number of threads.
template <class T>
void ssim_l1(const T* x, Batch batch, SsimTarget<T> target, LocalWindow<T> window, const T* a, const T* b, int threads,
             T* ssim, T* l1, T* gradient);

// ssim (B,) of x against y, both as they are, of which nothing is known beforehand, and, unless it is null, its gradient
// in x; share (B, H', W'), one for all images where one_share, or null, as a SsimTarget's
template <class T>
void ssim(const T* x, const T* y, Batch batch, const T* share, bool one_share, LocalWindow<T> window, T c1, T c2,
          int threads, T* out, T* gradient);

// w of the weighted L1: (B, C, H, W), but for the two that can be one for all.
template <class T>
struct Weights {
    const T* values;
    bool one_image, one_channel;

    const T* of_plane(std::int64_t plane, const Batch& batch) const {
        const std::int64_t image = one_image ? 0 : plane / batch.channels;
        const std::int64_t channel = one_channel ? 0 : plane % batch.channels;
        return values + (image * (one_channel ? 1 : batch.channels) + channel) * batch.height * batch.width;
    }
};

// out = sum w |x - y| of each image, with the same promise
template <class T>
void weighted_l1(const T* x, const T* y, Batch batch, Weights<T> w, int threads, T* out);

// out = grad w sign(x - y), grad (B,), out laid out as x
template <class T>
void weighted_l1_gradient(const T* grad, const T* x, const T* y, Batch batch, Weights<T> w, int threads, T* out);

}  // namespace faceinpaint
