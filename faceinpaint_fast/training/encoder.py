"""An encoder for a generator: a guess of the code that the search would find, from what is known of an image.

It learns, over images I with random holes of which it sees the known pixels alone, to minimise

    mean over the hole of |F - I| + mean over the image of |T - I|,   F = T + S(I - T),   T = G(E(visible pixels)),

S being what the blend will add (offset.py).  What lies in a hole is learnt from the images, for no search can find it
out; the second term leaves the search little to change where pixels are known, and so in the hole.
As in "amortised" inference (Gershman and Goodman 2014), a pass of a network takes the place of many iterations.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from faceinpaint_fast import masks
from faceinpaint_fast.checks import expect_positive
from faceinpaint_fast.config import InpaintConfig, Precision
from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.models import Model, read_config, save_encoder
from faceinpaint_fast.networks.dcgan import DCGANEncoder
from faceinpaint_fast.networks.protocols import frozen, to_unit, visible
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.training import ranks
from faceinpaint_fast.training.offset import met
from faceinpaint_fast.training.run import (
    STATE,
    autocast,
    batch_of_step,
    check_config,
    check_faces,
    learning,
    lying,
    run,
)

SIDES = get_args(masks.Side)
# how often a hole is the centre, a half, beyond a line, a rectangle, strokes, lone pixels: halves hide the most
SHARES = (0.12, 0.40, 0.04, 0.10, 0.18, 0.16)
BRUSHES = 1 / 40, 1 / 6  # of a stroke, of a side: from a scratch to what covers an eye
# how far photographs are aligned otherwise than the faces that are learnt from, at most
TURN, SCALE, SHIFT = np.deg2rad(2), 0.03, 2 / 64  # of a side


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """What a run is determined by, beside the model and the images.

    width          number of channels at half the size
    batch          of all processes together
    learning_rate  of Adam
    precision      "bf16" runs the convolutions in it
    misaligned     faces are turned, scaled and shifted a little, each by its own draw, as those of photographs are
    stretch        what guesses are multiplied by at the end: a regression shrinks what it is not sure of to the mean
                   face, which is soft
    origin         SHA-256 of the encoder that it begins with, if there is one
    """

    width: int = 64
    batch: int = 64
    learning_rate: float = 1e-3
    precision: Precision = "fp32"
    seed: int = 0
    misaligned: bool = False
    stretch: float = 1.15
    origin: str | None = None

    def __post_init__(self) -> None:
        check_config(self)
        expect_positive(self.stretch, "stretch")


def random_hole(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    """Returns a hole (size, size) of a kind drawn by SHARES."""
    shape = size, size
    kind, seed = rng.choice(len(SHARES), p=SHARES), int(rng.integers(2**31))
    if kind == 0:
        return masks.centre(shape)
    if kind == 1:
        return masks.half(shape, SIDES[rng.integers(4)])
    if kind == 2:
        angle, (y, x) = rng.uniform(0, 2 * np.pi), np.indices(shape) - (size - 1) / 2
        return x * np.cos(angle) + y * np.sin(angle) > rng.uniform(-3 * size / 16, 3 * size / 16)
    if kind == 3:
        height, width = map(int, rng.integers(size // 8, 7 * size // 8 + 1, 2))
        top, left = map(int, rng.integers(0, (size + 1 - height, size + 1 - width)))
        return masks.rectangle(shape, top=top, left=left, height=height, width=width)
    if kind == 4:
        return masks.free_form(shape, seed, strokes=int(rng.integers(1, 9)), brush=rng.uniform(*BRUSHES))
    return masks.random_pixels(shape, rng.uniform(0.1, 0.95), seed)


def random_known(rng: np.random.Generator, batch: int, mine: slice, images: Tensor) -> Tensor:
    """Returns what is known of `mine` of a batch's images under random holes, (B, H, W), 1 = known, where they lie."""
    holes = np.stack([random_hole(rng, images.shape[-1]) for _ in range(batch)])[mine]
    return torch.from_numpy(~holes).to(images)


