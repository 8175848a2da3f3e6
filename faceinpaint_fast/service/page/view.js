// Where a picture lies on the screen: screen = picture * scale + offset, in CSS pixels of the stage.

const FINEST = 32; // screen pixels to one of the picture
const COARSEST = 0.5; // times the scale at which all of it is seen
const KEPT = 48; // screen pixels of the picture that never leave the stage

export class View {
  scale = 1;
  x = 0;
  y = 0;
  #picture = { width: 1, height: 1 };
  #stage = { width: 1, height: 1 };

  /** Shows all of a picture in the middle of a stage, which may leave a margin: {top, right, bottom, left}. */
  fit(picture, stage, margin = { top: 0, right: 0, bottom: 0, left: 0 }) {
    this.#picture = picture;
    this.#stage = stage;
    const width = Math.max(stage.width - margin.left - margin.right, 1);
    const height = Math.max(stage.height - margin.top - margin.bottom, 1);
    this.fitted = Math.min(width / picture.width, height / picture.height);
    this.scale = this.fitted;
    this.x = margin.left + (width - picture.width * this.scale) / 2;
    this.y = margin.top + (height - picture.height * this.scale) / 2;
  }

  get isFitted() {
    return Math.abs(this.scale / this.fitted - 1) < 1e-6;
  }

  /** Zooms by a factor, such that the point of the screen stays where it is. */
  zoom(factor, at = { x: this.#stage.width / 2, y: this.#stage.height / 2 }) {
    const least = Math.min(this.fitted * COARSEST, 1);
    const scale = Math.min(Math.max(this.scale * factor, least), Math.max(FINEST, this.fitted));
    const point = this.toPicture(at);
    this.scale = scale;
    this.pan(at.x - point.x * scale - this.x, at.y - point.y * scale - this.y);
  }

  pan(dx, dy) {
    const within = (offset, length, stage) => Math.min(Math.max(offset, KEPT - length), stage - KEPT);
    this.x = within(this.x + dx, this.#picture.width * this.scale, this.#stage.width);
    this.y = within(this.y + dy, this.#picture.height * this.scale, this.#stage.height);
  }

  /** Pans no further than needed for a point of the picture to be seen. */
  reveal(point) {
    const at = this.toScreen(point);
    const inwards = (place, length) => Math.min(Math.max(place, KEPT), length - KEPT) - place;
    this.pan(inwards(at.x, this.#stage.width), inwards(at.y, this.#stage.height));
  }

  toPicture(point) {
    return { x: (point.x - this.x) / this.scale, y: (point.y - this.y) / this.scale };
  }

  toScreen(point) {
    return { x: point.x * this.scale + this.x, y: point.y * this.scale + this.y };
  }
}
