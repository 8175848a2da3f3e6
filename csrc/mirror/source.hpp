// The other half of a face, in place of what was drawn, where it can be trusted.
#pragma once

#include <cstdint>

#include "blend/pixels.hpp"
#include "level.hpp"
#include "mirror/registration.hpp"

namespace faceinpaint {
inline namespace FACEINPAINT_LEVEL {

// Makes the source of the blend: the restored photograph with the mirror where it is trusted, in the part of the hole and
// around it, as far as its edges are soft.  Returns the trust in the part, on average.
//   restored, source  (height, width, 3), filled
//   missing, part     (height, width): where it is not the photograph's own, and which of that is to be filled
//   frame             of the face in it, whose halves were registered
//   trust             (height, width), 0 to 1
double make_source(const Halves& halves, const Registration& found, const Pixels<const float>& restored,
                   const std::uint8_t* missing, const std::uint8_t* part, std::int64_t height, std::int64_t width,
                   const Similarity& frame, const Pixels<float>& source, float* trust);

}  // namespace FACEINPAINT_LEVEL
}  // namespace faceinpaint
