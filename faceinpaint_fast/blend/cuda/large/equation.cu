// E: what comes into a plane and out of it, the residual, the energy of a direction, and the polynomial in A.

namespace {

constexpr double LARGEST_DOUBLE = 1.7976931348623157e308;

// What a plane's kernels keep from cycle to cycle, (planes, NUMBERS).
enum Number { SCALE, FIRST, PRODUCT, ENOUGH, BETA, ALPHA, LAST, CYCLES, REACHED, NUMBERS };

// flex (1 - c) L source at d pixels from the nearest known one, 1 - c = exp(-depth d^2); 0 without squares of d
__device__ double followed(const Level& level, const Plane& source, const float* squares, int holes, double flex, double depth,
                           int y, int x) {
    if (squares == nullptr) return 0;
    const long long hole = static_cast<unsigned long long>(blockIdx.x) * holes / gridDim.x;
    const double share = flex * exp(-depth * squares[first_pixel(hole, level.height, level.pitch) + level.at(y, x)]);
    // what is pulled to the source alone reads no more of it
    if (share == 0) return 0;
    const double here = source.get(y, x);
    double sum = 0;
    if (y > 0) sum += source.get(y - 1, x) - here;
    if (y < level.height - 1) sum += source.get(y + 1, x) - here;
    if (x > 0) sum += source.get(y, x - 1) - here;
    if (x < level.width - 1) sum += source.get(y, x + 1) - here;
    return share * sum;
}

// (flex A + pull) u less what a plate follows; `more` may be null: nothing
__device__ double inner(const Level& level, const double* u, const double* more, double flex, double pull, int y, int x) {
    const long long at = level.at(y, x);
    if (flex == 0) return u[at];
    return pull * u[at] - flex * laplacian<double>(level, u, y, x) - (more ? more[at] : 0.0);
}

}  // namespace

// The largest number of each block among target - source at the known pixels, v at the missing ones, and `followed`.
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    largest_numbers(GRID, PLANE(target), PLANE(source), PLANE(v), int channels, const float* __restrict__ squares,
                    double flex, double depth, double* __restrict__ largest) {
    const Level level = OF_BLOCK;
    const Plane T = PLANE_OF_BLOCK(target), S = PLANE_OF_BLOCK(source), V = PLANE_OF_BLOCK(v);
    const int y = row(), x = column();
    double most = 0;
    if (level.holds(y, x)) {
        const bool known = level.inverse[level.at(y, x)] == 0;
        most = fabs(known ? T.get(y, x) - S.get(y, x) : V.get(y, x));
        most = fmax(most, fabs(followed(level, S, squares, holes, flex, depth, y, x)));
    }
    put(largest_of_block(most), largest);
}

// u = target - source at the known pixels and 0 at the missing ones, and `followed`, all times a plane's scale.
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    take_offsets(GRID, PLANE(target), PLANE(source), int channels, const float* __restrict__ squares, double flex,
                 double depth, const double* __restrict__ state, double* __restrict__ u, double* __restrict__ more) {
    if (!unsolved[blockIdx.x]) return;
    const Level level = OF_BLOCK;
    const Plane T = PLANE_OF_BLOCK(target), S = PLANE_OF_BLOCK(source);
    const int y = row(), x = column();
    if (!level.holds(y, x)) return;
    const double scale = state[blockIdx.x * NUMBERS + SCALE];
    const long long at = level.plane() + level.at(y, x);
    u[at] = level.inverse[level.at(y, x)] == 0 ? scale * (T.get(y, x) - S.get(y, x)) : 0.0;
    if (squares != nullptr) more[at] = scale * followed(level, S, squares, holes, flex, depth, y, x);
}

// out = source + u at the missing pixels
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    put_sums(LEVEL, PLANE(source), PLANE(out), int channels, const double* __restrict__ state,
             const double* __restrict__ u) {
    const Level level = OF_BLOCK;
    const Plane S = PLANE_OF_BLOCK(source), F = PLANE_OF_BLOCK(out);
    const int y = row(), x = column();
    if (!level.holds(y, x) || level.inverse[level.at(y, x)] == 0) return;
    F.put(y, x, S.get(y, x) + u[level.plane() + level.at(y, x)] / state[blockIdx.x * NUMBERS + SCALE]);
}

// r = v - E u, and r . r of each block
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    residual(GRID, const double* __restrict__ u, const double* __restrict__ more, PLANE(v), int channels, double flex,
             double pull, const double* __restrict__ state, float* __restrict__ r, double* __restrict__ squares) {
    if (!unsolved[blockIdx.x]) return;
    const Level level = OF_BLOCK;
    const Plane V = PLANE_OF_BLOCK(v);
    const int y = row(), x = column();
    double left = 0;
    if (level.holds(y, x) && level.inverse[level.at(y, x)] != 0) {
        u += level.plane();
        more = more ? more + level.plane() : nullptr;
        const double here = inner(level, u, more, flex, pull, y, x);
        if (y > 0) left += inner(level, u, more, flex, pull, y - 1, x) - here;
        if (y < height - 1) left += inner(level, u, more, flex, pull, y + 1, x) - here;
        if (x > 0) left += inner(level, u, more, flex, pull, y, x - 1) - here;
        if (x < width - 1) left += inner(level, u, more, flex, pull, y, x + 1) - here;
        left -= state[blockIdx.x * NUMBERS + SCALE] * V.get(y, x);
        r[level.plane() + level.at(y, x)] = static_cast<float>(left);
    }
    put(sum_of_block(left * left), squares);
}

// p . E p of each block, p being 0 at the known pixels: the sum of flex (L p)^2 over all pixels and of - pull p L p
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    energy(GRID, const float* __restrict__ p, double flex, double pull, double* __restrict__ energies) {
    if (!unsolved[blockIdx.x]) return;
    const Level level = OF_BLOCK;
    const int y = row(), x = column();
    double found = 0;
    if (level.holds(y, x) && (flex > 0 || level.inverse[level.at(y, x)] != 0)) {
        p += level.plane();
        const double of_p = laplacian<double>(level, p, y, x);
        found = flex * of_p * of_p - pull * p[level.at(y, x)] * of_p;
    }
    put(sum_of_block(found), energies);
}

// The coefficients of p, a thread each.
extern "C" __global__ void set_coefficients(int degree, double flex, double pull, float* __restrict__ coefficients) {
    const int k = threadIdx.x;
    if (k <= degree) coefficients[k] = coefficient_of(k, degree, flex, pull);
}

// Term k >= 1 of y = p(A) x: next = T_k(A) x from the last one and the one before, and y += its coefficient times it.  The
// first term begins y with that of x, the last one then.  `next` may be the one before.
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    add_term(GRID, int k, const float* __restrict__ coefficients, const float* __restrict__ last, const float* before,
             float* next, float* __restrict__ y) {
    if (!unsolved[blockIdx.x]) return;
    const Level level = OF_BLOCK;
    const int i = row(), j = column();
    if (!level.holds(i, j) || level.inverse[level.at(i, j)] == 0) return;
    const long long at = level.plane() + level.at(i, j);
    // (2 A / middle - 2) of the last, minus the one before it
    constexpr float MIDDLE = LARGEST / 2;
    const float of_last = laplacian<float>(level, last + level.plane(), i, j) + MIDDLE * last[at];
    const float found = k == 1 ? -of_last / MIDDLE : -2 * of_last / MIDDLE - before[at];
    y[at] = (k == 1 ? coefficients[0] * last[at] : y[at]) + coefficients[k] * found;
    next[at] = found;
}

