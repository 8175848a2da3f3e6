// A grid of Poisson's multigrid on a CUDA device, as a thread sees it, and what a thread computes there: the sweeps,
// the transfers between two grids, and a block's sums.
//
// A thread computes what it writes from what came in alone, and whatever it needs of its neighbours' sweeps once more:
// no step of a sweep is ever in memory, and a sweep is one launch.  That costs loads from caches, not from memory.
//
// Blocks are 32 x 8 threads, grids (planes, tiles of columns, tiles of rows): the channels of an image, which share a
// hole, run side by side.
//
// A sum is taken in double by shuffles within a warp, over a block's warps in shared memory, and over the blocks of a
// plane by a second launch, `finish`: one number a block goes through memory.  The order is that of the pixels in their
// plane, so it is the same bits on every run and beside any other planes, which atomics are not.  One block a plane, in
// one launch, would leave most of a device idle with three large planes; one thread a row, with many small ones.

// (holes, height + 2, pitch); the kernels that work on planes begin with it
#define GRID                                                                                                         \
    const float *__restrict__ inverse_diagonal, int holes, int height, int width, int pitch, float across, float down
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

// What a sweep begins with at the red pixel (y, x), besides what b makes there: nothing, or the coarse grid's answer.
struct Nothing {
    __device__ float operator()(const Level&, int, int, bool) const { return 0; }
};

struct Correction {
    const float* u;  // the coarse plane, from its first pixel
    long long pitch;

    // P u: a red pixel is on an even row and column or between four of those
    __device__ float operator()(const Level& level, int y, int x, bool held) const {
        const float* above = u + (held ? (y >> 1) * pitch + (x >> 1) : 0);
        if ((y & 1) == 0) return above[0];
        const float* below = above + pitch;
        // beyond the image's last row and column there is no coarse one to share with
        const float share = (y == level.height - 1 ? 0.5f : 0.25f) * (x == level.width - 1 ? 2.0f : 1.0f);
        return share * ((above[0] + below[0]) + (above[1] + below[1]));
    }
};

// What a red-black sweep makes of the black pixels up to N rows and columns around the red pixel (y, x).  What would be
// read beyond the border is read at the first pixel instead and not used: without branches no load waits for another.
template <int N>
struct Blacks {
    float u[2 * N + 1][2 * N + 1];

    template <class Area, class Added>
    __device__ Blacks(const Area& level, const float* b, const Added& added, int y, int x) {
        constexpr int M = N + 1;
        // they need the reds up to M away, but for the corners
        float red[2 * M + 1][2 * M + 1];
#pragma unroll
        for (int i = -M; i <= M; ++i)
#pragma unroll
            for (int j = -M; j <= M; ++j) {
                if ((i + j) % 2 != 0 || (i * i == M * M && j * j == M * M)) continue;
                const bool held = level.holds(y + i, x + j);
                const long long at = held ? level.at(y + i, x + j) : 0;
                const float inverse = level.inverse[at], more = added(level, y + i, x + j, held);
                const float found = inverse * b[at] + (inverse != 0 ? more : 0.0f);
                red[M + i][M + j] = held ? found : 0.0f;
            }
#pragma unroll
        for (int i = -N; i <= N; ++i)
#pragma unroll
            for (int j = -N; j <= N; ++j) {
                if ((i + j) % 2 == 0) continue;
                const bool held = level.holds(y + i, x + j);
                const long long at = held ? level.at(y + i, x + j) : 0;
                const float around = level.neighbours(red[M + i - 1][M + j], red[M + i + 1][M + j],
                                                      red[M + i][M + j - 1], red[M + i][M + j + 1]);
                u[N + i][N + j] = held ? level.inverse[at] * (b[at] + around) : 0.0f;
            }
    }

    // k times the neighbours of the red pixel (y + i, x + j)
    __device__ float around(const Level& level, int i, int j) const {
        return level.neighbours(u[N + i - 1][N + j], u[N + i + 1][N + j], u[N + i][N + j - 1], u[N + i][N + j + 1]);
    }
};

// A block's numbers joined, in its first thread.  Each thread has to call it.
template <class T, class Join>
__device__ T joined(T value, Join join) {
    __shared__ T warps[WARP];
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

__device__ float largest_of_block(float value) {
    return joined(value, [](float a, float b) { return fmaxf(a, b); });
}

// A block's number goes to (planes, blocks a plane).
template <class T>
__device__ void put(T number, T* to) {
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

// What a sweep leaves of b, restricted to the coarse pixel at (y, x).
template <class Area>
__device__ float restricted(const Area& level, const float* b, int y, int x) {
    const Blacks<2> black(level, b, Nothing{}, y, x);
    // there is none but at the missing red pixels; twice where P has nobody to share with
    const auto left = [&](int i, int j) {
        const bool held = level.holds(y + i, x + j);
        const float inverse = level.inverse[held ? level.at(y + i, x + j) : 0];
        const float alone = (y + i == level.height - 1 ? 2.0f : 1.0f) * (x + j == level.width - 1 ? 2.0f : 1.0f);
        return held && inverse != 0 ? alone * black.around(level, i, j) : 0.0f;
    };
    // (y, x) itself is shared with nobody
    const float centre = black.around(level, 0, 0);
    return centre + 0.25f * ((left(-1, -1) + left(-1, 1)) + (left(1, -1) + left(1, 1)));
}

// u at the pixels (y, x) and (y, x + 1), one of which is red
template <class Area, class Added>
__device__ float2 corrected(const Area& level, const float* b, const Added& added, int y, int x, float2 inverse,
                            float2 right) {
    const int odd = y & 1;
    const Blacks<1> black(level, b, added, y, x + odd);
    const float around = black.around(level, 0, 0);
    if (odd) return {black.u[1][0], inverse.y * (right.y + around)};
    return {inverse.x * (right.x + around), black.u[1][2]};
}

}  // namespace