def misaligned_by(rng: np.random.Generator, batch: int, mine: slice, images: Tensor) -> Tensor:
    """Returns `mine` of a batch's images, `misaligned` by draws of `rng`."""
    return misaligned(images, rng.uniform(-1, 1, (4, batch))[:, mine]).contiguous()


def misaligned(images: Tensor, draws: NDArray[np.float64]) -> Tensor:
    """Returns images (B, C, H, W), each turned, scaled and shifted by at most TURN, SCALE and SHIFT.

    draws  (4, B) in [-1, 1): how far each is turned, scaled, shifted across and down
    """
    turn, scale, across, down = draws
    cosine, sine = (1 + SCALE * scale) * np.cos(TURN * turn), (1 + SCALE * scale) * np.sin(TURN * turn)
    # in affine_grid's units a side is 2 long
    moved = np.array([[cosine, -sine, 2 * SHIFT * across], [sine, cosine, 2 * SHIFT * down]]).transpose(2, 0, 1)
    places = affine_grid(torch.from_numpy(moved).to(images), list(images.shape), align_corners=False)
    return grid_sample(images, places, padding_mode="reflection", align_corners=False)


def loss_of(generated: Tensor, images: Tensor, known: Tensor) -> Tensor:
    """Returns the loss of each image, (B,), as above; of one that lacks nothing the second term alone.

    generated, images  T and I, (B, C, H, W) in [0, 1]
    known              (B, H, W), 1 = known, 0 = missing
    """
    missing = (1 - known).sum(dim=(1, 2)).clamp(min=1)
    left = (met(generated, images, known) - images).abs().sum(dim=(1, 2, 3)) / (images.shape[1] * missing)
    return left + (generated - images).abs().mean(dim=(1, 2, 3))


