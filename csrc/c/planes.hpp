// Images as programs in other languages hand them over.
#pragma once

#include <cstdint>

#include "blend/pixels.hpp"

namespace faceinpaint {

// (channels, height, width), one plane after the other
template <class T>
Pixels<T> planes(T* data, std::int64_t height, std::int64_t width) {
    return {data, 0, width, 1, height * width};
}

}  // namespace faceinpaint
