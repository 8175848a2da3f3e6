#include "blend/pixels.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {
namespace {

// Calls work(image, channel, row of f, row of missing, y) for all rows of all planes.
template <class F, class Work>
void for_rows(F* f, const bool* missing, const Extent& extent, const Work& work) {
    const auto [images, channels, height, width, pitch, holes] = extent;
    for (std::int64_t i = 0; i < images; ++i)
        for (std::int64_t y = 0; y < height; ++y)
            for (std::int64_t c = 0; c < channels; ++c)
                work(i, c, f + ((i * channels + c) * (height + 2) + y + 1) * pitch,
                     missing + ((holes == 1 ? 0 : i) * height + y) * width, y);
}

}  // namespace

template <class T, class S>
void take_offsets(const Pixels<const T>& target, const Pixels<const S>& source, const bool* missing,
                  const Extent& extent, double* f, double* largest) {
    std::fill(largest, largest + extent.images * extent.channels, 0.0);
    // as copies, which no number that is written can overlie, their strides stay in registers
    for_rows(f, missing, extent, [&, target = target, source = source](auto i, auto c, double* row, auto hole, auto y) {
        double most = largest[i * extent.channels + c];
        for (std::int64_t x = 0; x < extent.width; ++x) {
            const auto offset = [&] {
                const double drawn = source.data ? static_cast<double>(source(i, y, x, c)) : 0.0;
                return static_cast<double>(target(i, y, x, c)) - drawn;
            };
            row[x] = hole[x] ? 0.0 : offset();
            most = std::max(most, std::abs(row[x]));
        }
        largest[i * extent.channels + c] = most;
    });
}

template <class T, class S>
void put_sums(const double* f, const Pixels<const S>& source, const bool* missing, const Extent& extent,
              const Pixels<T>& out) {
    for_rows(f, missing, extent, [&, out = out, source = source](auto i, auto c, auto row, auto hole, auto y) {
        for (std::int64_t x = 0; x < extent.width; ++x) {
            double sum = row[x] + (source.data ? static_cast<double>(source(i, y, x, c)) : 0.0);
            if constexpr (std::is_integral_v<T>) sum = std::nearbyint(std::clamp(sum, 0.0, 255.0));
            // no jump, which among scattered pixels is guessed wrong half of the time
            T& to = out(i, y, x, c);
            to = hole[x] ? static_cast<T>(sum) : to;
        }
    });
}

#define INSTANTIATE(T, S)                                                                                              \
    template void take_offsets(const Pixels<const T>&, const Pixels<const S>&, const bool*, const Extent&, double*,    \
                               double*);                                                                               \
    template void put_sums(const double*, const Pixels<const S>&, const bool*, const Extent&, const Pixels<T>&);
#define INSTANTIATE_ALL(T)         \
    INSTANTIATE(T, std::uint8_t)   \
    INSTANTIATE(T, float)          \
    INSTANTIATE(T, double)
INSTANTIATE_ALL(std::uint8_t)
INSTANTIATE_ALL(float)
INSTANTIATE_ALL(double)

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
