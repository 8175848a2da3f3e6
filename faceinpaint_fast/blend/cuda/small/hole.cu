
// What a hole asks for: the levels, and how deep a pixel lies in it.

namespace {

// further than any pixel
constexpr float FAR = 1e6f;

// The levels below one N wide, of which the flags say what is missing, and b what holds it to the known pixels.
template <int N>
__device__ void set_levels(const float* flags, const Grid& fine) {
    if constexpr (N > 1) {
        constexpr int HALF = N / 2;
        const Grid next = fine.coarser();
        const auto unknown = [&](int y, int x) { return flags[2 * y * N + 2 * x] != 0; };
        // k times the neighbours that are missing, or known
        const auto around = [&](bool missing, int y, int x) {
            const auto one = [&](int y, int x) { return next.holds(y, x) && unknown(y, x) == missing ? 1.0f : 0.0f; };
            return next.down * (one(y - 1, x) + one(y + 1, x)) + next.across * (one(y, x - 1) + one(y, x + 1));
        };
        each_pixel<HALF>([&](int y, int x) {
            if (!next.holds(y, x)) return;
            // what is between two coarse rows is shared by them; beyond the last there is none to share with
            const float share = 2 * y + 2 == fine.height ? 1.0f : 0.5f;
            const auto held = [&](int beside) {
                if (beside < 0 || beside >= fine.width) return 0.0f;
                const float* same = b_of<N>() + 2 * y * N + beside;
                const float above = y > 0 ? 0.5f * same[-N] : 0.0f, below = 2 * y + 1 < fine.height ? share * same[N] : 0.0f;
                return same[0] + (above + below);
            };
            const float right = (2 * x + 2 == fine.width ? 2.0f : 1.0f) * held(2 * x + 1);
            // at least an edge to each known neighbour
            const float g = fmaxf(held(2 * x) + 0.5f * (held(2 * x - 1) + right), around(false, y, x));
            b_of<HALF>()[y * HALF + x] = unknown(y, x) ? g : 0.0f;
            inverse_of<HALF>()[y * HALF + x] = unknown(y, x) ? 1 / (around(true, y, x) + g) : 0.0f;
        });
        __syncthreads();
        set_levels<HALF>(inverse_of<HALF>(), next);
    }
}

// The squares of the distances of a thread's pixels from the nearest known one: whole numbers, and exact.
__device__ void squared_distances(const Image& image, const float* flags, float* lines, float (&out)[PIXELS]) {
    const auto before = [](int first, int j) { return j <= first; };
    const auto behind = [](int first, int j, int end) { return first + j < end; };
    // up and down a column, then along a row
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        const int y = image.row + i;
        const float* at = flags + image.at(i);
        out[i] = image.unknown(i) ? FAR : 0.0f;
        for (int j = 1; out[i] == FAR && (before(y, j) || behind(y, j, image.height)); ++j)
            if ((before(y, j) && at[-j * SIZE] == 0) || (behind(y, j, image.height) && at[j * SIZE] == 0)) out[i] = j;
    }
    publish(image, out, lines);
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) {
        const int x = image.column;
        const float* at = lines + image.at(i);
        out[i] *= out[i];
        for (int j = 1; j * j < out[i] && (before(x, j) || behind(x, j, image.width)); ++j) {
            if (before(x, j)) out[i] = fminf(out[i], j * j + at[-j] * at[-j]);
            if (behind(x, j, image.width)) out[i] = fminf(out[i], j * j + at[j] * at[j]);
        }
    }
    __syncthreads();
}

}  // namespace
