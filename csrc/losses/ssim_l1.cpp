// SSIM and L1 in one pass over the rows of a plane.  Under a window, with means E[.] and u = w x,
//
//     S = n1 n2 / (d1 d2)       n1 = 2 E[u] E[v] + c1         d1 = E[u]^2 + E[v]^2 + c1
//                               n2 = 2 (E[uv] - E[u] E[v]) + c2    d2 = (E[u^2] - E[u]^2) + variance_v + c2
//
// and its derivatives, r = 2 / (d1 d2), are
//
//     dE[u] = r (E[v] (n2 - n1) + E[u] S (d1 - d2))     dE[uv] = r n1     dE[u^2] = -r S d1 / 2
//
// so that, K^T the adjoint of taking local means, dS/du = K^T dE[u] + v K^T dE[uv] + 2 u K^T dE[u^2].
#include "losses/ssim_l1.hpp"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "losses/window_filter.hpp"
#include "parallel.hpp"
#include "vectors.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

// Which rows of a band whose first is `first` lie within [0, height).
template <int BAND>
std::pair<int, int> rows_within(std::int64_t first, std::int64_t height) {
    const auto bound = [&](std::int64_t y) { return static_cast<int>(std::clamp<std::int64_t>(y - first, 0, BAND)); };
    return {bound(0), bound(height)};
}

template <class T>
std::vector<T> taps_of(const LocalWindow<T>& window) {
    return {window.taps, window.taps + window.size};
}

template <class T>
std::vector<T> reversed_taps_of(const LocalWindow<T>& window) {
    std::vector<T> taps = taps_of(window);
    std::reverse(taps.begin(), taps.end());
    return taps;
}

template <class T, int SIZE>
class Statistics {
public:
    Statistics(Batch batch, LocalWindow<T> window)
        : height_(batch.height),
          width_(batch.width),
          window_(window),
          filter_(taps_of(window), batch.width, window.pad) {}

    void plane(const T* v, T* mean, T* variance) {
        const std::int64_t windows_down = window_.positions(height_), windows_across = window_.positions(width_);
        for (std::int64_t y = 0; y < windows_down + window_.size - 1; y += BAND) {
            enter(v, y - window_.pad);
            const std::int64_t top = y - (window_.size - 1);
            const auto [begin, end] = rows_within<BAND>(top, windows_down);
            filter_.filter_columns(begin, end);
            for (int row = begin; row < end; ++row) {
                const std::int64_t start = (top + row) * windows_across;
                filter_.filter_row(row, windows_across, [&](std::int64_t panel, const Vector<T>* means) {
                    const std::int64_t x = panel * LANES<T>;
                    store(means[0], mean + start + x, windows_across - x);
                    store(means[1] - means[0] * means[0], variance + start + x, windows_across - x);
                });
            }
        }
    }

private:
    using Filter = WindowFilter<T, SIZE, 2>;
    static constexpr int BAND = Filter::BAND;

    void enter(const T* v, std::int64_t top) {
        for (int row = 0; row < BAND; ++row) {
            const std::int64_t y = top + row;
            if (y < 0 || y >= height_) {
                filter_.clear_row(row);
                continue;
            }
            for (std::int64_t x = 0, panel = 0; x < width_; x += LANES<T>, ++panel) {
                const Vector<T> values = load(v + y * width_ + x, width_ - x);
                filter_.at(panel, 0, row) = values;
                filter_.at(panel, 1, row) = values * values;
            }
        }
    }

    std::int64_t height_, width_;
    LocalWindow<T> window_;
    Filter filter_;
};

// One plane of each of ssim_l1's arrays.
template <class T>
struct Plane {
    const T *x, *w, *v, *mean, *variance, *share;
    T a, b;
    T* gradient;
};

