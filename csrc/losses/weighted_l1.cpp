// Weighted L1, bound by how fast memory is read.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "losses/ssim_l1.hpp"
#include "parallel.hpp"
#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

template <class T>
void weighted_l1(const T* x, const T* y, Batch batch, Weights<T> w, int threads, T* out) {
    const std::int64_t planes = batch.images * batch.channels, pixels = batch.height * batch.width;
    // summed in T before it is in double: one vector, a lane of which takes this many
    constexpr std::int64_t RUN = 32 * LANES<T>;
    std::vector<double> sums(planes);
    parallel_runs(planes, threads, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t plane = begin; plane < end; ++plane) {
            const T *of_x = x + plane * pixels, *of_y = y + plane * pixels;
            const T* of_w = w.of_plane(plane, batch);
            Sum<T> sum;
            for (std::int64_t run = 0; run < pixels; run += RUN) {
                Vector<T> part{};
                const std::int64_t last = std::min(run + RUN, pixels);
                for (std::int64_t i = run; i < last; i += LANES<T>)
                    part += load(of_w + i, last - i) * absolute(load(of_x + i, last - i) - load(of_y + i, last - i));
                sum.add(part);
            }
            sums[plane] = sum.total();
        }
    });
    add_channels(sums, batch.channels, out);
}

template <class T>
void weighted_l1_gradient(const T* grad, const T* x, const T* y, Batch batch, Weights<T> w, int threads, T* out) {
    const std::int64_t pixels = batch.height * batch.width;
    parallel_runs(batch.images * batch.channels, threads, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t plane = begin; plane < end; ++plane) {
            const T *of_x = x + plane * pixels, *of_y = y + plane * pixels;
            const T* of_w = w.of_plane(plane, batch);
            const T scale = grad[plane / batch.channels];
            for (std::int64_t i = 0; i < pixels; i += LANES<T>) {
                const std::int64_t count = pixels - i;
                const Vector<T> signs = sign(load(of_x + i, count) - load(of_y + i, count));
                store(scale * load(of_w + i, count) * signs, out + plane * pixels + i, count);
            }
        }
    });
}

#define INSTANTIATE(T)                                                         \
    template void weighted_l1(const T*, const T*, Batch, Weights<T>, int, T*); \
    template void weighted_l1_gradient(const T*, const T*, const T*, Batch, Weights<T>, int, T*);
INSTANTIATE(float)
INSTANTIATE(double)

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
