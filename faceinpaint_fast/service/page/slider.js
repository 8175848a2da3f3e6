// The line between before and after, which is dragged or moved by keys.

const STEP = 2; // per cent, of an arrow; of a page ten

export class Slider {
  #handle;
  #changed;

  /** `changed` hears the share of the stage, 0 to 1, that is left of the line. */
  constructor(handle, stage, changed) {
    this.#handle = handle;
    this.#changed = changed;
    handle.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      handle.setPointerCapture(event.pointerId);
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      event.stopPropagation();
      this.set(stage.placeOf(event).x / stage.size.width);
    });
    handle.addEventListener("keydown", (event) => {
      const value = this.value * 100;
      const next = {
        ArrowLeft: value - STEP,
        ArrowDown: value - STEP,
        ArrowRight: value + STEP,
        ArrowUp: value + STEP,
        PageDown: value - 10 * STEP,
        PageUp: value + 10 * STEP,
        Home: 0,
        End: 100,
      }[event.key];
      if (next === undefined) return;
      event.preventDefault();
      this.set(next / 100);
    });
    this.set(0.5);
  }

  set(value) {
    this.value = Math.min(Math.max(value, 0), 1);
    const percent = Math.round(this.value * 100);
    this.#handle.setAttribute("aria-valuenow", percent);
    this.#handle.setAttribute("aria-valuetext", `${percent} % before, ${100 - percent} % after`);
    this.#changed(this.value);
  }
}
