/* The source of a photograph's blend, for programs in any language: the other half of a face in place of what a model drew
 * there, where it can be trusted.  It is what photo/mirror.py of the Python package asks for, in csrc/mirror/. */
#ifndef FACEINPAINT_MIRROR_H
#define FACEINPAINT_MIRROR_H

#include <stdint.h>

#include "faceinpaint_api.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a call comes to; source and worth are written for FACEINPAINT_MIRRORED alone. */
enum {
    FACEINPAINT_MIRRORED = 0,
    FACEINPAINT_NO_FACE = 1, /* a size below 1, or a frame that is no similarity, or of no face's size */
    FACEINPAINT_HIDDEN = 2   /* less than `least` of what is missing is known in the mirror */
};

/* face       (3, 176, 176) in [0, 1]: the frame of the face, 64 pixels wide, with 12 around it, two samples to a pixel
 * lost       (176, 176), how much of each sample is missing, 0 to 1
 * restored   (3, height, width) in [0, 1]: the photograph that it was drawn from, filled
 * missing    (height, width), 0 = the photograph's own
 * part       (height, width), 0 = not to be filled now
 * frame      (2, 3), a similarity: from (x, y, 1) in the photograph to (x, y) in the frame
 * points     (5, 2) in the frame: eyes, nose, corners of the mouth, what lies to the left first
 * axis       x in the frame, about which it is mirrored
 * least      share of what is missing; below, nothing is done
 * source     (3, height, width), other memory than restored
 * worth      (3): the mirror's share of the part, its correlation with what is known around the hole, NaN where nothing is,
 *            and how far the head is turned, in the frame's pixels */
FACEINPAINT_API int faceinpaint_mirror(const float* face, const float* lost, const float* restored, const uint8_t* missing,
                                       const uint8_t* part, int height, int width, const double* frame,
                                       const double* points, double axis, double least, float* source, double* worth);

#ifdef __cplusplus
}
#endif

#endif
