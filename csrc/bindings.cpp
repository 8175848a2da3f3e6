// The module faceinpaint_fast._cpu: checks what kind of arrays it was given, lets go of the GIL, calls.
//
// No conversion anywhere: an array of another dtype or layout is a mistake of the Python side, not ours to copy in
// silence.  Values are checked there too, in the user's words.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "box_filter.hpp"

namespace py = pybind11;

namespace {

// c_style without forcecast; every argument of this type is noconvert()
template <class T>
using Array = py::array_t<T, py::array::c_style>;

void expect(bool fits, const std::string& what) {
    if (!fits) throw py::value_error(what);
}

template <class A, class B>
bool same_shape(const Array<A>& a, const Array<B>& b) {
    return a.ndim() == b.ndim() && std::equal(a.shape(), a.shape() + a.ndim(), b.shape());
}

template <class Pixel>
void weight_map(const Array<Pixel>& hole, Pixel threshold, std::int64_t radius, double scale, int threads,
                Array<float>& out) {
    expect(hole.ndim() == 3 && hole.size() > 0, "hole: expected shape (B, H, W), none of them 0");
    expect(same_shape(hole, out), "out: expected the shape of hole");
    expect(threshold > std::numeric_limits<Pixel>::lowest(), "threshold: expected above the least of hole's dtype");
    expect(radius >= 0, "radius: expected >= 0, got " + std::to_string(radius));
    expect(threads >= 1, "threads: expected >= 1, got " + std::to_string(threads));
    const faceinpaint::Planes planes{hole.shape(0), hole.shape(1), hole.shape(2)};
    const Pixel* pixels = hole.data();
    float* weights = out.mutable_data();

    const py::gil_scoped_release unlocked;
    faceinpaint::weight_map(pixels, threshold, planes, radius, scale, threads, weights);
}

template <class Pixel>
void define_weight_map(py::module_& module) {
    module.def("weight_map", &weight_map<Pixel>, py::arg("hole").noconvert(), py::arg("threshold"), py::arg("radius"),
               py::arg("scale"), py::arg("threads"), py::arg("out").noconvert(),
               "out = 1 + scale * (pixels >= threshold among those within radius), (B, H, W) -> (B, H, W)");
}

}  // namespace

PYBIND11_MODULE(_cpu, module, py::mod_gil_not_used()) {
    module.doc() = "The compiled kernels, for arrays in this machine's memory.";
    define_weight_map<std::uint8_t>(module);
    define_weight_map<float>(module);
    define_weight_map<double>(module);
}
