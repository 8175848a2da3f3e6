#include "bindings/planes.hpp"
#include "blend/plate.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

Plates bound_plates(const Array<bool>& missing, double tension) {
    expect_holes(missing);
    const auto* pixels = reinterpret_cast<const std::uint8_t*>(missing.data());
    const auto holes = missing.shape(0), height = missing.shape(1), width = missing.shape(2);
    const py::gil_scoped_release unlocked;
    return {pixels, holes, height, width, tension};
}

}  // namespace

void define_plate(py::module_& module) {
    using namespace py::literals;
    module.attr("DEPTH") = Plate::DEPTH;
    py::class_<Plates>(module, "Plates")
        .def(py::init(&bound_plates), "missing"_a, "tension"_a)
        .def("solve", &bound_solve<Plates>, "f"_a, "guidance"_a.none(true), "tolerance"_a, "reached"_a);
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
