#include <cstdint>
#include <type_traits>

#include "bindings/arrays.hpp"
#include "layers/convolution.hpp"
#include "layers/winograd.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

// bfloat16 comes as uint16: NumPy has no such dtype
template <class Number>
using Plain = std::conditional_t<std::is_same_v<Number, BFloat16>, std::uint16_t, Number>;

template <class Number>
const Number* numbers_of(const Array<Plain<Number>>& array) {
    return reinterpret_cast<const Number*>(array.data());
}

template <class Number>
Number* numbers_of(Array<Plain<Number>>& array) {
    return reinterpret_cast<Number*>(array.mutable_data());
}

template <class Number>
Finish<Number> finish_of(const Array<float>& scale, const Array<float>& bias, float slope, bool gated, int threads,
                         Array<Plain<Number>>& out) {
    expect_threads(threads);
    const auto channels = out.shape(out.ndim() - 1);
    expect(scale.ndim() == 1 && scale.shape(0) == channels && bias.ndim() == 1 && bias.shape(0) == channels,
           "scale, bias: expected one number a channel");
    return {scale.data(), bias.data(), slope, gated ? numbers_of<Number>(out) : nullptr};
}

template <class A, class B>
Halving halving_of(const Array<A>& images, const Array<B>& half) {
    expect(images.ndim() == 4 && half.ndim() == 4 && images.shape(0) == half.shape(0) &&
               images.shape(1) == 2 * half.shape(1) && images.shape(2) == 2 * half.shape(2) && images.size() > 0 &&
               half.size() > 0,
           "images, half: expected shapes (B, 2H, 2W, C) and (B, H, W, D), none of them 0");
    return {half.shape(0), half.shape(1), half.shape(2), images.shape(3), half.shape(3)};
}

template <class Number, class Pixel>
void bound_halve(const PackedMatrix<Number>& weights, const Array<Plain<Pixel>>& images,
                 const Array<float>& scale, const Array<float>& bias, float slope, bool gated, int threads,
                 Array<Plain<Number>>& half) {
    const auto shape = halving_of(images, half);
    expect(weights.k() >= 16 * shape.channels && weights.n() == shape.depth, "weights: expected (>= 16 C, D)");
    const auto finish = finish_of<Number>(scale, bias, slope, gated, threads, half);
    const Pixel* from = numbers_of<Pixel>(images);
    Number* to = numbers_of<Number>(half);

    const py::gil_scoped_release unlocked;
    halve(from, shape, weights, finish, threads, to);
}

template <class Number, class Pixel>
void bound_double_(const PackedMatrix<Number>& weights, const Array<Plain<Number>>& half,
                   const Array<float>& scale, const Array<float>& bias, float slope, bool gated, int threads,
                   Array<Plain<Pixel>>& images) {
    const auto shape = halving_of(images, half);
    expect(weights.k() == shape.depth && weights.n() == 16 * shape.channels, "weights: expected (D, 16 C)");
    const auto finish = finish_of<Pixel>(scale, bias, slope, gated, threads, images);
    const Number* from = numbers_of<Number>(half);
    Pixel* to = numbers_of<Pixel>(images);

    const py::gil_scoped_release unlocked;
    double_(from, shape, weights, finish, threads, to);
}

template <class Number, class Out>
void bound_connect(const PackedMatrix<Number>& weights, const Array<Plain<Number>>& a, const Array<float>& scale,
                   const Array<float>& bias, float slope, bool gated, int threads, Array<Plain<Out>>& out) {
    expect(a.ndim() == 2 && out.ndim() == 2 && a.shape(0) == out.shape(0) && a.shape(0) > 0,
           "a, out: expected (B, K) and (B, N), B not 0");
    expect(weights.k() == a.shape(1) && weights.n() == out.shape(1), "weights: expected (K, N)");
    const auto finish = finish_of<Out>(scale, bias, slope, gated, threads, out);
    const Number* from = numbers_of<Number>(a);
    Out* to = numbers_of<Out>(out);

    const py::gil_scoped_release unlocked;
    connect(from, a.shape(0), weights, finish, threads, to);
}

