#include <pybind11/stl.h>

#include <optional>

#include "bindings/arrays.hpp"
#include "blend/plate.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

Biharmonic bound_hole(const Array<bool>& missing, double tension) {
    expect(missing.ndim() == 2 && missing.size() > 0, "missing: expected shape (height, width), neither of them 0");
    const auto* pixels = reinterpret_cast<const std::uint8_t*>(missing.data());
    const auto height = missing.shape(0), width = missing.shape(1);
    const py::gil_scoped_release unlocked;
    return Biharmonic(pixels, height, width, tension);
}

void bound_residual(const Biharmonic& hole, const Array<double>& f, const std::optional<Array<double>>& expected,
                    Array<double>& r, Array<double>& squares) {
    const auto planes = planes_of(f, hole, "f");
    expect(planes_of(r, hole, "r") == planes, "r: expected as many planes as f");
    expect(!expected || planes_of(*expected, hole, "expected") == planes, "expected: expected as many planes as f");
    expect_numbers(squares, "squares", planes);
    const double *from = f.data(), *of_them = expected ? expected->data() : nullptr;
    double *to = r.mutable_data(), *sums = squares.mutable_data();
    const py::gil_scoped_release unlocked;
    hole.residual(from, of_them, planes, to, sums);
}

std::int64_t bound_add_solution(const Biharmonic& hole, Array<double>& r, Array<double>& squares,
                                const Array<double>& goal, Array<double>& f) {
    const auto planes = planes_of(r, hole, "r");
    expect(planes_of(f, hole, "f") == planes, "f: expected as many planes as r");
    expect_numbers(squares, "squares", planes);
    expect_numbers(goal, "goal", planes);
    double *of_r = r.mutable_data(), *sums = squares.mutable_data(), *to = f.mutable_data();
    const double* wanted = goal.data();
    const py::gil_scoped_release unlocked;
    return hole.add_solution(of_r, sums, wanted, planes, to);
}

}  // namespace

void define_biharmonic(py::module_& module) {
    using namespace py::literals;
    py::class_<Biharmonic>(module, "Biharmonic")
        .def(py::init(&bound_hole), "missing"_a.noconvert(), "tension"_a)
        .def_property_readonly("height", &Biharmonic::height)
        .def_property_readonly("width", &Biharmonic::width)
        .def("residual", &bound_residual, "f"_a.noconvert(), "expected"_a.noconvert(), "r"_a.noconvert(), "squares"_a.noconvert())
        .def("add_solution", &bound_add_solution, "r"_a.noconvert(), "squares"_a.noconvert(), "goal"_a.noconvert(),
             "f"_a.noconvert());
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
