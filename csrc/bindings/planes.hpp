// What solves an equation on the holes of images, plane by plane.
#pragma once

#include <pybind11/stl.h>

#include <cstdint>
#include <optional>
#include <string>

#include "bindings/arrays.hpp"
#include "blend/pixels.hpp"
#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

inline void expect_holes(const Array<bool>& missing) {
    expect(missing.ndim() == 3 && missing.size() > 0, "missing: expected shape (holes, height, width), none of them 0");
}

// How many planes an array (planes, height + 2, pitch) has, as a solver asks for them.
template <class T, class Solver>
std::int64_t planes_of(const Array<T>& array, const Solver& solver, const std::string& name) {
    const auto rows = solver.height() + 2, pitch = pitch_of(solver.width());
    expect(array.ndim() == 3 && array.shape(1) == rows && array.shape(2) == pitch,
           name + ": expected shape (planes, " + std::to_string(rows) + ", " + std::to_string(pitch) + ")");
    return array.shape(0);
}

// f, guidance  (planes, height + 2, pitch), a multiple of the solver's holes; reached (planes)
template <class Solver>
std::int64_t bound_solve(const Solver& solver, Array<double>& f, const std::optional<Array<double>>& guidance,
                         double tolerance, Array<double>& reached) {
    const auto planes = planes_of(f, solver, "f");
    expect(planes % solver.holes() == 0, "f: expected a multiple of " + std::to_string(solver.holes()) + " planes");
    expect(!guidance || planes_of(*guidance, solver, "guidance") == planes, "guidance: expected as many planes as f");
    expect_numbers(reached, "reached", planes);
    double *to = f.mutable_data(), *shares = reached.mutable_data();
    const double* pulls = guidance ? guidance->data() : nullptr;
    const py::gil_scoped_release unlocked;
    return solver.solve(to, pulls, planes, tolerance, shares);
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
