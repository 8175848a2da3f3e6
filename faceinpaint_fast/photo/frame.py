"""A frame: where the square that a model draws lies in a photograph.

Points are (x, y), x to the right and y downwards, and pixels' centres are whole numbers, here as in all of `photo`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceinpaint_fast.photo import cv2

Floats = NDArray[np.floating[Any]]
HALF = 0.5  # of a model pixel missing, and it is missing
Window = tuple[slice, slice]  # rows and columns of a photograph


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A similarity from a photograph's pixels to a model's.

    matrix  (2, 3), for columns (x, y, 1) of the photograph
    size    the model's pixels across
    """

    matrix: NDArray[np.float64]
    size: int

    @classmethod
    def of(cls, points: Floats, means: Floats, size: int) -> Frame:
        """Returns the frame that brings a photograph's points (N, 2) nearest to the model's, by least squares."""
        z, w = np.asarray(points) @ (1, 1j), np.asarray(means) @ (1, 1j)
        turn = np.vdot(z - z.mean(), w - w.mean()) / np.vdot(z - z.mean(), z - z.mean())
        shift = w.mean() - turn * z.mean()
        return cls(np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]]), size)

    @property
    def scale(self) -> float:
        """The photograph's pixels along one of the model's."""
        return float(1 / np.hypot(self.matrix[0, 0], self.matrix[1, 0]))

    @property
    def inverse(self) -> NDArray[np.float64]:
        """The matrix (2, 3) from the model's pixels to the photograph's."""
        back = np.linalg.inv(self.matrix[:, :2])
        return np.column_stack([back, -back @ self.matrix[:, 2]])

    def to_model(self, points: Floats) -> Floats:
        """Returns points (..., 2) of the photograph in the model's pixels."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]

    def to_photo(self, points: Floats) -> Floats:
        """Returns points (..., 2) of the model's square in the photograph's pixels."""
        back = self.inverse
        return points @ back[:, :2].T + back[:, 2]

    def moved(self, x: float, y: float) -> Frame:
        """Returns the frame in a photograph whose upper left corner lies at (x, y) of this one."""
        return replace(self, matrix=np.column_stack([self.matrix[:, :2], self.to_model(np.array([x, y]))]))

    def finer(self, factor: float, margin: float = 0) -> Frame:
        """Returns the frame of a model that would draw `margin` of its pixels more on all sides, `factor` as fine."""
        shift = factor * (self.matrix[:, 2] + margin) + (factor - 1) / 2
        matrix = np.column_stack([factor * self.matrix[:, :2], shift])
        return Frame(matrix, round(factor * (self.size + 2 * margin)))

    def corners(self, margin: float = 0) -> Floats:
        """Returns the corners (4, 2) of the square, with so many of the model's pixels around, in the photograph."""
        low, high = -0.5 - margin, self.size - 0.5 + margin
        return self.to_photo(np.array([(low, low), (high, low), (high, high), (low, high)]))

    def depth(self, points: Floats) -> Floats:
        """Returns how far from the square's middle points (..., 2) of the photograph lie: 1 at its border."""
        middle = (self.size - 1) / 2
        return np.abs(self.to_model(points) - middle).max(axis=-1) / (self.size / 2)

    def drawn(self, image: NDArray[Any], resample: Image.Resampling = Image.Resampling.LANCZOS) -> NDArray[np.float32]:
        """Returns what a photograph (H, W, C) or (H, W) has in the square, with size x size pixels.

        Warping alone does not guard against aliasing: it is drawn at the photograph's own scale, then reduced as the
        training's faces were.
        """
        k = max(1, round(self.scale + 0.4))
        fine = self.finer(k)
        large = cv2().warpAffine(
            image.astype(np.float32),
            fine.matrix,
            (fine.size, fine.size),
            flags=cv2().INTER_CUBIC,
            borderMode=cv2().BORDER_REPLICATE,
        )
        planes = np.moveaxis(np.atleast_3d(large), -1, 0)
        small = [np.asarray(Image.fromarray(plane).resize((self.size, self.size), resample)) for plane in planes]
        return np.stack(small, axis=-1).reshape(self.size, self.size, *image.shape[2:])

    def missing(self, hole: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Returns which of the square's pixels (size, size) a photograph's hole (H, W) takes half of, or more."""
        return self.drawn(hole, Image.Resampling.BOX) >= HALF

    def enlarged(self, face: Floats, shape: Sequence[int]) -> NDArray[np.float32]:
        """Returns a face (size, size, C) or (size, size) at the pixels of a photograph (H, W); its border goes on."""
        flags = cv2().INTER_CUBIC | cv2().WARP_INVERSE_MAP
        height, width = shape[:2]
        return np.asarray(
            cv2().warpAffine(
                face.astype(np.float32),
                self.matrix,
                (width, height),
                flags=flags,
                borderMode=cv2().BORDER_REPLICATE,
            )
        )


def lattice(shape: Sequence[int]) -> NDArray[np.float64]:
    """Returns the (x, y) of every pixel of a picture (H, W): (H, W, 2)."""
    height, width = shape[:2]
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float64)


def window_around(points: Floats, margin: float, shape: Sequence[int]) -> Window:
    """Returns the rows and columns of a picture (H, W) that hold points (N, 2) with a margin, as far as they are in it.

    There is a pixel in it at least.
    """
    low, high = np.floor(points.min(axis=0) - margin), np.ceil(points.max(axis=0) + margin)
    (left, top), (right, bottom) = (np.clip(each, 0, np.array(shape[1::-1]) - 1).astype(int) for each in (low, high))
    return slice(int(top), int(bottom) + 1), slice(int(left), int(right) + 1)
