// A plane with fewer pixels, by a whole factor: as Pillow resizes, an axis at a time, by Lanczos' window or by means.

const FILTERS = {
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  lanczos: { support: 3, at: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

export function reduced(plane, factor, how) {
  if (factor === 1) return plane;
  const filter = FILTERS[how];
  const { width, height, pixels } = plane;
  const [columns, rows] = [width / factor, height / factor];
  const narrow = new Float32Array(columns * height);
  weightsOf(width, factor, filter).forEach(({ first, weights }, column) => {
    for (let y = 0; y < height; y++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * pixels[y * width + first + i];
      narrow[y * columns + column] = sum;
    }
  });
  const small = new Float32Array(columns * rows);
  weightsOf(height, factor, filter).forEach(({ first, weights }, row) => {
    for (let x = 0; x < columns; x++) {
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * narrow[(first + i) * columns + x];
      small[row * columns + x] = sum;
    }
  });
  return { width: columns, height: rows, pixels: small };
}

/** Of each pixel the first of those that it is made of, and how much each of them counts: 1 in all. */
function weightsOf(length, factor, { support, at }) {
  return Array.from({ length: length / factor }, (_, i) => {
    const middle = (i + 0.5) * factor;
    const first = Math.max(Math.trunc(middle - support * factor + 0.5), 0);
    const end = Math.min(Math.trunc(middle + support * factor + 0.5), length);
    const weights = Array.from({ length: end - first }, (_, j) => at((first + j - middle + 0.5) / factor));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return { first, weights: weights.map((weight) => weight / total) };
  });
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}
