// What was done to a hole, to be undone and redone: of each step the tiles that it changed, as they were.

import { NOWHERE, isEmpty, union } from "./box.js";

const TILE = 128; // pixels across
const MOST = 64 << 20; // bytes that are kept; the oldest steps go first

export class History {
  #hole;
  #most;
  #columns;
  #past = [];
  #future = [];
  #step = null;

  constructor(hole, most = MOST) {
    this.#hole = hole;
    this.#most = most;
    this.#columns = Math.ceil(hole.width / TILE);
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** Begins a step; until it ends, `before` is told of each box before it is changed. */
  begin() {
    this.#step = new Map();
  }

  before(box) {
    const { left, top, right, bottom } = this.#hole.within(box);
    if (isEmpty({ left, top, right, bottom })) return;
    for (let row = Math.floor(top / TILE); row * TILE < bottom; row++) {
      for (let column = Math.floor(left / TILE); column * TILE < right; column++) {
        const at = row * this.#columns + column;
        if (!this.#step.has(at)) this.#step.set(at, this.#read(at));
      }
    }
  }

  end() {
    if (this.#step.size > 0) {
      this.#past.push(this.#step);
      this.#future = [];
    }
    this.#step = null;
    let bytes = 0;
    const fits = this.#past.toReversed().findIndex((step) => (bytes += bytesOf(step)) > this.#most);
    // the newest is kept, however large
    if (fits >= 0) this.#past.splice(0, this.#past.length - Math.max(fits, 1));
  }

  /** Takes back what the step that has begun has changed; returns the box of that. */
  cancel() {
    const changed = this.#exchange(this.#step);
    this.#step = null;
    return changed;
  }

  /** Makes a change within a box a step of its own. */
  change(box, paint) {
    this.begin();
    this.before(box);
    paint();
    this.end();
  }

  /** Takes the last step back; returns the box that changed, an empty one where there is no step. */
  undo() {
    return this.#move(this.#past, this.#future);
  }

  redo() {
    return this.#move(this.#future, this.#past);
  }

  #move(from, to) {
    const step = from.pop();
    if (!step) return NOWHERE;
    to.push(step);
    return this.#exchange(step);
  }

  /** Exchanges the tiles of a step for the hole's: what was undone by it is redone by it. */
  #exchange(step) {
    let changed = NOWHERE;
    for (const [at, tile] of step) {
      step.set(at, this.#read(at));
      this.#write(at, tile);
      changed = union(changed, this.#boxOf(at));
    }
    return changed;
  }

  #boxOf(at) {
    const left = (at % this.#columns) * TILE;
    const top = Math.floor(at / this.#columns) * TILE;
    return this.#hole.within({ left, top, right: left + TILE, bottom: top + TILE });
  }

  /** A tile's pixels, or, where all are alike, one of them. */
  #read(at) {
    const { left, top, right, bottom } = this.#boxOf(at);
    const across = right - left;
    const tile = new Uint8Array(across * (bottom - top));
    for (let y = top; y < bottom; y++) {
      const row = y * this.#hole.width;
      tile.set(this.#hole.pixels.subarray(row + left, row + right), (y - top) * across);
    }
    return tile.includes(1 - tile[0]) ? tile : tile[0];
  }

  #write(at, tile) {
    const { left, top, right, bottom } = this.#boxOf(at);
    const across = right - left;
    for (let y = top; y < bottom; y++) {
      const row = this.#hole.pixels.subarray(y * this.#hole.width + left, y * this.#hole.width + right);
      if (typeof tile === "number") row.fill(tile);
      else row.set(tile.subarray((y - top) * across, (y - top + 1) * across));
    }
  }
}

function bytesOf(step) {
  let bytes = 0;
  for (const tile of step.values()) bytes += tile.length ?? 1;
  return bytes;
}