template <class Number, class Ends, class Class>
void define_products(Class& packed) {
    const auto define = [&](const char* name, auto function, const char* from, const char* to, const char* what) {
        packed.def(name, function, py::arg(from), py::arg("scale"), py::arg("bias"), py::arg("slope"),
                   py::arg("gated"), py::arg("threads"), py::arg(to), what);
    };
    define("halve", &bound_halve<Number, Ends>, "images", "half", "(B, 2H, 2W, C) -> (B, H, W, D): convolution.hpp");
    define("double", &bound_double_<Number, Ends>, "half", "images", "(B, H, W, D) -> (B, 2H, 2W, C): convolution.hpp");
    define("connect", &bound_connect<Number, Ends>, "a", "out", "(B, K) -> (B, N): convolution.hpp");
}

template <class Number>
auto define_packed(py::module_& module, const char* name) {
    using Packed = PackedMatrix<Number>;
    py::class_<Packed> packed(module, name, "The weights of a layer, (K, N), in the order of their use");
    packed.def(py::init([](const Array<float>& numbers, bool rows_of_16) {
                   expect(numbers.ndim() == 2 && numbers.size() > 0, "numbers: expected shape (K, N), neither 0");
                   return new Packed(numbers.data(), numbers.shape(0), numbers.shape(1), rows_of_16);
               }),
               py::arg("numbers"), py::arg("rows_of_16"));
    define_products<Number, Number>(packed);
    return packed;
}

template <class Layer>
Layer* new_layer(const Array<float>& weights) {
    expect(weights.ndim() == 2 && weights.size() > 0 && weights.shape(1) % 16 == 0,
           "weights: expected shape (D, 16 C), neither 0");
    return new Layer(weights.data(), weights.shape(0), weights.shape(1) / 16);
}

template <class Layer>
void run_layer(const Layer& layer, const Array<float>& from, Halving shape, const Array<float>& scale,
               const Array<float>& bias, float slope, bool gated, int threads, Array<float>& to) {
    expect(layer.depth() == shape.depth && layer.channels() == shape.channels, "weights: expected (D, 16 C)");
    expect(shape.height % 2 == 0 && shape.width % 2 == 0, "half: expected an even height and width");
    const auto finish = finish_of<float>(scale, bias, slope, gated, threads, to);
    const float* in = from.data();
    float* out = to.mutable_data();

    const py::gil_scoped_release unlocked;
    layer(in, shape, finish, threads, out);
}

template <class Layer, class ShapeOf>
void define_winograd(py::module_& module, const char* name, const char* from, const char* to, const ShapeOf& shape_of,
                     const char* doc) {
    py::class_<Layer>(module, name, doc)
        .def(py::init(&new_layer<Layer>), py::arg("weights"))
        .def(
            "__call__",
            [=](const Layer& layer, const Array<float>& in, const Array<float>& scale, const Array<float>& bias,
                float slope, bool gated, int threads, Array<float>& out) {
                run_layer(layer, in, shape_of(in, out), scale, bias, slope, gated, threads, out);
            },
            py::arg(from), py::arg("scale"), py::arg("bias"), py::arg("slope"),
            py::arg("gated"), py::arg("threads"), py::arg(to));
}

}  // namespace

void define_layers(py::module_& module) {
    define_packed<float>(module, "PackedFloat32");
    auto packed = define_packed<BFloat16>(module, "PackedBFloat16");
    // the ends of a network are float32
    define_products<BFloat16, float>(packed);
    using Images = const Array<float>&;
    define_winograd<WinogradHalving>(
        module, "WinogradHalving", "images", "half", [](Images in, Images out) { return halving_of(in, out); },
        "(B, 2H, 2W, C) -> (B, H, W, D), H and W even, weights (D, 16 C): winograd.hpp");
    define_winograd<WinogradDoubling>(
        module, "WinogradDoubling", "half", "images", [](Images in, Images out) { return halving_of(out, in); },
        "(B, H, W, D) -> (B, 2H, 2W, C), H and W even, weights (D, 16 C): winograd.hpp");
    module.def("winograd_pays", &winograd_pays, py::arg("images"), py::arg("height"), py::arg("width"),
               py::arg("channels"), "Whether they can be used for so many images, whose halves are of that size, and pay");
    module.attr("WINOGRAD_IMAGES") = WINOGRAD_IMAGES;
    module.attr("WINOGRAD_CHANNELS") = WINOGRAD_CHANNELS;
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
