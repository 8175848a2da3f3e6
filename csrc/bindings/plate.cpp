#include <pybind11/stl.h>

#include <optional>

#include "bindings/arrays.hpp"
#include "blend/plate.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

Plates bound_plates(const Array<bool>& missing, double tension) {
    expect(missing.ndim() == 3 && missing.size() > 0, "missing: expected shape (holes, height, width), none of them 0");
    const auto* pixels = reinterpret_cast<const std::uint8_t*>(missing.data());
    const auto holes = missing.shape(0), height = missing.shape(1), width = missing.shape(2);
    const py::gil_scoped_release unlocked;
    return {pixels, holes, height, width, tension};
}

std::int64_t bound_solve(const Plates& plates, Array<double>& f, const std::optional<Array<double>>& guidance,
                         double tolerance, Array<double>& reached) {
    const auto planes = planes_of(f, plates, "f");
    expect(planes % plates.holes() == 0, "f: expected a multiple of " + std::to_string(plates.holes()) + " planes");
    expect(!guidance || planes_of(*guidance, plates, "guidance") == planes, "guidance: expected as many planes as f");
    expect_numbers(reached, "reached", planes);
    double *to = f.mutable_data(), *shares = reached.mutable_data();
    const double* pulls = guidance ? guidance->data() : nullptr;
    const py::gil_scoped_release unlocked;
    return plates.solve(to, pulls, planes, tolerance, shares);
}

}  // namespace

void define_plate(py::module_& module) {
    using namespace py::literals;
    module.attr("DEPTH") = Plate::DEPTH;
    py::class_<Plates>(module, "Plates")
        .def(py::init(&bound_plates), "missing"_a, "tension"_a)
        .def("solve", &bound_solve, "f"_a, "guidance"_a.none(true), "tolerance"_a, "reached"_a);
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
