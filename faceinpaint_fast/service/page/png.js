// A mask as a PNG of one bit a pixel.  A canvas would need four bytes for each, and some browsers change what one reads back.

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Returns a PNG, as a Blob: white where `pixels`, a byte for each, are 1, black where they are 0. */
export async function maskAsPng(pixels, width, height) {
  const header = new Uint8Array(13); // depth 1, grey, and zeros: deflate, filters by row, not interlaced
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 1;
  const chunks = [chunk("IHDR", header), chunk("IDAT", await deflated(packed(pixels, width, height))), chunk("IEND", [])];
  return new Blob([new Uint8Array(SIGNATURE), ...chunks], { type: "image/png" });
}

/** Rows of eight pixels to the byte, each row behind a zero: it is not filtered. */
function packed(pixels, width, height) {
  const stride = 1 + Math.ceil(width / 8);
  const bytes = new Uint8Array(stride * height);
  for (let y = 0, i = 0; y < height; y++) {
    const row = y * stride + 1;
    for (let x = 0; x < width; x++, i++) {
      if (pixels[i]) bytes[row + (x >> 3)] |= 0x80 >> (x & 7);
    }
  }
  return bytes;
}

async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function chunk(name, content) {
  const bytes = new Uint8Array(12 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = name.charCodeAt(i);
  bytes.set(content, 8);
  view.setUint32(8 + content.length, crc32(bytes.subarray(4, 8 + content.length)));
  return bytes;
}

/** The check of a chunk, ISO 3309's. */
function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
