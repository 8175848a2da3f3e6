// The engine in this very browser: a worker searches, so that the page answers meanwhile, and nothing is sent anywhere.

import { Failure } from "./failure.js";
import { Frame, pointsInBox } from "./frame.js";
import { MODEL } from "./model.js";
import { supply, workerOf } from "./places.js";

const SUPPLIES = {
  model: "engine/inpaint.search",
  search: "engine/faceinpaint_search.wasm",
  blend: "engine/faceinpaint_blend.wasm",
};
const UNABLE = "The search cannot run in this browser. It needs WebAssembly with SIMD, and workers of modules.";

export class WorkerEngine {
  offers = ["alone", "mirror"];
  begins = "Reading";
  noFace = "Nobody looks for faces here. Click both eyes of each with the tool “Face”.";
  terms = `The model learnt from ${MODEL.data ?? "faces that it does not name"}. Its weights: ${MODEL.licence ?? "no licence is named"}.`;
  #worker = null;
  #heard = null; // {progress, result, failure} of what the worker is asked

  constructor() {
    this.#begin();
  }

  /** As HttpEngine's.  A picture of the model's size is an aligned face; of others nobody knows. */
  async faces({ width, height }) {
    const isAligned = width === MODEL.size && height === MODEL.size;
    return { faces: isAligned ? [seen(Frame.whole(MODEL.size), MODEL.means)] : [], width, height };
  }

  /** As HttpEngine's. */
  faceOf(face) {
    const points = pointsOf(face);
    const frame = Frame.of(points, MODEL.means, MODEL.size);
    return seen(frame, points.length === MODEL.means.length ? points : MODEL.means.map((point) => frame.toPhoto(point)));
  }

  /** As HttpEngine's, of options without seed, spread and iterations: a search here begins at its best guess. */
  async inpaint(picture, hole, { signal, marked, mirror, format }, onProgress) {
    signal.throwIfAborted();
    if (!this.#worker) this.#begin();
    const worker = this.#worker;
    const stop = () => {
      // nothing else ends a search
      this.#end();
      this.#begin();
    };
    signal.addEventListener("abort", stop);
    try {
      return await new Promise((resolve, reject) => {
        this.#heard = { progress: onProgress, result: resolve, failure: (told) => reject(new Failure(told.message, told)) };
        signal.addEventListener("abort", () => reject(signal.reason));
        const { file, name } = picture;
        worker.postMessage({ ask: { file, name, missing: hole.pixels, faces: marked.map(pointsOf), mirror, format } });
      });
    } finally {
      signal.removeEventListener("abort", stop);
      this.#heard = null;
    }
  }

  #begin() {
    const worker = workerOf("page/worker.js");
    this.#worker = worker;
    worker.onmessage = ({ data }) => {
      for (const [kind, told] of Object.entries(data)) this.#heard?.[kind](told);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#end();
      this.#heard?.failure({ message: event.message ?? "The worker did not start.", advice: UNABLE });
    };
    Promise.all(Object.values(SUPPLIES).map(supply)).then(
      (blobs) => worker.postMessage({ begin: Object.fromEntries(Object.keys(SUPPLIES).map((name, i) => [name, blobs[i]])) }),
      (error) => worker.postMessage({ missing: String(error) }),
    );
  }

  #end() {
    this.#worker?.terminate();
    this.#worker = null;
  }
}

function seen(frame, points) {
  return { points, frame: frame.corners() };
}

/** The points of a face that was marked: {eyes: two [x, y]} or {box: [x, y, width, height]}. */
function pointsOf({ eyes, box }) {
  return eyes ?? pointsInBox(box, MODEL.inBox);
}
