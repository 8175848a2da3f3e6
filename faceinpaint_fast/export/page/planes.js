// A picture in three planes, one behind the other in a Float32Array, as the search and the blend take it.

/** Returns planes of a box of a picture's pixels, in [0, 1]; `data` has four bytes a pixel. */
export function planesOf({ data, width, height }) {
  const area = width * height;
  const planes = new Float32Array(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    for (let i = 0, at = channel * area; i < area; i++, at++) planes[at] = data[4 * i + channel] / 255;
  }
  return planes;
}

/** Puts planes into the pixels where they are missing; these are opaque then. */
export function putInto({ data, width, height }, planes, missing) {
  const area = width * height;
  for (let i = 0; i < area; i++) {
    if (!missing[i]) continue;
    for (let channel = 0; channel < 3; channel++) data[4 * i + channel] = Math.round(255 * clipped(planes[channel * area + i]));
    data[4 * i + 3] = 255;
  }
}

/** Returns one of the planes, as a frame has them. */
export function planeOf(planes, channel, width, height) {
  const area = width * height;
  return { width, height, pixels: planes.subarray(channel * area, (channel + 1) * area) };
}

/** Returns three planes, of each channel's pixels. */
export function inPlanes(pixelsOf) {
  const planes = [0, 1, 2].map(pixelsOf);
  const all = new Float32Array(3 * planes[0].length);
  planes.forEach((plane, channel) => all.set(plane, channel * plane.length));
  return all;
}

/** Returns planes, one or several of width pixels across, of what lies in a box of them. */
export function cut(planes, width, height, box) {
  const [across, down] = [box.right - box.left, box.bottom - box.top];
  const count = planes.length / (width * height);
  const part = new planes.constructor(count * across * down);
  for (let row = 0; row < count * down; row++) {
    const from = (Math.floor(row / down) * height + box.top + (row % down)) * width + box.left;
    part.set(planes.subarray(from, from + across), row * across);
  }
  return part;
}

/** Puts back what was cut, in place. */
export function paste(planes, width, height, box, part) {
  const [across, down] = [box.right - box.left, box.bottom - box.top];
  const count = planes.length / (width * height);
  for (let row = 0; row < count * down; row++) {
    const at = (Math.floor(row / down) * height + box.top + (row % down)) * width + box.left;
    planes.set(part.subarray(row * across, (row + 1) * across), at);
  }
}

export function clipped(value) {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}
