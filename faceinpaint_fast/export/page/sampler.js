// What lies between the pixels of a plane: cubic convolution (Keys 1981) as OpenCV has it, the border goes on.

const A = -0.75;

/** Returns what tells a plane's value at (x, y). */
export function sampler({ width, height, pixels }) {
  const [across, down] = [new Float64Array(4), new Float64Array(4)];
  const columns = new Int32Array(4);
  return (x, y) => {
    const [left, top] = [Math.floor(x), Math.floor(y)];
    weigh(x - left, across);
    weigh(y - top, down);
    for (let i = 0; i < 4; i++) columns[i] = within(left - 1 + i, width);
    let sum = 0;
    for (let j = 0; j < 4; j++) {
      const row = within(top - 1 + j, height) * width;
      let along = 0;
      for (let i = 0; i < 4; i++) along += across[i] * pixels[row + columns[i]];
      sum += down[j] * along;
    }
    return sum;
  };
}

function within(place, length) {
  return place < 0 ? 0 : place >= length ? length - 1 : place;
}

/** The weights of four neighbours, of a place that lies so far, 0 to 1, behind the second. */
function weigh(share, into) {
  const beyond = (t) => ((A * t - 5 * A) * t + 8 * A) * t - 4 * A; // 1 to 2 away
  const near = (t) => ((A + 2) * t - (A + 3)) * t * t + 1;
  into[0] = beyond(1 + share);
  into[1] = near(share);
  into[2] = near(1 - share);
  into[3] = 1 - into[0] - into[1] - into[2];
}
