// Parts of a face that can be covered without painting: strokes between its five points, which follow its tilt.

const EYE = { length: 0.2, radius: 0.27 }; // times the distance between the eyes
const NOSE = { above: 0.5, radius: 0.26 }; // from so far up to the eyes
const MOUTH = { radius: 0.27 };

/** Returns the strokes, {from, to, radius}, of a face's parts by name; points as the engine has them. */
export function partsOf(points) {
  const [left, right, nose, mouthLeft, mouthRight] = points.map(([x, y]) => ({ x, y }));
  const apart = Math.hypot(right.x - left.x, right.y - left.y);
  const eye = (at) => ({ from: towards(at, left, right, -EYE.length), to: towards(at, left, right, EYE.length) });
  const between = towards(left, left, right, 0.5);
  return {
    "Left eye": { ...eye(left), radius: EYE.radius * apart },
    "Right eye": { ...eye(right), radius: EYE.radius * apart },
    Nose: { from: towards(nose, nose, between, NOSE.above), to: nose, radius: NOSE.radius * apart },
    Mouth: { from: mouthLeft, to: mouthRight, radius: MOUTH.radius * apart },
  };
}

/** A point moved by a share of the way from a to b. */
function towards(point, a, b, share) {
  return { x: point.x + (b.x - a.x) * share, y: point.y + (b.y - a.y) * share };
}
