/* The blend alone, for programs in any language: generated content into the hole of an image, without a seam.  It is the
 * tension_blend of the Python package, a thin plate under tension: csrc/blend/plate.hpp. */
#ifndef FACEINPAINT_BLEND_H
#define FACEINPAINT_BLEND_H

#include <stdint.h>

#include "faceinpaint_api.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a call comes to; out is written for FACEINPAINT_BLENDED alone. */
enum {
    FACEINPAINT_BLENDED = 0,
    FACEINPAINT_NO_IMAGE = 1,      /* a size below 1, or a tension that is no number above 0 */
    FACEINPAINT_NOTHING_KNOWN = 2, /* every pixel is missing */
    FACEINPAINT_NOT_FINITE = 3,    /* NaN or Inf among known pixels, or in what was generated */
    FACEINPAINT_NOT_SOLVED = 4     /* numbers so large that double cannot tell them apart */
};

/* image      (channels, height, width) of any range; what it holds in the hole does not matter
 * generated  (channels, height, width), the content that shall fill it
 * missing    (height, width), 0 = known
 * tension    of one pixel: a model's file has it; 2 for faces of 64 pixels, and it falls with the square of a size
 * out        (channels, height, width): the image bit for bit where it is known; it may be the image itself */
FACEINPAINT_API int faceinpaint_blend(const float* image, const float* generated, const uint8_t* missing, int channels,
                                      int height, int width, double tension, float* out);

#ifdef __cplusplus
}
#endif

#endif
