import assert from "node:assert/strict";
import { test } from "node:test";
import { Hole } from "../../../faceinpaint_fast/service/page/hole.js";
import { drawHole, seenIn } from "../../../faceinpaint_fast/service/page/overlay.js";
import { View } from "../../../faceinpaint_fast/service/page/view.js";
import { randoms } from "./randoms.mjs";

const ALL = { left: 0, top: 0, right: 120, bottom: 90 };

function drawn(hole, view, ratio, box = ALL) {
  const into = new Uint32Array((box.right - box.left) * (box.bottom - box.top)).fill(7);
  drawHole(into, hole, view, ratio, box);
  return into;
}

function scene(scale) {
  const hole = new Hole(50, 40);
  const view = new View();
  view.fit(hole, { width: 60, height: 45 });
  view.scale = scale;
  const random = randoms(9);
  hole.pixels.forEach((_, i) => (hole.pixels[i] = random() < 0.4 ? 1 : 0));
  return { hole, view };
}

test("enlarged, a pixel of the screen is coloured where its pixel is missing, and nowhere else", () => {
  const { hole, view } = scene(3);
  const ratio = 2;
  drawn(hole, view, ratio).forEach((colour, i) => {
    const x = Math.floor(((i % 120) + 0.5 - view.x * ratio) / (view.scale * ratio));
    const y = Math.floor((Math.floor(i / 120) + 0.5 - view.y * ratio) / (view.scale * ratio));
    const known = x < 0 || y < 0 || x >= 50 || y >= 40;
    // at edges of pixels samples differ
    const inside = ((i % 120) + 0.5 - view.x * ratio) % (view.scale * ratio);
    const below = (Math.floor(i / 120) + 0.5 - view.y * ratio) % (view.scale * ratio);
    if (Math.min(inside, below, 6 - inside, 6 - below) < 0.5) return;
    assert.equal(colour !== 0, !known && hole.pixels[50 * y + x] === 1, `pixel ${i}`);
  });
});

test("reduced, colours are as opaque as the share that is missing", () => {
  const { hole, view } = scene(0.5);
  hole.clear();
  const opacity = (colour) => new Uint8Array(Uint32Array.of(colour).buffer)[3];
  hole.stroke({ x: 0, y: 20 }, { x: 50, y: 20 }, 9, 1);
  const once = new Set(drawn(hole, view, 1).map(opacity));
  assert.ok(once.has(0) && Math.max(...once) > 150);
});

test("a mirrored hole is seen mirrored", () => {
  const [hole, mirrored] = [new Hole(48, 30), new Hole(48, 30)];
  const random = randoms(10);
  for (let i = 0; i < hole.pixels.length; i++) {
    hole.pixels[i] = random() < 0.5 ? 1 : 0;
    mirrored.pixels[i - (i % 48) + 47 - (i % 48)] = hole.pixels[i];
  }
  const view = Object.assign(new View(), { scale: 1 / 3, x: 0, y: 0 });
  const box = { left: 0, top: 0, right: 16, bottom: 10 };
  const [seen, other] = [drawn(hole, view, 1, box), drawn(mirrored, view, 1, box)];
  seen.forEach((colour, i) => assert.equal(colour !== 0, other[i - (i % 16) + 15 - (i % 16)] !== 0));
});

test("a part is drawn as it is in the whole", () => {
  for (const scale of [0.4, 1, 2.3]) {
    const { hole, view } = scene(scale);
    const whole = drawn(hole, view, 2);
    const box = { left: 13, top: 8, right: 101, bottom: 77 };
    const part = drawn(hole, view, 2, box);
    part.forEach((colour, i) => {
      const [x, y] = [box.left + (i % 88), box.top + Math.floor(i / 88)];
      assert.equal(colour, whole[120 * y + x]);
    });
  }
});

test("all that a change can colour lies where it is seen in", () => {
  for (const scale of [0.4, 1, 2.3]) {
    const { hole, view } = scene(scale);
    const before = drawn(hole, view, 2);
    const box = { left: 11, top: 12, right: 23, bottom: 19 };
    hole.rectangle(box, 1);
    const seen = seenIn(box, view, 2);
    drawn(hole, view, 2).forEach((colour, i) => {
      const [x, y] = [i % 120, Math.floor(i / 120)];
      if (x >= seen.left && x < seen.right && y >= seen.top && y < seen.bottom) return;
      assert.equal(colour, before[i]);
    });
  }
});
