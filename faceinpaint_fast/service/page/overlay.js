// The hole as it is seen over the photograph: sampled for the pixels of the screen, so that its cost is the screen's.

const STRIPE = 5; // screen pixels of a stripe, of two kinds
// red, green, blue, and how opaque stripes of either kind are
const COLOUR = [13, 148, 136];
const OPACITY = [0.62, 0.8];

// four samples a pixel: 0 to 4 of them are missing; of each kind of stripe
const SHADES = OPACITY.map((opacity) =>
  Uint32Array.from({ length: 5 }, (_, missing) => packed(...COLOUR, (255 * opacity * missing) / 4)),
);

/** Four bytes as a canvas has them, in one number. */
function packed(...bytes) {
  return new Uint32Array(new Uint8ClampedArray(bytes).buffer)[0];
}

/**
 * Draws the part of a hole that lies in a box of the screen, whose pixels are `ratio` to one of the view's.
 *
 * into  a Uint32Array, a number for each pixel of the box, row by row
 */
export function drawHole(into, hole, view, ratio, box) {
  const across = samples(box.left, box.right, view.x, view.scale, ratio, hole.width);
  const down = samples(box.top, box.bottom, view.y, view.scale, ratio, hole.height);
  const { pixels, width } = hole;
  const columns = box.right - box.left;
  for (let y = 0, at = 0; y < box.bottom - box.top; y++) {
    const upper = down[2 * y] * width;
    const lower = down[2 * y + 1] * width;
    if (upper < 0 || lower < 0) {
      into.fill(0, at, at + columns);
      at += columns;
      continue;
    }
    const diagonal = box.top + y + box.left;
    for (let x = 0; x < columns; x++, at++) {
      const left = across[2 * x];
      const right = across[2 * x + 1];
      if (left < 0 || right < 0) {
        into[at] = 0;
        continue;
      }
      const missing = pixels[upper + left] + pixels[upper + right] + pixels[lower + left] + pixels[lower + right];
      into[at] = missing === 0 ? 0 : SHADES[((diagonal + x) / (STRIPE * ratio)) & 1][missing];
    }
  }
}

/** Two columns, or rows, of a picture for each pixel of the screen from `first` to `end`; -1 outside of it. */
function samples(first, end, offset, scale, ratio, length) {
  const found = new Int32Array(2 * (end - first));
  for (let i = 0; i < found.length; i++) {
    const place = Math.floor(((first + i / 2 + 0.25) / ratio - offset) / scale);
    found[i] = place >= 0 && place < length ? place : -1;
  }
  return found;
}

/** The box of the screen that a box of the picture is seen in. */
export function seenIn(box, view, ratio) {
  return {
    left: Math.floor((box.left * view.scale + view.x) * ratio) - 1,
    top: Math.floor((box.top * view.scale + view.y) * ratio) - 1,
    right: Math.ceil((box.right * view.scale + view.x) * ratio) + 1,
    bottom: Math.ceil((box.bottom * view.scale + view.y) * ratio) + 1,
  };
}
