
// Conjugate gradients, and the kernel.

namespace {

constexpr int MOST_CYCLES = 200;
// how far the residual comes down before it is taken anew from u
constexpr double ROUND = 1e-12;
// the last correction makes the residual of Poisson's equation smaller by a factor that is larger than this
constexpr double LAST = 3;
constexpr double LARGEST_DOUBLE = 1.7976931348623157e308;

struct Sums {
    double products, squares, largest;
};

// A block's sums and largest number, the same in every thread.  Between two calls its threads have to wait once.
__device__ Sums joined(Sums own) {
    const auto join = [&] {
        for (int step = WARP / 2; step > 0; step /= 2) {
            own.products += __shfl_xor_sync(0xffffffff, own.products, step);
            own.squares += __shfl_xor_sync(0xffffffff, own.squares, step);
            own.largest = fmax(own.largest, __shfl_xor_sync(0xffffffff, own.largest, step));
        }
    };
    join();
    const int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    double* const numbers = of_warps();
    if (lane == 0) numbers[warp] = own.products, numbers[WARPS + warp] = own.squares, numbers[2 * WARPS + warp] = own.largest;
    __syncthreads();
    own = {0, 0, 0};
    if (lane < WARPS) own = {numbers[lane], numbers[WARPS + lane], numbers[2 * WARPS + lane]};
    join();
    return own;
}

// z = p(A) V p(A) r, or V V r for a plate without a polynomial
__device__ void precondition(const Equation& equation, const Image& image, const double (&r)[PIXELS], float (&z)[PIXELS]) {
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) z[i] = static_cast<float>(r[i]);
    if (equation.degree > 0) polynomial(equation.degree, image, z);
    for (int cycles = equation.degree > 0 ? 1 : equation.order; cycles > 0; --cycles) {
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            if (!image.holds(i)) continue;
            const int y = image.row + i, x = image.column;
            b_of<SIZE>()[image.at(i)] = z[i];
            if ((y + x) % 2 == 0) u_of<SIZE>()[image.at(i)] = inverse_at<SIZE>(image, y, x) * z[i];
        }
        __syncthreads();
        cycle<SIZE>(image, {image.height, image.width, 1, 1});
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) z[i] = image.unknown(i) ? u_of<SIZE>()[image.at(i)] : 0.0f;
        __syncthreads();
    }
    if (equation.degree > 0) polynomial(equation.degree, image, z);
}

// Add to f what E takes to r, until the rest of r has no more than this square and z no number above `enough`: that share
// of its first largest, if `enough` is still 0.  Returns how many cycles it took.
__device__ int conjugate_gradients(const Equation& equation, const Image& image, double square, double share,
                                   double& enough, double (&f)[PIXELS], double (&r)[PIXELS]) {
    double p[PIXELS], q[PIXELS], before = 1;
    float z[PIXELS];
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) p[i] = 0;
    for (int cycles = 1; cycles <= MOST_CYCLES; ++cycles) {
        precondition(equation, image, r, z);
        Sums sums{0, 0, 0};
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            sums.products += z[i] * r[i];
            sums.squares += r[i] * r[i];
            sums.largest = fmax(sums.largest, static_cast<double>(fabsf(z[i])));
        }
        sums = joined(sums);
        if (enough == 0) enough = share * sums.largest;
        if (sums.squares <= square && sums.largest <= enough) {
            // a cycle's estimate of the error is its correction too; a plate's could be several times too large
#pragma unroll
            for (int i = 0; i < PIXELS; ++i) f[i] += equation.order == 1 ? z[i] : 0.0f;
            return cycles;
        }
        const double beta = sums.products / before;
        before = sums.products;
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) p[i] = z[i] + beta * p[i];
        apply(equation, image, p, nullptr, q);
        Sums energy{0, 0, 0};
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) energy.products += p[i] * q[i];
        energy = joined(energy);
        // r is below what float holds
        if (!(energy.products > 0)) return cycles;
        const double alpha = sums.products / energy.products;
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) f[i] += alpha * p[i], r[i] -= alpha * q[i];
    }
    return MOST_CYCLES;
}

}  // namespace

