// SSIM and L1 in one pass over the rows of a plane, of e = u - v, u = w x.  Under a window, with means E[.],
//
//     n1 = 2 E[u] E[v] + c1        d1 = E[u]^2 + E[v]^2 + c1       = n1 + E[e]^2
//     n2 = 2 cov(u, v) + c2        d2 = var(u) + var(v) + c2       = n2 + var(e)
//
// hence the unlikeness
//
//     1 - S = p + (1 - p) q,       p = E[e]^2 / d1,  q = var(e) / d2
//
// is exactly 0 where the images are equal, and so are the derivatives of S,
//
//     dE[e]  = 2 (1 - q) E[e] (E[v] E[e] / d1 - (1 - p)) / d1 - E[v] dE[ev] - 2 E[e] dE[e^2]
//     dE[ev] = 2 (1 - p) q / d2
//     dE[e^2] = -S / d2
//
// from which, K^T the adjoint of taking local means, dS/du = K^T dE[e] + v K^T dE[ev] + 2 e K^T dE[e^2].
#include "losses/ssim_l1.hpp"

#include <algorithm>
#include <limits>
#include <memory>
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
        anchor_ = window_.pad ? T{0} : v[height_ / 2 * width_ + width_ / 2];
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
                    store(anchor_ + means[0], mean + start + x, windows_across - x);
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
                const Vector<T> values = load(v + y * width_ + x, width_ - x) - anchor_;
                filter_.at(panel, 0, row) = values;
                filter_.at(panel, 1, row) = values * values;
            }
        }
    }

    std::int64_t height_, width_;
    LocalWindow<T> window_;
    // taken off all of a plane, so that the variance of a flat one is not what two large squares leave; beyond the
    // border there are zeros that it would have to be taken off too
    T anchor_ = 0;
    Filter filter_;
};

// One plane of each of ssim_l1's arrays, and from one row of w and of share to the next.
template <class T>
struct Plane {
    const T *x, *w, *v, *mean, *variance, *share;
    std::int64_t w_row, share_row;
    T a, b;
    T* gradient;
};

// Goes down a plane in bands: rows of pixels enter, then come the windows of which they are the foot, then the rows of
// the gradient that feel none further down.
template <class T, int SIZE>
class SsimL1 {
public:
    SsimL1(Batch batch, LocalWindow<T> window, T c1, T c2, bool with_gradient)
        : height_(batch.height),
          width_(batch.width),
          windows_down_(window.positions(batch.height)),
          windows_across_(window.positions(batch.width)),
          reach_(window.size - 1),
          pad_(window.pad),
          c1_(c1),
          c2_(c2),
          with_gradient_(with_gradient),
          means_(taps_of(window), width_, pad_),
          adjoint_(reversed_taps_of(window), with_gradient ? windows_across_ : 0, reach_ - pad_) {}

    // 1 - ssim, l1
    std::pair<double, double> operator()(const Plane<T>& plane) {
        anchor_ = pad_ ? T{0} : nearest_to_zero(plane);
        Sum<T> unlike, l1;
        const std::int64_t rows = with_gradient_ ? height_ + pad_ : windows_down_;
        for (std::int64_t y = 0; y < rows + reach_; y += BAND) {
            enter(plane, y - pad_, l1);
            compare(plane, y - reach_, unlike);
            if (with_gradient_) differentiate(plane, y - reach_ - pad_);
        }
        return {unlike.total(), l1.total()};
    }

private:
    using Filter = WindowFilter<T, SIZE, 3>;
    static constexpr int BAND = Filter::BAND;

