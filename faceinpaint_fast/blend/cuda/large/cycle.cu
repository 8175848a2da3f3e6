// A V-cycle's sweeps and transfers: csrc/blend/poisson.hpp says what they do to which arrays.

namespace {

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
    if (!unsolved[blockIdx.x]) return;
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
    if (!unsolved[blockIdx.x]) return;
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
    if (!unsolved[blockIdx.x]) return;
    const Level level = OF_BLOCK;
    const int y = row(), x = column();
    if (!level.holds(y, x)) return;
    const float inverse = level.inverse[level.at(y, x)];
    if (inverse == 0) return;
    const long long at = level.plane() + level.at(y, x);
    const float* here = u + at;
    b[at] -= here[0] / inverse - level.neighbours(here[-pitch], here[pitch], here[-1], here[1]);
}

