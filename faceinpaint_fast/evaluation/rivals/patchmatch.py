"""PatchMatch: fill a hole with pieces of what is known, by the image's own repetitions.

From coarse to fine, in turn: for every patch that touches the hole the most similar patch of the image is sought, by
the randomised search of Barnes, Shechtman, Finkelstein and Goldman 2009, "PatchMatch: a randomized correspondence
algorithm for structural image editing"; then each missing pixel becomes the weighted mean of what the patches over it
found (Wexler, Shechtman and Irani 2007, "Space-time completion of video").

Where patches are compared, and where they vote, the present fill of a missing pixel counts a tenth of a known pixel.
Only patches that are wholly known are copied, unless they are fewer than a tenth of all, as under scattered holes: then
any patch is, but not onto itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from faceinpaint_fast.evaluation.rivals.harmonic import harmonic

Mask = NDArray[np.bool_]
Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

SIDE = 7  # of a patch
ENOUGH = 0.1  # of all patches wholly known, and no other is copied
FILLED = 0.1  # what a missing pixel's present fill counts beside a known pixel
COARSEST = 16  # pixels along the shorter side: no scale is smaller
ROUNDS = (12, 8, 4)  # of search and vote: at the coarsest scale, at the next, at all others
# how far a match spreads in each sweep of a round, as all patches look at once (jump flooding: Rong and Tan 2006)
STRIDES = (8, 4, 2, 1)
# no two pixels in [0, 1]^3 differ by more: what a match of a patch with itself is held for, as it teaches nothing
WORST = np.float32(3)


def patchmatch(images: NDArray[np.float64], holes: Mask, *, seeds: Sequence[int]) -> NDArray[np.float64]:
    """Fills the holes (B, H, W) of images (B, H, W, 3) in [0, 1]; `seeds` has one an image.

    What comes back of an image depends on its own seed, not on its neighbours.  Some 2 KB of memory a pixel.  Raises
    InputError where nothing is known of an image.
    """
    smooth = harmonic(images, holes).astype(np.float32)
    filled = [
        _searched(image, hole, np.random.default_rng(seed)).image
        for image, hole, seed in zip(smooth, holes, seeds, strict=True)
    ]
    return np.where(holes[..., None], np.clip(filled, 0, 1), images)


def _searched(image: Floats, hole: Mask, random: np.random.Generator) -> PatchSearch:
    """Returns the search at the scale of an image (H, W, 3), after that at half its size; starts from a smooth fill."""
    large = min(hole.shape) >= 2 * COARSEST
    search = PatchSearch(image, hole, random, _searched(*_halved(image, hole), random) if large else None)
    for _ in range(ROUNDS[min(search.level, len(ROUNDS) - 1)]):
        for stride in STRIDES:
            search.sweep(stride)
        search.vote()
    return search


def _halved(image: Floats, hole: Mask) -> tuple[Floats, Mask]:
    """Returns means over 2x2 pixels, and a hole of those that hold no known one."""
    odd = [(0, size % 2) for size in hole.shape]
    image, hole = np.pad(image, [*odd, (0, 0)], mode="edge"), np.pad(hole, odd, constant_values=True)
    blocks = len(hole) // 2, 2, hole.shape[1] // 2, 2
    return image.reshape(*blocks, 3).mean(axis=(1, 3)), np.asarray(hole.reshape(blocks).all(axis=(1, 3)))


class PatchSearch:
    """The search at one scale: an image (H, W, 3), and for every patch that touches its hole (H, W) a match.

    Patches are numbered row by row by their upper left corners.

    level     0 at the coarsest scale
    image     the fill so far
    targets   (T,) the patches that touch the hole
    sources   (P,) whether a patch may be copied
    match     (P,) the patch that each was found to resemble; itself where there is none, as of those wholly known
    distance  (T,) the mean squared difference of each target's pixels from its match's
    """

    def __init__(
        self, image: Floats, hole: Mask, random: np.random.Generator, coarser: PatchSearch | None = None
    ) -> None:
        side = min(SIDE, *hole.shape)
        self.image, self._hole, self._random = image, hole, random
        self.level: int = 0 if coarser is None else coarser.level + 1
        self._shape = hole.shape[0] - side + 1, hole.shape[1] - side + 1
        numbers = np.arange(hole.size).reshape(hole.shape)
        self._pixels = sliding_window_view(numbers, (side, side)).reshape(-1, side**2)  # (P, SIDE^2)
        self._certainty = np.where(hole, FILLED, 1).astype(np.float32).ravel()[self._pixels]
        whole = self._certainty.min(axis=1) == 1
        self.targets = np.flatnonzero(~whole)
        self.sources = whole if whole.mean() >= ENOUGH else np.ones_like(whole)
        share = self._certainty / self._certainty.sum(axis=1, keepdims=True)
        self._scale = np.repeat(np.sqrt(share), 3, axis=1)
        self.match = np.arange(len(whole))
        self.match[self.targets] = random.choice(np.flatnonzero(self.sources), len(self.targets))
        self._compare()
        if coarser is not None:
            self._start_from(coarser)

    def _start_from(self, coarser: PatchSearch) -> None:
        """Takes twice the offsets that were found at half the size, where these are of use."""
        y, x = np.divmod(self.targets, self._shape[1])
        rows, columns = coarser._shape
        parent = np.minimum(y // 2, rows - 1) * columns + np.minimum(x // 2, columns - 1)
        to_y, to_x = np.divmod(coarser.match[parent], columns)
        from_y, from_x = np.divmod(parent, columns)
        self.distance[:] = WORST
        self._try(self._shifted(self.targets, 2 * (to_y - from_y), 2 * (to_x - from_x)))
        self.vote()

    def sweep(self, stride: int) -> None:
        """Lets every target try its neighbours' matches, then random ones around its own, near and far."""
        for dy, dx in ((0, stride), (0, -stride), (stride, 0), (-stride, 0)):
            neighbour = self._shifted(self.targets, dy, dx)
            self._try(self._shifted(self.match[neighbour], -dy, -dx))
        reach = max(self._shape)
        while reach >= 1:
            dy, dx = self._random.integers(-reach, reach + 1, (2, len(self.targets)))
            self._try(self._shifted(self.match[self.targets], dy, dx))
            reach //= 2

    def vote(self) -> None:
        """Makes each missing pixel a mean of what the matches over it hold, by their likeness and its certainty."""
        if not self.targets.size:
            return
        spread = 2 * np.quantile(self.distance, 0.75) + np.finfo(np.float32).eps
        source, pixels = self.match[self.targets], self._pixels[self.targets].ravel()
        weight = np.exp(-self.distance / spread)[:, None] * self._certainty[source]
        copied = weight[..., None] * self.image.reshape(-1, 3)[self._pixels[source]]
        total = np.bincount(pixels, weight.ravel(), self._hole.size).reshape(self._hole.shape)
        votes = [np.bincount(pixels, copied[..., c].ravel(), self._hole.size) for c in range(3)]
        voted = self._hole & (total > 0)
        self.image = self.image.copy()
        self.image[voted] = (np.stack(votes, axis=-1)[voted.ravel()] / total[voted][:, None]).astype(np.float32)
        self._compare()

    def _compare(self) -> None:
        """Finds what the matches are worth after the image, or they, have changed."""
        self._patches = self.image.reshape(-1, 3)[self._pixels].reshape(len(self._pixels), -1)
        matches = self.match[self.targets]
        self.distance = np.where(matches == self.targets, WORST, self._differences(self.targets, matches))

    def _differences(self, targets: Indices, patches: Indices) -> Floats:
        """Returns mean squares over the pixels of each pair, by the certainty of the targets' ones."""
        difference = self._patches[targets] - self._patches[patches]
        difference *= self._scale[targets]
        return np.einsum("pi,pi->p", difference, difference)

    def _try(self, candidates: Indices) -> None:
        """Takes the candidates (T,) that are nearer to their targets than the matches so far."""
        useful = self.sources[candidates] & (candidates != self.targets) & (candidates != self.match[self.targets])
        tried = np.flatnonzero(useful)
        distance = self._differences(self.targets[tried], candidates[tried])
        nearer = distance < self.distance[tried]
        better = tried[nearer]
        self.distance[better] = distance[nearer]
        self.match[self.targets[better]] = candidates[better]

    def _shifted(self, patches: Indices, dy: Any, dx: Any) -> Indices:
        """Returns the patches that lie so many pixels farther, or at the border where that lies outside."""
        y, x = np.divmod(patches, self._shape[1])
        rows, columns = self._shape
        return np.clip(y + dy, 0, rows - 1) * columns + np.clip(x + dx, 0, columns - 1)