// A block a channel of an image: out = target at the known pixels, F at the missing ones.
//
//   target, source, v, out  images, their strides counted in numbers; source null: 0; v: Poisson's, null: 0
//   missing                 (holes, height, width), 1 hole or one an image
//   order ... pull          the Equation
//   depth                   1 - c = exp(-depth d^2) at d pixels from the nearest known one; 0: c = 1 everywhere
//   tolerance               share of the residual's norm at u = 0 that may be left, in double
//   error                   how many times that share the largest number of z may be of its first one
//   reached                 of each plane the share that is left; -1: numbers whose differences double cannot hold
//   cycles                  of each plane how many it took
extern "C" __global__ void __launch_bounds__(THREADS, 1)
    blend_small(PLANE(target), PLANE(source), PLANE(v), PLANE(out), const bool* __restrict__ missing, int holes, int height,
                int width, int channels, int order, int degree, double flex, double pull, double depth, double tolerance,
                double error, double* __restrict__ reached, int* __restrict__ cycles) {
    const Plane T = PLANE_OF_BLOCK(target), S = PLANE_OF_BLOCK(source), V = PLANE_OF_BLOCK(v), F = PLANE_OF_BLOCK(out);
    const Equation equation{order, degree, flex, pull};
    const int thread = threadIdx.x;
    Image image{height, width, thread / SIZE * PIXELS, thread % SIZE, 0};

    float* const flags = floats() + SIZE * SIZE;
    double f[PIXELS], more[PIXELS], r[PIXELS];
    missing += holes == 1 ? 0 : static_cast<long long>(blockIdx.x / channels) * height * width;
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        f[i] = more[i] = 0;
        if (!image.holds(i)) continue;
        const int y = image.row + i, x = image.column;
        const bool unknown = missing[y * width + x];
        image.missing |= static_cast<unsigned>(unknown) << i;
        flags[image.at(i)] = unknown;
        if (!unknown) f[i] = T.get(y, x) - S.get(y, x);
    }
    __syncthreads();

    float numbers[PIXELS];
    if (depth > 0) {
        squared_distances(image, flags, floats(), numbers);
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) more[i] = flex * exp(-depth * numbers[i]);
    }
    // what holds a pixel to the known ones is how many of its neighbours are known
    laplacian(image, flags, numbers);
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) numbers[i] = image.unknown(i) ? -numbers[i] : 0.0f;
    publish(image, numbers, b_of<SIZE>());
    set_levels<SIZE>(flags, {height, width, 1, 1});
    if (degree > 0) set_coefficients(equation);
    if (depth > 0) {
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) r[i] = image.holds(i) ? S.get(image.row + i, image.column) : 0.0;
        publish(image, r, vector());
        laplacian(image, vector(), r);
        __syncthreads();
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) more[i] = image.holds(i) ? more[i] * r[i] : 0.0;
    }

    // the power of two that brings the numbers near 1, for float cannot hold the squares of what is far from it
    Sums sums{0, 0, 0};
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        const double of_v = image.unknown(i) ? V.get(image.row + i, image.column) : 0;
        sums.largest = fmax(fmax(sums.largest, fabs(of_v)), fmax(fabs(f[i]), fabs(more[i])));
    }
    sums = joined(sums);
    if (sums.largest > LARGEST_DOUBLE) {
        if (thread == 0) reached[blockIdx.x] = -1, cycles[blockIdx.x] = 0;
        return;
    }
    int exponent;
    frexp(sums.largest, &exponent);
    const double scale = ldexp(1.0, exponent < -1000 ? 1000 : exponent > 1000 ? -1000 : -exponent);
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) f[i] *= scale, more[i] *= scale;

    // r = v - E f, and r . r
    const auto residual = [&] {
        apply(equation, image, f, more, r);
        Sums sums{0, 0, 0};
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            r[i] = image.unknown(i) ? -r[i] - scale * V.get(image.row + i, image.column) : 0.0;
            sums.squares += r[i] * r[i];
        }
        return joined(sums).squares;
    };
    const double first = residual(), goal = tolerance * tolerance * first;
    double squares = first, enough = 0;
    int count = 0;
    while (squares > goal) {
        const double before = squares;
        // rounding comes on top of what a round is content with, and off it a last correction
        const double content = fmax(order == 1 ? LAST * LAST * goal : goal / 4, ROUND * ROUND * squares);
        count += conjugate_gradients(equation, image, content, error * tolerance, enough, f, r);
        squares = residual();
        if (!(squares <= fmax(goal, before / 4))) break;
    }
    if (thread == 0) reached[blockIdx.x] = first > 0 ? sqrt(squares / first) : 0, cycles[blockIdx.x] = count;
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        if (!image.holds(i)) continue;
        const int y = image.row + i, x = image.column;
        F.put(y, x, image.unknown(i) ? S.get(y, x) + f[i] / scale : T.get(y, x));
    }
}
