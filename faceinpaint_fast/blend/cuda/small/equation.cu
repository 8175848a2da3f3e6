
// E, and the polynomial that takes a plate's E to A.

namespace {

// A's eigenvalues are at most
constexpr float LARGEST = 8;

struct Equation {
    int order;   // 1 Poisson's, 2 a plate's
    int degree;  // of the polynomial, 0: without one
    double flex, pull;
};

// E values - v at a thread's missing pixels, 0 at the known ones.  A plate's v is A of `more`, null: 0; Poisson's is 0.
__device__ void apply(const Equation& equation, const Image& image, const double (&values)[PIXELS], const double* more,
                      double (&out)[PIXELS]) {
    publish(image, values, vector());
    laplacian(image, vector(), out);
    if (equation.order == 2) {
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            out[i] = equation.pull * values[i] - equation.flex * out[i];
            if (more != nullptr) out[i] -= more[i];
        }
        __syncthreads();
        publish(image, out, vector());
        laplacian(image, vector(), out);
    }
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) out[i] = image.unknown(i) ? -out[i] : 0.0;
}

// The coefficients of the polynomial in Chebyshev's on [0, LARGEST] that is 1 / sqrt(flex A + pull) at the next one's zeros.
__device__ void set_coefficients(const Equation& equation) {
    const int k = threadIdx.x, n = equation.degree + 1;
    if (k >= n) return;
    const double step = 3.14159265358979323846 / n;
    double sum = 0;
    for (int j = 0; j < n; ++j) {
        const double angle = step * (j + 0.5), eigenvalue = LARGEST / 2 * (1 + cos(angle));
        sum += cos(k * angle) / sqrt(equation.flex * eigenvalue + equation.pull);
    }
    coefficients()[k] = static_cast<float>((k == 0 ? 1 : 2) * sum / n);
}

// y = p(A) y at a thread's pixels.
__device__ void polynomial(int degree, const Image& image, float (&y)[PIXELS]) {
    float *now = floats(), *before = now + SIZE * SIZE, next[PIXELS];
    publish(image, y, now);
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) y[i] *= coefficients()[0];
    for (int k = 1; k <= degree; ++k) {
        laplacian(image, now, next);
        // (2 A / middle - 2) of the last, minus the one before it, A's middle being LARGEST / 2
        const float scale = (k == 1 ? 1 : 2) / (LARGEST / 2), coefficient = coefficients()[k];
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            next[i] = -scale * (next[i] + LARGEST / 2 * now[image.at(i)]);
            if (k > 1) next[i] -= before[image.at(i)];
            if (!image.unknown(i)) next[i] = 0;
            y[i] += coefficient * next[i];
        }
        publish(image, next, before);
        float* const swapped = now;
        now = before, before = swapped;
    }
}

}  // namespace
