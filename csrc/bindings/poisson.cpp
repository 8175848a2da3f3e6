#include <pybind11/stl.h>

#include <optional>

#include "bindings/arrays.hpp"
#include "blend/pixels.hpp"
#include "blend/poisson.hpp"
#include "blend/rectangle.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

template <class T>
void expect_planes(const Array<T>& array, const Grid& grid, const std::string& name, std::int64_t planes) {
    expect(planes_of(array, grid, name) == planes, name + ": expected " + std::to_string(planes) + " planes");
}

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

std::vector<Grid> bound_levels(const Array<bool>& holes) {
    expect(holes.ndim() == 3 && holes.size() > 0, "holes: expected shape (holes, height, width), none of them 0");
    const auto* missing = reinterpret_cast<const std::uint8_t*>(holes.data());
    const auto count = holes.shape(0), height = holes.shape(1), width = holes.shape(2);
    const py::gil_scoped_release unlocked;
    return Grid::levels(missing, count, height, width);
}

void expect_next(const Grid& grid, const Grid& coarse) {
    expect(coarse.height() == (grid.height() + 1) / 2 && coarse.width() == (grid.width() + 1) / 2 &&
               coarse.holes() == grid.holes(),
           "coarse: expected the next coarser grid");
}

void bound_restrict(const Grid& grid, const Array<float>& b, const Grid& coarse, Array<float>& coarse_b) {
    const auto planes = planes_of(b, grid, "b");
    expect_next(grid, coarse);
    expect_planes(coarse_b, coarse, "coarse_b", planes);
    const float* from = b.data();
    float* to = coarse_b.mutable_data();
    const py::gil_scoped_release unlocked;
    grid.restrict(from, planes, coarse, to);
}

void bound_correct(const Grid& grid, const Array<float>& b, const Grid* coarse,
                   const std::optional<Array<float>>& coarse_u, Array<float>& u,
                   std::optional<Array<double>>& products, std::optional<Array<double>>& energies,
                   std::optional<Array<float>>& largest) {
    const auto planes = planes_of(b, grid, "b");
    expect_planes(u, grid, "u", planes);
    expect((coarse != nullptr) == coarse_u.has_value(), "coarse_u: expected with a coarse grid, and only then");
    if (coarse) {
        expect_next(grid, *coarse);
        expect_planes(*coarse_u, *coarse, "coarse_u", planes);
    }
    expect(products.has_value() == energies.has_value() && products.has_value() == largest.has_value(),
           "products: expected with energies and largest, or none of them");
    if (products) {
        expect_numbers(*products, "products", planes);
        expect_numbers(*energies, "energies", planes);
        expect_numbers(*largest, "largest", planes);
    }
    const float *from = b.data(), *correction = coarse ? coarse_u->data() : nullptr;
    double *to_products = products ? products->mutable_data() : nullptr,
           *to_energies = energies ? energies->mutable_data() : nullptr;
    float *to = u.mutable_data(), *to_largest = largest ? largest->mutable_data() : nullptr;
    const py::gil_scoped_release unlocked;
    grid.correct(from, planes, coarse, correction, false, to, to_products, to_energies, to_largest);
}

void bound_solve_coarse(const std::vector<const Grid*>& grids, std::vector<Array<float>> b,
                        std::vector<Array<float>> u) {
    expect(!grids.empty() && b.size() == grids.size() && u.size() == grids.size(), "b, u: expected an array a grid");
    expect(std::find(grids.begin(), grids.end(), nullptr) == grids.end(), "grids: expected grids, got None");
    const auto planes = planes_of(b[0], *grids[0], "b");
    std::vector<float*> of_b, of_u;
    for (std::size_t k = 0; k < grids.size(); ++k) {
        if (k > 0) expect_next(*grids[k - 1], *grids[k]);
        expect_planes(b[k], *grids[k], "b", planes);
        expect_planes(u[k], *grids[k], "u", planes);
        of_b.push_back(b[k].mutable_data());
        of_u.push_back(u[k].mutable_data());
    }
    const py::gil_scoped_release unlocked;
    Grid::solve(grids, of_b, of_u, planes);
}

void bound_advance(const Grid& grid, const Array<float>& z, const Array<double>& beta, const Array<double>& alpha,
                   Array<float>& p, Array<double>& f, Array<float>& r, Array<double>& squares, const Grid& coarse,
                   Array<float>& coarse_r) {
    const auto planes = planes_of(z, grid, "z");
    expect_planes(p, grid, "p", planes);
    expect_planes(f, grid, "f", planes);
    expect_planes(r, grid, "r", planes);
    expect_numbers(beta, "beta", planes);
    expect_numbers(alpha, "alpha", planes);
    expect_numbers(squares, "squares", planes);
    expect_next(grid, coarse);
    expect_planes(coarse_r, coarse, "coarse_r", planes);
    const float* from = z.data();
    const double *share = beta.data(), *scale = alpha.data();
    double *of_f = f.mutable_data(), *sums = squares.mutable_data();
    float *of_p = p.mutable_data(), *of_r = r.mutable_data(), *to = coarse_r.mutable_data();
    const py::gil_scoped_release unlocked;
    grid.advance(from, share, scale, planes, of_p, of_f, of_r, sums, coarse, to);
}

