// Where the square that a model draws lies in a photograph: photo/frame.py in this language.  Points are [x, y], pixels'
// centres whole numbers.  A plane is {width, height, pixels: Float32Array}, row by row.

import { reduced } from "./reduced.js";
import { sampler } from "./sampler.js";

export class Frame {
  /** A similarity from a photograph's pixels to a model's, `size` across: (x, y) to (re x - im y + left, im x + re y + top). */
  constructor({ re, im, left, top }, size) {
    Object.assign(this, { re, im, left, top, size });
  }

  /** The frame of a photograph that is the square itself. */
  static whole(size) {
    return new Frame({ re: 1, im: 0, left: 0, top: 0 }, size);
  }

  /** The frame that brings points nearest to as many of a model's, by least squares. */
  static of(points, means, size) {
    const [z, w] = [points, means.slice(0, points.length)].map(centred);
    let [re, im, square] = [0, 0, 0];
    for (let i = 0; i < points.length; i++) {
      const [[x, y], [u, v]] = [z.offsets[i], w.offsets[i]];
      re += x * u + y * v;
      im += x * v - y * u;
      square += x * x + y * y;
    }
    re /= square;
    im /= square;
    const [x, y] = z.middle;
    return new Frame({ re, im, left: w.middle[0] - (re * x - im * y), top: w.middle[1] - (im * x + re * y) }, size);
  }

  /** The photograph's pixels along one of the model's. */
  get scale() {
    return 1 / Math.hypot(this.re, this.im);
  }

  toModel([x, y]) {
    return [this.re * x - this.im * y + this.left, this.im * x + this.re * y + this.top];
  }

  toPhoto([u, v]) {
    const square = this.re ** 2 + this.im ** 2;
    const [x, y] = [u - this.left, v - this.top];
    return [(this.re * x + this.im * y) / square, (this.re * y - this.im * x) / square];
  }

  /** The frame in a photograph whose upper left corner lies at a point of this one. */
  moved(corner) {
    const [left, top] = this.toModel(corner);
    return new Frame({ ...this, left, top }, this.size);
  }

  /** The frame of a model that would draw `margin` of its pixels more on all sides, `factor` as fine. */
  finer(factor, margin = 0) {
    const shift = (offset) => factor * (offset + margin) + (factor - 1) / 2;
    const { re, im, left, top } = this;
    const size = Math.round(factor * (this.size + 2 * margin));
    return new Frame({ re: factor * re, im: factor * im, left: shift(left), top: shift(top) }, size);
  }

  /** The corners of the square, with so many of the model's pixels around, in the photograph. */
  corners(margin = 0) {
    const [low, high] = [-0.5 - margin, this.size - 0.5 + margin];
    return [[low, low], [high, low], [high, high], [low, high]].map((corner) => this.toPhoto(corner)); // prettier-ignore
  }

  /** How far from the square's middle a point of the photograph lies: 1 at its border. */
  depth(point) {
    const middle = (this.size - 1) / 2;
    return Math.max(...this.toModel(point).map((each) => Math.abs(each - middle))) / (this.size / 2);
  }

  /** What a plane of the photograph has in the square, at its own scale, then reduced: by "lanczos" or "box". */
  drawn(plane, how = "lanczos") {
    const factor = Math.max(1, Math.round(this.scale + 0.4));
    const fine = this.finer(factor);
    return reduced(warped(plane, fine.size, fine.size, (point) => fine.toPhoto(point)), factor, how);
  }

  /** A plane of the square at the pixels of a photograph of that size; its border goes on. */
  enlarged(plane, width, height) {
    return warped(plane, width, height, (point) => this.toModel(point));
  }
}

/** Where the points of a face lie in its box, by the shares of it that are usual. */
export function pointsInBox([x, y, width, height], shares) {
  return shares.map(([across, down]) => [x + across * width, y + down * height]);
}

function centred(points) {
  const mean = (axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const middle = [mean(0), mean(1)];
  return { middle, offsets: points.map(([x, y]) => [x - middle[0], y - middle[1]]) };
}

/** A plane that has at each pixel what another has at its place in it, which goes evenly along a row. */
function warped(plane, width, height, placeOf) {
  const pixels = new Float32Array(width * height);
  const sample = sampler(plane);
  for (let y = 0, at = 0; y < height; y++) {
    const first = placeOf([0, y]);
    const second = placeOf([1, y]);
    const [dx, dy] = [second[0] - first[0], second[1] - first[1]];
    for (let x = 0; x < width; x++, at++) pixels[at] = sample(first[0] + x * dx, first[1] + x * dy);
  }
  return { width, height, pixels };
}
