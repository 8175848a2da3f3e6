// The stage: the photograph, the hole over it, marks over both; or the photograph and what became of it, side by side.

import { NOWHERE, intersection, isEmpty, union } from "./box.js";
import { Marks } from "./marks.js";
import { drawHole, seenIn } from "./overlay.js";
import { View } from "./view.js";

const MARGIN = 16; // around a picture that is seen whole
const COARSE = 4; // screen pixels to one of the picture, from which on its pixels are shown as they are

export class Stage {
  view = new View();
  /** How much of its width shows the photograph as it was, where another is compared with it. */
  division = 0.5;
  #element;
  #before;
  #after;
  #overlay;
  #photograph = null;
  #hole = null;
  #result = null;
  #viewChanged = true;
  #holeChanged = NOWHERE;
  #frame = 0;
  #drawn;

  /** The element holds three canvases, .before, .after and .overlay, and an svg, .marks; `drawn` hears the view. */
  constructor(element, drawn) {
    this.#element = element;
    this.#drawn = drawn;
    this.#before = element.querySelector(".before").getContext("2d");
    this.#after = element.querySelector(".after").getContext("2d");
    this.#overlay = element.querySelector(".overlay").getContext("2d");
    this.marks = new Marks(element.querySelector(".marks"));
    new ResizeObserver(() => this.#resize()).observe(element);
  }

  get size() {
    return { width: this.#element.clientWidth, height: this.#element.clientHeight };
  }

  /** Shows a photograph and its hole, all of it. */
  show(photograph, hole) {
    this.#photograph = photograph;
    this.#hole = hole;
    this.#result = null;
    this.fit();
  }

  /** Compares a bitmap of the photograph's size with it; null: the hole is shown again. */
  compare(bitmap) {
    this.#result = bitmap;
    this.viewChanged();
  }

  fit() {
    if (!this.#photograph) return;
    const lower = Number.parseFloat(getComputedStyle(this.#element).getPropertyValue("--covered")) || 0;
    this.view.fit(this.#photograph, this.size, { top: MARGIN, left: MARGIN, right: MARGIN, bottom: MARGIN + lower });
    this.viewChanged();
  }

  /** Shows all of it again, if all of it was seen in a stage of another size. */
  refit() {
    if (this.view.isFitted) this.fit();
    else this.viewChanged();
  }

  viewChanged() {
    this.#viewChanged = true;
    this.marksChanged();
  }

  holeChanged(box) {
    this.#holeChanged = union(this.#holeChanged, box);
    this.marksChanged();
  }

  marksChanged() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** The point of the picture that is nearest to a point. */
  inside({ x, y }) {
    const { width, height } = this.#photograph;
    return { x: Math.min(Math.max(x, 0), width), y: Math.min(Math.max(y, 0), height) };
  }

  /** The point of the picture that a pointer is at. */
  pointAt(event) {
    return this.view.toPicture(this.placeOf(event));
  }

  placeOf(event) {
    const { left, top } = this.#element.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  #resize() {
    for (const { canvas } of [this.#before, this.#after, this.#overlay]) {
      canvas.width = this.size.width * devicePixelRatio;
      canvas.height = this.size.height * devicePixelRatio;
    }
    this.refit();
    // at once: canvases that were resized are empty
    cancelAnimationFrame(this.#frame);
    this.#draw();
  }

  #draw() {
    this.#frame = 0;
    if (!this.#photograph) return;
    if (this.#viewChanged) {
      this.#drawPicture(this.#before, this.#photograph.bitmap);
      if (this.#result) this.#drawPicture(this.#after, this.#result);
    }
    if (!this.#result) {
      const { width, height } = this.#overlay.canvas;
      const all = { left: 0, top: 0, right: width, bottom: height };
      this.#drawHole(this.#viewChanged ? all : intersection(seenIn(this.#holeChanged, this.view, devicePixelRatio), all));
    }
    this.#element.style.setProperty("--division", `${this.division * 100}%`);
    this.marks.draw(this.view);
    this.#drawn(this.view);
    this.#viewChanged = false;
    this.#holeChanged = NOWHERE;
  }

  #drawPicture(context, bitmap) {
    const { x, y, scale } = this.view;
    const ratio = devicePixelRatio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    context.setTransform(scale * ratio, 0, 0, scale * ratio, x * ratio, y * ratio);
    context.imageSmoothingEnabled = scale * ratio < COARSE;
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0);
  }

  #drawHole(box) {
    if (isEmpty(box)) return;
    const image = new ImageData(box.right - box.left, box.bottom - box.top);
    drawHole(new Uint32Array(image.data.buffer), this.#hole, this.view, devicePixelRatio, box);
    this.#overlay.putImageData(image, box.left, box.top);
  }
}
