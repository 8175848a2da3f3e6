// What a hole asks for: its levels, and how deep a pixel lies in it.

namespace {

// further than any pixel
constexpr float FAR = 1e6f;

}  // namespace

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

// How far the nearest known pixel of a column is, FAR if further than `most`.
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    distances_down(LEVEL, int most, float* __restrict__ distances) {
    const Level level = OF_BLOCK;
    const int y = row(), x = column();
    if (!level.holds(y, x)) return;
    const float* inverse = level.inverse + level.at(y, x);
    float found = inverse[0] == 0 ? 0.0f : FAR;
    for (int j = 1; found == FAR && j <= most && (j <= y || y + j < height); ++j)
        if ((j <= y && inverse[-j * level.pitch] == 0) || (y + j < height && inverse[j * level.pitch] == 0)) found = j;
    distances[level.plane() + level.at(y, x)] = found;
}

// From those the squares of the distances from the nearest known pixel: whole numbers, exact up to most^2.
extern "C" __global__ void __launch_bounds__(WARP * ROWS)
    squared_distances(LEVEL, int most, const float* __restrict__ distances, float* __restrict__ squares) {
    const Level level = OF_BLOCK;
    const int y = row(), x = column();
    if (!level.holds(y, x)) return;
    const long long at = level.plane() + level.at(y, x);
    const float* lines = distances + at;
    float found = lines[0] * lines[0];
    for (int j = 1; j <= most && static_cast<float>(j) * j < found && (j <= x || x + j < width); ++j) {
        const float square = static_cast<float>(j) * j;
        if (j <= x) found = fminf(found, square + lines[-j] * lines[-j]);
        if (x + j < width) found = fminf(found, square + lines[j] * lines[j]);
    }
    squares[at] = found;
}

