// The kernels of Poisson's multigrid: csrc/blend/poisson.hpp says what they do to which arrays.  What a thread computes
// is in grid.cuh, the text before this one.

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

// What the `blocks` blocks of a plane found, joined: blocks (plane, 0) the first sums, (plane, 1) others, (plane, 2)
// the largest.  wanted may be null: all planes.
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

// The finest level of holes (holes, height, width): g, the known neighbours of missing pixels, and 1 / the diagonal.
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
