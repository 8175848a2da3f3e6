// The blend, by the project's C++ as wasm: csrc/c/faceinpaint_blend.h.

import { called } from "./library.js";

const BLENDED = 0;
const CHANNELS = 3;

/** Returns blend(image, generated, missing, width, height, tension) of a compiled module. */
export function blendOf(module) {
  /**
   * Returns the image with what meets the equation in the hole, a Float32Array of three planes, as image and generated are.
   *
   * missing  a Uint8Array, 1 in the hole; tension: of one pixel
   */
  return (image, generated, missing, width, height, tension) => {
    const asked = [image, generated, missing, CHANNELS, height, width, tension, image];
    const { outcome, read } = called(module, "faceinpaint_blend", ...asked);
    if (outcome !== BLENDED) throw new RangeError(`the blend came to outcome ${outcome}`);
    return read(image);
  };
}
