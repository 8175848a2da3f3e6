// The worker: it has the model and the blend, and restores what it is asked for, one picture at a time.

import { blendOf } from "./blend.js";
import { Failure } from "./failure.js";
import { Frame } from "./frame.js";
import { Hole } from "./hole.js";
import { mirrorOf } from "./mirror.js";
import { MODEL } from "./model.js";
import { decoded } from "./photograph.js";
import { cut, planesOf, putInto } from "./planes.js";
import { restoredFace, restoredPhotograph, windowOf } from "./restoration.js";
import { searchOf } from "./search.js";

// how a canvas writes each format that it may: a WebP of quality 1 is without loss where a browser knows how
const QUALITY = { "image/jpeg": 0.95, "image/webp": 1 };
const SHARE = { read: 0.1, searched: 0.9 }; // of the work, that is done then

const { promise: engine, resolve: found, reject: lost } = Promise.withResolvers();
engine.catch(() => {}); // it is told to whom asks

onmessage = async ({ data: { begin, missing, ask } }) => {
  if (begin) begun(begin).then(found, lost);
  if (missing) lost(new Failure(missing, { advice: "The page is not whole. Load it again." }));
  if (!ask) return;
  try {
    postMessage({ result: await restored(ask, await engine) });
  } catch (error) {
    postMessage({ failure: told(error) });
  }
};

/** Begins with what it needs, as Blobs. */
async function begun({ model, search, blend }) {
  const [file, ...modules] = await Promise.all([model, search, blend].map((each) => each.arrayBuffer()));
  const [searching, library] = await Promise.all(modules.map((bytes) => WebAssembly.compile(bytes)));
  return { model: MODEL, search: searchOf(searching, file), blend: blendOf(library), mirrored: mirrorOf(library, MODEL) };
}

/**
 * Returns {picture, faces, remarks, seconds}; what is asked for: a file, the bytes of its hole, points of faces, a mode of the
 * mirror, a format.
 */
async function restored({ file, name, missing, faces, mirror, format }, engine) {
  const began = performance.now();
  const bitmap = await decoded(file);
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  progress(SHARE.read);
  const hole = Object.assign(new Hole(width, height), { pixels: missing });
  if (!missing.includes(0)) throw new Failure(`${name}: nothing of it is known.`, { status: 422, field: "hole" });
  const isAligned = faces.length === 0 && width === MODEL.size && height === MODEL.size;
  const done = (isAligned ? ofFace : ofPhotograph)(context, hole, faces, mirror, engine);
  progress(SHARE.searched);
  const type = format === "png" ? "image/png" : file.type;
  const picture = await canvas.convertToBlob({ type, quality: QUALITY[type] });
  const remarks = [...done.remarks, "Written by this browser: 8 bits a channel, without EXIF and colour profile."];
  if (picture.type !== type) remarks.push(`This browser does not write ${type || "this format"}: it is a PNG.`);
  return { picture, faces: done.faces, remarks, seconds: (performance.now() - began) / 1000 };
}

/** Fills the hole of a canvas that shows an aligned face. */
function ofFace(context, hole, _faces, _mirror, engine) {
  const pixels = context.getImageData(0, 0, hole.width, hole.height);
  putInto(pixels, restoredFace(planesOf(pixels), hole.pixels, engine), hole.pixels);
  context.putImageData(pixels, 0, 0);
  return { faces: [{ restored: true, mirror: null }], remarks: [] };
}

/** Fills the hole of a canvas that shows a photograph, of whose faces points are known. */
function ofPhotograph(context, hole, faces, mirror, engine) {
  if (faces.length === 0) {
    throw new Failure("No face is marked.", {
      advice: "Take the tool “Face”, click both eyes of the face, or draw a box around it, and restore again.",
    });
  }
  const frames = faces.map((points) => Frame.of(points, MODEL.means, MODEL.size));
  const box = windowOf(hole, frames, MODEL);
  const [width, height] = [box.right - box.left, box.bottom - box.top];
  const pixels = context.getImageData(box.left, box.top, width, height);
  const missing = cut(hole.pixels, hole.width, hole.height, box);
  const window = { planes: planesOf(pixels), missing, width, height, area: hole.pixels.length };
  const within = faces.map((points) => points.map(([x, y]) => [x - box.left, y - box.top]));
  let count = 0;
  const searched = () => progress(SHARE.read + ((SHARE.searched - SHARE.read) * ++count) / (frames.length + 1));
  const done = restoredPhotograph(window, within, mirror, engine, searched);
  putInto(pixels, done.planes, missing);
  context.putImageData(pixels, box.left, box.top);
  return { faces: done.faces, remarks: done.remarks };
}

function progress(done) {
  postMessage({ progress: { done, of: 1 } });
}

/** What a Failure is made of again, on the page. */
function told(error) {
  if (error instanceof Failure) {
    const { message, advice, status, field } = error;
    return { message, advice, status, field };
  }
  const isLarge = error instanceof RangeError || error instanceof WebAssembly.RuntimeError;
  const advice = isLarge
    ? "The hole is too large for this browser's memory. Paint less of it, or save the photograph with fewer pixels."
    : "This browser cannot run the search, which needs WebAssembly with SIMD.";
  return { message: String(error), advice };
}
