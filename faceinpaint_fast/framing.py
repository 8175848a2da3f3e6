"""Which square of an aligned picture a model draws: the crop that it was trained on, and where the eyes lie in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faceinpaint_fast.errors import InputError

Point = tuple[float, float]  # x to the right, y downwards, in pixels from the picture's upper left corner


@dataclass(frozen=True, slots=True)
class Framing:
    """A square of pictures in which all faces lie alike.

    name     what a command calls it, and messages
    x, y     its upper left corner, in pixels of the picture
    side     its width and height, in pixels of the picture
    picture  width and height that the pictures have; None: any in which the square lies
    points   where eyes, nose and the corners of the mouth lie in the picture, left before right; none: unknown
    """

    name: str
    x: int
    y: int
    side: int
    picture: tuple[int, int] | None = None
    points: tuple[Point, ...] = ()

    def __post_init__(self) -> None:
        numbers = self.x, self.y, self.side, *(self.picture or ())
        if not (all(type(number) is int for number in numbers) and self.x >= 0 and self.y >= 0 and self.side >= 1):
            raise InputError(f"framing: expected whole x, y >= 0 and side >= 1, got {self.x}, {self.y}, {self.side}")
        if self.picture is not None and not self.place_in(*self.picture):
            width, height = self.picture
            raise InputError(f"framing: expected a square within {width}x{height} pixels, got {self.name}")
        if len(self.points) not in (0, 5):
            raise InputError(f"framing: expected five points or none, got {len(self.points)}")

    def __str__(self) -> str:
        return self.name

    @classmethod
    def parse(cls, text: str) -> Framing:
        """Returns the framing of a name, or of three numbers "x,y,side"; raises InputError for anything else."""
        if text in FRAMINGS:
            return FRAMINGS[text]
        try:
            x, y, side = map(int, text.split(","))
        except ValueError:
            raise InputError(f"crop: expected {', '.join(FRAMINGS)} or x,y,side in pixels, got {text!r}") from None
        return cls(f"{x},{y},{side}", x, y, side)

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Framing:
        """Returns the framing that a model's config.json describes, field by field.

        Raises InputError, TypeError or ValueError for what is none.
        """
        picture, points = described["picture"], described["points"]
        width_and_height = None if picture is None else tuple(picture)
        return cls(
            **{**described, "picture": width_and_height, "points": tuple((float(x), float(y)) for x, y in points)}
        )

    @property
    def pictures(self) -> str:
        """The sizes of pictures that can be cut, as a message puts it."""
        width, height = self.picture or (self.x + self.side, self.y + self.side)
        return f"{self.side}x{self.side} or {'' if self.picture else 'at least '}{width}x{height}"

    def place_in(self, width: int, height: int) -> tuple[int, int] | None:
        """Returns where the square begins in a picture of so many pixels, (x, y); None: the picture does not have it.

        A picture of the square's own size is one that has been cut; others are of the framing's size, where that is
        known.
        """
        if width == height == self.side:
            return 0, 0
        fits = self.x + self.side <= width and self.y + self.side <= height
        return (self.x, self.y) if fits and self.picture in (None, (width, height)) else None

    def cut(self, image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
        """Returns the square of an image (H, W, 3), with size x size pixels.

        Raises InputError for a picture that does not have it, or of another size than the framing is of.
        """
        height, width = image.shape[:2]
        place = self.place_in(width, height)
        if place is None:
            raise InputError(f"image: expected {self.pictures} pixels to be cut to {self.name}, got {width}x{height}")
        x, y = place
        square = image[y : y + self.side, x : x + self.side]
        if self.side == size:
            return square
        return np.asarray(Image.fromarray(square).resize((size, size), Image.Resampling.LANCZOS))

    def points_in(self, size: int) -> NDArray[np.float64]:
        """Returns the points (5, 2), x before y, in the square drawn with size x size pixels.

        Raises InputError where they are unknown.
        """
        if not self.points:
            raise InputError(f"framing: expected one that says where the eyes lie, got {self.name}")
        return (np.array(self.points) - (self.x, self.y)) * size / self.side

    def detected_in(self, size: int) -> NDArray[np.float64]:
        """Returns where a detector finds the points on average, (5, 2) as `points_in`, but pixels' centres are whole.

        A face in a photograph is aligned by its detected points, so it is these that they are brought to: MTCNN's, in
        CelebA's pictures; of other pictures the framing's own.  Raises InputError where those are unknown.
        """
        if self.picture != PICTURE:
            return self.points_in(size)
        return (np.array(DETECTED) - (self.x, self.y) + 0.5) * size / self.side - 0.5


# CelebA's aligned pictures (Liu et al. 2015), and where its alignment puts the points on average
PICTURE = (178, 218)
POINTS = ((69.35, 111.3), (107.6, 111.4), (88.0, 134.5), (72.5, 152.0), (105.5, 152.0))
# and where MTCNN finds them: means over 100 pictures, of pixels whose centres are whole numbers
DETECTED = ((69.0, 113.8), (107.8, 113.8), (88.4, 137.5), (71.1, 155.6), (106.0, 155.6))

# the face alone, and the whole head: the centred squares of these sides
CELEBA_108 = Framing("celeba-108", 35, 55, 108, PICTURE, POINTS)
CELEBA_148 = Framing("celeba-148", 15, 35, 148, PICTURE, POINTS)
FRAMINGS = {framing.name: framing for framing in (CELEBA_108, CELEBA_148)}
