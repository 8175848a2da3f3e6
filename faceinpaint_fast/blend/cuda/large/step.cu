// A step of conjugate gradients (Hestenes and Stiefel 1952), and what follows for a plane from its blocks' sums.

// How many blocks a plane has, and what is known of the planes.
#define OF_PLANES int blocks, bool *__restrict__ unsolved, double *__restrict__ state

namespace {

// What the `blocks` blocks of this plane found, joined; each thread has to call these, the first one gets the number.
__device__ const double* of_plane(const double* of_blocks, int blocks) {
    return of_blocks + static_cast<long long>(blockIdx.x) * blocks;
}
__device__ int thread() { return threadIdx.y * WARP + threadIdx.x; }

__device__ double sum_of_plane(const double* of_blocks, int blocks) {
    double sum = 0;
    for (int block = thread(); block < blocks; block += blockDim.y * WARP) sum += of_plane(of_blocks, blocks)[block];
    return sum_of_block(sum);
}

__device__ double largest_of_plane(const double* of_blocks, int blocks) {
    double most = 0;
    for (int block = thread(); block < blocks; block += blockDim.y * WARP)
        most = fmax(most, of_plane(of_blocks, blocks)[block]);
    return largest_of_block(most);
}

}  // namespace

// The power of two that brings a plane's numbers near 1, for float cannot hold the squares of what is far from it.
extern "C" __global__ void __launch_bounds__(WARP * WARP)
    set_scale(OF_PLANES, const double* __restrict__ largest) {
    const double most = largest_of_plane(largest, blocks);
    if (thread() > 0) return;
    double* const of = state + blockIdx.x * NUMBERS;
    const bool held = most <= LARGEST_DOUBLE;
    int exponent = 0;
    if (held) frexp(most, &exponent);
    of[SCALE] = ldexp(1.0, exponent < -1000 ? 1000 : exponent > 1000 ? -1000 : -exponent);
    unsolved[blockIdx.x] = held;
    // no residual is negative: double cannot hold the differences
    of[REACHED] = held ? 0 : -1;
    of[CYCLES] = of[ALPHA] = 0;
}

// What is to be solved, from the residual at u = 0.
extern "C" __global__ void __launch_bounds__(WARP * WARP)
    begin(OF_PLANES, const double* __restrict__ squares) {
    if (!unsolved[blockIdx.x]) return;
    const double square = sum_of_plane(squares, blocks);
    if (thread() > 0) return;
    double* const of = state + blockIdx.x * NUMBERS;
    of[FIRST] = square;
    of[REACHED] = square > 0;
    unsolved[blockIdx.x] = square > 0;
}

// r . z and the largest |z| of each block
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    estimate(GRID, const float* __restrict__ r, const float* __restrict__ z, double* __restrict__ products,
             double* __restrict__ largest) {
    if (!unsolved[blockIdx.x]) return;
    const Level level = OF_BLOCK;
    const int y = row(), x = column();
    double product = 0, size = 0;
    if (level.holds(y, x) && level.inverse[level.at(y, x)] != 0) {
        const long long at = level.plane() + level.at(y, x);
        product = static_cast<double>(r[at]) * z[at];
        size = fabsf(z[at]);
    }
    put(sum_of_block(product), products);
    put(largest_of_block(size), largest);
}

// Whether this is the last step, and beta.  It is the last if the residual has come down to `content`, as a share of its
// first norm, and what the cycle finds in it, which is close to the error, to the share `enough` of its first largest.
extern "C" __global__ void __launch_bounds__(WARP * WARP)
    judge(OF_PLANES, const double* __restrict__ products, const double* __restrict__ largest, double content,
          double enough) {
    if (!unsolved[blockIdx.x]) return;
    const double product = sum_of_plane(products, blocks), most = largest_of_plane(largest, blocks);
    if (thread() > 0) return;
    double* const of = state + blockIdx.x * NUMBERS;
    if (of[CYCLES] == 0) of[ENOUGH] = enough * most;
    const bool last = of[REACHED] <= content && most <= of[ENOUGH];
    // where the step before took nothing, conjugate gradients begins anew
    of[BETA] = last || of[ALPHA] == 0 ? 0.0 : product / of[PRODUCT];
    of[PRODUCT] = product;
    of[LAST] = last;
}

// p = z + beta p
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    turn(GRID, const float* __restrict__ z, const double* __restrict__ state, float* __restrict__ p) {
    if (!unsolved[blockIdx.x]) return;
    const Level level = OF_BLOCK;
    const int y = row(), x = column();
    if (!level.holds(y, x) || level.inverse[level.at(y, x)] == 0) return;
    const long long at = level.plane() + level.at(y, x);
    p[at] = z[at] + static_cast<float>(state[blockIdx.x * NUMBERS + BETA]) * p[at];
}

// alpha: that of conjugate gradients, and `correction` in the last step
extern "C" __global__ void __launch_bounds__(WARP * WARP)
    measure(OF_PLANES, const double* __restrict__ energies, double correction) {
    if (!unsolved[blockIdx.x]) return;
    const double energy = sum_of_plane(energies, blocks);
    if (thread() > 0) return;
    double* const of = state + blockIdx.x * NUMBERS;
    // r is below what float holds where p has no energy
    of[ALPHA] = of[LAST] != 0 ? correction : energy > 0 ? of[PRODUCT] / energy : 0.0;
}

// u += alpha p
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    advance(GRID, const float* __restrict__ p, const double* __restrict__ state, double* __restrict__ u) {
    if (!unsolved[blockIdx.x]) return;
    const Level level = OF_BLOCK;
    const int y = row(), x = column();
    if (!level.holds(y, x) || level.inverse[level.at(y, x)] == 0) return;
    const long long at = level.plane() + level.at(y, x);
    u[at] += state[blockIdx.x * NUMBERS + ALPHA] * p[at];
}

// Whether a plane is solved: the residual that its u has, as a share of its first norm, is no more than `tolerance`.
extern "C" __global__ void __launch_bounds__(WARP * WARP)
    finish(OF_PLANES, const double* __restrict__ squares, double tolerance) {
    if (!unsolved[blockIdx.x]) return;
    const double square = sum_of_plane(squares, blocks);
    if (thread() > 0) return;
    double* const of = state + blockIdx.x * NUMBERS;
    of[REACHED] = sqrt(square / of[FIRST]);
    of[CYCLES] += 1;
    if (of[LAST] == 0) return;
    of[ALPHA] = 0;
    unsolved[blockIdx.x] = !(of[REACHED] <= tolerance);
}
