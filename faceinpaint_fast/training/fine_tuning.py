"""A generator and its encoder that learn together to restore, while D keeps what they draw from blurring.

The encoder alone (encoder.py) can guess no better than what G, which never saw a hole, draws of a code.  Here both
descend

    mean over the hole of |F - I| + mean over the image of |T - I| - game * log D(x),   T = G(E(visible pixels)),

x being T, and of every PERIOD-th step G(z), z ~ N(0, 1), so that G still draws faces of codes that nobody guessed; D
learns to tell both from faces, as in Eq. 1.  So context encoders learn (Pathak et al. 2016), and the decoder of a
VAE/GAN, which is its GAN's generator (Larsen et al. 2016).
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from faceinpaint_fast.checks import expect_number, expect_positive
from faceinpaint_fast.models import Model, load_model, save_encoder, save_model
from faceinpaint_fast.networks.dcgan import DCGANEncoder, DCGANGenerator
from faceinpaint_fast.networks.protocols import to_signed, to_unit, visible
from faceinpaint_fast.training import ranks
from faceinpaint_fast.training.encoder import loss_of, misaligned_by, random_known, stretched, unstretched
from faceinpaint_fast.training.game import check_new, loss_of_d, loss_of_g
from faceinpaint_fast.training.run import (
    autocast,
    batch_of_step,
    check_config,
    check_faces,
    learning,
    lying,
    moved,
    run,
)

PERIOD = 3  # steps of which one shows D what G draws of random codes, the others what is restored
FASTER = 4  # times the rate of G and D is the encoder's


@dataclass(frozen=True, slots=True, kw_only=True)
class FineTuningConfig:
    """What a run is determined by, beside the faces.

    origin         SHA-256 of the generator that it begins with
    width          the model's, of G and D
    batch          of all processes together
    learning_rate  of Adam, for G and D; the encoder's is FASTER times that
    game           what a nat of -log D(x) counts, where restoring counts by levels of [0, 1]; 0 leaves D alone
    ema            decay of the moving averages of G's and the encoder's weights, a step
    misaligned     faces are turned, scaled and shifted a little, as in `EncoderConfig`
    stretch        what guesses are multiplied by at the end, as in `EncoderConfig`
    precision      "bf16" runs the convolutions under autocast
    """

    origin: str
    width: int
    batch: int = 32
    learning_rate: float = 1e-4
    game: float = 0.03
    ema: float = 0.995
    misaligned: bool = False
    stretch: float = 1.15
    precision: str = "fp32"
    seed: int = 0

    def __post_init__(self) -> None:
        check_config(self)
        expect_positive(self.stretch, "stretch")
        expect_number(self.game, "game", "a number >= 0", lambda number: number >= 0)
        expect_number(self.ema, "ema", "a number >= 0, < 1", lambda number: 0 <= number < 1)


class FineTuning:
    """G, its encoder, D and their optimisers, one step at a time: a `run.Training`.

    G's BatchNorm keeps the statistics that it has, so that what it draws of a code depends on no batch.

    model  with an encoder; InputError without
    faces  (N, H, W, 3) uint8, of the model's size
    """

    losses: tuple[str, ...] = ("loss", "loss_d")

    def __init__(self, model: Model, faces: NDArray[np.uint8], config: FineTuningConfig, device: torch.device) -> None:
        check_faces(faces, config.batch, model.config.size)
        self.model, self.faces, self.config, self.device = model, faces, config, device
        self._there, self._mine = lying(faces, device), ranks.share(config.batch)
        self.step = 0
        self.G, self.D = learning(model.generator, device).eval(), learning(model.discriminator, device)
        self.encoder = learning(unstretched(model), device)
        averaged = get_ema_multi_avg_fn(config.ema)
        # before: an average is brought into use by one process alone
        self.average_G, self.average_encoder = (
            AveragedModel(network, multi_avg_fn=averaged) for network in (self.G, self.encoder)
        )
        for network in (self.D, self.encoder):
            ranks.synchronised(network)
        # momentum as DCGAN's game has it, and the encoder's training
        self.adam_G, self.adam_D = (
            torch.optim.Adam(network.parameters(), config.learning_rate, (0.5, 0.999)) for network in (self.G, self.D)
        )
        self.adam_encoder = torch.optim.Adam(self.encoder.parameters(), FASTER * config.learning_rate)

    def play(self, rate: float = 1.0) -> Tensor:
        """Does a step of all three at this share of the learning rate; returns the losses, (2,).

        They are what is left of the images, and D's (0 where it is left alone), means over this process's share of
        the batch.
        """
        for adam, learning_rate in self._rates():
            adam.param_groups[0]["lr"] = rate * learning_rate
        config, rng = self.config, np.random.default_rng((self.config.seed, 0, self.step))
        images = batch_of_step(self._there, config.seed, self.step, config.batch, self._mine, rng)
        if config.misaligned:
            images = misaligned_by(rng, config.batch, self._mine, images)
        known = random_known(rng, config.batch, self._mine, images)
        with autocast(self.device, self.config.precision):
            z = self.encoder(visible(images, known).contiguous(memory_format=torch.channels_last))
            generated = self.G(z.float())
        restored = loss_of(to_unit(generated.float()), images, known).mean()
        loss, loss_d = restored, torch.zeros((), device=self.device)
        if config.game:
            drawn = generated
            if self.step % PERIOD == 0:
                codes = rng.standard_normal((config.batch, self.G.latent_size), dtype=np.float32)
                with autocast(self.device, self.config.precision):
                    drawn = self.G(moved(codes[self._mine], self.device))
            loss_d = self._told_apart(to_signed(images), drawn.detach())
            self.D.requires_grad_(False)
            with autocast(self.device, self.config.precision):
                on_drawn = self.D(drawn)
            loss = restored + config.game * loss_of_g(on_drawn)
            self.D.requires_grad_(True)
        self._descend(loss, {self.G: self.adam_G, self.encoder: self.adam_encoder})
        self.average_G.update_parameters(self.G)
        self.average_encoder.update_parameters(self.encoder)
        self.step += 1
        return torch.stack([restored.detach(), loss_d])

    def _told_apart(self, real: Tensor, drawn: Tensor) -> Tensor:
        """Does a step of D, Eq. 1; returns its loss."""
        with autocast(self.device, self.config.precision):
            on_real, on_drawn = self.D(real), self.D(drawn)
        loss = loss_of_d(on_real, on_drawn)
        self._descend(loss, {self.D: self.adam_D})
        return loss.detach()

    def _descend(self, loss: Tensor, adams: dict[nn.Module, torch.optim.Optimizer]) -> None:
        for adam in adams.values():
            adam.zero_grad()
        loss.backward()
        for network, adam in adams.items():
            ranks.average_gradients(network)
            adam.step()

    def _rates(self) -> list[tuple[torch.optim.Optimizer, float]]:
        rate = self.config.learning_rate
        return [(self.adam_G, rate), (self.adam_D, rate), (self.adam_encoder, FASTER * rate)]

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        names = ("G", "D", "encoder", "average_G", "average_encoder", "adam_G", "adam_D", "adam_encoder")
        return {name: getattr(self, name) for name in names}

    def state_dict(self) -> dict[str, Any]:
        """Returns all that a resumed run needs."""
        return {"step": self.step} | {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from such a state."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step = state["step"]

    def check_new(self, out: Path) -> None:
        """Raises InputError if a model from elsewhere is in the folder."""
        check_new(out)

    def save(self, out: Path, described: dict[str, Any]) -> None:
        """Writes the averaged G, D and the averaged encoder, stretched, as a model folder."""
        told = described | {"faces": len(self.faces), "before": self.model.config.training}
        G = deepcopy(cast(DCGANGenerator, self.average_G.module))
        encoder = stretched(cast(DCGANEncoder, self.average_encoder.module), self.config.stretch)
        save_model(out, G, self.D, framing=self.model.config.framing, training=told)
        # it learns with G: what there is to say of it is said there
        save_encoder(out, load_model(out), encoder, training={"stretch": self.config.stretch})


def fine_tune(
    model: Model, faces: NDArray[np.uint8], out: Path, config: FineTuningConfig, *, device: torch.device, **options: Any
) -> bool:
    """Trains the networks of a model as `run.run` does, into a folder of their own; state and log lie in out/training.

    What is returned and raised is as with `run.run`, and InputError for a model without an encoder, and for faces of
    another size or too few of them.
    """
    return run(FineTuning(model, faces, config, device), out, out / "training", **options)
