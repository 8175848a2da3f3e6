"""The blend of a plate under tension (blend/plate.py) in pieces, each a module of torch's ops, for an ONNX graph.

What is solved is K u = r, u being F - T, by conjugate gradients in float32; a multigrid has a set-up of its own for
every hole, which would be a graph of a hundred ops more.  The inverse of L (L - tension) on the whole square is four
products with the cosines that are the square's modes.  Where a hole is deep, that is a good preconditioner: 15 to 80
steps, not hundreds.  Where each missing pixel has a known one near, K is better off without one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from faceinpaint_fast import _cpu

TOLERANCE = 1e-5  # as `tension_blend`'s, in float32
MOST = 2000  # steps
SHALLOW = 5  # pixels from the nearest known one, from which on a hole is deep
FAR = 2.0**20  # squared distance of what has no known pixel in its row or column
STATE = ("u", "r", "p", "energy")  # of conjugate gradients


class Modes(nn.Module):
    """A square of so many pixels across: its Laplacian, its modes, and what K does without a hole."""

    def __init__(self, size: int, tension: float) -> None:
        super().__init__()
        self._tension = tension
        place = torch.arange(size, dtype=torch.float64, device="cpu")
        cosines = (math.pi * (place + 0.5) * place[:, None] / size).cos() * math.sqrt(2 / size)
        cosines[0] /= math.sqrt(2)
        bends = 2 - 2 * (math.pi * place / size).cos()
        bends = bends[:, None] + bends
        bends = bends * (bends + tension)
        # a constant has none, and would be divided by it
        bends[0, 0] = bends[0, 1]
        self._cosines, self._softness = cosines.float(), (1 / bends).float()
        # along an axis; the pixels at the ends have one neighbour
        each = torch.eye(size, device="cpu")
        beside = each.roll(1, 0).tril() + each.roll(-1, 0).triu()
        self._second = beside - beside.sum(dim=1).diag()

    def laplacian(self, x: Tensor) -> Tensor:
        """Returns L x of x (B, C, H, W)."""
        return self._second @ x + x @ self._second

    def bent(self, x: Tensor, pull: Tensor | float = 0.0) -> Tensor:
        """Returns L (L x - tension x - pull), which is 0 at the missing pixels of what is solved."""
        return self.laplacian(self.laplacian(x) - self._tension * x - pull)

    def conditioned(self, r: Tensor, missing: Tensor, deep: Tensor) -> Tensor:
        """Returns what is nearer to K^-1 r than r is; deep (B, 1, 1, 1), 1 or 0."""
        of_modes = self._cosines.T @ (self._cosines @ r @ self._cosines.T * self._softness) @ self._cosines
        return deep * missing * of_modes + (1 - deep) * r


def products(x: Tensor, y: Tensor) -> Tensor:
    """Returns the inner products of planes (B, C, H, W): (B, C, 1, 1)."""
    return (x * y).sum(dim=(2, 3), keepdim=True)


class Begin(Modes):
    """From images, holes and T to where conjugate gradients begins, and to what every step needs of them."""

    def __init__(self, size: int, tension: float) -> None:
        super().__init__(size, tension)
        place = torch.arange(size, dtype=torch.float32, device="cpu")
        self._apart = (place[:, None] - place) ** 2

    def forward(self, images: Tensor, holes: Tensor, generated: Tensor) -> tuple[Tensor, ...]:
        """Returns r and p (B, C, H, W), energy (B, C, 1, 1), as `Step` takes them, then missing, deep and limit.

        images (B, C, H, W), anything in the hole; holes (B, 1, H, W), missing where >= 0.5; generated (B, C, H, W)
        """
        is_missing = holes >= 0.5
        missing = is_missing.float()
        image, known = torch.where(is_missing, 0, images), 1 - missing
        apart = self._squared_distances(missing)
        # how far T's own bends are believed: blend/plate.py
        trust = 1 - (apart * (-self._tension / _cpu.DEPTH**2)).exp()
        pull = trust * self.laplacian(generated) - self._tension * generated
        # the residual that counts is that of a hole of one colour
        level = image.sum(dim=(2, 3), keepdim=True) / known.sum(dim=(2, 3), keepdim=True).clamp(min=1)
        flat = missing * self.bent(image + missing * level, pull)
        r = -missing * self.bent(image + missing * generated, pull)
        deep = ((missing * apart).amax(dim=(2, 3), keepdim=True) > SHALLOW**2).float()
        p = self.conditioned(r, missing, deep)
        return r, p, products(r, p), missing, deep, TOLERANCE**2 * products(flat, flat)

    def _squared_distances(self, missing: Tensor) -> Tensor:
        """Returns the square of each pixel's distance from the nearest known one, (B, 1, H, W), however far: FAR."""
        far = FAR * missing
        # along columns, (B, 1, y, y', x), then rows, (B, 1, y, x, x')
        down = (self._apart[:, :, None] + far[:, :, None]).amin(dim=3)
        return (self._apart + down[:, :, :, None]).amin(dim=4)


class Step(Modes):
    """A step of conjugate gradients for all planes at once."""

    def forward(
        self, u: Tensor, r: Tensor, p: Tensor, energy: Tensor, missing: Tensor, deep: Tensor, limit: Tensor
    ) -> tuple[Tensor, ...]:
        """Returns whether any plane's residual is beyond its limit, (), and the state (STATE) a step later.

        u       (B, C, H, W), F - T so far; r the residual there, p the direction in which it goes on, of the same shape
        energy  (B, C, 1, 1), r times what `conditioned` makes of it
        """
        bends = missing * self.bent(p)
        along = products(p, bends)
        # a plane that is solved has 0 for both
        length = energy / torch.where(along > 0, along, 1)
        u, r = u + length * p, r - length * bends
        nearer = self.conditioned(r, missing, deep)
        left = products(r, nearer)
        p = nearer + left / torch.where(energy > 0, energy, 1) * p
        return (products(r, r) > limit).any(), u, r, p, left


class End(nn.Module):
    """From u to F."""

    def forward(self, images: Tensor, holes: Tensor, generated: Tensor, u: Tensor) -> Tensor:
        """Returns F (B, C, H, W): known pixels as they are, missing ones in [0, 1]."""
        return torch.where(holes >= 0.5, (generated + u).clamp(0, 1), images)
