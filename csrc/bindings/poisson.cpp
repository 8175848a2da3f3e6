#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "bindings/planes.hpp"
#include "blend/multigrid.hpp"
#include "blend/pixels.hpp"
#include "blend/rectangle.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

template <class T>
Pixels<T> pixels_of(const py::array& array, const std::string& name) {
    expect(is_aligned<T>(array), name + ": expected numbers where they may lie");
    const auto stride = [&](int axis) {
        const auto bytes = array.strides(axis), size = static_cast<py::ssize_t>(sizeof(T));
        // that of an axis with a single number is never used
        expect(array.shape(axis) <= 1 || bytes % size == 0, name + ": expected strides of whole numbers");
        return bytes / size;
    };
    auto* data = static_cast<const std::remove_const_t<T>*>(array.data());
    return {const_cast<T*>(data), stride(0), stride(1), stride(2), stride(3)};
}

template <class S>
Pixels<const S> pixels_or_none(const std::optional<py::array>& array, const std::string& name) {
    return array ? pixels_of<const S>(*array, name) : Pixels<const S>{nullptr, 0, 0, 0, 0};
}

// Calls work with a value of the dtype of the images.
template <class Work>
void with_dtype(const py::array& images, const std::string& name, const Work& work) {
    if (py::isinstance<py::array_t<std::uint8_t>>(images)) return work(std::uint8_t{});
    if (py::isinstance<py::array_t<float>>(images)) return work(float{});
    if (py::isinstance<py::array_t<double>>(images)) return work(double{});
    throw py::value_error(name + ": expected uint8, float32 or float64");
}

Extent extent_of(const py::array& target, const std::optional<py::array>& source, const Array<bool>& missing,
                 const Array<double>& f) {
    expect(target.ndim() == 4, "target: expected shape (images, height, width, channels)");
    const auto images = target.shape(0), height = target.shape(1), width = target.shape(2), channels = target.shape(3);
    expect(!source || (source->ndim() == 4 && std::equal(target.shape(), target.shape() + 4, source->shape())),
           "source: expected target's shape");
    expect(missing.ndim() == 3 && (missing.shape(0) == 1 || missing.shape(0) == images) &&
               missing.shape(1) == height && missing.shape(2) == width,
           "missing: expected shape (images or 1, height, width)");
    expect(f.ndim() == 3 && f.shape(0) == images * channels && f.shape(1) == height + 2 && f.shape(2) > width,
           "f: expected shape (images * channels, height + 2, pitch)");
    return {images, channels, height, width, f.shape(2), missing.shape(0)};
}

void bound_take_offsets(const py::array& target, const std::optional<py::array>& source, const Array<bool>& missing,
                        Array<double>& f, Array<double>& largest) {
    const auto extent = extent_of(target, source, missing, f);
    expect_numbers(largest, "largest", extent.images * extent.channels);
    with_dtype(target, "target", [&](auto t) {
        with_dtype(source.value_or(target), "source", [&](auto s) {
            const auto from = pixels_of<const decltype(t)>(target, "target");
            const auto drawn = pixels_or_none<decltype(s)>(source, "source");
            const bool* holes = missing.data();
            double *to = f.mutable_data(), *most = largest.mutable_data();
            const py::gil_scoped_release unlocked;
            take_offsets<decltype(t), decltype(s)>(from, drawn, holes, extent, to, most);
        });
    });
}

void bound_put_sums(const Array<double>& f, const std::optional<py::array>& source, const Array<bool>& missing,
                    py::array& out) {
    const auto extent = extent_of(out, source, missing, f);
    expect(out.writeable(), "out: expected an array that can be written");
    with_dtype(out, "out", [&](auto t) {
        with_dtype(source.value_or(out), "source", [&](auto s) {
            const auto drawn = pixels_or_none<decltype(s)>(source, "source");
            const auto to = pixels_of<decltype(t)>(out, "out");
            const bool* holes = missing.data();
            const double* from = f.data();
            const py::gil_scoped_release unlocked;
            put_sums<decltype(t), decltype(s)>(from, drawn, holes, extent, to);
        });
    });
}

