import assert from "node:assert/strict";
import { test } from "node:test";
import { Hole } from "../../../faceinpaint_fast/service/page/hole.js";
import { partsOf } from "../../../faceinpaint_fast/service/page/parts.js";

const POINTS = [
  [40, 40],
  [80, 40],
  [60, 62],
  [46, 84],
  [74, 84],
];

function covered(stroke) {
  const hole = new Hole(120, 120);
  hole.stroke(stroke.from, stroke.to, stroke.radius, 1);
  return hole;
}

test("each part covers its own points and no others", () => {
  const own = { "Left eye": [0], "Right eye": [1], Nose: [2], Mouth: [3, 4] };
  const parts = partsOf(POINTS);
  assert.deepEqual(Object.keys(parts), Object.keys(own));
  for (const [name, stroke] of Object.entries(parts)) {
    const hole = covered(stroke);
    POINTS.forEach(([x, y], i) => assert.equal(hole.pixels[120 * y + x] === 1, own[name].includes(i), `${name}, ${i}`));
  }
});

test("an eye and the mouth are covered as far on either side", () => {
  for (const [name, middle] of [
    ["Left eye", 40],
    ["Right eye", 80],
    ["Mouth", 60],
  ]) {
    const { left, right, top, bottom } = covered(partsOf(POINTS)[name]).bounds;
    assert.ok(Math.abs((left + right) / 2 - middle) <= 0.5, name);
    assert.ok(right - left > bottom - top && right - left < 70, name);
  }
});

test("parts turn and grow with their face", () => {
  // turned by a right angle about (60, 60), and twice as large
  const turned = POINTS.map(([x, y]) => [60 - 2 * (y - 60), 60 + 2 * (x - 60)]);
  for (const [name, { from, to, radius }] of Object.entries(partsOf(turned))) {
    const plain = partsOf(POINTS)[name];
    assert.ok(Math.abs(radius - 2 * plain.radius) < 1e-9);
    for (const [a, b] of [
      [from, plain.from],
      [to, plain.to],
    ]) {
      assert.ok(Math.hypot(a.x - (60 - 2 * (b.y - 60)), a.y - (60 + 2 * (b.x - 60))) < 1e-9, name);
    }
  }
});
