// A hole filled: that of an aligned face, or the parts of it that reach into the faces of a photograph, as photo/restorer.py
// and photo/paste.py do it, whose numbers the model's facts bring along.  A region is {planes, width, height}.

import { NOWHERE, intersection, isEmpty, union } from "./box.js";
import { Frame } from "./frame.js";
import { clipped, cut, inPlanes, paste, planeOf } from "./planes.js";

const HALF = 0.5; // of a model pixel missing, and it is missing

/**
 * Returns the planes of an aligned face, filled where it is missing.
 *
 * engine  {model: its facts; search(image, missing): T; blend; mirrored}
 */
export function restoredFace(planes, missing, { model, search, blend }) {
  return blend(planes, search(planes, missing), missing, model.size, model.size, model.tension);
}

/** The box of a photograph that its hole takes, and the frames of its faces with what is of use around them. */
export function windowOf(hole, frames, { paste: { reach }, mirror }) {
  const corners = frames.flatMap((frame) => frame.corners(mirror.pad));
  const around = corners.length > 0 ? boxAround(corners, 2) : NOWHERE;
  // a face may lie beyond the photograph
  const seen = hole.within(around);
  const needed = hole.within(grown(hole.bounds, reach));
  return isEmpty(seen) ? needed : union(needed, seen);
}

/**
 * Returns {planes, faces, remarks} of a window of a photograph, its hole filled: of each face whether it was restored, and
 * mirror: null, or whether its other half was used, and why.
 *
 * window      {planes, missing, width, height, area: pixels of the whole photograph}
 * faces       [points] of its faces, in the window: five, or the eyes
 * mode        of the mirror: "auto", "on" or "off"
 * engine      as above
 * onSearched  hears of each face that was searched
 */
export function restoredPhotograph(window, faces, mode, engine, onSearched) {
  const { width, height, missing, area } = window;
  const { model, search } = engine;
  const { smooth: tension, gone, fading, near, steep } = model.paste;
  const smooth = window.planes.slice();
  const region = { planes: smooth, width, height };
  const evenly = (_, across, down) => new Float32Array(3 * across * down);
  const filled = blended(region, evenly, missing, tension / area, engine);
  paste(smooth, width, height, filled.box, filled.planes);

  const hole = { width, height, pixels: Float32Array.from(missing) };
  const remarks = [];
  const told = faces.map(() => ({ restored: false, mirror: null }));
  const sum = new Float32Array(smooth.length);
  const total = new Float32Array(width * height);
  let touched = 0;
  for (const [index, points] of faces.entries()) {
    const frame = Frame.of(points, model.means, model.size);
    const part = partOf(missing, width, height, frame);
    if (!part.includes(1)) continue;
    touched++;
    const shares = frame.drawn(hole, "box").pixels;
    const isThin = !hasWholeNeighbourhood(shares.map((share) => (share > gone ? 1 : 0)), model.size);
    const holes = Uint8Array.from(shares, (share) => (share >= HALF ? 1 : 0));
    if (isThin) remarks.push("A face: the hole is thin, and the blend alone, which fills it, as good.");
    else if (!holes.includes(0)) remarks.push("A face: nothing of it is known, the hole is filled by the blend alone.");
    let face = null;
    if (!isThin && holes.includes(0)) {
      const drawn = inPlanes((channel) => frame.drawn(planeOf(smooth, channel, width, height)).pixels.map(clipped));
      const generated = search(drawn, holes);
      const sourceOf = (box, across, down) => {
        const there = frame.moved([box.left, box.top]);
        return inPlanes((channel) => there.enlarged(planeOf(generated, channel, model.size, model.size), across, down).pixels);
      };
      face = blended(region, sourceOf, part, model.paste.pull / frame.scale ** 2, engine);
      onSearched();
      told[index] = { restored: true, mirror: null };
      if (mode !== "off") {
        const halved = withOtherHalf({ ...region, missing, part }, face, frame, points, mode, engine);
        told[index].mirror = halved.mirror;
        face = halved.face;
      }
    }
    add(face, part, frame);
  }
  if (touched === 0) remarks.push("The hole touches no face: it is filled by the blend alone.");

  /** Adds a face, or null: the smooth fill, to what is there; the more of it the deeper a pixel lies in its frame. */
  function add(face, part, frame) {
    for (let y = 0, at = 0; y < height; y++) {
      for (let x = 0; x < width; x++, at++) {
        if (!part[at]) continue;
        const depth = frame.depth([x, y]);
        const beyond = face ? clipped((depth - 1) / fading) : 1;
        const weight = (near + depth) ** -steep;
        total[at] += weight;
        for (let channel = 0; channel < 3; channel++) {
          const i = channel * width * height + at;
          const content = face ? valueIn(face, channel, x, y) : 0;
          sum[i] += weight * ((1 - beyond) * content + beyond * smooth[i]);
        }
      }
    }
  }

  const planes = smooth.map((value, i) => {
    const weight = total[i % (width * height)];
    return weight > 0 ? sum[i] / weight : value;
  });
  return { planes, faces: told, remarks };
}

