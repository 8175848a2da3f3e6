// The search, by the project's C++ as wasm: csrc/c/faceinpaint_search.h.

import { at, begun, put } from "./library.js";

const FOUND = 0;
const WHAT = "the search";

/** Returns search(image, missing) of a compiled module and of the bytes of a search's file. */
export function searchOf(module, file) {
  // once, for the file takes long to open
  const wasm = begun(module);
  const held = put(wasm, new Uint8Array(file), WHAT);
  const search = wasm.faceinpaint_search_open(held, file.byteLength);
  wasm.free(held);
  if (search === 0) throw new Error("the model's file is none that this page can read");
  /**
   * Returns T, what the generator draws there: a Float32Array of three planes in [0, 1], as image is.
   *
   * missing  a Uint8Array, 1 in the hole
   */
  return (image, missing) => {
    const [of_image, of_missing] = [put(wasm, image, WHAT), put(wasm, missing, WHAT)];
    const outcome = wasm.faceinpaint_search_run(search, of_image, of_missing, 1, of_image);
    const found = at(wasm, of_image, image).slice();
    wasm.free(of_missing);
    wasm.free(of_image);
    if (outcome !== FOUND) throw new RangeError(`the search came to outcome ${outcome}`);
    return found;
  };
}
