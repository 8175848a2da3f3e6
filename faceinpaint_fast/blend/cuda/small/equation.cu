
// E, and the polynomial that takes a plate's E to A.

namespace {

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

// The coefficients of p.
__device__ void set_coefficients(const Equation& equation) {
    const int k = threadIdx.x;
    if (k <= equation.degree) coefficients()[k] = coefficient_of(k, equation.degree, equation.flex, equation.pull);
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