    // The number nearest to 0 between the least and the greatest e.  Taken off all of them it leaves none larger than
    // it was: where e is 0, as in the hole, variances are exactly 0 still, and where it is the same everywhere they
    // are not what two large squares leave.
    T nearest_to_zero(const Plane<T>& plane) const {
        T least = std::numeric_limits<T>::infinity(), most = -least;
        // most planes have both signs in their first rows
        for (std::int64_t y = 0; y < height_ && !(least <= 0 && most >= 0); ++y) {
            const T *w = plane.w + y * plane.w_row, *u = plane.x + y * width_, *v = plane.v + y * width_;
            if (width_ < LANES<T>) {
                for (std::int64_t x = 0; x < width_; ++x)
                    least = std::min(least, w[x] * u[x] - v[x]), most = std::max(most, w[x] * u[x] - v[x]);
                continue;
            }
            Vector<T> low = least + Vector<T>{}, high = most + Vector<T>{};
            for (std::int64_t begin = 0; begin < width_; begin += LANES<T>) {
                // the last ones again, not what lies beyond
                const std::int64_t x = std::min(begin, width_ - LANES<T>);
                const Vector<T> e = load(w + x, LANES<T>) * load(u + x, LANES<T>) - load(v + x, LANES<T>);
                low = e < low ? e : low;
                high = e > high ? e : high;
            }
            for (int lane = 0; lane < LANES<T>; ++lane)
                least = std::min(least, low[lane]), most = std::max(most, high[lane]);
        }
        return std::max(least, T{0}) + std::min(most, T{0});
    }

    // rows of e, e^2, e v
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
                const Vector<T> u = load(plane.w + y * plane.w_row + x, count) * load(plane.x + at, count);
                const Vector<T> v = load(plane.v + at, count), difference = difference_of(u, v);
                const Vector<T> e = difference - anchor_;
                sum += absolute(difference);
                means_.at(panel, 0, row) = e;
                means_.at(panel, 1, row) = e * e;
                means_.at(panel, 2, row) = e * v;
            }
            l1.add(sum);
        }
    }

    // rows of windows: 1 - S, and what S feels of the three means
    void compare(const Plane<T>& plane, std::int64_t top, Sum<T>& unlike) {
        const auto [begin, end] = rows_within<BAND>(top, windows_down_);
        means_.filter_columns(begin, end);
        for (int row = begin; row < end; ++row) {
            Vector<T> sum{};
            means_.filter_row(row, windows_across_, [&](std::int64_t panel, const Vector<T>* means) {
                const std::int64_t x = panel * LANES<T>;
                const std::int64_t at = (top + row) * windows_across_ + x, count = windows_across_ - x;
                const Vector<T> mean_e = anchor_ + means[0], mean_v = load(plane.mean + at, count);
                const Vector<T> square = mean_e * mean_e;
                const Vector<T> var_e = means[1] - means[0] * means[0], covariance = means[2] - means[0] * mean_v;
                const Vector<T> n1 = 2 * (mean_v + mean_e) * mean_v + c1_, d1 = n1 + square;
                const Vector<T> n2 = 2 * (load(plane.variance + at, count) + covariance) + c2_, d2 = n2 + var_e;
                const Vector<T> share = load(plane.share + (top + row) * plane.share_row + x, count);
                // beyond the last window, and where one has no share, anything may stand, 0 as well
                const Vector<T> r = share != 0 ? 1 / (d1 * d2) : Vector<T>{};
                const Vector<T> per_d1 = r * d2, per_d2 = r * d1;
                const Vector<T> p = square * per_d1, q = var_e * per_d2;
                const Vector<T> like = 1 - p;
                const Vector<T> distance = p + like * q;
                // below 0 by rounding alone
                sum += share * (distance < 0 ? Vector<T>{} : distance);
                if (with_gradient_) {
                    const Vector<T> scale = 2 * plane.a * share;
                    const Vector<T> of_ev = scale * per_d2 * like * q, of_ee = scale * per_d2 * (distance - 1);
                    const Vector<T> of_mean = scale * per_d1 * (1 - q) * mean_e * (mean_v * per_d1 * mean_e - like);
                    adjoint_.at(panel, 0, row) = of_mean - mean_v * of_ev - mean_e * of_ee;
                    adjoint_.at(panel, 1, row) = of_ev;
                    adjoint_.at(panel, 2, row) = of_ee;
                }
            });
            unlike.add(sum);
        }
        if (with_gradient_)
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
                const Vector<T> w = load(plane.w + (top + row) * plane.w_row + x, count);
                const Vector<T> v = load(plane.v + at, count), e = difference_of(w * load(plane.x + at, count), v);
                const Vector<T> by_u = felt[0] + v * felt[1] + e * felt[2] + plane.b * sign(e);
                store(w * by_u, plane.gradient + at, count);
            });
    }

    std::int64_t height_, width_, windows_down_, windows_across_, reach_, pad_;
    T c1_, c2_;
    // no template's parameter: what the compiler fuses, hence a value's last bits, would depend on it
    bool with_gradient_;
    T anchor_ = 0;
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

