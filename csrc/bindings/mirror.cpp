#include <pybind11/stl.h>

#include <array>
#include <optional>

#include "bindings/arrays.hpp"
#include "mirror/registration.hpp"
#include "mirror/source.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

Similarity similarity_of(const Array<double>& frame) {
    expect(frame.ndim() == 2 && frame.shape(0) == 2 && frame.shape(1) == 3, "frame: expected shape (2, 3)");
    const Similarity similarity(frame.data());
    expect(similarity.is_of_a_face(), "frame: expected a similarity of a face's size");
    return similarity;
}

template <class A, class T>
Pixels<T> interleaved(A& array, T* data) {
    return {data, 0, array.shape(1) * 3, 3, 1};
}

Halves bound_halves(const Array<float>& face, const Array<float>& lost, const Array<double>& frame, std::int64_t height,
                    std::int64_t width, double axis) {
    const auto drawn = std::to_string(DRAWN);
    const auto is_drawn = [](const auto& array) { return array.shape(0) == DRAWN && array.shape(1) == DRAWN; };
    expect(face.ndim() == 3 && is_drawn(face) && face.shape(2) == 3, "face: expected shape (" + drawn + ", " + drawn + ", 3)");
    expect(lost.ndim() == 2 && is_drawn(lost), "lost: expected shape (" + drawn + ", " + drawn + ")");
    const auto similarity = similarity_of(frame);
    const auto pixels = interleaved(face, face.data());
    const float* shares = lost.data();
    const py::gil_scoped_release unlocked;
    return {pixels, shares, similarity, height, width, axis};
}

std::optional<Registration> bound_registered(const Halves& halves, const Array<double>& points, double least) {
    expect(points.ndim() == 2 && points.shape(0) == POINTS && points.shape(1) == 2, "points: expected shape (5, 2)");
    std::array<Point, POINTS> at{};
    for (int i = 0; i < POINTS; ++i) at[i] = {points.at(i, 0), points.at(i, 1)};
    const py::gil_scoped_release unlocked;
    return registered(halves, at, least);
}

double bound_make_source(const Halves& halves, const Registration& found, const Array<float>& restored,
                         const Array<bool>& missing, const Array<bool>& part, const Array<double>& frame,
                         Array<float>& source, Array<float>& trust) {
    expect(restored.ndim() == 3 && restored.size() > 0 && restored.shape(2) == 3,
           "restored: expected shape (height, width, 3), neither 0");
    expect(same_shape(source, restored), "source: expected the shape of restored");
    const auto height = restored.shape(0), width = restored.shape(1);
    const auto is_plane = [&](const auto& array) {
        return array.ndim() == 2 && array.shape(0) == height && array.shape(1) == width;
    };
    expect(is_plane(missing) && is_plane(part) && is_plane(trust), "missing, part, trust: expected shape (height, width)");
    const auto similarity = similarity_of(frame);
    const auto of_restored = interleaved(restored, restored.data());
    const auto of_source = interleaved(source, source.mutable_data());
    const auto *holes = reinterpret_cast<const std::uint8_t*>(missing.data()),
               *parts = reinterpret_cast<const std::uint8_t*>(part.data());
    float* trusted = trust.mutable_data();
    const py::gil_scoped_release unlocked;
    return make_source(halves, found, of_restored, holes, parts, height, width, similarity, of_source, trusted);
}

Array<double> field_of(const Registration& found) {
    Array<double> field({2, SPLINES, SPLINES});
    std::copy(found.field.x.begin(), found.field.x.end(), field.mutable_data());
    std::copy(found.field.y.begin(), found.field.y.end(), field.mutable_data() + COEFFICIENTS);
    return field;
}

}  // namespace

void define_mirror(py::module_& module) {
    using namespace py::literals;
    py::class_<Registration>(module, "Registration")
        .def_property_readonly("field", &field_of)
        .def_readonly("gain", &Registration::gain)
        .def_readonly("ring", &Registration::ring)
        .def_readonly("yaw", &Registration::yaw);
    py::class_<Halves>(module, "Halves")
        .def_readonly_static("SIZE", &SIZE)
        .def_readonly_static("FINE", &FINE)
        .def_readonly_static("PAD", &PAD)
        .def(py::init(&bound_halves), "face"_a, "lost"_a, "frame"_a, "height"_a, "width"_a, "axis"_a)
        .def("registered", &bound_registered, "points"_a, "least"_a)
        .def("make_source", &bound_make_source, "found"_a, "restored"_a, "missing"_a, "part"_a, "frame"_a, "source"_a,
             "trust"_a);
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
