import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../../faceinpaint_fast/service/page/history.js";
import { Hole, strokeBox } from "../../../faceinpaint_fast/service/page/hole.js";
import { randoms } from "./randoms.mjs";

const [WIDTH, HEIGHT] = [300, 270]; // tiles of 128 pixels do not fit into it

/** Paints as many strokes, each a step, and returns what the hole was before each and after the last. */
function painted(hole, history, steps, random) {
  const states = [hole.pixels.slice()];
  for (let i = 0; i < steps; i++) {
    history.begin();
    for (let part = 0; part < 3; part++) {
      const point = () => ({ x: 340 * random() - 20, y: 310 * random() - 20 });
      const [a, b, radius] = [point(), point(), 1 + 30 * random()];
      history.before(strokeBox(a, b, radius));
      hole.stroke(a, b, radius, random() < 0.7 ? 1 : 0);
    }
    history.end();
    states.push(hole.pixels.slice());
  }
  return states;
}

test("steps are undone and redone one by one", () => {
  const hole = new Hole(WIDTH, HEIGHT);
  const history = new History(hole);
  const states = painted(hole, history, 12, randoms(2));
  for (let i = 11; i >= 0; i--) {
    const before = hole.pixels.slice();
    const box = history.undo();
    assert.deepEqual(hole.pixels, states[i]);
    // what it says has changed is all that has
    before.forEach((value, at) => {
      if (value === hole.pixels[at]) return;
      const [x, y] = [at % WIDTH, Math.floor(at / WIDTH)];
      assert.ok(x >= box.left && x < box.right && y >= box.top && y < box.bottom);
    });
  }
  assert.equal(history.canUndo, false);
  const nowhere = history.undo();
  assert.ok(nowhere.left > nowhere.right);
  for (let i = 1; i <= 12; i++) {
    history.redo();
    assert.deepEqual(hole.pixels, states[i]);
  }
  assert.equal(history.canRedo, false);
});

test("a new step forgets what was undone", () => {
  const hole = new Hole(WIDTH, HEIGHT);
  const history = new History(hole);
  painted(hole, history, 3, randoms(3));
  history.undo();
  const kept = hole.pixels.slice();
  history.change(hole.everywhere, () => hole.invert());
  assert.equal(history.canRedo, false);
  history.undo();
  assert.deepEqual(hole.pixels, kept);
});

test("a step that is cancelled never was", () => {
  const hole = new Hole(WIDTH, HEIGHT);
  const history = new History(hole);
  const [, after] = painted(hole, history, 1, randoms(4));
  history.begin();
  history.before({ left: 100, top: 100, right: 200, bottom: 200 });
  hole.rectangle({ left: 100, top: 100, right: 200, bottom: 200 }, 1);
  history.cancel();
  assert.deepEqual(hole.pixels, after);
  assert.equal(history.canRedo, false);
  history.undo();
  assert.ok(hole.isEmpty);
});

test("a step outside of the picture is none", () => {
  const hole = new Hole(WIDTH, HEIGHT);
  const history = new History(hole);
  history.change({ left: -50, top: -50, right: -10, bottom: -10 }, () => {});
  assert.equal(history.canUndo, false);
});

test("the oldest steps go where there is no room, never the newest", () => {
  const hole = new Hole(WIDTH, HEIGHT);
  const roomy = new History(hole, 3 * WIDTH * HEIGHT);
  const states = painted(hole, roomy, 30, randoms(5));
  let undone = 0;
  while (roomy.canUndo) {
    roomy.undo();
    undone++;
    assert.deepEqual(hole.pixels, states[30 - undone]);
  }
  assert.ok(undone >= 3 && undone < 30, `${undone} of 30`);

  const cramped = new History(hole, 1);
  const [before] = painted(hole, cramped, 1, randoms(6));
  painted(hole, cramped, 1, randoms(7));
  assert.ok(cramped.canUndo);
  cramped.undo();
  assert.equal(cramped.canUndo, false);
  assert.notDeepEqual(hole.pixels, before);
});

test("a whole picture that was of one kind costs nothing to keep", () => {
  const hole = new Hole(WIDTH, HEIGHT);
  const history = new History(hole, 100);
  for (let i = 0; i < 10; i++) history.change(hole.everywhere, () => hole.invert());
  for (let i = 0; i < 10; i++) history.undo();
  assert.ok(hole.isEmpty);
  assert.equal(history.canUndo, false);
});
