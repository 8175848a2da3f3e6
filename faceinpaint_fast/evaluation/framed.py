"""Do faces lie as a model draws them?  The mean face of a data set beside that of the model's own samples.

Eyes, nose and mouth show in a mean face only where they lie alike in all faces.  So where faces were framed as those
that a model has seen, the mean face is that of the model's samples, but for light and hair.  Their distance is the root
of the mean square difference of the two in grey, from 0 to 1, each less its own level.  The mean of a few faces is off
by the faces' own spread, which is taken away: the variance of either mean.

With the shipped model it is 0.01 to 0.04 for held-out faces of CelebA, 0.05 for official portraits, 0.08 for CelebA
four pixels aside or in the framing of the whole head, and 0.12 for faces of UTKFace, which are cropped more tightly.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FAR = 0.065  # between what faces framed alike have and what others have
FEWEST = 16  # faces that have a mean to speak of
SAMPLES = 256  # of the model, whose mean is then nearer than any data set's


def distance(faces: NDArray[np.uint8], samples: NDArray[np.floating]) -> float:
    """Returns how far the mean of faces (N, H, W, 3) is from that of samples (M, H, W, 3) in [0, 1], 0 or above."""
    one, other = _grey(faces / 255), _grey(samples.astype(np.float64))
    square = ((one.mean(axis=0) - other.mean(axis=0)) ** 2).mean()
    by_chance = sum(each.var(axis=0, ddof=1).mean() / len(each) for each in (one, other))
    return math.sqrt(max(square - by_chance, 0))


def doubt(faces: NDArray[np.uint8], samples: NDArray[np.floating]) -> str | None:
    """Returns why faces do not lie as the samples do; None if they do, and for fewer than FEWEST, which do not tell."""
    if len(faces) < FEWEST or (far := distance(faces, samples)) <= FAR:
        return None
    return (
        f"the mean face is {far:.3f} from that of the model's samples, and {FAR} at most where faces lie alike: "
        "results may be of the framing (--crop) more than of the methods"
    )


def _grey(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns images (N, H, W, 3) in grey, each less its own level: (N, H, W)."""
    grey = images.mean(axis=-1)
    level: NDArray[np.float64] = grey.mean(axis=(1, 2), keepdims=True)
    return grey - level
