// The search, by the project's C++ as wasm: csrc/c/faceinpaint_search.h.

const FOUND = 0;
// what it asks for: nothing that need do anything
const IMPORTS = { env: { emscripten_notify_memory_growth() {} }, wasi_snapshot_preview1: { proc_exit() {} } };

/** Returns search(image, missing) of a compiled module and of the bytes of a search's file. */
export async function searchOf(module, file) {
  const { exports: wasm } = await WebAssembly.instantiate(module, IMPORTS);
  wasm._initialize();
  const held = hold(wasm, new Uint8Array(file));
  const search = wasm.faceinpaint_search_open(held, file.byteLength);
  wasm.free(held);
  if (search === 0) throw new Error("the model's file is none that this page can read");
  /**
   * Returns T, what the generator draws there: a Float32Array of three planes in [0, 1], as image is.
   *
   * missing  a Uint8Array, 1 in the hole
   */
  return (image, missing) => {
    const [of_image, of_missing] = [hold(wasm, image), hold(wasm, missing)];
    const outcome = wasm.faceinpaint_search_run(search, of_image, of_missing, 1, of_image);
    const found = new Float32Array(wasm.memory.buffer, of_image, image.length).slice();
    wasm.free(of_missing);
    wasm.free(of_image);
    if (outcome !== FOUND) throw new RangeError(`the search came to outcome ${outcome}`);
    return found;
  };
}

/** Returns where a copy of an array lies in a module's memory. */
function hold(wasm, array) {
  const place = wasm.malloc(array.byteLength);
  if (place === 0) throw new RangeError("no memory for the search");
  new array.constructor(wasm.memory.buffer, place, array.length).set(array);
  return place;
}