class Amortisation:
    """The encoder and its optimiser, one step at a time: a `run.Training`.

    faces  (N, H, W, 3) uint8, of the model's size; none: the generator's own samples, so that no photographs are needed
    begin  the encoder whose weights it begins with, if there is one, of that width
    """

    losses: tuple[str, ...] = ("loss",)

    def __init__(
        self,
        model: Model,
        faces: NDArray[np.uint8] | None,
        config: EncoderConfig,
        device: torch.device,
        begin: DCGANEncoder | None = None,
    ) -> None:
        size = model.config.size
        if faces is not None:
            check_faces(faces, config.batch, size)
        self.model, self.faces, self.config, self.device = model, faces, config, device
        self._there, self._mine = None if faces is None else lying(faces, device), ranks.share(config.batch)
        self.step = 0
        torch.manual_seed(config.seed)
        self.latent_size = model.config.latent_size
        shape: dict[str, Any] = {
            "size": size,
            "channels": model.config.channels,
            "latent_size": self.latent_size,
            "width": config.width,
        }
        if begin is None:
            encoder = DCGANEncoder(**shape)
        else:
            found = {name: getattr(begin, name) for name in shape}
            if found != shape:
                raise InputError(f"from: expected an encoder of {shape}, got one of {found}")
            encoder = begin
        self.encoder = learning(encoder, device)
        ranks.synchronised(self.encoder)
        self.adam = torch.optim.Adam(self.encoder.parameters(), config.learning_rate)
        G, D = frozen(model.generator, device), frozen(model.discriminator, device)
        self.networks = Networks.of(G, D, None, InpaintConfig(precision=config.precision), device)

    def play(self, rate: float = 1.0) -> Tensor:
        """Does one step at this share of the learning rate; returns its loss, (1,), left on the device.

        That is the mean over this process's share of the batch.
        """
        self.adam.param_groups[0]["lr"] = rate * self.config.learning_rate
        rng = np.random.default_rng((self.config.seed, 0, self.step))
        images = self._images(rng)
        known = random_known(rng, self.config.batch, self._mine, images)
        with autocast(self.device, self.config.precision):
            z = self.encoder(visible(images, known).contiguous(memory_format=torch.channels_last))
        z = z.float()
        x, pull = self.networks.generator(z.detach())
        x.requires_grad_()
        loss = loss_of(to_unit(x), images, known)
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        self.adam.zero_grad()
        z.backward(pull(gradient) / len(z))
        ranks.average_gradients(self.encoder)
        self.adam.step()
        self.step += 1
        return loss.detach().mean()[None]

    def _images(self, rng: np.random.Generator) -> Tensor:
        """Returns this process's share of (batch, 3, H, W) in [0, 1]."""
        config = self.config
        if self._there is None:
            z = rng.standard_normal((config.batch, self.latent_size), dtype=np.float32)[self._mine]
            return to_unit(self.networks.generator(torch.from_numpy(z).to(self.device))[0]).contiguous()
        images = batch_of_step(self._there, config.seed, self.step, config.batch, self._mine, rng)
        return misaligned_by(rng, config.batch, self._mine, images) if config.misaligned else images

    def state_dict(self) -> dict[str, Any]:
        """Returns all that a resumed run needs."""
        parts = {"encoder": self.encoder.state_dict(), "adam": self.adam.state_dict()}
        return {"step": self.step, "generator": self.model.config.sha256["generator"]} | parts

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from such a state."""
        if state["generator"] != self.model.config.sha256["generator"]:
            raise ModelError("expected a run with this generator, got one with another: remove its folder")
        self.encoder.load_state_dict(state["encoder"])
        self.adam.load_state_dict(state["adam"])
        self.step = state["step"]

    def check_new(self, out: Path) -> None:
        """Raises InputError if an encoder from elsewhere is in the folder, unless the run begins with one."""
        if self.config.origin is None:
            check_new(out)

    def save(self, out: Path, described: dict[str, Any]) -> None:
        """Writes the encoder, stretched, into the folder of its model."""
        faces = None if self.faces is None else len(self.faces)
        encoder = stretched(self.encoder, self.config.stretch)
        save_encoder(out, self.model, encoder, training=described | {"faces": faces})


def stretched(encoder: DCGANEncoder, by: float) -> DCGANEncoder:
    """Returns a copy of an encoder whose guesses are so many times those of the original."""
    copied = deepcopy(encoder)
    with torch.no_grad():
        for parameter in copied.layers[-1].parameters():
            parameter.mul_(by)
    return copied


def unstretched(model: Model) -> DCGANEncoder:
    """Returns a copy of a model's encoder as it was before its own run's end; InputError where there is none."""
    if model.encoder is None:
        raise InputError("from: expected a model with an encoder, got one without")
    return stretched(model.encoder, 1 / (model.config.encoder or {}).get("stretch", 1.0))


def check_new(folder: Path) -> None:
    """Raises InputError if a run would overwrite a model's encoder that came from elsewhere: asked before the work."""
    if read_config(folder).encoder_width is not None and not (folder / "training" / "encoder" / STATE).exists():
        expected = f"a model without an encoder, or with its run's training/encoder/{STATE}"
        raise InputError(f"{folder}: expected {expected}, got an encoder alone; --from {folder} begins a run with it")


def train_encoder(
    folder: Path,
    model: Model,
    faces: NDArray[np.uint8] | None,
    config: EncoderConfig,
    *,
    device: torch.device,
    begin: Model | None = None,
    **options: Any,
) -> bool:
    """Trains an encoder for a model as `run.run` does; state and log lie in folder/training/encoder.

    The run begins with the weights of the encoder of `begin`, if that is given.  What is returned and
    raised is as with `run.run`, and InputError for faces of another size or too few of them, and for a `begin` without
    an encoder of that width.
    """
    encoder = None
    if begin is not None:
        encoder = unstretched(begin)
        config = replace(config, origin=begin.config.sha256["encoder"])
    training = Amortisation(model, faces, config, device, encoder)
    return run(training, folder, folder / "training" / "encoder", **options)
