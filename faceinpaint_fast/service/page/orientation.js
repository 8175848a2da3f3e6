// Which way up a picture is.  All browsers turn a JPEG as its EXIF says; Chromium turns a PNG too, and no WebP.  These two are
// turned here, by the EXIF orientation as the service reads it, and what the browser sees has none.

const SIGNATURES = { png: [0x89, 0x50, 0x4e, 0x47], webp: [0x52, 0x49, 0x46, 0x46] };
const ORIENTATION = 0x0112;
const UPRIGHT = 1;
// of each orientation the canvas's transform, for a picture of so many pixels
const TURNS = {
  2: (width) => [-1, 0, 0, 1, width, 0],
  3: (width, height) => [-1, 0, 0, -1, width, height],
  4: (_, height) => [1, 0, 0, -1, 0, height],
  5: () => [0, 1, 1, 0, 0, 0],
  6: (_, height) => [0, 1, -1, 0, height, 0],
  7: (width, height) => [0, -1, -1, 0, height, width],
  8: (width) => [0, -1, 1, 0, 0, width],
};

/** Returns the orientation of a PNG or WebP file that is to be applied, 2 to 8, and the file without it; else 1 and the file. */
export async function orientationOf(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const starts = (signature) => signature.every((byte, i) => bytes[i] === byte);
  const found = starts(SIGNATURES.png) ? exifOfPng(bytes) : starts(SIGNATURES.webp) ? exifOfWebp(bytes) : null;
  const orientation = found ? orientationIn(bytes.subarray(found.start, found.end)) : UPRIGHT;
  if (!TURNS[orientation]) return { orientation: UPRIGHT, plain: file };
  return { orientation, plain: new Blob(found.without, { type: file.type }) };
}

/** Returns a bitmap turned upright. */
export function upright(bitmap, orientation) {
  if (orientation === UPRIGHT) return bitmap;
  const { width, height } = bitmap;
  const canvas = orientation < 5 ? new OffscreenCanvas(width, height) : new OffscreenCanvas(height, width);
  const context = canvas.getContext("2d");
  context.setTransform(...TURNS[orientation](width, height));
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.transferToImageBitmap();
}

/** Where EXIF lies in a PNG, and the file without its chunk. */
function exifOfPng(bytes) {
  const view = new DataView(bytes.buffer);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 12 + view.getUint32(at);
    if (nameAt(bytes, at + 4) === "eXIf") {
      return { start: at + 8, end: end - 4, without: [bytes.subarray(0, at), bytes.subarray(end)] };
    }
    at = end;
  }
  return null;
}

/** Where EXIF lies in a WebP, and the file with its chunk under a name that nobody knows. */
function exifOfWebp(bytes) {
  const view = new DataView(bytes.buffer);
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    if (nameAt(bytes, at) === "EXIF") {
      return { start: at + 8, end: at + 8 + length, without: [bytes.subarray(0, at), "none", bytes.subarray(at + 4)] };
    }
    at += 8 + length + (length & 1);
  }
  return null;
}

/** The orientation that EXIF tells; UPRIGHT where it tells none, or is broken. */
function orientationIn(exif) {
  const start = nameAt(exif, 0) === "Exif" ? 6 : 0; // some writers begin as JPEG's does
  const view = new DataView(exif.buffer, exif.byteOffset + start, exif.length - start);
  try {
    const little = view.getUint16(0) === 0x4949;
    const entries = view.getUint32(4, little);
    for (let i = 0; i < view.getUint16(entries, little); i++) {
      const entry = entries + 2 + 12 * i;
      if (view.getUint16(entry, little) === ORIENTATION) return view.getUint16(entry + 8, little);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return UPRIGHT;
}

function nameAt(bytes, at) {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}
