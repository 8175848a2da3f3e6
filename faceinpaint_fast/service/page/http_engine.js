// The engine that is asked over HTTP.  Any other has what is public here, and fails with a Failure as this one does.

import { eventsOf } from "./event_stream.js";
import { Failure } from "./failure.js";
import { maskAsPng } from "./png.js";

export class HttpEngine {
  /** What the page shows for it: elements whose data-needs is none of these are hidden. */
  offers = ["service", "seed", "variants", "mirror", "iterations"];
  /** What it does first, as the page tells it. */
  begins = "Sending";
  /** What the page says where `faces` has none. */
  noFace = "None was found. If there is one, draw a box around it with the tool “Face”, or click both its eyes.";
  /** What the licence of the model allows, in words; null where the engine does not know it. */
  terms = null;
  /** What a service that was started with a token asks for. */
  token = "";

  /**
   * Returns the faces of a photograph and its size: {faces, width, height}, upright.
   *
   * picture  a Photograph; faces, each {points: five [x, y], eyes first; frame: four [x, y]}, are in its pixels
   */
  async faces(picture) {
    const form = new FormData();
    form.append("image", picture.file, picture.name);
    const answer = await this.#asked("v1/faces", form, "application/json");
    return answer.json();
  }

  /** Returns what is known of a face that was marked, as `faces` has it: {box: [x, y, width, height]} or {eyes: two [x, y]}. */
  faceOf({ eyes = [], box }) {
    if (!box) return { points: eyes, frame: [] };
    const [x, y, width, height] = box;
    return { points: [], frame: [[x, y], [x + width, y], [x + width, y + height], [x, y + height]] }; // prettier-ignore
  }

  /**
   * Returns a photograph restored where its hole is: {picture: a Blob, faces, remarks, seconds}; of faces, which are as
   * above, also whether it was restored, and mirror: null or {used, why}.
   *
   * picture     a Photograph; hole: a Hole of its size
   * options     seed; spread, how far from its best guess a search begins; mirror; iterations; marked, faces as
   *             `faceOf` takes them, all boxes or all eyes; format of the file, "png", or "same" as the photograph's; what is null is left
   *             to the engine; signal: an AbortSignal
   * onProgress  hears {stage, done, of} of the work as a whole
   */
  async inpaint(picture, hole, { signal, marked, ...options }, onProgress) {
    const form = new FormData();
    form.append("image", picture.file, picture.name);
    form.append("hole", await maskAsPng(hole.pixels, hole.width, hole.height), "hole.png");
    form.append("force", "true"); // however unlikely a hole: who painted it has seen it
    for (const [name, value] of Object.entries({ ...options, ...waysOf(marked) })) {
      if (value != null) form.append(name, typeof value === "object" ? JSON.stringify(value) : value);
    }
    const answer = await this.#asked("v1/inpaint", form, "text/event-stream", signal);
    let result = null;
    let whole = null; // the stage that was told first: others are within it
    try {
      for await (const { event, data } of eventsOf(answer.body)) {
        const told = JSON.parse(data);
        whole ??= told.stage;
        if (event === "progress" && told.stage === whole) onProgress(told);
        else if (event === "result") result = resultOf(told);
        else if (event === "error") throw failureOf(told, told.status);
      }
    } catch (error) {
      throw error instanceof Failure || error.name === "AbortError" ? error : unanswered(error);
    }
    if (!result) throw new Failure("The answer ended before it was whole.", { status: 0 });
    return result;
  }

  async #asked(path, body, accept, signal) {
    const headers = { Accept: accept };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    let answer;
    try {
      answer = await fetch(path, { method: "POST", body, headers, signal });
    } catch (error) {
      throw error.name === "AbortError" ? error : unanswered(error);
    }
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    throw failureOf(told, answer.status, answer.headers.get("Retry-After"));
  }
}

/** The fields that say where faces lie; none where none was marked. */
function waysOf(marked) {
  if (marked.length === 0) return {};
  if (marked[0].box) return { boxes: marked.map(({ box }) => box) };
  return { eyes: marked.map(({ eyes }) => eyes.flat()) };
}

function resultOf({ picture, media_type: type, faces, remarks, seconds }) {
  return { picture: new Blob([bytesOf(picture)], { type }), faces, remarks, seconds: seconds.total };
}

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function failureOf({ error = {}, request_id: requestId = null }, status, retryAfter = null) {
  const { message = `The service answered ${status}.`, field = null } = error;
  return new Failure(message, { status, field, retryAfter, requestId });
}

function unanswered(error) {
  return new Failure(`No answer: ${error.message}`, { status: 0 });
}