std::int64_t bound_pitch_of(std::int64_t width) {
    // of more there is no memory
    expect(width >= 0 && width <= std::int64_t{1} << 40, "width: expected >= 0, <= 2^40");
    return pitch_of(width);
}

Multigrid bound_multigrid(const Array<bool>& missing) {
    expect_holes(missing);
    const auto* pixels = reinterpret_cast<const std::uint8_t*>(missing.data());
    const auto holes = missing.shape(0), height = missing.shape(1), width = missing.shape(2);
    const py::gil_scoped_release unlocked;
    return {pixels, holes, height, width};
}

// Of each level (holes, height, width).
std::vector<py::array_t<float>> inverse_diagonals(const Multigrid& multigrid) {
    std::vector<py::array_t<float>> found;
    for (const Grid& grid : multigrid.levels()[0])
        found.emplace_back(std::vector<std::int64_t>{multigrid.holes(), grid.height(), grid.width()});
    for (std::size_t k = 0; k < found.size(); ++k)
        for (std::int64_t hole = 0; hole < multigrid.holes(); ++hole) {
            const Grid& grid = multigrid.levels()[hole][k];
            for (std::int64_t y = 0; y < grid.height(); ++y)
                std::copy_n(grid.inverse(y), grid.width(), found[k].mutable_data(hole, y));
        }
    return found;
}

// The modes of a rectangle's rows or columns, of which the first is line `first` of so many in the image.
Modes modes_of(const Array<float>& vectors, const Array<double>& values, const std::string& name, std::int64_t first,
               std::int64_t lines) {
    expect(vectors.ndim() == 2 && vectors.size() > 0 && vectors.shape(0) == vectors.shape(1),
           name + ": expected shape (pixels, pixels), none of them 0");
    const auto pixels = vectors.shape(0);
    expect_numbers(values, "of_" + name, pixels);
    // no sum, which may be more than there are numbers
    expect(first >= 0 && first <= lines - pixels, "top, left: expected a rectangle in the image");
    return {pixels, vectors.data(), values.data()};
}

Rectangle bound_rectangle(const Array<bool>& missing, std::int64_t top, std::int64_t left, const Array<float>& down,
                          const Array<double>& of_down, const Array<float>& across, const Array<double>& of_across) {
    expect(missing.ndim() == 2, "missing: expected shape (height, width)");
    const auto height = missing.shape(0), width = missing.shape(1);
    const auto rows = modes_of(down, of_down, "down", top, height);
    const auto columns = modes_of(across, of_across, "across", left, width);
    const auto* pixels = reinterpret_cast<const std::uint8_t*>(missing.data());
    const py::gil_scoped_release unlocked;
    return {pixels, height, width, top, left, rows, columns};
}

}  // namespace

void define_poisson(py::module_& module) {
    using namespace py::literals;
    module.attr("TOLERANCE") = TOLERANCE;
    module.def("pitch_of", &bound_pitch_of, "width"_a);
    module.def("take_offsets", &bound_take_offsets, "target"_a, "source"_a.none(true), "missing"_a, "f"_a, "largest"_a);
    module.def("put_sums", &bound_put_sums, "f"_a, "source"_a.none(true), "missing"_a, "out"_a);
    py::class_<Multigrid>(module, "Multigrid")
        .def(py::init(&bound_multigrid), "missing"_a)
        .def_property_readonly("inverse_diagonals", &inverse_diagonals)
        .def("solve", &bound_solve<Multigrid>, "f"_a, "guidance"_a.none(true), "tolerance"_a, "reached"_a);
    py::class_<Rectangle>(module, "Rectangle")
        .def(py::init(&bound_rectangle), "missing"_a, "top"_a, "left"_a, "down"_a, "of_down"_a, "across"_a,
             "of_across"_a)
        .def("solve", &bound_solve<Rectangle>, "f"_a, "guidance"_a.none(true), "tolerance"_a, "reached"_a);
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
