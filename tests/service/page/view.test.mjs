import assert from "node:assert/strict";
import { test } from "node:test";
import { View } from "../../../faceinpaint_fast/service/page/view.js";
import { randoms } from "./randoms.mjs";

const PICTURE = { width: 4000, height: 3000 };
const STAGE = { width: 900, height: 700 };

function near(a, b) {
  assert.ok(Math.hypot(a.x - b.x, a.y - b.y) < 1e-6, `${a.x}, ${a.y} is not ${b.x}, ${b.y}`);
}

function fitted(margin) {
  const view = new View();
  view.fit(PICTURE, STAGE, margin);
  return view;
}

test("a picture that fits lies within the margin, and in its middle", () => {
  const view = fitted({ top: 10, left: 20, right: 20, bottom: 110 });
  const [from, to] = [view.toScreen({ x: 0, y: 0 }), view.toScreen({ x: 4000, y: 3000 })];
  near(from, { x: 20 + (860 - (580 * 4) / 3) / 2, y: 10 });
  near(to, { x: 900 - from.x, y: 590 });
  assert.ok(view.isFitted);
});

test("screen and picture are one another's way back", () => {
  const view = fitted();
  view.zoom(3.7, { x: 100, y: 600 });
  view.pan(-31, 47);
  near(view.toScreen(view.toPicture({ x: 12, y: 34 })), { x: 12, y: 34 });
});

test("what is zoomed at stays where it is", () => {
  const view = fitted();
  view.zoom(4);
  const random = randoms(8);
  for (let i = 0; i < 100; i++) {
    const at = { x: 300 + 300 * random(), y: 250 + 200 * random() };
    const point = view.toPicture(at);
    view.zoom(i % 2 ? 0.8 : 1.25, at);
    near(view.toScreen(point), at);
  }
});

test("zoom has bounds", () => {
  const view = fitted();
  view.zoom(1e9);
  assert.equal(view.scale, 32);
  view.zoom(1e-9);
  assert.equal(view.scale, view.fitted / 2);
  // a small picture is shown larger than it is, and can be seen as it is
  const small = new View();
  small.fit({ width: 64, height: 64 }, STAGE);
  small.zoom(1e-9);
  assert.equal(small.scale, 1);
});

test("a picture never leaves the stage", () => {
  const view = fitted();
  view.zoom(5);
  for (const [dx, dy] of [
    [-1e6, -1e6],
    [1e6, 1e6],
  ]) {
    view.pan(dx, dy);
    const [from, to] = [view.toScreen({ x: 0, y: 0 }), view.toScreen({ x: 4000, y: 3000 })];
    assert.ok(from.x < STAGE.width && from.y < STAGE.height && to.x > 0 && to.y > 0);
  }
});

test("revealing a point pans as little as it can", () => {
  const view = fitted();
  view.zoom(8);
  const seen = view.toPicture({ x: 450, y: 350 });
  const { x, y } = view;
  view.reveal(seen);
  assert.deepEqual([view.x, view.y], [x, y]);
  view.reveal({ x: 4000, y: 0 });
  const place = view.toScreen({ x: 4000, y: 0 });
  near(place, { x: 900 - 48, y: 48 });
});
