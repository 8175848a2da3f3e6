#include <algorithm>
#include <initializer_list>
#include <string>

#include "bindings.hpp"
#include "losses.hpp"
#include "window_filter.hpp"

namespace faceinpaint {
namespace {

template <class T>
void expect_shape(const Array<T>& array, const std::string& name, std::initializer_list<py::ssize_t> sizes) {
    const bool fits = array.ndim() == static_cast<py::ssize_t>(sizes.size()) &&
                      std::equal(sizes.begin(), sizes.end(), array.shape());
    std::string expected;
    for (const py::ssize_t size : sizes) expected += (expected.empty() ? "" : ", ") + std::to_string(size);
    expect(fits, name + ": expected shape (" + expected + ")");
}

template <class T>
Batch batch_of(const Array<T>& images, const std::string& name) {
    expect(images.ndim() == 4 && images.size() > 0, name + ": expected shape (B, C, H, W), none of them 0");
    return {images.shape(0), images.shape(1), images.shape(2), images.shape(3)};
}

template <class T>
LocalWindow<T> window_of(const Array<T>& taps, int pad, const Batch& batch) {
    expect(taps.ndim() == 1 && taps.size() % 2 == 1 && taps.size() >= 3 && taps.size() <= LARGEST_WINDOW,
           "taps: expected shape (size,), size odd, 3 to " + std::to_string(LARGEST_WINDOW));
    const int size = static_cast<int>(taps.size());
    expect(pad == 0 || pad == size / 2, "pad: expected 0 or size // 2, got " + std::to_string(pad));
    expect(std::min(batch.height, batch.width) >= size, "taps: expected a window that fits the images");
    return {taps.data(), size, pad};
}

// The size that axis of `array` should have: 1, if it is that, or `all`.
template <class T>
py::ssize_t one_or(py::ssize_t all, const Array<T>& array, py::ssize_t axis) {
    return axis < array.ndim() && array.shape(axis) == 1 ? 1 : all;
}

template <class T>
void bound_window_statistics(const Array<T>& v, const Array<T>& taps, int pad, int threads, Array<T>& mean,
                       Array<T>& variance) {
    const auto batch = batch_of(v, "v");
    const auto window = window_of(taps, pad, batch);
    const auto down = window.positions(batch.height), across = window.positions(batch.width);
    expect_shape(mean, "mean", {batch.images, batch.channels, down, across});
    expect_shape(variance, "variance", {batch.images, batch.channels, down, across});
    expect_threads(threads);
    const T* values = v.data();
    T *to_mean = mean.mutable_data(), *to_variance = variance.mutable_data();

    const py::gil_scoped_release unlocked;
    window_statistics(values, batch, window, threads, to_mean, to_variance);
}

template <class T>
void bound_ssim_l1(const Array<T>& x, const Array<T>& w, const Array<T>& v, const Array<T>& mean, const Array<T>& variance,
             const Array<T>& share, const Array<T>& taps, int pad, T c1, T c2, const Array<T>& a, const Array<T>& b,
             int threads, Array<T>& ssim, Array<T>& l1, Array<T>& gradient) {
    const auto batch = batch_of(x, "x");
    const auto [B, C, H, W] = batch;
    const auto window = window_of(taps, pad, batch);
    const auto down = window.positions(H), across = window.positions(W);
    if (w.size() > 0) expect_shape(w, "w", {one_or(B, w, 0), H, W});
    expect_shape(v, "v", {B, C, H, W});
    expect_shape(mean, "mean", {B, C, down, across});
    expect_shape(variance, "variance", {B, C, down, across});
    if (share.size() > 0) expect_shape(share, "share", {one_or(B, share, 0), down, across});
    expect_shape(a, "a", {B});
    expect_shape(b, "b", {B});
    expect_shape(ssim, "ssim", {B});
    expect_shape(l1, "l1", {B});
    if (gradient.size() > 0) expect_shape(gradient, "gradient", {B, C, H, W});
    expect_threads(threads);
    const SsimTarget<T> target{w.size() > 0 ? w.data() : nullptr, v.data(), mean.data(), variance.data(),
                               share.size() > 0 ? share.data() : nullptr, w.shape(0) == 1, share.shape(0) == 1, c1, c2};
    const T *pixels = x.data(), *of_ssim = a.data(), *of_l1 = b.data();
    T *to_ssim = ssim.mutable_data(), *to_l1 = l1.mutable_data();
    T* to_gradient = gradient.size() > 0 ? gradient.mutable_data() : nullptr;

    const py::gil_scoped_release unlocked;
    ssim_l1(pixels, batch, target, window, of_ssim, of_l1, threads, to_ssim, to_l1, to_gradient);
}

template <class T>
void bound_ssim(const Array<T>& x, const Array<T>& y, const Array<T>& share, const Array<T>& taps, int pad, T c1, T c2,
                int threads, Array<T>& out, Array<T>& gradient) {
    const auto batch = batch_of(x, "x");
    const auto [B, C, H, W] = batch;
    const auto window = window_of(taps, pad, batch);
    expect(same_shape(x, y), "y: expected the shape of x");
    if (share.size() > 0) expect_shape(share, "share", {one_or(B, share, 0), window.positions(H), window.positions(W)});
    expect_shape(out, "out", {B});
    if (gradient.size() > 0) expect(same_shape(x, gradient), "gradient: expected the shape of x");
    expect_threads(threads);
    const T *of_x = x.data(), *of_y = y.data(), *shares = share.size() > 0 ? share.data() : nullptr;
    const bool one_share = share.shape(0) == 1;
    T* values = out.mutable_data();
    T* to_gradient = gradient.size() > 0 ? gradient.mutable_data() : nullptr;

    const py::gil_scoped_release unlocked;
    ssim(of_x, of_y, batch, shares, one_share, window, c1, c2, threads, values, to_gradient);
}

template <class T>
Weights<T> weights_of(const Array<T>& w, const Batch& batch) {
    expect_shape(w, "w", {one_or(batch.images, w, 0), one_or(batch.channels, w, 1), batch.height, batch.width});
    return {w.data(), w.shape(0) == 1, w.shape(1) == 1};
}

template <class T>
void bound_weighted_l1(const Array<T>& x, const Array<T>& y, const Array<T>& w, int threads, Array<T>& out) {
    const auto batch = batch_of(x, "x");
    expect(same_shape(x, y), "y: expected the shape of x");
    const auto weights = weights_of(w, batch);
    expect_shape(out, "out", {batch.images});
    expect_threads(threads);
    const T *of_x = x.data(), *of_y = y.data();
    T* losses = out.mutable_data();

    const py::gil_scoped_release unlocked;
    weighted_l1(of_x, of_y, batch, weights, threads, losses);
}

template <class T>
void bound_weighted_l1_gradient(const Array<T>& grad, const Array<T>& x, const Array<T>& y, const Array<T>& w, int threads,
                          Array<T>& out) {
    const auto batch = batch_of(x, "x");
    expect(same_shape(x, y), "y: expected the shape of x");
    const auto weights = weights_of(w, batch);
    expect_shape(grad, "grad", {batch.images});
    expect(same_shape(x, out), "out: expected the shape of x");
    expect_threads(threads);
    const T *of_grad = grad.data(), *of_x = x.data(), *of_y = y.data();
    T* gradient = out.mutable_data();

    const py::gil_scoped_release unlocked;
    weighted_l1_gradient(of_grad, of_x, of_y, batch, weights, threads, gradient);
}

template <class T>
void define_for(py::module_& module) {
    const auto array = [](const char* name) { return py::arg(name).noconvert(); };
    module.def("window_statistics", &bound_window_statistics<T>, array("v"), array("taps"), py::arg("pad"),
               py::arg("threads"), array("mean"), array("variance"),
               "mean, variance (B, C, H', W') of v (B, C, H, W) under each window");
    module.def("ssim_l1", &bound_ssim_l1<T>, array("x"), array("w"), array("v"), array("mean"), array("variance"),
               array("share"), array("taps"), py::arg("pad"), py::arg("c1"), py::arg("c2"), array("a"), array("b"),
               py::arg("threads"), array("ssim"), array("l1"), array("gradient"),
               "ssim, l1 (B,) of w x against v and, unless its size is 0, the gradient (B, C, H, W) of a ssim + b l1");
    module.def("ssim", &bound_ssim<T>, array("x"), array("y"), array("share"), array("taps"), py::arg("pad"),
               py::arg("c1"), py::arg("c2"), py::arg("threads"), array("out"), array("gradient"),
               "out (B,) = ssim of x and y (B, C, H, W) and, unless its size is 0, its gradient in x");
    module.def("weighted_l1", &bound_weighted_l1<T>, array("x"), array("y"), array("w"), py::arg("threads"), array("out"),
               "out (B,) = sum w |x - y|, x, y (B, C, H, W), w (B or 1, C or 1, H, W)");
    module.def("weighted_l1_gradient", &bound_weighted_l1_gradient<T>, array("grad"), array("x"), array("y"), array("w"),
               py::arg("threads"), array("out"), "out (B, C, H, W) = grad w sign(x - y), grad (B,)");
}

}  // namespace

void define_losses(py::module_& module) {
    define_for<float>(module);
    define_for<double>(module);
}

}  // namespace faceinpaint
