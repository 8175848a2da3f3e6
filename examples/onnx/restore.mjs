// Restores the missing part of a face under Node, without anything compiled for the machine.
//
//   node restore.mjs MODEL.onnx FACE.ppm HOLE.pgm OUT.ppm [BLEND.wasm]
//
// MODEL is what `faceinpaint export` wrote, FACE a PPM (P6) of its size, HOLE a PGM (P5), white = fill; BLEND what
// `make wasm` made.  `npm ci` beside this file brings onnxruntime-web.
import { readFileSync, writeFileSync } from 'node:fs';
import * as ort from 'onnxruntime-web';

const BLEND = new URL('../../build/wasm/faceinpaint_blend.wasm', import.meta.url);

function expect(holds, told) {
    if (holds) return;
    console.error(told);
    process.exit(2);
}

// a binary PPM or PGM: its bytes, one pixel after the other
function read(path, kind, size, channels) {
    const content = readFileSync(path);
    const head = /^(P[56])\s+(?:#.*\n\s*)*(\d+)\s+(\d+)\s+255\s/.exec(content.toString('latin1', 0, 4096));
    const fits = head && head[1] === kind && +head[2] === size && +head[3] === size;
    expect(fits, `${path}: expected ${kind} of ${size}x${size} pixels with 256 levels`);
    return content.subarray(head[0].length, head[0].length + size * size * channels);
}

// F of planar I and T, Float32Array, and the hole, 0 = known
function blend(image, generated, hole, size, tension, path) {
    const imports = { env: { emscripten_notify_memory_growth() {} }, wasi_snapshot_preview1: { proc_exit() {} } };
    const { exports: wasm } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(path)), imports);
    wasm._initialize();
    const places = [image, generated, hole, image].map((array) => wasm.malloc(array.byteLength));
    // the memory has grown for the last of them
    const at = (index, array) => new array.constructor(wasm.memory.buffer, places[index], array.length);
    [image, generated, hole].forEach((array, index) => at(index, array).set(array));
    const outcome = wasm.faceinpaint_blend(...places.slice(0, 3), 3, size, size, tension, places[3]);
    expect(outcome === 0, `expected known and missing pixels, got outcome ${outcome} of faceinpaint_blend`);
    return at(3, image).slice();
}

// what the file says of itself, which onnxruntime-web does not tell: a name, its value, each behind its length
const told = (file, name) => Number(new RegExp(`\\n.${name}\\x12.([\\d.]+)`, 's').exec(file.toString('latin1'))[1]);

const [model, face, hole, out, wasm = BLEND] = process.argv.slice(2);
expect(out, 'usage: node restore.mjs MODEL.onnx FACE.ppm HOLE.pgm OUT.ppm [BLEND.wasm]');
ort.env.wasm.numThreads = 1;
const file = readFileSync(model);
const size = told(file, 'size'), area = size * size;
const pixels = read(face, 'P6', size, 3), missing = read(hole, 'P5', size, 1).map((level) => (level >= 128 ? 1 : 0));
const image = Float32Array.from({ length: 3 * area }, (_, i) => pixels[(i % area) * 3 + Math.floor(i / area)] / 255);
const session = await ort.InferenceSession.create(file);
const { generated } = await session.run({
    images: new ort.Tensor('float32', image, [1, 3, size, size]),
    holes: new ort.Tensor('float32', Float32Array.from(missing), [1, 1, size, size]),
});
const blended = blend(image, generated.data, Uint8Array.from(missing), size, told(file, 'tension'), wasm);
const filled = (i) => Math.round(255 * Math.min(Math.max(blended[(i % 3) * area + Math.floor(i / 3)], 0), 1));
const restored = pixels.map((level, i) => (missing[Math.floor(i / 3)] ? filled(i) : level));
writeFileSync(out, Buffer.concat([Buffer.from(`P6\n${size} ${size}\n255\n`), restored]));
