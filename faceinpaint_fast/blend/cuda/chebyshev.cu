// The polynomial that is close to 1 / sqrt(flex A + pull) on A's eigenvalues, by interpolation at Chebyshev's zeros.

namespace {

// A's eigenvalues are at most
constexpr float LARGEST = 8;

// Coefficient k of the polynomial of this degree in Chebyshev's on [0, LARGEST].
__device__ float coefficient_of(int k, int degree, double flex, double pull) {
    const int n = degree + 1;
    const double step = 3.14159265358979323846 / n;
    double sum = 0;
    for (int j = 0; j < n; ++j) {
        const double angle = step * (j + 0.5), eigenvalue = LARGEST / 2 * (1 + cos(angle));
        sum += cos(k * angle) / sqrt(flex * eigenvalue + pull);
    }
    return static_cast<float>((k == 0 ? 1 : 2) * sum / n);
}

}  // namespace

