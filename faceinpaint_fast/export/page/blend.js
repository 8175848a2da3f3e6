// The blend, by the project's C++ as wasm: csrc/c/faceinpaint_blend.h.

const BLENDED = 0;
const CHANNELS = 3;
// what it asks for: nothing that need do anything
const IMPORTS = { env: { emscripten_notify_memory_growth() {} }, wasi_snapshot_preview1: { proc_exit() {} } };

/** Returns blend(image, generated, missing, width, height, tension) of a compiled module. */
export function blendOf(module) {
  /**
   * Returns the image with what meets the equation in the hole, a Float32Array of three planes, as image and generated are.
   *
   * missing  a Uint8Array, 1 in the hole; tension: of one pixel
   */
  return (image, generated, missing, width, height, tension) => {
    // for each call anew: memory that has grown is given back by this alone
    const { exports: wasm } = new WebAssembly.Instance(module, IMPORTS);
    wasm._initialize();
    const places = [image, generated, missing].map((array) => wasm.malloc(array.byteLength));
    if (places.includes(0)) throw new RangeError("no memory for the blend");
    const at = (index, { constructor, length }) => new constructor(wasm.memory.buffer, places[index], length);
    [image, generated, missing].forEach((array, index) => at(index, array).set(array));
    const outcome = wasm.faceinpaint_blend(...places, CHANNELS, height, width, tension, places[0]);
    if (outcome !== BLENDED) throw new RangeError(`the blend came to outcome ${outcome}`);
    return at(0, image).slice();
  };
}