/** Returns {box, planes}: what a region has in and around a part that is filled by the blend of a source. */
function blended({ planes, width, height }, sourceOf, part, tension, { model, blend }) {
  const box = windowAround(part, width, height, model.paste.reach);
  const [across, down] = [box.right - box.left, box.bottom - box.top];
  const within = [planes, part].map((each) => cut(each, width, height, box));
  return { box, planes: blend(within[0], sourceOf(box, across, down), within[1], across, down, tension).map(clipped) };
}

/** Returns {mirror, face}: what the other half of a face is worth, and the face with it, or else as it is: `plain`. */
function withOtherHalf({ planes, missing, part, width, height }, plain, frame, points, mode, engine) {
  const { means, mirror: facts, paste: numbers } = engine.model;
  const box = intersection(union(boxAround(frame.corners(facts.pad), numbers.reach), plain.box), whole(width, height));
  const [across, down] = [box.right - box.left, box.bottom - box.top];
  const within = [planes, missing, part].map((each) => cut(each, width, height, box));
  const view = { planes: within[0], missing: within[1], part: within[2], width: across, height: down };
  paste(view.planes, across, down, moved(plain.box, -box.left, -box.top), plain.planes);
  const five = points.length === means.length ? points : means.map((point) => frame.toPhoto(point));
  const there = five.map(([x, y]) => [x - box.left, y - box.top]);
  const { source, tension, ...mirror } = engine.mirrored(view, frame.moved([box.left, box.top]), there, mode);
  if (!mirror.used) return { mirror, face: plain };
  const filled = blended(view, (part) => cut(source, across, down, part), view.part, tension, engine);
  return { mirror, face: { ...filled, box: moved(filled.box, box.left, box.top) } };
}

function valueIn({ box, planes }, channel, x, y) {
  const [across, down] = [box.right - box.left, box.bottom - box.top];
  return planes[(channel * down + y - box.top) * across + x - box.left];
}

/** The parts of a hole that reach into a frame, each whole: 1 for their pixels, of eight neighbours each. */
function partOf(missing, width, height, frame) {
  const part = new Uint8Array(missing.length);
  const stack = [];
  const take = (at) => {
    if (!missing[at] || part[at]) return;
    part[at] = 1;
    stack.push(at);
  };
  const box = intersection(boxAround(frame.corners(), 1), whole(width, height));
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++) {
      if (missing[y * width + x] && frame.depth([x, y]) < 1) take(y * width + x);
    }
  }
  while (stack.length > 0) {
    const at = stack.pop();
    const [x, y] = [at % width, Math.floor(at / width)];
    for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, height - 1); v++) {
      for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, width - 1); u++) take(v * width + u);
    }
  }
  return part;
}

/** Whether a pixel of a square is set with all of its neighbours that are in it. */
function hasWholeNeighbourhood(set, size) {
  const isWhole = (x, y) => {
    for (let v = Math.max(y - 1, 0); v <= Math.min(y + 1, size - 1); v++) {
      for (let u = Math.max(x - 1, 0); u <= Math.min(x + 1, size - 1); u++) if (!set[v * size + u]) return false;
    }
    return true;
  };
  return set.some((_, at) => isWhole(at % size, Math.floor(at / size)));
}

function windowAround(part, width, height, reach) {
  let box = NOWHERE;
  for (let y = 0; y < height; y++) {
    const row = part.subarray(y * width, (y + 1) * width);
    const left = row.indexOf(1);
    if (left >= 0) box = union(box, { left, top: y, right: row.lastIndexOf(1) + 1, bottom: y + 1 });
  }
  return intersection(grown(box, reach), whole(width, height));
}

function boxAround(points, margin) {
  const along = (axis) => points.map((point) => point[axis]);
  return {
    left: Math.floor(Math.min(...along(0)) - margin),
    top: Math.floor(Math.min(...along(1)) - margin),
    right: Math.ceil(Math.max(...along(0)) + margin) + 1,
    bottom: Math.ceil(Math.max(...along(1)) + margin) + 1,
  };
}

function whole(width, height) {
  return { left: 0, top: 0, right: width, bottom: height };
}

function moved({ left, top, right, bottom }, x, y) {
  return { left: left + x, top: top + y, right: right + x, bottom: bottom + y };
}

function grown({ left, top, right, bottom }, by) {
  return { left: left - by, top: top - by, right: right + by, bottom: bottom + by };
}
