import assert from "node:assert/strict";
import { test } from "node:test";
import zlib from "node:zlib";
import { maskAsPng } from "../../../faceinpaint_fast/service/page/png.js";
import { randoms } from "./randoms.mjs";

/** The chunks of a PNG, each checked. */
function chunksOf(bytes) {
  assert.deepEqual([...bytes.subarray(0, 8)], [137, 80, 78, 71, 13, 10, 26, 10]);
  const chunks = [];
  for (let at = 8; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const checked = bytes.subarray(at + 4, at + 8 + length);
    if (zlib.crc32) assert.equal(bytes.readUInt32BE(at + 8 + length), zlib.crc32(checked));
    chunks.push([checked.subarray(0, 4).toString(), checked.subarray(4)]);
    at += 12 + length;
  }
  return chunks;
}

for (const [width, height] of [
  [1, 1],
  [7, 3],
  [8, 8],
  [65, 9],
  [640, 480],
]) {
  test(`a mask of ${width} × ${height} pixels is in its PNG`, async () => {
    const random = randoms(width);
    const pixels = Uint8Array.from({ length: width * height }, () => (random() < 0.3 ? 1 : 0));
    const blob = await maskAsPng(pixels, width, height);
    assert.equal(blob.type, "image/png");
    const chunks = chunksOf(Buffer.from(await blob.arrayBuffer()));
    assert.deepEqual(chunks.map(([name]) => name), ["IHDR", "IDAT", "IEND"]);
    const header = chunks[0][1];
    assert.deepEqual([header.readUInt32BE(0), header.readUInt32BE(4)], [width, height]);
    assert.deepEqual([...header.subarray(8)], [1, 0, 0, 0, 0]);
    const rows = zlib.inflateSync(chunks[1][1]);
    const stride = 1 + Math.ceil(width / 8);
    assert.equal(rows.length, stride * height);
    pixels.forEach((value, i) => {
      const [x, y] = [i % width, Math.floor(i / width)];
      assert.equal((rows[y * stride + 1 + (x >> 3)] >> (7 - (x & 7))) & 1, value);
      assert.equal(rows[y * stride], 0);
    });
  });
}
