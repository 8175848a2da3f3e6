// Who paints the hole: a tool that is put down, moved and lifted, by a pointer or by keys, and whatever changes all of it.

import { between, isEmpty } from "./box.js";
import { History } from "./history.js";
import { strokeBox } from "./hole.js";

const LEAST_FACE = 8; // pixels across a box around one; in a large picture a share of it: what is less is a click
const LEAST_SHARE = 0.01;

export class Painter {
  /** "brush", "eraser", "rectangle", "face" or "hand", which does nothing to the hole. */
  tool = "brush";
  /** Of the brush and the eraser, in pixels of the picture. */
  diameter = 2;
  /** The box that is being drawn, if one is. */
  box = null;
  #hole;
  #history;
  #last = null;
  #anchor = null;
  #erases = false;
  #told;

  /** `told` has {changed(box) of the hole, done() after each step, drawn(box) around a face, clicked(point) with its tool}. */
  constructor(hole, told) {
    this.#hole = hole;
    this.#history = new History(hole);
    this.#told = told;
  }

  get isDown() {
    return this.#last !== null;
  }

  /** Whether the tool is a disc, whose diameter matters. */
  get isRound() {
    return this.tool === "brush" || this.tool === "eraser";
  }

  get canUndo() {
    return this.#history.canUndo;
  }

  get canRedo() {
    return this.#history.canRedo;
  }

  /** Puts the tool down at a point of the picture; a pen's other end erases. */
  down(point, { erases = false } = {}) {
    this.cancel();
    this.#last = point;
    this.#erases = erases || this.tool === "eraser";
    if (this.isRound) {
      this.#history.begin();
      this.#stroke(point);
    } else {
      this.box = between(point, point);
      this.#anchor = point;
    }
  }

  move(point) {
    if (!this.isDown) return;
    if (this.isRound) this.#stroke(point);
    else this.box = between(this.#anchor, point);
    this.#last = point;
  }

  up() {
    if (!this.isDown) return;
    const { box } = this;
    const at = this.#anchor;
    const within = box && this.#hole.within(box);
    this.box = this.#last = null;
    if (this.isRound) {
      this.#history.end();
      this.#told.done();
    } else if (this.tool === "rectangle" && !isEmpty(within)) {
      this.#change(within, () => this.#hole.rectangle(within, 1));
    } else if (this.tool === "face") {
      const sides = [box.right - box.left, box.bottom - box.top];
      const least = Math.max(LEAST_FACE, LEAST_SHARE * Math.max(this.#hole.width, this.#hole.height));
      if (Math.min(...sides) >= least) this.#told.drawn(box);
      else if (Math.max(...sides) < least) this.#told.clicked(at);
    }
  }

  /** Lifts the tool as if it had not been put down. */
  cancel() {
    if (!this.isDown) return;
    this.box = this.#last = null;
    if (this.isRound) this.#told.changed(this.#history.cancel());
    this.#told.done();
  }

  /** Covers a part of a face: a stroke {from, to, radius}. */
  cover({ from, to, radius }) {
    this.#change(strokeBox(from, to, radius), () => this.#hole.stroke(from, to, radius, 1));
  }

  clear() {
    this.#change(this.#hole.everywhere, () => this.#hole.clear());
  }

  invert() {
    this.#change(this.#hole.everywhere, () => this.#hole.invert());
  }

  take(mask) {
    this.#change(this.#hole.everywhere, () => this.#hole.take(mask));
  }

  undo() {
    this.cancel();
    this.#went(this.#history.undo());
  }

  redo() {
    this.cancel();
    this.#went(this.#history.redo());
  }

  #stroke(point) {
    const box = strokeBox(this.#last, point, this.diameter / 2);
    this.#history.before(box);
    this.#hole.stroke(this.#last, point, this.diameter / 2, this.#erases ? 0 : 1);
    this.#told.changed(box);
  }

  #change(box, paint) {
    this.cancel();
    this.#history.change(box, paint);
    this.#went(box);
  }

  #went(box) {
    this.#told.changed(box);
    this.#told.done();
  }
}