void bound_solve_rectangle(const Grid& finest, std::int64_t top, std::int64_t left, const Array<float>& down,
                           const Array<float>& down_transposed, const Array<float>& across,
                           const Array<float>& across_transposed, const Array<float>& inverse, Array<double>& f,
                           const std::optional<Array<double>>& v, double tolerance, Array<double>& reached) {
    const auto planes = planes_of(f, finest, "f");
    if (v) expect_planes(*v, finest, "v", planes);
    expect_numbers(reached, "reached", planes);
    expect(down.ndim() == 2 && across.ndim() == 2 && across.shape(1) % 16 == 0 && across.shape(1) >= across.shape(0),
           "down, across: expected shapes (height, height) and (width, pitch), pitch a multiple of 16");
    const auto height = down.shape(0), width = across.shape(0), pitch = across.shape(1);
    expect(down.shape(1) == height && same_shape(down, down_transposed) && same_shape(across, across_transposed) &&
               inverse.ndim() == 2 && inverse.shape(0) == height && inverse.shape(1) == pitch,
           "inverse: expected shape (height, pitch), and the shapes of down and across for what is transposed");
    // no sum, which may be more than there are numbers
    expect(top >= 0 && left >= 0 && top <= finest.height() - height && left <= finest.width() - width,
           "top, left: expected a rectangle in the grid");
    const Rectangle rectangle{top,           left, height, width, pitch, down.data(), down_transposed.data(),
                              across.data(), across_transposed.data(), inverse.data()};
    const double* divergence = v ? v->data() : nullptr;
    double *of_f = f.mutable_data(), *to = reached.mutable_data();
    const py::gil_scoped_release unlocked;
    solve_rectangle(finest, rectangle, divergence, tolerance, planes, of_f, to);
}

void bound_residual(const Grid& grid, const Array<double>& f, const std::optional<Array<double>>& v,
                    const Array<bool>& wanted, Array<float>& r, Array<double>& squares) {
    const auto planes = planes_of(f, grid, "f");
    if (v) expect_planes(*v, grid, "v", planes);
    expect_planes(r, grid, "r", planes);
    expect_numbers(wanted, "wanted", planes);
    expect_numbers(squares, "squares", planes);
    const bool* chosen = wanted.data();
    const double *from = f.data(), *divergence = v ? v->data() : nullptr;
    float* to = r.mutable_data();
    double* sums = squares.mutable_data();
    const py::gil_scoped_release unlocked;
    grid.residual(from, divergence, chosen, planes, to, sums);
}

}  // namespace

void define_poisson(py::module_& module) {
    using namespace py::literals;
    module.attr("TOLERANCE") = TOLERANCE;
    module.def("pitch_of", &bound_pitch_of, "width"_a);
    module.def("take_offsets", &bound_take_offsets, "target"_a, "source"_a.none(true), "missing"_a, "f"_a, "largest"_a);
    module.def("put_sums", &bound_put_sums, "f"_a, "source"_a.none(true), "missing"_a, "out"_a);
    module.def("levels", &bound_levels, "holes"_a);
    py::class_<Grid>(module, "Grid")
        .def_property_readonly("height", &Grid::height)
        .def_property_readonly("width", &Grid::width)
        .def_property_readonly("inverse_diagonal",
                               [](const Grid& grid) {
                                   return py::array_t<float>({grid.holes(), grid.height() + 2, grid.pitch()},
                                                             grid.inverse_diagonal());
                               })
        .def("restrict", &bound_restrict, "b"_a, "coarse"_a, "coarse_b"_a)
        .def("correct", &bound_correct, "b"_a, "coarse"_a.none(true), "coarse_u"_a.none(true), "u"_a,
             "products"_a = py::none(), "energies"_a = py::none(), "largest"_a = py::none())
        .def("advance", &bound_advance, "z"_a, "beta"_a, "alpha"_a, "p"_a, "f"_a, "r"_a, "squares"_a, "coarse"_a,
             "coarse_r"_a)
        .def("residual", &bound_residual, "f"_a, "v"_a.none(true), "wanted"_a, "r"_a, "squares"_a);
    module.def("solve_coarse", &bound_solve_coarse, "grids"_a, "b"_a, "u"_a);
    module.def("solve_rectangle", &bound_solve_rectangle, "finest"_a, "top"_a, "left"_a, "down"_a,
               "down_transposed"_a, "across"_a, "across_transposed"_a, "inverse"_a, "f"_a, "v"_a.none(true),
               "tolerance"_a, "reached"_a);
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
