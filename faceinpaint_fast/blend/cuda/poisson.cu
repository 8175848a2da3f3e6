// Multigrid for Poisson's equation on a CUDA device: csrc/blend/poisson.hpp says what the functions do to which arrays.
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

// A thread a coarse pixel.
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    restrict_residual(GRID, const float* __restrict__ b, const float* __restrict__ coarse_inverse, int coarse_pitch,
                      float* __restrict__ coarse_b) {
    const Level level = OF_BLOCK;
    const int coarse_height = (height + 1) / 2, y = 2 * row(), x = 2 * column();
    if (!level.holds(y, x)) return;
    const Level coarse = of_block(coarse_inverse, holes, coarse_height, (width + 1) / 2, coarse_pitch, 0, 0);
    if (coarse.inverse[coarse.at(row(), column())] == 0) return;
    b += level.plane();
    coarse_b[coarse.plane() + coarse.at(row(), column())] =
        Inner::has(level, y, 3) ? restricted(Inner{level}, b, y, x) : restricted(level, b, y, x);
}

// A thread a pair of pixels, red and black.
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    correct(GRID, const float* __restrict__ b, const float* __restrict__ coarse_u, int coarse_pitch, int add,
            float* __restrict__ u) {
    const Level level = OF_BLOCK;
    const int y = row(), x = 2 * column();
    if (!level.holds(y, x)) return;
    const long long at = level.at(y, x);
    const float2 inverse = *reinterpret_cast<const float2*>(level.inverse + at);
    if (inverse.x == 0 && inverse.y == 0) return;
    b += level.plane();
    const float2 right = *reinterpret_cast<const float2*>(b + at);
    const Correction added{coarse_u + first_pixel(blockIdx.x, (height + 1) / 2, coarse_pitch), coarse_pitch};
    // said twice, so that the compiler knows which rows are even
    const int even = y / 2 * 2;
    const bool inner = Inner::has(level, y, 2);
    float2 found;
    if (!coarse_u)
        found = corrected(level, b, Nothing{}, y, x, inverse, right);
    else if (y > even)
        found = inner ? corrected(Inner{level}, b, added, even + 1, x, inverse, right)
                      : corrected(level, b, added, even + 1, x, inverse, right);
    else
        found = inner ? corrected(Inner{level}, b, added, even, x, inverse, right)
                      : corrected(level, b, added, even, x, inverse, right);
    float2* to = reinterpret_cast<float2*>(u + level.plane() + at);
    if (add) found.x += to->x, found.y += to->y;
    *to = found;
}

// b -= A u
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    subtract(GRID, const float* __restrict__ u, float* __restrict__ b) {
    const Level level = OF_BLOCK;
    const int y = row(), x = column();
    if (!level.holds(y, x)) return;
    const float inverse = level.inverse[level.at(y, x)];
    if (inverse == 0) return;
    const long long at = level.plane() + level.at(y, x);
    const float* here = u + at;
    b[at] -= here[0] / inverse - level.neighbours(here[-pitch], here[pitch], here[-1], here[1]);
}

// b . u, u . A u with the finest grid's A, and the largest |u|, of each block
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    inner_products(GRID, const float* __restrict__ b, const float* __restrict__ u, double* __restrict__ products,
                   double* __restrict__ energies, float* __restrict__ largest) {
    const Level level = OF_BLOCK;
    const int y = row(), x = column();
    float product = 0, energy = 0, size = 0;
    if (level.holds(y, x) && level.inverse[level.at(y, x)] != 0) {
        u += level.plane();
        const float here = u[level.at(y, x)];
        product = b[level.plane() + level.at(y, x)] * here;
        energy = -here * laplacian<float>(level, u, y, x);
        size = fabsf(here);
    }
    put(sum_of_block(product), products);
    put(sum_of_block(energy), energies);
    put(largest_of_block(size), largest);
}

// p = z + beta p
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    direction(GRID, const float* __restrict__ z, const double* __restrict__ beta, float* __restrict__ p) {
    const Level level = OF_BLOCK;
    const int y = row(), x = column();
    if (!level.holds(y, x) || level.inverse[level.at(y, x)] == 0) return;
    const long long at = level.plane() + level.at(y, x);
    p[at] = z[at] + static_cast<float>(beta[blockIdx.x]) * p[at];
}

// f += alpha p, r -= alpha A p, and r . r of each block
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    advance(GRID, const float* __restrict__ p, const double* __restrict__ alpha, double* __restrict__ f,
            float* __restrict__ r, double* __restrict__ squares) {
    const Level level = OF_BLOCK;
    const int y = row(), x = column();
    float left = 0;
    if (level.holds(y, x) && level.inverse[level.at(y, x)] != 0) {
        const long long at = level.plane() + level.at(y, x);
        const double scale = alpha[blockIdx.x];
        f[at] += scale * p[at];
        // what is taken off is nearly all of r: in double
        left = static_cast<float>(r[at] + scale * laplacian<double>(level, p + level.plane(), y, x));
        r[at] = left;
    }
    put(sum_of_block(left * left), squares);
}

