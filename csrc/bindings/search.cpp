#include <cstdint>
#include <string>
#include <vector>

#include "bindings/arrays.hpp"
#include "search/adam.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

void bound_adam(float beta1, float beta2, float epsilon, float bound, const Array<float>& steps,
                const Array<float>& gradient, const Array<float>& centre, int threads, Array<float>& u,
                Array<float>& mean, Array<float>& square, Array<double>& distance, Array<bool>& finite) {
    expect(u.ndim() == 2 && u.size() > 0, "u: expected shape (B, n), neither 0");
    const auto rows = u.shape(0), size = u.shape(1);
    expect(steps.ndim() == 2 && steps.shape(0) == rows && steps.shape(1) == 4, "steps: expected shape (B, 4)");
    expect(same_shape(gradient, u) && same_shape(mean, u) && same_shape(square, u),
           "gradient, mean, square: expected the shape of u");
    expect(centre.ndim() == 2 && centre.shape(0) == rows && (centre.shape(1) == size || centre.shape(1) == 1),
           "centre: expected shape (B, n) or (B, 1)");
    expect_numbers(distance, "distance", rows);
    expect_numbers(finite, "finite", rows);
    expect_threads(threads);
    const auto centres = centre.shape(1);
    std::vector<AdamStep> of_rows;
    for (std::int64_t row = 0; row < rows; ++row) {
        const float* step = steps.data(row, 0);
        of_rows.push_back({step[0], step[1], step[2], step[3]});
    }
    std::vector<AdamOutcome> outcomes(rows);
    const float *of_loss = gradient.data(), *pulls_to = centre.data();
    float *to_u = u.mutable_data(), *to_mean = mean.mutable_data(), *to_square = square.mutable_data();
    {
        const py::gil_scoped_release unlocked;
        adam({beta1, beta2, epsilon, bound}, of_rows.data(), of_loss, pulls_to, centres, rows, size, threads, to_u, to_mean,
             to_square, outcomes.data());
    }
    for (std::int64_t row = 0; row < rows; ++row) {
        distance.mutable_at(row) = outcomes[row].distance;
        finite.mutable_at(row) = outcomes[row].finite;
    }
}

}  // namespace

void define_search(py::module_& module) {
    module.def("adam", &bound_adam, py::arg("beta1"), py::arg("beta2"), py::arg("epsilon"), py::arg("bound"),
               py::arg("steps"), py::arg("gradient"), py::arg("centre"), py::arg("threads"), py::arg("u"),
               py::arg("mean"), py::arg("square"), py::arg("distance"), py::arg("finite"),
               "A step of rows (B, n), in place; steps (B, 4): AdamStep, distance, finite (B,): AdamOutcome, adam.hpp");
}

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
