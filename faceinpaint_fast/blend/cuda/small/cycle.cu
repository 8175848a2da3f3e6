
// The multigrid cycle: one red-black sweep down and one black-red sweep up on each level, as in large/cycle.cu.

namespace {

// A level's size, and k of its edges across and down.
struct Grid {
    int height, width;
    float across, down;

    __device__ Grid coarser() const {
        // a single row or column has no neighbours that a coarse edge could stand for
        return {(height + 1) / 2, (width + 1) / 2, height == 1 ? across / 2 : across, width == 1 ? down / 2 : down};
    }

    __device__ bool holds(int y, int x) const { return y >= 0 && y < height && x >= 0 && x < width; }

    // k times the neighbours of a pixel of an array N wide
    template <int N>
    __device__ float neighbours(const float* values, int y, int x) const {
        values += y * N + x;
        const float above = y > 0 ? values[-N] : 0.0f, below = y < height - 1 ? values[N] : 0.0f;
        const float left = x > 0 ? values[-1] : 0.0f, right = x < width - 1 ? values[1] : 0.0f;
        return down * (above + below) + across * (left + right);
    }
};

// 1 / the diagonal at a thread's pixel, 0 where it is known.
template <int N>
__device__ float inverse_at(const Image& image, int y, int x) {
    if (N < SIZE) return inverse_of<N>()[y * N + x];
    const int i = y - image.row, around = image.degree(i);
    const float inverse = around == 4 ? 0.25f : around == 3 ? 1.0f / 3 : around == 2 ? 0.5f : 1.0f;
    return image.unknown(i) ? inverse : 0.0f;
}

// use(y, x, 1 / the diagonal) with each red pixel of this thread, or black one
template <int N, class Use>
__device__ void each_of(bool black, const Image& image, const Grid& grid, Use use) {
    each_pair<N>([&](int y, int x) {
        y += (x + black) & 1;
        if (grid.holds(y, x)) use(y, x, inverse_at<N>(image, y, x));
    });
}

// u = (b + k neighbours) / diagonal
template <int N>
__device__ void sweep(bool black, const Image& image, const Grid& grid) {
    const float* b = b_of<N>();
    float* u = u_of<N>();
    each_of<N>(black, image, grid, [&](int y, int x, float inverse) {
        u[y * N + x] = inverse != 0 ? inverse * (b[y * N + x] + grid.neighbours<N>(u, y, x)) : 0.0f;
    });
    wait<N>();
}

// b of the next level, HALF as wide, is P^T of what the reds have left, which is in their u; and u of its reds.
template <int HALF>
__device__ void restrict_left(const Grid& fine, const Grid& next) {
    constexpr int N = 2 * HALF;
    const float* left = u_of<N>();
    const auto shared = [&](int y, int x) {
        // twice where P has nobody to share with
        const float alone = (y == fine.height - 1 ? 2.0f : 1.0f) * (x == fine.width - 1 ? 2.0f : 1.0f);
        return fine.holds(y, x) ? alone * left[y * N + x] : 0.0f;
    };
    each_pixel<HALF>([&](int y, int x) {
        if (!next.holds(y, x)) return;
        const float inverse = inverse_of<HALF>()[y * HALF + x];
        const float above = shared(2 * y - 1, 2 * x - 1) + shared(2 * y - 1, 2 * x + 1);
        const float below = shared(2 * y + 1, 2 * x - 1) + shared(2 * y + 1, 2 * x + 1);
        // a pixel of both levels is shared with nobody
        const float b = inverse != 0 ? left[2 * y * N + 2 * x] + 0.25f * (above + below) : 0.0f;
        b_of<HALF>()[y * HALF + x] = b;
        if ((y + x) % 2 == 0) u_of<HALF>()[y * HALF + x] = inverse * b;
    });
}

// u = b / diagonal + P u of the next level, at the reds.
template <int N>
__device__ void prolong(const Image& image, const Grid& fine, const Grid& next) {
    constexpr int HALF = N / 2;
    each_of<N>(false, image, fine, [&](int y, int x, float inverse) {
        const float* at = u_of<HALF>() + y / 2 * HALF + x / 2;
        float sum = at[0];
        if (x & 1) {
            const bool right = x / 2 + 1 < next.width, below = y / 2 + 1 < next.height;
            sum += (below ? at[HALF] : 0.0f) + ((right ? at[1] : 0.0f) + (right && below ? at[HALF + 1] : 0.0f));
            // beyond the last row and column there is none to share with
            sum *= (below ? 0.25f : 0.5f) * (right ? 1.0f : 2.0f);
        }
        u_of<N>()[y * N + x] = inverse != 0 ? inverse * b_of<N>()[y * N + x] + sum : 0.0f;
    });
    wait<N>();
}

// u of a level from its b, which all threads see; u at the reds is b / diagonal already.  A level is called, and not
// inlined, or the compiler keeps every level's addresses from cycle to cycle and has no registers left.
template <int N>
__device__ __noinline__ void cycle(Image image, Grid grid) {
    if constexpr (N > 1) {
        constexpr int HALF = N / 2;
        const Grid next = grid.coarser();
        sweep<N>(true, image, grid);
        // after their turn the blacks have nothing left, and the reds their neighbours
        each_of<N>(false, image, grid, [&](int y, int x, float inverse) {
            u_of<N>()[y * N + x] = inverse != 0 ? grid.neighbours<N>(u_of<N>(), y, x) : 0.0f;
        });
        wait<N>();
        restrict_left<HALF>(grid, next);
        wait<N>();
        constexpr bool LAST_OF_ALL = N > ONE_WARP && HALF <= ONE_WARP;
        if (!LAST_OF_ALL || threadIdx.x < WARP) cycle<HALF>(image, next);
        if (LAST_OF_ALL) __syncthreads();
        prolong<N>(image, grid, next);
        sweep<N>(true, image, grid);
        sweep<N>(false, image, grid);
    }
}

}  // namespace
