/* The search alone, for programs in any language: from images with holes to what a generator draws there, which
 * faceinpaint_blend.h brings into the hole.  It is what Inpainter of the Python package searches, from an encoder's guess
 * beyond z: csrc/search/latent_search.hpp. */
#ifndef FACEINPAINT_SEARCH_H
#define FACEINPAINT_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "faceinpaint_api.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a call comes to; generated is written for FACEINPAINT_FOUND alone. */
enum {
    FACEINPAINT_FOUND = 0,
    FACEINPAINT_NOT_A_NUMBER = 1, /* NaN or Inf among known pixels */
    FACEINPAINT_LOST = 2          /* a search that came to NaN or Inf, as with weights that overflow */
};

/* A search, made of a file of `faceinpaint export MODEL -o FILE.search` (its layout: csrc/search/search_file.hpp), which
 * may be gone afterwards; null for anything else. */
typedef struct faceinpaint_search faceinpaint_search;
FACEINPAINT_API faceinpaint_search* faceinpaint_search_open(const uint8_t* file, size_t bytes);
FACEINPAINT_API void faceinpaint_search_close(faceinpaint_search* search);

/* What it draws: pixels a side, and channels; and the tension of its blend, which faceinpaint_blend asks for. */
FACEINPAINT_API int faceinpaint_search_size(const faceinpaint_search* search);
FACEINPAINT_API int faceinpaint_search_channels(const faceinpaint_search* search);
FACEINPAINT_API double faceinpaint_search_tension(const faceinpaint_search* search);

/* What the file says of itself, as JSON in UTF-8, while there is the search: which square of a picture it expects, what
 * the model learnt from and what its licence allows, as the metadata of an ONNX file. */
FACEINPAINT_API const char* faceinpaint_search_facts(const faceinpaint_search* search);

/* images     (count, channels, size, size) in [0, 1]; what they hold in the holes does not matter
 * missing    (count, size, size), 0 = known
 * generated  (count, channels, size, size): T, in [0, 1]; it may be the images themselves
 * It may be called from several threads at once; each call keeps to its own. */
FACEINPAINT_API int faceinpaint_search_run(const faceinpaint_search* search, const float* images, const uint8_t* missing,
                                           int count, float* generated);

#ifdef __cplusplus
}
#endif

#endif