// Goes down a plane in bands: rows of pixels enter, then come the windows of which they are the foot, then the rows of
// the gradient that feel none further down.
template <class T, int SIZE, bool GRADIENT>
class SsimL1 {
public:
    SsimL1(Batch batch, LocalWindow<T> window, T c1, T c2)
        : height_(batch.height),
          width_(batch.width),
          windows_down_(window.positions(batch.height)),
          windows_across_(window.positions(batch.width)),
          reach_(window.size - 1),
          pad_(window.pad),
          c1_(c1),
          c2_(c2),
          means_(taps_of(window), width_, pad_),
          adjoint_(reversed_taps_of(window), GRADIENT ? windows_across_ : 0, reach_ - pad_) {}

    // ssim, l1
    std::pair<double, double> operator()(const Plane<T>& plane) {
        Sum<T> ssim, l1;
        const std::int64_t rows = GRADIENT ? height_ + pad_ : windows_down_;
        for (std::int64_t y = 0; y < rows + reach_; y += BAND) {
            enter(plane, y - pad_, l1);
            compare(plane, y - reach_, ssim);
            if constexpr (GRADIENT) differentiate(plane, y - reach_ - pad_);
        }
        return {ssim.total(), l1.total()};
    }

private:
    using Filter = WindowFilter<T, SIZE, 3>;
    static constexpr int BAND = Filter::BAND;

    // rows of u, u^2, uv
    void enter(const Plane<T>& plane, std::int64_t top, Sum<T>& l1) {
        for (int row = 0; row < BAND; ++row) {
            const std::int64_t y = top + row;
            if (y < 0 || y >= height_) {
                means_.clear_row(row);
                continue;
            }
            Vector<T> sum{};
            for (std::int64_t x = 0, panel = 0; x < width_; x += LANES<T>, ++panel) {
                const std::int64_t at = y * width_ + x, count = width_ - x;
                const Vector<T> u = load(plane.w + at, count) * load(plane.x + at, count);
                const Vector<T> v = load(plane.v + at, count);
                sum += absolute(u - v);
                means_.at(panel, 0, row) = u;
                means_.at(panel, 1, row) = u * u;
                means_.at(panel, 2, row) = u * v;
            }
            l1.add(sum);
        }
    }

    // rows of windows: S, and what it feels of the three means
    void compare(const Plane<T>& plane, std::int64_t top, Sum<T>& ssim) {
        const auto [begin, end] = rows_within<BAND>(top, windows_down_);
        means_.filter_columns(begin, end);
        for (int row = begin; row < end; ++row) {
            Vector<T> sum{};
            means_.filter_row(row, windows_across_, [&](std::int64_t panel, const Vector<T>* means) {
                const std::int64_t x = panel * LANES<T>;
                const std::int64_t at = (top + row) * windows_across_ + x, count = windows_across_ - x;
                const Vector<T> mean_u = means[0], mean_v = load(plane.mean + at, count);
                const Vector<T> uv = mean_u * mean_v, uu = mean_u * mean_u;
                const Vector<T> n1 = 2 * uv + c1_, n2 = 2 * (means[2] - uv) + c2_;
                const Vector<T> d1 = uu + mean_v * mean_v + c1_;
                const Vector<T> d2 = (means[1] - uu) + load(plane.variance + at, count) + c2_;
                const Vector<T> r = 2 / (d1 * d2);
                const Vector<T> s = n1 * n2 * r / 2;
                const Vector<T> share = load(plane.share + at, count);
                sum += share * s;
                if constexpr (GRADIENT) {
                    const Vector<T> scale = plane.a * share * r;
                    adjoint_.at(panel, 0, row) = scale * (mean_v * (n2 - n1) + mean_u * s * (d1 - d2));
                    adjoint_.at(panel, 1, row) = scale * n1;
                    adjoint_.at(panel, 2, row) = -scale * s * d1;
                }
            });
            ssim.add(sum);
        }
        if constexpr (GRADIENT)
            for (int row = 0; row < BAND; ++row)
                if (row < begin || row >= end) adjoint_.clear_row(row);
    }