// r = Laplacian(f) - v, and r . r of each block, on the planes wanted; v may be null
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    residual(GRID, const double* __restrict__ f, const double* __restrict__ v, const bool* __restrict__ wanted,
             float* __restrict__ r, double* __restrict__ squares) {
    if (!wanted[blockIdx.x]) return;
    const Level level = OF_BLOCK;
    const int y = row(), x = column();
    double left = 0;
    if (level.holds(y, x) && level.inverse[level.at(y, x)] != 0) {
        const long long at = level.plane() + level.at(y, x);
        left = laplacian<double>(level, f + level.plane(), y, x) - (v ? v[at] : 0.0);
        r[at] = static_cast<float>(left);
    }
    put(sum_of_block(left * left), squares);
}

// What the `blocks` blocks of a plane found, joined: blocks (plane, 0) the first sums, (plane, 1) others, (plane, 2) the
// largest.  wanted may be null: all planes.
extern "C" __global__ void __launch_bounds__(WARP * WARP)
    finish(const bool* __restrict__ wanted, int blocks, const double* __restrict__ sums_of_blocks,
           double* __restrict__ sums, const double* __restrict__ others_of_blocks, double* __restrict__ others,
           const float* __restrict__ largest_of_blocks, float* __restrict__ largest) {
    if (wanted && !wanted[blockIdx.x]) return;
    const int thread = threadIdx.y * WARP + threadIdx.x, threads = blockDim.y * WARP;
    const long long plane = blockIdx.x, first = plane * blocks;
    if (blockIdx.y < 2) {
        const double* of_blocks = (blockIdx.y == 0 ? sums_of_blocks : others_of_blocks) + first;
        double sum = 0;
#pragma unroll 8
        for (int block = thread; block < blocks; block += threads) sum += of_blocks[block];
        sum = sum_of_block(sum);
        if (thread == 0) (blockIdx.y == 0 ? sums : others)[plane] = sum;
    } else {
        float most = 0;
#pragma unroll 8
        for (int block = thread; block < blocks; block += threads) most = fmaxf(most, largest_of_blocks[first + block]);
        most = largest_of_block(most);
        if (thread == 0) largest[plane] = most;
    }
}

// The finest level of holes (holes, height, width): g, the known neighbours of the missing pixels, and 1 / the diagonal.
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    set_finest(const bool* __restrict__ missing, int height, int width, int pitch, float* __restrict__ ground,
               float* __restrict__ inverse_diagonal) {
    const Level level{nullptr, height, width, pitch, 1, 1};
    const int y = row(), x = column();
    missing += static_cast<long long>(blockIdx.x) * height * width;
    const auto unknown = [&](int y, int x) {
        return level.holds(y, x) && missing[static_cast<long long>(y) * width + x];
    };
    if (!unknown(y, x)) return;
    const long long at = level.plane() + level.at(y, x);
    const int around = degree(level, y, x);
    ground[at] = around - (unknown(y - 1, x) + unknown(y + 1, x) + unknown(y, x - 1) + unknown(y, x + 1));
    inverse_diagonal[at] = 1.0f / around;
}

// The next coarser level: g = P^T fine g or the edges to known pixels, whichever is more, and 1 / the diagonal.
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    set_coarser(const float* __restrict__ fine_ground, const float* __restrict__ fine_inverse, int fine_height,
                int fine_width, int fine_pitch, int pitch, float across, float down, float* __restrict__ ground,
                float* __restrict__ inverse_diagonal) {
    const Level level{nullptr, (fine_height + 1) / 2, (fine_width + 1) / 2, pitch, across, down};
    const Level fine = {fine_inverse, fine_height, fine_width, fine_pitch, 0, 0};
    const int y = row(), x = column();
    const auto unknown = [&](int y, int x) {
        return level.holds(y, x) && fine_inverse[fine.plane() + fine.at(2 * y, 2 * x)] != 0;
    };
    if (!unknown(y, x)) return;
    // what is between two coarse rows is shared by them; beyond the last there is none to share with
    const float share = 2 * y + 2 == fine_height ? 1.0f : 0.5f;
    const auto held = [&](int x) {
        const float* same = fine_ground + fine.plane() + fine.at(2 * y, x);
        return same[0] + (0.5f * same[-fine.pitch] + share * same[fine.pitch]);
    };
    const float left = x > 0 ? held(2 * x - 1) : 0.0f;
    const float right = (2 * x + 2 == fine_width ? 2.0f : 1.0f) * held(2 * x + 1);
    // at least an edge to each known neighbour
    const auto known = [&](int y, int x) { return level.holds(y, x) && !unknown(y, x); };
    const float edges = level.neighbours(known(y - 1, x), known(y + 1, x), known(y, x - 1), known(y, x + 1));
    const float g = fmaxf(held(2 * x) + 0.5f * (left + right), edges);
    const long long at = level.plane() + level.at(y, x);
    ground[at] = g;
    inverse_diagonal[at] =
        1.0f / (level.neighbours(unknown(y - 1, x), unknown(y + 1, x), unknown(y, x - 1), unknown(y, x + 1)) + g);
}
