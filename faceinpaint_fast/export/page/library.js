// The project's C++ as wasm, csrc/c: a call of one of its functions.

// what it asks for: nothing that need do anything
const IMPORTS = { env: { emscripten_notify_memory_growth() {} }, wasi_snapshot_preview1: { proc_exit() {} } };

/**
 * Calls a function of a compiled module; returns {outcome, read}: what it came to, and what tells an array's content then.
 *
 * given  numbers, and typed arrays, each of which has one place however often it is given
 */
export function called(module, name, ...given) {
  // for each call anew: memory that has grown is given back by this alone
  const wasm = begun(module);
  const places = new Map();
  for (const array of given) if (typeof array === "object" && !places.has(array)) places.set(array, put(wasm, array, name));
  const outcome = wasm[name](...given.map((each) => places.get(each) ?? each));
  return { outcome, read: (array) => at(wasm, places.get(array), array).slice() };
}

/** Returns the functions and the memory of a compiled module that begins with nothing in it. */
export function begun(module) {
  const { exports } = new WebAssembly.Instance(module, IMPORTS);
  exports._initialize();
  return exports;
}

/** Returns where a copy of an array lies in the memory from now on; `what` names whoever gets none. */
export function put(wasm, array, what) {
  const place = wasm.malloc(array.byteLength);
  if (place === 0) throw new RangeError(`no memory for ${what}`);
  at(wasm, place, array).set(array);
  return place;
}

/** Returns what lies at a place of the memory, as an array of that kind and length, until the memory grows. */
export function at(wasm, place, array) {
  return new array.constructor(wasm.memory.buffer, place, array.length);
}
