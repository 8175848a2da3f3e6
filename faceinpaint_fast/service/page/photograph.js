// The photograph, as it came and as it is seen: upright, as its EXIF orientation has it, which the service applies too.

import { Failure } from "./failure.js";
import { orientationOf, upright } from "./orientation.js";

export class Photograph {
  /** Reads a file; fails for one that the browser cannot show. */
  static async read(file) {
    return new Photograph(file, await decoded(file));
  }

  constructor(file, bitmap) {
    this.file = file;
    this.bitmap = bitmap;
    this.name = file.name || "photograph.png"; // what is pasted may have none
    this.width = bitmap.width;
    this.height = bitmap.height;
  }
}

/** The pixels of a mask, 1 where it is white (>= 128): width * height of them.  It must be as large as the photograph. */
export async function readMask(file, { width, height }) {
  const bitmap = await decoded(file);
  if (bitmap.width !== width || bitmap.height !== height) {
    throw new Failure(`${file.name}: expected ${width} × ${height} pixels, got ${bitmap.width} × ${bitmap.height}.`, {
      advice: "A mask has the size of its photograph. Choose another, or paint the hole.",
    });
  }
  const mask = new Uint8Array(width * height);
  const rows = Math.max(Math.floor(2 ** 20 / width), 1); // at once: a canvas of all of them may be larger than a phone has
  const canvas = new OffscreenCanvas(width, rows);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  for (let top = 0; top < height; top += rows) {
    const within = Math.min(rows, height - top);
    context.fillRect(0, 0, width, rows); // what is transparent is black
    context.drawImage(bitmap, 0, top, width, within, 0, 0, width, within);
    const { data } = context.getImageData(0, 0, width, within);
    for (let i = 0, at = top * width; i < data.length; i += 4, at++) {
      mask[at] = 299 * data[i] + 587 * data[i + 1] + 114 * data[i + 2] >= 127500 ? 1 : 0;
    }
  }
  bitmap.close();
  return mask;
}

/** The pixels of a picture, upright. */
export async function decoded(blob) {
  const { orientation, plain } = await orientationOf(blob);
  try {
    return upright(await createImageBitmap(plain), orientation);
  } catch {
    throw new Failure(`${blob.name ?? "The picture"}: this browser cannot show it.`, {
      advice: "Save it as PNG, JPEG or WebP, and choose it again.",
    });
  }
}
