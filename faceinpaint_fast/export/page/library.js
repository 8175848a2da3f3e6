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
  const { exports: wasm } = new WebAssembly.Instance(module, IMPORTS);
  wasm._initialize();
  const places = new Map();
  for (const array of given) if (typeof array === "object") places.set(array, places.get(array) ?? wasm.malloc(array.byteLength));
  if ([...places.values()].includes(0)) throw new RangeError(`no memory for ${name}`);
  const at = (array) => new array.constructor(wasm.memory.buffer, places.get(array), array.length);
  for (const array of places.keys()) at(array).set(array);
  const outcome = wasm[name](...given.map((each) => places.get(each) ?? each));
  return { outcome, read: (array) => at(array).slice() };
}
