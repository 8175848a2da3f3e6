// What the parts of the module faceinpaint_fast._cpu share.  They check what kind of arrays they were given, let go of
// the GIL, and call.
//
// No conversion anywhere: an array of another dtype or layout is a mistake of the Python side, not ours to copy in
// silence.  Values are checked there too, in the user's words.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

namespace py = pybind11;

// Whether it begins where a T may lie.
template <class T>
bool is_aligned(const py::array& array) {
    return reinterpret_cast<std::uintptr_t>(array.data()) % alignof(T) == 0;
}

// An array of T's, one after the other, where T's may lie; anything else is refused, never converted.
template <class T>
class Array : public py::array_t<T, py::array::c_style> {
    using Base = py::array_t<T, py::array::c_style>;

public:
    using Base::Base;
    // what pybind11 asks before it hands one over
    static bool check_(py::handle object) {
        return Base::check_(object) && is_aligned<T>(py::reinterpret_borrow<py::array>(object));
    }
};

inline void expect(bool fits, const std::string& what) {
    if (!fits) throw py::value_error(what);
}

inline void expect_threads(int threads) {
    expect(threads >= 1, "threads: expected >= 1, got " + std::to_string(threads));
}

template <class A, class B>
bool same_shape(const Array<A>& a, const Array<B>& b) {
    return a.ndim() == b.ndim() && std::equal(a.shape(), a.shape() + a.ndim(), b.shape());
}

template <class T>
void expect_numbers(const Array<T>& array, const std::string& name, std::int64_t count) {
    expect(array.ndim() == 1 && array.shape(0) == count, name + ": expected shape (" + std::to_string(count) + ")");
}

// All of the level that follow.
void define(py::module_& module);
void define_weight_map(py::module_& module);
void define_losses(py::module_& module);
void define_layers(py::module_& module);
void define_poisson(py::module_& module);
void define_plate(py::module_& module);
void define_search(py::module_& module);
void define_mirror(py::module_& module);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
