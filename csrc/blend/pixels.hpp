// Between images, whose channels lie beside each other, and the padded planes that Poisson's equation is solved on.
#pragma once

#include <cstdint>

#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// The relative residual that a blend is content with.
constexpr double TOLERANCE = 1e-5;

// The numbers of a plane's row: more than the width, whole vectors of any processor.
constexpr std::int64_t pitch_of(std::int64_t width) { return (width + 16) / 16 * 16; }

// Pixels (images, height, width, channels) anywhere in memory; strides in numbers of T.
template <class T>
struct Pixels {
    T* data;
    std::int64_t image, row, column, channel;

    T& operator()(std::int64_t i, std::int64_t y, std::int64_t x, std::int64_t c) const {
        return data[i * image + y * row + x * column + c * channel];
    }
};

// Of images, and of their planes; as many holes as images, or one.
struct Extent {
    std::int64_t images, channels, height, width, pitch, holes;
};

// f = target - source at the known pixels, 0 at the missing ones, whatever those hold, and the largest |f| of each
// plane.  source may be null: 0.
template <class T, class S>
void take_offsets(const Pixels<const T>& target, const Pixels<const S>& source, const bool* missing,
                  const Extent& extent, double* f, double* largest);

// out = source + f at the missing pixels; bytes are rounded and clipped.
template <class T, class S>
void put_sums(const double* f, const Pixels<const S>& source, const bool* missing, const Extent& extent,
              const Pixels<T>& out);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
