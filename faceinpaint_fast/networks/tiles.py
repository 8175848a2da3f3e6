"""How a layer's work is cut for a GPU: the candidates, an estimate of each one's time, and tables of measured choices.

A layer in one direction is a product, rows x depth by depth x columns, whose programs each take a tile of the result
and, where the tiles are too few to fill the card, a part of the depth.  Which tiles are best is data: a table, which a
tuner measures, decides where it knows the work, and else its nearest neighbour does, or the estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any, Literal

from faceinpaint_fast.config import Precision
from faceinpaint_fast.tuning import table_of

Kind = Literal["double", "halve", "connect", "to image", "from image"]

# taps that a pixel of the result sees; an image's few channels are taps of their own
TAPS: dict[Kind, int] = {"double": 4, "halve": 16, "connect": 1, "to image": 9, "from image": 16}
BYTES: dict[Precision, int] = {"bf16": 2, "fp32": 4}


@dataclass(frozen=True, slots=True)
class Work:
    """What a layer does with a batch in one direction.

    rows       pixels of the half, of all images; that many, by parity of row and column, are a phase of a doubled image
    columns    channels of the result; of an image, its channels at the four pixels that a pixel of the half becomes
    depth      taps * channels of what is read
    precision  of the numbers that are multiplied
    """

    kind: Kind
    rows: int
    columns: int
    depth: int
    precision: Precision

    @property
    def phases(self) -> int:
        """How many such products there are."""
        return 4 if self.kind == "double" else 1

    @property
    def channels(self) -> int:
        """Neighbours along the depth that lie side by side in memory."""
        return 16 if self.kind == "from image" else self.depth // TAPS[self.kind]


@dataclass(frozen=True, slots=True)
class Tiles:
    """A program's share: rows x columns of the result, `depth` at a time, of one of `splits` parts of the depth."""

    rows: int
    columns: int
    depth: int
    warps: int
    stages: int
    splits: int = 1

    def blocks(self, work: Work) -> int:
        """Steps along the whole depth."""
        return work.depth // work.channels * -(-work.channels // self.depth)

    def tiles(self, work: Work) -> int:
        """Of the result, all phases together."""
        return work.phases * -(-work.rows // self.rows) * -(-work.columns // self.columns)


CUDNN: Literal["cudnn"] = "cudnn"
"""A convolution of cuDNN, and a pass behind it for what becomes of its sums."""

Choice = Tiles | Literal["cudnn"]

# rows, columns, depth, warps, stages: a thread holds 128 sums at most, a program 163 KB, as an sm_80 has them; each was
# the fastest of some layer on an H200, or would be of what has not been measured there
GATHERED: dict[Precision, tuple[tuple[int, int, int, int, int], ...]] = {
    "bf16": (
        (128, 256, 64, 8, 3),
        (128, 128, 64, 8, 3),
        (64, 128, 64, 4, 4),
        (64, 64, 64, 4, 4),
        (32, 64, 128, 4, 4),
        (16, 64, 128, 4, 4),
        (16, 32, 128, 4, 4),
    ),
    "fp32": (
        (128, 128, 32, 8, 3),
        (128, 64, 32, 8, 3),
        (64, 64, 32, 8, 4),
        (32, 64, 64, 4, 3),
        (16, 64, 64, 4, 4),
        (16, 32, 64, 4, 4),
    ),
}
TO_IMAGE: dict[Precision, tuple[tuple[int, int, int, int, int], ...]] = {
    "bf16": ((128, 16, 64, 4, 3), (32, 16, 64, 2, 3), (16, 16, 64, 1, 4)),
    "fp32": ((128, 16, 32, 4, 3), (32, 16, 64, 2, 3), (16, 16, 64, 1, 4)),
}
# in fp32 an sm_80 has no registers for 128 x 64
FROM_IMAGE: dict[Precision, tuple[tuple[int, int, int, int, int], ...]] = {
    "bf16": ((128, 64, 16, 8, 1), (64, 64, 16, 8, 1), (32, 32, 16, 4, 1)),
    "fp32": ((128, 32, 16, 8, 1), (64, 64, 16, 8, 1), (32, 32, 16, 4, 1)),
}
SPLITS = (1, 2, 4, 8, 16)
LARGEST_SPLIT = 64 * 64  # sums of a tile that several programs share

# of an H200, measured: what the estimate goes by
MULTIPROCESSORS = 132
FLOPS_A_NS: dict[Precision, float] = {"bf16": 782e3, "fp32": 201e3}  # two tf32 products
L2_BYTES_A_NS = 5.5e3
BYTES_A_NS = 4.0e3
LATENCY_NS = 700
HANDOVER_NS = 1500  # partial sums through memory
CUDNN_NS = 9000  # of any convolution, with the pass behind it


def power_of_two(number: int) -> int:
    """The smallest that is not below it."""
    return 1 << (number - 1).bit_length()


@lru_cache(maxsize=1024)
def candidates(work: Work) -> tuple[Choice, ...]:
    """Every choice for this work, the one that the estimate likes best first."""
    found: dict[Choice, None] = {}
    wide = {"to image": TO_IMAGE, "from image": FROM_IMAGE}.get(work.kind, GATHERED)
    for (rows, columns, depth, warps, stages), splits in product(wide[work.precision], SPLITS):
        narrow = max(16, power_of_two(work.columns))
        # an image's columns are few, and all of them one program's
        columns = narrow if work.kind == "to image" else min(columns, narrow)
        tiles = Tiles(rows, columns, min(depth, max(16, power_of_two(work.channels))), warps, stages, splits)
        if _sensible(tiles, work):
            found[tiles] = None
    # of a wide doubling cuDNN never came near
    if work.kind == "halve" and work.precision == "bf16" and work.channels >= 16:
        found[CUDNN] = None
    return tuple(sorted(found, key=lambda choice: estimate(choice, work)))


def _sensible(tiles: Tiles, work: Work) -> bool:
    """Whether no program is without work, and no split without need."""
    count, splits = tiles.tiles(work), tiles.splits
    few = tiles.rows == 16 or tiles.rows < 2 * work.rows
    # a large tile's partial sums would be more than what it reads
    small = tiles.rows * tiles.columns <= LARGEST_SPLIT and work.kind != "from image"
    filling = splits == 1 or (small and count * splits <= 4 * MULTIPROCESSORS)
    return few and filling and splits <= tiles.blocks(work)


def estimate(choice: Choice, work: Work) -> float:
    """Nanoseconds, roughly: what the card multiplies and reads, or waits for, in a layer."""
    flops = 2 * work.phases * work.rows * work.columns * work.depth
    result = work.phases * work.rows * work.columns * BYTES[work.precision]
    if not isinstance(choice, Tiles):
        return CUDNN_NS + flops / FLOPS_A_NS[work.precision] / 0.85 + 2 * result / BYTES_A_NS
    blocks = -(-choice.blocks(work) // choice.splits)
    waves = -(-choice.tiles(work) * choice.splits // MULTIPROCESSORS)
    multiplied = 2 * choice.rows * choice.columns * choice.depth / FLOPS_A_NS[work.precision]
    read = (choice.rows + choice.columns) * choice.depth * BYTES[work.precision] / L2_BYTES_A_NS
    busy = waves * blocks * max(multiplied, read) * MULTIPROCESSORS
    partial = choice.tiles(work) * choice.splits * choice.rows * choice.columns * 8 / L2_BYTES_A_NS
    handover = HANDOVER_NS + partial if choice.splits > 1 else 0.0
    return max(busy, LATENCY_NS * (1 + blocks / choice.stages)) + handover


@dataclass(frozen=True, slots=True)
class Table:
    """Measured choices."""

    measured: Mapping[Work, Choice] = field(default_factory=dict)

    @classmethod
    def of(cls, device: Any) -> Table:
        """Returns those of a device of torch's, or of one like it."""
        table = table_of(device)
        lines = () if table is None else (line for line in table.choices if line.kernel == "layers")
        return cls(
            {Work(**line.case): CUDNN if isinstance(line.choice, str) else Tiles(**line.choice) for line in lines}
        )

    def choice(self, work: Work) -> Choice:
        """That of this work, or of the same layer with the next smaller batch, or else the estimate's."""
        if work in self.measured:
            return self.measured[work]
        alike = [
            other
            for other in self.measured
            if (other.kind, other.columns, other.depth, other.precision)
            == (work.kind, work.columns, work.depth, work.precision)
        ]
        if not alike:
            return candidates(work)[0]
        below = [other for other in alike if other.rows <= work.rows]
        nearest = max(below, key=lambda other: other.rows) if below else min(alike, key=lambda other: other.rows)
        return self.measured[nearest]
