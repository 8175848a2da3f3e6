"""The blend alone, without a generator: a cat's eye in a wooden table.

From left to right the picture shows the eye pasted; by `poisson_blend`; and by `tension_blend`, which meets the table's
slopes too, not its colours alone.  Printed is how far apart neighbours across the seam are.  To run:

    python examples/blend_only.py --out blended.png
"""

import argparse
from pathlib import Path

import numpy as np
from skimage import data, draw

from faceinpaint_fast import poisson_blend, tension_blend
from faceinpaint_fast.images import write_image

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, default="blended.png", help="the picture to write")
out = parser.parse_args().out

# two pictures of one size, and a hole in the first, for content of the second
table, cat = data.coffee()[20:160, 450:600], data.chelsea()[45:185, 95:245]
hole = np.zeros(table.shape[:2], dtype=bool)
hole[draw.ellipse(70, 75, 42, 50)] = True

pictures = {
    "pasted": np.where(hole[..., None], cat, table),
    "poisson_blend": poisson_blend(table, cat, hole),
    "tension_blend": tension_blend(table, cat, hole),
}

across = hole[:, 1:] != hole[:, :-1]
for name, picture in pictures.items():
    steps = np.abs(np.diff(picture.astype(float), axis=1))[across]
    print(f"{name}: {steps.mean():.1f} grey levels across the seam")
write_image(out, np.hstack(list(pictures.values())))
