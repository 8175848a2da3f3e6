#include <cstdint>
#include <limits>
#include <string>

#include "bindings/arrays.hpp"
#include "weight_map.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

template <class Pixel>
void bound_weight_map(const Array<Pixel>& hole, Pixel threshold, std::int64_t radius, double scale, int threads,
                Array<float>& out) {
    expect(hole.ndim() == 3 && hole.size() > 0, "hole: expected shape (B, H, W), none of them 0");
    expect(same_shape(hole, out), "out: expected the shape of hole");
    expect(threshold > std::numeric_limits<Pixel>::lowest(), "threshold: expected above the least of hole's dtype");
    expect(radius >= 0, "radius: expected >= 0, got " + std::to_string(radius));
    expect_threads(threads);
    const Holes shape{hole.shape(0), hole.shape(1), hole.shape(2)};
    const Pixel* pixels = hole.data();
    float* weights = out.mutable_data();

    const py::gil_scoped_release unlocked;
    weight_map(pixels, threshold, shape, radius, scale, threads, weights);
}

template <class Pixel>
void define_for(py::module_& module) {
    module.def("weight_map", &bound_weight_map<Pixel>, py::arg("hole"), py::arg("threshold"), py::arg("radius"),
               py::arg("scale"), py::arg("threads"), py::arg("out"),
               "out = 1 + scale * (pixels >= threshold among those within radius), (B, H, W) -> (B, H, W)");
}

}  // namespace

void define_weight_map(py::module_& module) {
    define_for<std::uint8_t>(module);
    define_for<float>(module);
    define_for<double>(module);
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
