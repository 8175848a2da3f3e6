import assert from "node:assert/strict";
import { test } from "node:test";
import { Hole } from "../../../faceinpaint_fast/service/page/hole.js";
import { Painter } from "../../../faceinpaint_fast/service/page/painter.js";

function easel() {
  const hole = new Hole(60, 40);
  const told = { boxes: [], faces: [], clicks: [], steps: 0 };
  const painter = new Painter(hole, {
    changed: (box) => told.boxes.push(box),
    done: () => told.steps++,
    drawn: (box) => told.faces.push(box),
    clicked: (point) => told.clicks.push(point),
  });
  painter.diameter = 6;
  return { hole, painter, told };
}

test("a brush that is put down, moved and lifted is one step", () => {
  const { hole, painter, told } = easel();
  painter.down({ x: 10, y: 10 });
  painter.move({ x: 20, y: 10 });
  painter.move({ x: 20, y: 20 });
  painter.up();
  const drawn = new Hole(60, 40);
  drawn.stroke({ x: 10, y: 10 }, { x: 20, y: 10 }, 3, 1);
  drawn.stroke({ x: 20, y: 10 }, { x: 20, y: 20 }, 3, 1);
  assert.deepEqual(hole.pixels, drawn.pixels);
  assert.equal(told.steps, 1);
  painter.undo();
  assert.ok(hole.isEmpty);
  painter.redo();
  assert.deepEqual(hole.pixels, drawn.pixels);
});

test("the eraser, and a pen's other end, take away", () => {
  for (const [tool, erases] of [
    ["eraser", false],
    ["brush", true],
  ]) {
    const { hole, painter } = easel();
    painter.invert();
    painter.tool = tool;
    painter.down({ x: 30, y: 20 }, { erases });
    painter.up();
    assert.equal(hole.pixels[20 * 60 + 30], 0);
    assert.ok(hole.count > 2300);
  }
});

test("a rectangle is the pixels between two corners, in any order", () => {
  const { hole, painter } = easel();
  painter.tool = "rectangle";
  painter.down({ x: 30.2, y: 25.5 });
  painter.move({ x: 100, y: 100 });
  assert.deepEqual(painter.box, { left: 30, top: 25, right: 100, bottom: 100 });
  painter.move({ x: 9.9, y: 5.1 });
  painter.up();
  assert.deepEqual(hole.bounds, { left: 9, top: 5, right: 31, bottom: 26 });
  assert.equal(hole.count, 22 * 21);
  assert.equal(painter.box, null);
});

test("a box around a face changes no hole, and one that is too small is none", () => {
  const { hole, painter, told } = easel();
  painter.tool = "face";
  painter.down({ x: 10, y: 10 });
  painter.move({ x: 40, y: 30 });
  painter.up();
  painter.down({ x: 10, y: 10 });
  painter.move({ x: 12, y: 30 });
  painter.up();
  assert.deepEqual(told.faces, [{ left: 10, top: 10, right: 40, bottom: 30 }]);
  assert.ok(hole.isEmpty);
  assert.equal(painter.canUndo, false);
});

test("what is cancelled is as if it had not been begun", () => {
  const { hole, painter } = easel();
  painter.down({ x: 10, y: 10 });
  painter.move({ x: 50, y: 30 });
  painter.cancel();
  assert.ok(hole.isEmpty);
  assert.equal(painter.canUndo, false);
  painter.move({ x: 20, y: 20 });
  painter.up();
  assert.ok(hole.isEmpty);
});

test("whatever changes all of it in the middle of a stroke ends the stroke", () => {
  const { hole, painter } = easel();
  painter.down({ x: 10, y: 10 });
  painter.clear();
  painter.move({ x: 40, y: 10 });
  painter.up();
  assert.ok(hole.isEmpty);
  painter.invert();
  painter.down({ x: 10, y: 10 });
  painter.undo();
  painter.up();
  assert.ok(hole.isEmpty);
  painter.redo();
  assert.equal(hole.count, 60 * 40);
});

test("with the tool of faces a click tells where an eye is, a drag draws a box, and what is neither does nothing", () => {
  const { hole, painter, told } = easel();
  painter.tool = "face";
  painter.down({ x: 10, y: 12 });
  painter.move({ x: 12, y: 13 });
  painter.up();
  assert.deepEqual(told.clicks, [{ x: 10, y: 12 }]);
  painter.down({ x: 10, y: 12 });
  painter.move({ x: 40, y: 13 });
  painter.up();
  painter.down({ x: 10, y: 12 });
  painter.move({ x: 40, y: 32 });
  painter.up();
  assert.equal(told.clicks.length, 1);
  assert.deepEqual(told.faces, [{ left: 10, top: 12, right: 40, bottom: 32 }]);
  assert.ok(hole.isEmpty);
});
