// A small plane blended whole by one block, in shared memory: one launch for thousands of images with different holes.
//
//     F = source + u,    u = target - source at the known pixels,    E u = v at the missing ones:
//
// Poisson's equation has E = A, minus the Laplacian L of the image's grid; a plate's is E = A (A + tension) to one factor,
// so that  E = A (flex A + pull)  with  flex = 1 / (1 + tension), pull = tension / (1 + tension)  is neither large nor
// small, and v = A (flex (1 - c) L source), which is 0 without tension (blend/plate.py).
//
// Conjugate gradients runs in double, each pixel in the registers of a thread.  What preconditions it is in float and
// needs nothing but A:  p(A) V p(A).  V is the multigrid cycle of large/: its levels, sweeps and transfers, to a single
// pixel.  p is the Chebyshev polynomial of lowest degree that is close to 1 / sqrt(flex A + pull) on A's eigenvalues, and 1
// for Poisson's equation; under a tension below 0.1 it would be of a high degree, and V V takes its place.  To a residual
// of 1e-5 twenty kinds of hole (tests/blend/test_plate.py) take so many cycles, 64 and 128 pixels wide:
//
//     Poisson's equation          2 to 8     2 to 10
//     a plate, tension 50         2 to 9     2 to 10    degree 1
//     a plate, tension 0.5        2 to 15    2 to 15    degree 3
//     a plate, tension 0.1        2 to 26    2 to 28    degree 8
//     a plate without tension     2 to 49    2 to 62    V V
//
// Others were tried.  A plate's own levels P^T E P take 4 to 13, but their 13 coefficients a cell would have to be made
// and kept in the block, and their twelve steps a sweep wait for each other on ever fewer pixels.  V V takes 40 and 71
// under a tension of 0.2.  V' (1 + tension V) V' with a cycle V' for A + tension takes 10 to 30, at three cycles each.
//
// A level of N x N pixels is dealt out in pairs, one above the other, one red and one black: a thread's pairs follow each
// other down a column, the next thread has the next column, and so a warp's reds lie in different banks.  Levels of 8 x 8
// and less are the first warp's.  Nothing beyond an image is read, so that nothing has to be cleared.  Sums are taken by
// a fixed tree: the same bits on every run, in every thread, beside any other planes.
//
// These files are one source, in this order: ../images, ../chebyshev, memory, cycle, hole, equation, blend.
//
// SIZE, THREADS: the most rows and columns, a power of two, and the threads of a block, at most SIZE^2 / 2.

// A vector of doubles, (SIZE, SIZE), lies here while neighbours are read; by turns the right-hand side and the solution of
// the cycle's finest level, floats.  Behind it are three floats for each pixel of all coarser levels, each kind from the
// largest level on, then the polynomial's coefficients and numbers of the warps.
extern __shared__ double room[];

namespace {

constexpr int WARP = 32, WARPS = THREADS / WARP;
// a thread's pixels: so many rows of one column
constexpr int PIXELS = SIZE * SIZE / THREADS;
// levels up to this size are one warp's
constexpr int ONE_WARP = 8;
// pixels of all coarser levels, with one more for an even number
constexpr int COARSE = (SIZE * SIZE - 1) / 3 + 1;

__device__ double* vector() { return room; }
__device__ float* floats() { return reinterpret_cast<float*>(room); }
__device__ double* of_warps() { return room + SIZE * SIZE; }
__device__ float* coarse() { return reinterpret_cast<float*>(of_warps() + 3 * WARPS); }
__device__ float* coefficients() { return coarse() + 3 * COARSE; }

// Where among them a level N pixels wide begins.
template <int N>
__device__ int begin() {
    return (SIZE * SIZE / 4 - N * N) / 3 * 4;
}
template <int N>
__device__ float* b_of() {
    return N == SIZE ? floats() : coarse() + begin<N>();
}
template <int N>
__device__ float* u_of() {
    return N == SIZE ? floats() + SIZE * SIZE : coarse() + COARSE + begin<N>();
}
// 1 / the diagonal of A, 0 at the known pixels
template <int N>
__device__ float* inverse_of() {
    return coarse() + 2 * COARSE + begin<N>();
}

// use(y, x) with the upper row and the column of each pair of this thread
template <int N, class Use>
__device__ void each_pair(Use use) {
    constexpr int PAIRS = N * N / 2, EACH = PAIRS > THREADS ? PAIRS / THREADS : 1;
    const int thread = threadIdx.x;
    if (PAIRS < THREADS && thread >= PAIRS) return;
#pragma unroll
    for (int i = 0; i < EACH; ++i) use(2 * (thread / N * EACH + i), thread % N);
}

// use(y, x) with each pixel of this thread
template <int N, class Use>
__device__ void each_pixel(Use use) {
    if (N > 1) each_pair<N>([&](int y, int x) { use(y, x), use(y + 1, x); });
    else if (threadIdx.x == 0) use(0, 0);
}

// The threads that work on a level wait for each other.
template <int N>
__device__ void wait() {
    if (N <= ONE_WARP) __syncwarp();
    else __syncthreads();
}

// The image, and a thread's pixels (row + i, column) of it.
struct Image {
    int height, width, row, column;
    unsigned missing;  // one bit each

    __device__ bool holds(int i) const { return row + i < height && column < width; }
    __device__ bool unknown(int i) const { return missing >> i & 1; }
    __device__ int at(int i) const { return (row + i) * SIZE + column; }

    // how many neighbours one has
    __device__ int degree(int i) const {
        const int y = row + i;
        return (y > 0) + (y < height - 1) + (column > 0) + (column < width - 1);
    }
};

// The Laplacian at a thread's pixels of what lies in shared memory.
template <class T>
__device__ void laplacian(const Image& image, const T* values, T (&out)[PIXELS]) {
    const bool left = image.column > 0, right = image.column < image.width - 1;
    values += image.at(0);
    T above = image.row > 0 ? values[-SIZE] : T(0), here = values[0];
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        const T *same = values + i * SIZE, below = image.row + i < image.height - 1 ? same[SIZE] : T(0);
        const T beside = (left ? same[-1] : T(0)) + (right ? same[1] : T(0));
        out[i] = (above + below) + beside - image.degree(i) * here;
        above = here, here = below;
    }
}

// A thread's own pixels to shared memory, which nobody may be reading; then they can be read.
template <class T>
__device__ void publish(const Image& image, const T (&own)[PIXELS], T* to) {
#pragma unroll
    for (int i = 0; i < PIXELS; ++i)
        if (image.holds(i)) to[image.at(i)] = own[i];
    __syncthreads();
}

}  // namespace
