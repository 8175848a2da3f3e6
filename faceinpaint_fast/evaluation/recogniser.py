"""dlib's face recogniser, which tells whether two pictures show one person: a descriptor of 128 numbers a face.

King 2017, "High Quality Face Recognition with Deep Metric Learning": a residual network that draws faces of one person
together, to within 0.6 of one another in Euclidean distance.  dlib's library is under the Boost Software License, the
weights are in the public domain (CC0).

The network looks at 150 x 150 pixels in which the face lies as dlib's mean face does.  A user of dlib finds landmarks
in each picture; here a face is brought there by where its framing has the eyes, the same way for every picture: what
a method fills in may mislead the recogniser, and never the alignment.  What lies outside of the picture is black, as it
is where dlib cuts faces at a picture's edge.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.framing import Framing

# faces (B, H, W, 3) uint8 -> descriptors (B, 128) float64
Recogniser = Callable[[NDArray[np.uint8]], NDArray[np.float64]]

NAME = "dlib_face_recognition_resnet_model_v1"
SIDE = 150  # pixels
# the eyes' centres, left before right, (x, y) in pixels of these: midway between the corners of dlib's mean face
# (get_face_chip_details, five points), with a quarter of its box around it
EYES = ((47.73, 47.14), (100.28, 47.12))
NEEDED = "pip install 'faceinpaint_fast[recognition]'"


def load(size: int, framing: Framing) -> Recogniser:
    """Returns dlib's recogniser of faces of so many pixels, which lie as a framing has them.

    Raises InputError where dlib or its weights are not installed, and for a framing that does not say where eyes lie.
    """
    box = square(size, framing)
    # without an import of the weights' package, whose own wants a setuptools of long ago
    weights = find_spec("face_recognition_models")
    if find_spec("dlib") is None or weights is None or not weights.submodule_search_locations:
        raise InputError(f"recognise: expected dlib and its weights, got none; {NEEDED}")
    import dlib

    network = dlib.face_recognition_model_v1(str(Path(weights.submodule_search_locations[0], "models", f"{NAME}.dat")))

    def describe(faces: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.array([network.compute_face_descriptor(aligned(face, box)) for face in faces])

    return describe


def square(size: int, framing: Framing) -> tuple[float, float, float]:
    """Returns which square of a face of so many pixels dlib is to see: x and y of its corner, and its side, in pixels.

    It may reach beyond the face.  Raises InputError for a framing that does not say where eyes lie.
    """
    found, wanted = framing.points_in(size)[:2], np.array(EYES)
    scale = np.linalg.norm(found[1] - found[0]) / np.linalg.norm(wanted[1] - wanted[0])
    x, y = found.mean(axis=0) - scale * wanted.mean(axis=0)
    return float(x), float(y), float(scale * SIDE)


def aligned(face: NDArray[np.uint8], box: tuple[float, float, float]) -> NDArray[np.uint8]:
    """Returns the square of a face (H, W, 3) with SIDE x SIDE pixels, bicubic; black where it is beyond the face."""
    x, y, side = box
    margin = int(np.ceil(max(0, -x, -y, x + side - face.shape[1], y + side - face.shape[0])))
    wide = Image.fromarray(np.pad(face, ((margin, margin), (margin, margin), (0, 0))))
    left, upper = x + margin, y + margin
    resized = wide.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=(left, upper, left + side, upper + side))
    return np.asarray(resized)
