"""Which images of a batch are solved alike, and where their holes lie: NumPy's, or CuPy's on a device."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate, groupby
from typing import Any, NamedTuple

import numpy as np

from faceinpaint_fast.arrays import module_of
from faceinpaint_fast.blend.equation import Limits


class Part(NamedTuple):
    """Images that are solved alike: with the same hole, or with small ones."""

    images: slice
    rows: slice  # where their holes lie, with the known pixels around
    columns: slice
    missing: Any  # (holes, h, w) bool: one for all of them, or one each
    is_rectangle: bool


class Box(NamedTuple):
    """Where a hole's missing pixels are, [top, bottom) x [left, right), and how many."""

    top: int
    bottom: int
    left: int
    right: int
    area: int

    def is_rectangle(self, longest: int) -> bool:
        """Whether the hole is a rectangle of at most so many rows and columns."""
        height, width = self.bottom - self.top, self.right - self.left
        return self.area == height * width > 0 and max(height, width) <= longest

    def surrounded(self, by: int, height: int, width: int) -> tuple[slice, slice]:
        """Returns the rows and columns with so many pixels around the hole, in an image of that size."""
        return (
            slice(max(self.top - by, 0), min(self.bottom + by, height)),
            slice(max(self.left - by, 0), min(self.right + by, width)),
        )


def parts(holes: Any, limits: Limits, reach: int) -> Iterator[Part]:
    """Yields runs of images with the same hole of (N, H, W), or with small ones, in order.

    Those without a missing pixel are left out, but for small ones on a device, where nobody looks.

    reach  how many known pixels around a hole count
    """
    count, height, width = holes.shape
    step = max(1, limits.at_a_time // (height * width))
    if module_of(holes) is not np and height * width <= limits.whole:
        # wherever their holes are, they are solved whole, and a look would have to wait for the device
        for start in range(0, count, step):
            whole = slice(start, min(start + step, count)) if count > 1 else slice(None)
            yield Part(whole, *np.s_[:, :], _together(holes[whole]), is_rectangle=False)
        return
    boxes = boxes_of(holes)
    is_rectangle = [box.is_rectangle(limits.modes) for box in boxes]
    differ = (holes[1:] != holes[:-1]).any(axis=(1, 2)).tolist() if count > 1 else []
    versions = list(accumulate(differ, initial=0))
    together = [height * width <= limits.whole and not rectangle for rectangle in is_rectangle]

    def part(images: slice, holes: Any) -> Part:
        rows, columns = np.s_[:, :] if together[first] else boxes[first].surrounded(reach, height, width)
        return Part(images, rows, columns, _together(holes[:, rows, columns]), is_rectangle[first])

    def key(image: int) -> tuple[bool, int | None]:
        return boxes[image].area > 0, None if together[image] else versions[image]

    for (any_missing, _), run in groupby(range(count), key):
        images = list(run)
        first, last = images[0], images[-1] + 1
        if not any_missing:
            continue
        if versions[first] == versions[last - 1]:
            yield part(slice(first, last) if count > 1 else slice(None), holes[first : first + 1])
        else:
            for start in range(first, last, step):
                yield part(slice(start, min(start + step, last)), holes[start : min(start + step, last)])


def _together(holes: Any) -> Any:
    return module_of(holes).ascontiguousarray(holes)


def boxes_of(holes: Any) -> list[Box]:
    """Returns a Box for each hole of (N, H, W)."""
    ends: list[Any] = []
    for axis in (2, 1):
        lines = holes.any(axis=axis)
        ends += [lines.argmax(axis=1), lines.shape[1] - lines[:, ::-1].argmax(axis=1)]
    ends.append(holes.sum(axis=(1, 2), dtype=np.intp))
    return [Box(*facts) for facts in module_of(holes).stack(ends, axis=1).tolist()]
