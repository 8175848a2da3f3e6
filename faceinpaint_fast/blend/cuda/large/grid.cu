// Planes of any size, blended by conjugate gradients of many launches: a grid as a thread sees it, and a block's sums.
//
//     F = source + u,    u = target - source at the known pixels,    E u = v at the missing ones,
//
// with E = A (flex A + pull) as in small/memory.cu; Poisson's equation has flex 0 and pull 1.  The host launches cycles and
// reads now and then which planes are still unsolved, and at the end what is left of each residual.  What a cycle decides,
// it decides for each plane by itself, and a plane that is solved is left alone by every kernel.
//
// Each cycle takes r anew from u, in double, and p . E p is that of the very p that is added: what float rounds in one cycle
// is not carried into the next.  What preconditions it is p(A) V p(A), or V V without a polynomial, as in small/memory.cu; V
// is a cycle of Poisson's multigrid (csrc/blend/poisson.hpp).  To a residual of 1e-5 a circle, half of an image, free forms,
// 80 and 99 missing of a hundred, all but one pixel and all but one line take so many cycles:
//
//                                 64 pixels wide   256
//     Poisson's equation          6 to 8           6 to 7
//     a plate, tension 50         7 to 9           6 to 8
//     a plate, tension 2          9 to 12          8 to 10
//     a plate, tension 0.1        9 to 21          8 to 24
//     a plate without tension     16 to 45         17 to 65
//
// A thread computes what it writes from what came in alone, and whatever it needs of its neighbours' sweeps once more:
// no step of a sweep is ever in memory, and a sweep is one launch.  That costs loads from caches, not from memory.
//
// Blocks are 32 x 8 threads, grids (planes, tiles of columns, tiles of rows): the channels of an image, which share a
// hole, run side by side.
//
// A sum is taken in double by shuffles within a warp, over a block's warps in shared memory, and over the blocks of a
// plane by a second launch, which decides what follows from it: one number a block goes through memory.  The order is that
// of the pixels in their plane, so it is the same bits on every run and beside any other planes, which atomics are not.
// One block a plane, in one launch, would leave most of a device idle with three large planes; one thread a row, with many
// small ones.
//
// These files are one source, in this order: ../images, ../chebyshev, grid, cycle, hole, equation, step.

// A level of holes, as the kernels' parameters: arrays are (holes, height + 2, pitch).
#define LEVEL                                                                                                        \
    const float *__restrict__ inverse_diagonal, int holes, int height, int width, int pitch, float across, float down
// The same, of planes (planes, height + 2, pitch), before which comes which of them are unsolved.
#define GRID const bool *__restrict__ unsolved, LEVEL
#define OF_BLOCK of_block(inverse_diagonal, holes, height, width, pitch, across, down)

namespace {

constexpr int WARP = 32, ROWS = 8;

// Where in an array plane i has its first pixel.
__device__ long long first_pixel(long long plane, int height, long long pitch) {
    return (plane * (height + 2) + 1) * pitch;
}

// The grid as a thread's plane sees it.
struct Level {
    const float* inverse;  // 1 / the diagonal of A, 0 at the known pixels, from the first pixel
    int height, width;
    long long pitch;
    float across, down;

    __device__ bool holds(int y, int x) const { return y >= 0 && y < height && x >= 0 && x < width; }
    __device__ long long at(int y, int x) const { return y * pitch + x; }
    __device__ long long plane() const { return first_pixel(blockIdx.x, height, pitch); }

    // k times the neighbours of a pixel
    __device__ float neighbours(float above, float below, float left, float right) const {
        return down * (above + below) + across * (left + right);
    }
};

// The same `reach` rows or more from the first row and last: half of the instructions.  Beyond the sides one reads the
// zeros between two rows, and behind those numbers of another row, which are only ever multiplied by those zeros.
struct Inner : Level {
    __device__ static bool has(const Level& level, int y, int reach) { return y >= reach && y + reach < level.height; }
    __device__ bool holds(int, int) const { return true; }
};

__device__ Level of_block(const float* inverse_diagonal, int holes, int height, int width, int pitch, float across,
                          float down) {
    const long long hole = static_cast<unsigned long long>(blockIdx.x) * holes / gridDim.x;
    return {inverse_diagonal + first_pixel(hole, height, pitch), height, width, pitch, across, down};
}

__device__ int column() { return blockIdx.y * WARP + threadIdx.x; }
__device__ int row() { return blockIdx.z * ROWS + threadIdx.y; }

// A block's numbers joined, in its first thread.  Each thread has to call it.
template <class Join>
__device__ double joined(double value, Join join) {
    __shared__ double warps[WARP];
    // the first thread may still be reading those of the call before
    __syncthreads();
    for (int step = WARP / 2; step > 0; step /= 2) value = join(value, __shfl_down_sync(0xffffffff, value, step));
    if (threadIdx.x == 0) warps[threadIdx.y] = value;
    __syncthreads();
    if (threadIdx.y > 0) return value;
    for (unsigned warp = 1; warp < blockDim.y; ++warp) value = join(value, warps[warp]);
    return value;
}

__device__ double sum_of_block(double value) {
    return joined(value, [](double a, double b) { return a + b; });
}

__device__ double largest_of_block(double value) {
    return joined(value, [](double a, double b) { return fmax(a, b); });
}

// A block's number goes to (planes, blocks a plane).
__device__ void put(double number, double* to) {
    if (threadIdx.x > 0 || threadIdx.y > 0) return;
    const long long tiles = static_cast<long long>(gridDim.y) * gridDim.z;
    to[blockIdx.x * tiles + blockIdx.z * static_cast<long long>(gridDim.y) + blockIdx.y] = number;
}

// How many neighbours a pixel has in an image.
__device__ int degree(const Level& level, int y, int x) {
    return (y > 0) + (y < level.height - 1) + (x > 0) + (x < level.width - 1);
}

// The Laplacian of values, in T.
template <class T, class Values>
__device__ T laplacian(const Level& level, const Values* values, int y, int x) {
    values += level.at(y, x);
    return (T(values[-level.pitch]) + T(values[level.pitch])) + (T(values[-1]) + T(values[1])) -
           degree(level, y, x) * T(values[0]);
}

}  // namespace
