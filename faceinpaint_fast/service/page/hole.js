// The hole: which pixels of a picture are missing, 1, and which are known, 0, at the picture's own size.

import { NOWHERE, intersection, union } from "./box.js";

export class Hole {
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.pixels = new Uint8Array(width * height);
  }

  get everywhere() {
    return { left: 0, top: 0, right: this.width, bottom: this.height };
  }

  /** The pixels that a box has in the picture. */
  within(box) {
    return intersection(box, this.everywhere);
  }

  get isEmpty() {
    return !this.pixels.includes(1);
  }

  /** How many pixels are missing. */
  get count() {
    let count = 0;
    for (let i = 0; i < this.pixels.length; i++) count += this.pixels[i];
    return count;
  }

  /** The smallest box that holds all that is missing; an empty one without any. */
  get bounds() {
    let found = NOWHERE;
    for (let y = 0; y < this.height; y++) {
      const row = this.pixels.subarray(y * this.width, (y + 1) * this.width);
      const left = row.indexOf(1);
      if (left >= 0) found = union(found, { left, top: y, right: row.lastIndexOf(1) + 1, bottom: y + 1 });
    }
    return found;
  }

  /** Sets the pixels whose centres lie within a radius of the line from a to b. */
  stroke(a, b, radius, value) {
    const box = this.within(strokeBox(a, b, radius));
    for (let y = box.top; y < box.bottom; y++) {
      const [from, to] = acrossStroke(y + 0.5, a, b, radius);
      this.#setRow(y, Math.ceil(from - 0.5), Math.floor(to - 0.5) + 1, value);
    }
  }

  rectangle(box, value) {
    for (let y = Math.max(box.top, 0); y < Math.min(box.bottom, this.height); y++) {
      this.#setRow(y, box.left, box.right, value);
    }
  }

  clear() {
    this.pixels.fill(0);
  }

  invert() {
    const { pixels } = this;
    for (let i = 0; i < pixels.length; i++) pixels[i] ^= 1;
  }

  /** Takes the pixels of a mask of the same size. */
  take(pixels) {
    this.pixels.set(pixels);
  }

  #setRow(y, from, to, value) {
    const row = y * this.width;
    const left = Math.max(from, 0);
    const right = Math.min(to, this.width);
    if (left < right) this.pixels.fill(value, row + left, row + right);
  }
}

/** A box around all that a stroke can set. */
export function strokeBox(a, b, radius) {
  return {
    left: Math.floor(Math.min(a.x, b.x) - radius),
    top: Math.floor(Math.min(a.y, b.y) - radius),
    right: Math.ceil(Math.max(a.x, b.x) + radius),
    bottom: Math.ceil(Math.max(a.y, b.y) + radius),
  };
}

/** Where a row crosses a stroke, [from, to]: it is convex, so that its two discs and the band between are one interval. */
function acrossStroke(y, a, b, radius) {
  let from = Infinity;
  let to = -Infinity;
  for (const { x, y: centre } of [a, b]) {
    const half = Math.sqrt(radius ** 2 - (y - centre) ** 2);
    if (half >= 0) {
      from = Math.min(from, x - half);
      to = Math.max(to, x + half);
    }
  }
  const length = Math.hypot(b.x - a.x, b.y - a.y);
  if (length > 0) {
    const dx = (b.x - a.x) / length;
    const dy = (b.y - a.y) / length;
    // along: 0 <= (x - a.x) dx + (y - a.y) dy <= length;  aside: |(y - a.y) dx - (x - a.x) dy| <= radius
    const along = solved(dx, -(y - a.y) * dy, length - (y - a.y) * dy);
    const aside = solved(dy, (y - a.y) * dx - radius, (y - a.y) * dx + radius);
    const left = a.x + Math.max(along[0], aside[0]);
    const right = a.x + Math.min(along[1], aside[1]);
    if (left <= right) {
      from = Math.min(from, left);
      to = Math.max(to, right);
    }
  }
  return [from, to];
}

/** The x with least <= factor x <= most, [from, to]. */
function solved(factor, least, most) {
  if (Math.abs(factor) < 1e-9) return least <= 0 && most >= 0 ? [-Infinity, Infinity] : [Infinity, -Infinity];
  const ends = [least / factor, most / factor];
  return factor > 0 ? ends : ends.reverse();
}
