// How far the missing pixels of a hole are from the known ones.
#pragma once

#include <cstdint>
#include <vector>

#include "level.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// The square of each pixel's distance from the nearest known one, exactly; infinite where none is known.
// missing (height, width), 0 = known -> (height, width)
std::vector<double> squared_distances(const std::uint8_t* missing, std::int64_t height, std::int64_t width);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
