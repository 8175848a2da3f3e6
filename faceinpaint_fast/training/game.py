"""The DCGAN game of Eq. 1, min_G max_D E[log D(x)] + E[log(1 - D(G(z)))], as Radford et al. 2015 play it.

G ascends log D(G(z)) instead of descending log(1 - D(G(z))) (Goodfellow et al. 2014, section 3): the same fixed
point, with a gradient that does not vanish early on.  What is kept is a moving average of G's weights.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from faceinpaint_fast.checks import expect_number
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.framing import CELEBA_108, Framing
from faceinpaint_fast.images import write_image
from faceinpaint_fast.models import Model, save_model
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANGenerator, check_size
from faceinpaint_fast.networks.protocols import to_signed, to_unit
from faceinpaint_fast.training import ranks
from faceinpaint_fast.training.augmentation import DRAWS, augmented
from faceinpaint_fast.training.captured import Captured
from faceinpaint_fast.training.run import (
    STATE,
    autocast,
    batch_of_step,
    check_config,
    check_faces,
    learning,
    lying,
    moved,
    run,
)

LOOKS = 3  # of D in a step: at real images, at generated ones, and at these again for G's sake
GRID = 8  # the sample grid is GRID x GRID faces


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """What a run is determined by; Radford et al. 2015, section 4, unless it says otherwise.

    size           of the images, in pixels: 32, 64, 128 or 256; 64 is the paper's
    framing        which square of an aligned picture they are; the model keeps it, the run does not depend on it
    width          number of channels at half the size; 128 is the paper's
    batch          of all processes together; theirs is 128
    learning_rate  of Adam, for G and D
    beta1          of Adam
    ema            decay of the moving average of G's weights, a step
    augment        D sees faces, real and generated, through differentiable augmentation: see `augmentation`
    precision      "bf16" runs the convolutions under autocast
    origin         SHA-256 of the generator that it begins with, if there is one
    """

    size: int = 64
    framing: Framing = CELEBA_108
    width: int = 64
    batch: int = 128
    learning_rate: float = 2e-4
    beta1: float = 0.5
    ema: float = 0.999
    augment: bool = False
    precision: str = "fp32"
    seed: int = 0
    origin: str | None = None

    def __post_init__(self) -> None:
        check_size(self.size)
        check_config(self)
        for name in ("beta1", "ema"):
            expect_number(getattr(self, name), name, "a number >= 0, < 1", lambda number: 0 <= number < 1)


class Game:
    """G, its average, D and their optimisers, one step at a time: a `run.Training`.

    It begins with the weights of a model, if there is one, whose images are of that size and whose width it has.
    """

    losses: tuple[str, ...] = ("loss_d", "loss_g")

    def __init__(
        self, faces: NDArray[np.uint8], config: TrainConfig, device: torch.device, begin: Model | None = None
    ) -> None:
        check_faces(faces, config.batch, config.size)
        self.faces, self.config, self.device = faces, config, device
        self._there, self._mine = lying(faces, device), ranks.share(config.batch)
        self.step = 0
        torch.manual_seed(config.seed)
        shape = {"size": config.size, "width": config.width, "channels": faces.shape[-1]}
        if begin is None:
            G, D = DCGANGenerator(**shape), DCGANDiscriminator(**shape)
        else:
            found = {name: getattr(begin.config, name) for name in shape}
            if found != shape:
                raise InputError(f"from: expected a model of {shape}, got one of {found}")
            G, D = begin.generator, begin.discriminator
        self.G, self.D = learning(G, device), learning(D, device)
        # before: the average is brought into use by one process alone
        self.average = AveragedModel(self.G, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
        for network in (self.G, self.D):
            ranks.synchronised(network)
        on_cuda = device.type == "cuda"
        # a graph reads the learning rate where it lies
        self._rate = torch.tensor(config.learning_rate, device=device) if on_cuda else config.learning_rate
        self.adam_G, self.adam_D = (
            torch.optim.Adam(network.parameters(), self._rate, (config.beta1, 0.999), capturable=on_cuda, fused=on_cuda)
            for network in (self.G, self.D)
        )
        # no message between processes is in a graph
        graphed = on_cuda and ranks.count() == 1
        self._exchanged: Callable[..., Tensor] = Captured(self._exchange) if graphed else self._exchange

    def play(self, rate: float = 1.0) -> Tensor:
        """Does a step of D and one of G at this share of the learning rate; returns their losses, (2,).

        They are the means over this process's share of the batch.
        """
        self._set_rate(rate * self.config.learning_rate)
        rng = np.random.default_rng((self.config.seed, 0, self.step))
        inputs = [self._real_batch(rng), self._latent(rng, self.config.batch)[self._mine]]
        if self.config.augment:
            draws = rng.random((LOOKS, self.config.batch, DRAWS), dtype=np.float32)
            inputs.append(moved(draws[:, self._mine], self.device))
        losses = self._exchanged(*inputs)
        self.average.update_parameters(self.G)
        self.step += 1
        return losses

    def _set_rate(self, rate: float) -> None:
        if isinstance(self._rate, Tensor):
            self._rate.fill_(rate)
        else:
            for adam in (self.adam_G, self.adam_D):
                adam.param_groups[0]["lr"] = rate

    def _exchange(self, real: Tensor, z: Tensor, draws: Tensor | None = None) -> Tensor:
        """Does both steps with real images (B, 3, H, W), codes, and draws (LOOKS, B, DRAWS) of augmentation."""
        of_real, of_fake, again = (None,) * LOOKS if draws is None else draws.unbind()
        with autocast(self.device, self.config.precision):
            fake = self.G(z)
            on_real, on_fake = self.D(seen(real, of_real)), self.D(seen(fake.detach(), of_fake))
        loss_d = loss_of_d(on_real, on_fake)
        self.adam_D.zero_grad()
        loss_d.backward()
        ranks.average_gradients(self.D)
        self.adam_D.step()

        self.D.requires_grad_(False)
        with autocast(self.device, self.config.precision):
            on_fake = self.D(seen(fake, again))
        loss_g = loss_of_g(on_fake)
        self.adam_G.zero_grad()
        loss_g.backward()
        ranks.average_gradients(self.G)
        self.adam_G.step()
        self.D.requires_grad_(True)
        return torch.stack([loss_d.detach(), loss_g.detach()])

    def _real_batch(self, rng: np.random.Generator) -> Tensor:
        """Returns this process's share of (batch, 3, H, W) in [-1, 1]."""
        config = self.config
        return to_signed(batch_of_step(self._there, config.seed, self.step, config.batch, self._mine, rng))

    def _latent(self, rng: np.random.Generator, count: int) -> Tensor:
        return moved(rng.standard_normal((count, self.G.latent_size), dtype=np.float32), self.device)

    def averaged_generator(self) -> DCGANGenerator:
        """Returns G with the averaged weights and BatchNorm statistics that belong to them, in eval mode."""
        G = deepcopy(cast(DCGANGenerator, self.average.module))
        rng = np.random.default_rng((self.config.seed, 2))
        update_bn((self._latent(rng, self.config.batch) for _ in range(20)), G)
        return G.eval()

    @torch.no_grad()
    def sample_grid(self, G: DCGANGenerator) -> NDArray[np.uint8]:
        """Returns what G draws of the same GRID^2 codes every time, as one picture (GRID H, GRID W, 3)."""
        z = self._latent(np.random.default_rng((self.config.seed, 3)), GRID**2)
        faces = to_unit(G(z)).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        rows = faces.reshape(GRID, GRID, *faces.shape[1:]).transpose(0, 2, 1, 3, 4)
        return rows.reshape(GRID * faces.shape[1], GRID * faces.shape[2], 3)

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {name: getattr(self, name) for name in ("G", "D", "average", "adam_G", "adam_D")}

    def state_dict(self) -> dict[str, Any]:
        """Returns all that a resumed run needs."""
        return {"step": self.step} | {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from such a state."""
        for name, part in self._parts().items():
            found = state[name]
            if isinstance(part, torch.optim.Optimizer):
                # what they are set to is the config's and the device's, which may be another
                found = found | {"param_groups": part.state_dict()["param_groups"]}
            part.load_state_dict(found)
        for adam in (self.adam_G, self.adam_D):
            adam.param_groups[0]["lr"] = self._rate
        self.step = state["step"]

    def check_new(self, out: Path) -> None:
        """Raises InputError if a model from elsewhere is in the folder."""
        check_new(out)

    def save(self, out: Path, described: dict[str, Any]) -> None:
        """Writes the averaged G and D as a model folder, and samples of that G into out/training/samples."""
        G = self.averaged_generator()
        # the folder itself says what images the model draws
        run = {name: value for name, value in described.items() if name not in ("size", "framing")}
        save_model(out, G, self.D, framing=self.config.framing, training=run | {"faces": len(self.faces)})
        write_image(out / "training" / "samples" / f"{described['images']:09d}.png", self.sample_grid(G))


def loss_of_d(on_real: Tensor, on_fake: Tensor) -> Tensor:
    """Returns the mean of -log D(x) - log(1 - D(G(z))), (), of the logits (B,) of real images and of generated ones."""
    return (softplus(-on_real.float()) + softplus(on_fake.float())).mean()


def loss_of_g(on_fake: Tensor) -> Tensor:
    """Returns the mean of -log D(G(z)), (), of the logits (B,) of generated images."""
    return softplus(-on_fake.float()).mean()


def seen(x: Tensor, draws: Tensor | None) -> Tensor:
    """Returns what D sees of images: themselves, or augmented by draws (B, DRAWS)."""
    return x if draws is None else augmented(x, draws)


def check_new(out: Path) -> None:
    """Raises InputError if a run into `out` would overwrite a model that came from elsewhere: asked before the work."""
    if (out / "config.json").exists() and not (out / "training" / STATE).exists():
        expected = f"a folder without a model, or with its run's training/{STATE}"
        raise InputError(f"{out}: expected {expected}, got a model alone; --from {out} begins a run elsewhere with it")


def train(
    faces: NDArray[np.uint8],
    out: Path,
    config: TrainConfig,
    *,
    device: torch.device,
    begin: Model | None = None,
    **options: Any,
) -> bool:
    """Trains a model on faces (N, size, size, 3) as `run.run` does; state and log lie in out/training.

    The run begins with the weights of a model, if there is one.  What is returned and raised is as with `run.run`,
    and InputError for faces of another size or too few of them, and for a model of another size or width.
    """
    if begin is not None:
        config = replace(config, origin=begin.config.sha256["generator"])
    return run(Game(faces, config, device, begin), out, out / "training", **options)