    // rows of the gradient, which feel the windows down to the band's
    void differentiate(const Plane<T>& plane, std::int64_t top) {
        const auto [begin, end] = rows_within<BAND>(top, height_);
        adjoint_.filter_columns(begin, end);
        for (int row = begin; row < end; ++row)
            adjoint_.filter_row(row, width_, [&](std::int64_t panel, const Vector<T>* felt) {
                const std::int64_t x = panel * LANES<T>;
                const std::int64_t at = (top + row) * width_ + x, count = width_ - x;
                const Vector<T> w = load(plane.w + at, count), v = load(plane.v + at, count);
                const Vector<T> u = w * load(plane.x + at, count);
                const Vector<T> by_u = felt[0] + v * felt[1] + u * felt[2] + plane.b * sign(u - v);
                store(w * by_u, plane.gradient + at, count);
            });
    }

    std::int64_t height_, width_, windows_down_, windows_across_, reach_, pad_;
    T c1_, c2_;
    Filter means_, adjoint_;
};

template <class T, int SIZE>
void statistics_of_planes(const T* v, Batch batch, LocalWindow<T> window, int threads, T* mean, T* variance) {
    const std::int64_t pixels = batch.height * batch.width;
    const std::int64_t windows = window.positions(batch.height) * window.positions(batch.width);
    parallel_runs(batch.images * batch.channels, threads, [&](std::int64_t begin, std::int64_t end) {
        Statistics<T, SIZE> statistics(batch, window);
        for (std::int64_t plane = begin; plane < end; ++plane)
            statistics.plane(v + plane * pixels, mean + plane * windows, variance + plane * windows);
    });
}

template <class T, int SIZE, bool GRADIENT>
void ssim_l1_of_planes(const T* x, Batch batch, SsimTarget<T> target, LocalWindow<T> window, const T* a, const T* b,
                       int threads, T* ssim, T* l1, T* gradient) {
    const std::int64_t planes = batch.images * batch.channels, pixels = batch.height * batch.width;
    const std::int64_t windows = window.positions(batch.height) * window.positions(batch.width);
    std::vector<double> ssims(planes), l1s(planes);
    parallel_runs(planes, threads, [&](std::int64_t begin, std::int64_t end) {
        SsimL1<T, SIZE, GRADIENT> ssim_l1_of(batch, window, target.c1, target.c2);
        for (std::int64_t plane = begin; plane < end; ++plane) {
            const std::int64_t image = plane / batch.channels;
            std::tie(ssims[plane], l1s[plane]) = ssim_l1_of(
                {x + plane * pixels, target.w + (target.one_w ? 0 : image) * pixels, target.v + plane * pixels,
                 target.mean + plane * windows, target.variance + plane * windows,
                 target.share + (target.one_share ? 0 : image) * windows, a[image], b[image],
                 GRADIENT ? gradient + plane * pixels : nullptr});
        }
    });
    add_channels(ssims, batch.channels, ssim);
    add_channels(l1s, batch.channels, l1);
}

}  // namespace

template <class T>
void window_statistics(const T* v, Batch batch, LocalWindow<T> window, int threads, T* mean, T* variance) {
    // Wang's size, in which the compiler can unroll the loops over taps
    const auto of_planes = window.size == 11 ? statistics_of_planes<T, 11> : statistics_of_planes<T, 0>;
    of_planes(v, batch, window, threads, mean, variance);
}

template <class T>
void ssim_l1(const T* x, Batch batch, SsimTarget<T> target, LocalWindow<T> window, const T* a, const T* b, int threads,
             T* ssim, T* l1, T* gradient) {
    const bool wang = window.size == 11;
    const auto of_planes = gradient ? (wang ? ssim_l1_of_planes<T, 11, true> : ssim_l1_of_planes<T, 0, true>)
                                    : (wang ? ssim_l1_of_planes<T, 11, false> : ssim_l1_of_planes<T, 0, false>);
    of_planes(x, batch, target, window, a, b, threads, ssim, l1, gradient);
}

#define INSTANTIATE(T)                                                             \
    template void window_statistics(const T*, Batch, LocalWindow<T>, int, T*, T*); \
    template void ssim_l1(const T*, Batch, SsimTarget<T>, LocalWindow<T>, const T*, const T*, int, T*, T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
