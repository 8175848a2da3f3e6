"""What restores the pictures of a folder: aligned faces in batches, any other picture as a photograph."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faceinpaint_fast.arrays import out_of_memory
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.pipeline import Inpainter


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """A picture to restore.

    pixels   (H, W, 3), uint8 or float32 in [0, 1]
    missing  its hole (H, W)
    seed     of the search
    """

    pixels: NDArray[Any]
    missing: NDArray[np.bool_]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came of a picture.

    pixels   (H, W, 3), of the kind that was handed over
    faces    how many were found; None: nobody looked for any
    losses   of the search, by name
    remarks  what there is to say of it, a line each
    """

    pixels: NDArray[Any]
    faces: int | None
    losses: Mapping[str, float]
    remarks: Sequence[str] = ()


# restores one picture of any size
Photographs = Callable[[Damaged], Restored]


class Engine:
    """Restores pictures of the size of an `Inpainter` by that, and others by `photographs`, if there is one.

    batch  how many at a time, at most; half of it when memory has run out, which `tell` hears
    """

    def __init__(
        self, inpainter: Inpainter, photographs: Photographs | None, batch: int, tell: Callable[[str], None]
    ) -> None:
        self.batch, self._inpainter, self._photographs, self._tell = batch, inpainter, photographs, tell

    def is_aligned(self, damaged: Damaged) -> bool:
        """Returns whether a picture has the model's size, so that it is a face as the model draws it."""
        return damaged.pixels.shape[:2] == self._inpainter.image_shape[1:]

    def settings(self) -> dict[str, Any]:
        """Returns what decides the results of the `Inpainter`, as JSON has it."""
        networks: Any = self._inpainter.generator, self._inpainter.discriminator, self._inpainter.encoder
        digest = hashlib.sha256()
        for network in networks:
            for name, tensor in ({} if network is None else network.state_dict()).items():
                digest.update(name.encode())
                digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return {"config": self._inpainter.config.settings(), "weights": digest.hexdigest()}

    def restore(self, damaged: Sequence[Damaged]) -> list[Restored | Exception]:
        """Restores aligned faces, of one dtype, in a batch, or a photograph; what fails has its error instead.

        A batch of which one fails is done in halves; so is one for which there is no memory.
        """
        try:
            return [*(self._faces(damaged) if self.is_aligned(damaged[0]) else map(self._photograph, damaged))]
        except Exception as error:
            if len(damaged) == 1:
                # without the frames that it came through, which hold on to memory
                return [error.with_traceback(None)]
            half = len(damaged) // 2
            if out_of_memory(error) and half < self.batch:
                self.batch = half
                self._tell(f"out of memory with {len(damaged)} pictures at a time: {half} from now on")
        # not above, where the error holds on to memory
        return self.restore(damaged[:half]) + self.restore(damaged[half:])

    def _faces(self, damaged: Sequence[Damaged]) -> list[Restored]:
        pixels, missing = np.stack([each.pixels for each in damaged]), np.stack([each.missing for each in damaged])
        found = self._inpainter(pixels, missing, seed=[each.seed for each in damaged])
        return [
            Restored(
                pixels=found.image[i], faces=None, losses={name: float(loss[i]) for name, loss in found.losses.items()}
            )
            for i in range(len(damaged))
        ]

    def _photograph(self, damaged: Damaged) -> Restored:
        if self._photographs is None:
            sides = "{1}x{0}".format(*self._inpainter.image_shape[1:]), "{1}x{0}".format(*damaged.pixels.shape)
            raise InputError("picture: expected {} pixels, the model's size, got {}".format(*sides))
        return self._photographs(damaged)
