// Boxes of whole pixels, {left, top, right, bottom}, right and bottom not among them.

export const NOWHERE = Object.freeze({ left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity });

export function isEmpty(box) {
  return !(box.left < box.right && box.top < box.bottom);
}

export function union(a, b) {
  return {
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.max(a.right, b.right),
    bottom: Math.max(a.bottom, b.bottom),
  };
}

export function intersection(a, b) {
  return {
    left: Math.max(a.left, b.left),
    top: Math.max(a.top, b.top),
    right: Math.min(a.right, b.right),
    bottom: Math.min(a.bottom, b.bottom),
  };
}

/** The pixels that two points, at opposite corners, have between them. */
export function between(a, b) {
  return {
    left: Math.floor(Math.min(a.x, b.x)),
    top: Math.floor(Math.min(a.y, b.y)),
    right: Math.ceil(Math.max(a.x, b.x)),
    bottom: Math.ceil(Math.max(a.y, b.y)),
  };
}
