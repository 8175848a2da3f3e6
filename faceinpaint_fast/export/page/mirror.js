// The other half of a face as source of the blend: photo/mirror.py in this language, by csrc/c/faceinpaint_mirror.h.

import { called } from "./library.js";
import { inPlanes, planeOf } from "./planes.js";

const MIRRORED = 0;
const HIDDEN = 2;

/** Returns mirrored(view, frame, points, mode), which knows the model's facts, of a compiled module. */
export function mirrorOf(module, model) {
  const { size, fine, pad, axis, pull, least } = model.mirror;
  /**
   * Returns {used, why, source, tension}: the planes of the source, null where it is not used, and the tension of its blend.
   *
   * view    {planes, missing, part, width, height}: a restored part of a photograph, where that is not the photograph's own,
   *         and which of that is to be filled
   * frame   the model's square in it; points: the five of the face, there, too
   * mode    "on" takes the other half wherever there is any; "auto" by the rule
   */
  return ({ planes, missing, part, width, height }, square, points, mode) => {
    const frame = square.finer(size / model.size);
    const tension = pull / frame.scale ** 2;
    const drawn = frame.finer(fine, pad);
    const face = inPlanes((channel) => drawn.drawn(planeOf(planes, channel, width, height)).pixels);
    const lost = drawn.drawn({ width, height, pixels: Float32Array.from(missing) }, "box").pixels;
    const { re, im, left, top } = frame;
    const matrix = Float64Array.of(re, -im, left, im, re, top);
    const at = Float64Array.from(points.flatMap((point) => frame.toModel(point)));
    const [source, worth] = [new Float32Array(planes.length), new Float64Array(3)];
    const asked = [face, lost, planes, missing, part, height, width, matrix, at, axis, mode === "auto" ? least.cover : 0];
    const { outcome, read } = called(module, "faceinpaint_mirror", ...asked, source, worth);
    if (outcome === HIDDEN) return { used: false, why: "the other half is hidden, too", source: null, tension };
    if (outcome !== MIRRORED) throw new RangeError(`the mirror came to outcome ${outcome}`);
    const why = mode === "auto" ? refusal(...read(worth), least, size) : null;
    return { used: !why, why: why ?? "the other half", source: why ? null : read(source), tension };
  };
}

/** Why a mirror is not to be trusted; null if it is. */
export function refusal(cover, ring, yaw, least, size) {
  if (cover < least.cover) return `the other half covers ${(100 * cover).toFixed(0)}% of the hole`;
  // NaN: nothing is known around it that could tell
  if (ring < least.ring) return `the other half is another around the hole, with a correlation of ${ring.toFixed(2)}`;
  if (yaw > least.yaw) return `the head is turned, by ${yaw.toFixed(1)} pixels of ${size}`;
  return null;
}
