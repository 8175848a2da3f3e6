"""Where faces lie, as a user says it: five points a face in a file, two eyes, or a box."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.arrays import to_numpy
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.photo.detect import POINTS

EYES = 2  # points of a face of which the eyes alone are known
# shares of a face's box, from its upper left corner, where its points lie: medians of MTCNN's over 40 portraits
IN_BOX = np.array([(0.27, 0.38), (0.73, 0.38), (0.50, 0.58), (0.29, 0.74), (0.71, 0.74)])


def checked(faces: Any) -> NDArray[np.float64]:
    """Returns points of faces, (N, 5, 2) or the eyes alone, (N, 2, 2), finite; those of one face without N do as well.

    Raises InputError for anything else, and for two points of a face in one place.
    """
    points = to_numpy(faces, "faces")
    points = points[None] if points.ndim == 2 else points
    if points.ndim != 3 or not len(points) or points.shape[1:] not in ((len(POINTS), 2), (EYES, 2)):
        expected = f"(N, {len(POINTS)}, 2) points (x, y), or (N, {EYES}, 2) eyes"
        raise InputError(f"faces: expected {expected}, got {points.dtype} of {points.shape}")
    if points.dtype.kind not in "iuf" or not np.isfinite(points).all():
        raise InputError("faces: expected finite numbers, in pixels, got others")
    points = points.astype(np.float64)
    if (np.linalg.norm(points[:, 0] - points[:, 1], axis=-1) < 1).any():
        raise InputError("faces: expected eyes at least a pixel apart, got some that are not")
    return points


def in_box(box: Iterable[float]) -> NDArray[np.float64]:
    """Returns where the points (5, 2) lie on average in a face's box: x, y of its upper left corner, width, height."""
    x, y, width, height = box
    return IN_BOX * (width, height) + (x, y)


def numbers(text: str, name: str, count: int) -> list[float]:
    """Returns so many numbers between commas; InputError, which calls them by their name, for anything else."""
    try:
        found = [float(each) for each in text.split(",")]
    except ValueError:
        found = []
    if len(found) != count or not np.isfinite(found).all():
        raise InputError(f"{name}: expected {count} numbers with commas between, got {text!r}")
    return found


def read_landmarks(path: Path) -> NDArray[np.float64]:
    """Returns the points (N, 5, 2) of the faces in a file: eyes, nose, corners of the mouth, left before right.

    JSON: a list of faces, each five [x, y] or an object with the five of detect.POINTS.  CSV: a face a row, ten
    numbers x, y, x, y ..., below a line of heads or without.  Raises InputError for anything else.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = _of_json(text) if path.suffix.lower() == ".json" else _of_csv(text)
        return checked(np.array(found, np.float64).reshape(len(found), len(POINTS), 2))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        expected = "a list of faces of five [x, y] in .json, or rows of ten numbers in .csv"
        raise InputError(f"{path}: expected {expected}, got: {error}") from error


def _of_json(text: str) -> list[Any]:
    faces = json.loads(text)
    return [[face[name] for name in POINTS] if isinstance(face, Mapping) else face for face in faces]


def _of_csv(text: str) -> list[list[float]]:
    rows = [row for row in csv.reader(text.splitlines()) if row]
    if rows and not _is_number(rows[0][0]):
        rows = rows[1:]
    return [[float(cell) for cell in row] for row in rows]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
