// What the page's modules promise that need no browser.  Run by tests/service/test_page.py, or `node --test tests/service/page`.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Hole, strokeBox } from "../../../faceinpaint_fast/service/page/hole.js";
import { randoms } from "./randoms.mjs";

/** The definition: whether a pixel's centre lies within a radius of the line from a to b. */
function isWithin(x, y, a, b, radius) {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const along = dx || dy ? ((x + 0.5 - a.x) * dx + (y + 0.5 - a.y) * dy) / (dx * dx + dy * dy) : 0;
  const t = Math.min(Math.max(along, 0), 1);
  return Math.hypot(x + 0.5 - a.x - t * dx, y + 0.5 - a.y - t * dy) <= radius;
}

test("a stroke is what lies within its radius", () => {
  const random = randoms(1);
  for (let round = 0; round < 300; round++) {
    const hole = new Hole(40, 30);
    const point = () => ({ x: 60 * random() - 10, y: 50 * random() - 10 });
    const a = point();
    // some are dots, some level, some upright
    const b = [point(), a, { ...point(), y: a.y }, { ...point(), x: a.x }][round % 4];
    const radius = 0.8 + 12 * random();
    hole.stroke(a, b, radius, 1);
    const box = strokeBox(a, b, radius);
    for (let y = 0; y < 30; y++) {
      for (let x = 0; x < 40; x++) {
        const is = hole.pixels[40 * y + x] === 1;
        assert.equal(is, isWithin(x, y, a, b, radius), `round ${round}: pixel ${x}, ${y}`);
        if (is) assert.ok(x >= box.left && x < box.right && y >= box.top && y < box.bottom);
      }
    }
  }
});

test("a stroke of the eraser takes away, and nothing besides", () => {
  const hole = new Hole(20, 20);
  hole.invert();
  hole.stroke({ x: 5, y: 5 }, { x: 15, y: 5 }, 2, 0);
  const erased = new Hole(20, 20);
  erased.stroke({ x: 5, y: 5 }, { x: 15, y: 5 }, 2, 1);
  assert.equal(hole.count + erased.count, 400);
  assert.ok(hole.pixels.every((value, i) => value === 1 - erased.pixels[i]));
});

test("its bounds and count are those of what is missing", () => {
  const hole = new Hole(20, 10);
  assert.ok(hole.isEmpty);
  assert.ok(hole.bounds.left >= hole.bounds.right);
  hole.rectangle({ left: 3, top: -5, right: 7, bottom: 2 }, 1);
  hole.rectangle({ left: 12, top: 8, right: 99, bottom: 99 }, 1);
  assert.deepEqual(hole.bounds, { left: 3, top: 0, right: 20, bottom: 10 });
  assert.equal(hole.count, 4 * 2 + 8 * 2);
  hole.invert();
  assert.equal(hole.count, 200 - 24);
  hole.clear();
  assert.ok(hole.isEmpty);
});