template <class T, int SIZE>
void ssim_l1_of_planes(const T* x, Batch batch, SsimTarget<T> target, LocalWindow<T> window, const T* a, const T* b,
                       int threads, T* ssim, T* l1, T* gradient) {
    const std::int64_t planes = batch.images * batch.channels, pixels = batch.height * batch.width;
    const std::int64_t across = window.positions(batch.width), windows = window.positions(batch.height) * across;
    // what is the same everywhere is one row, for all rows
    const T equal = static_cast<T>(1.0 / static_cast<double>(batch.channels * windows));
    const std::vector<T> ones(target.w ? 0 : batch.width, T{1}), shares(target.share ? 0 : across, equal);
    std::vector<double> unlike(planes), l1s(planes);
    parallel_runs(planes, threads, [&](std::int64_t begin, std::int64_t end) {
        SsimL1<T, SIZE> ssim_l1_of(batch, window, target.c1, target.c2, gradient != nullptr);
        for (std::int64_t plane = begin; plane < end; ++plane) {
            const std::int64_t image = plane / batch.channels;
            const T* w = target.w ? target.w + (target.one_w ? 0 : image) * pixels : ones.data();
            const T* share = target.share ? target.share + (target.one_share ? 0 : image) * windows : shares.data();
            std::tie(unlike[plane], l1s[plane]) = ssim_l1_of(
                {x + plane * pixels, w, target.v + plane * pixels, target.mean + plane * windows,
                 target.variance + plane * windows, share, target.w ? batch.width : 0, target.share ? across : 0,
                 a[image], b[image], gradient ? gradient + plane * pixels : nullptr});
        }
    });
    add_channels(unlike, batch.channels, ssim);
    for (std::int64_t image = 0; image < batch.images; ++image) ssim[image] = 1 - ssim[image];
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
    const auto of_planes = window.size == 11 ? ssim_l1_of_planes<T, 11> : ssim_l1_of_planes<T, 0>;
    of_planes(x, batch, target, window, a, b, threads, ssim, l1, gradient);
}

template <class T>
void ssim(const T* x, const T* y, Batch batch, const T* share, bool one_share, LocalWindow<T> window, T c1, T c2,
          int threads, T* out, T* gradient) {
    const std::int64_t windows = batch.images * batch.channels * window.positions(batch.height) *
                                 window.positions(batch.width);
    // not vectors, which would write zeros first
    const std::unique_ptr<T[]> mean(new T[windows]), variance(new T[windows]);
    window_statistics(y, batch, window, threads, mean.get(), variance.get());
    const std::vector<T> ones(batch.images, T{1}), none(batch.images);
    std::vector<T> l1(batch.images);
    const SsimTarget<T> target{nullptr, y, mean.get(), variance.get(), share, true, one_share, c1, c2};
    ssim_l1(x, batch, target, window, ones.data(), none.data(), threads, out, l1.data(), gradient);
}

#define INSTANTIATE(T)                                                                                          \
    template void window_statistics(const T*, Batch, LocalWindow<T>, int, T*, T*);                              \
    template void ssim_l1(const T*, Batch, SsimTarget<T>, LocalWindow<T>, const T*, const T*, int, T*, T*, T*); \
    template void ssim(const T*, const T*, Batch, const T*, bool, LocalWindow<T>, T, T, int, T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
