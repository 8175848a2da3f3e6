"""The DCGAN game of Eq. 1, min_G max_D E[log D(x)] + E[log(1 - D(G(z)))], as Radford et al. 2015 play it.

G ascends log D(G(z)) instead of descending log(1 - D(G(z))) (Goodfellow et al. 2014, section 3): the same fixed
point, with a gradient that does not vanish early on.  What is kept is a moving average of G's weights.

All randomness of a step is drawn from (seed, step), so a run that was killed and resumed equals one that was not,
bit for bit on the CPU.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from faceinpaint_fast.checkpoint import save_model
from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.generator import DCGANDiscriminator, DCGANGenerator, to_signed, to_unit
from faceinpaint_fast.images import write_atomically, write_image

LOG_EVERY = 50  # steps between lines of the log
GRID = 8  # the sample grid is GRID x GRID faces

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """What a run is determined by; Radford et al. 2015, section 4, unless it says otherwise.

    width          channels at 32x32; 128 is the paper's
    batch          theirs is 128
    learning_rate  of Adam, for G and D
    beta1          of Adam
    ema            decay of the moving average of G's weights, a step
    precision      "bf16" runs the convolutions under autocast
    """

    width: int = 64
    batch: int = 128
    learning_rate: float = 2e-4
    beta1: float = 0.5
    ema: float = 0.999
    precision: str = "fp32"
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.width, self.batch) < 1 or self.seed < 0:
            raise InputError(f"width, batch, seed: expected >= 1, >= 1, >= 0, got {self}")
        if not (self.learning_rate > 0 and 0 <= self.beta1 < 1 and 0 <= self.ema < 1):
            raise InputError(f"learning_rate, beta1, ema: expected > 0, in [0, 1), in [0, 1), got {self}")
        if self.precision not in {"fp32", "bf16"}:
            raise InputError(f"precision: expected fp32 or bf16, got {self.precision!r}")


@dataclass(frozen=True, slots=True)
class Progress:
    """A line of the log: images seen, and means since the line before."""

    images: int
    seconds: float
    loss_d: float
    loss_g: float


def best_precision(device: torch.device) -> str:
    """bf16 where the device has instructions for it."""
    has_bf16 = torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu._is_avx512_bf16_supported()
    return "bf16" if has_bf16 else "fp32"


@lru_cache(maxsize=1)
def order_of_epoch(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """A permutation of `count` faces; drawn once an epoch, since every step of it asks."""
    return np.random.default_rng((seed, 1, epoch)).permutation(count)


class Game:
    """G, its average, D and their optimisers, one step at a time."""

    def __init__(self, faces: NDArray[np.uint8], config: TrainConfig, device: torch.device) -> None:
        if len(faces) < config.batch:
            raise InputError(f"data: expected at least one batch, {config.batch} faces, got {len(faces)}")
        self.faces, self.config, self.device = faces, config, device
        self.step = 0
        torch.manual_seed(config.seed)
        self.G = self._placed(DCGANGenerator(width=config.width))
        self.D = self._placed(DCGANDiscriminator(width=config.width))
        self.average = AveragedModel(self.G, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
        self.adam_G, self.adam_D = (
            torch.optim.Adam(network.parameters(), config.learning_rate, (config.beta1, 0.999))
            for network in (self.G, self.D)
        )

    def _placed(self, network: M) -> M:
        return network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def play(self, rate: float = 1.0) -> Tensor:
        """One step of D, one of G, at this share of the learning rate: their losses, (2,), left on the device."""
        for adam in (self.adam_G, self.adam_D):
            adam.param_groups[0]["lr"] = rate * self.config.learning_rate
        rng = np.random.default_rng((self.config.seed, 0, self.step))
        real, z = self._real_batch(rng), self._latent(rng, self.config.batch)
        with self._autocast():
            fake = self.G(z)
            on_real, on_fake = self.D(real), self.D(fake.detach())
        # -log D(x) - log(1 - D(G(z))), of logits
        loss_d = (softplus(-on_real.float()) + softplus(on_fake.float())).mean()
        self.adam_D.zero_grad()
        loss_d.backward()
        self.adam_D.step()

        self.D.requires_grad_(False)
        with self._autocast():
            on_fake = self.D(fake)
        loss_g = softplus(-on_fake.float()).mean()
        self.adam_G.zero_grad()
        loss_g.backward()
        self.adam_G.step()
        self.D.requires_grad_(True)

        self.average.update_parameters(self.G)
        self.step += 1
        return torch.stack([loss_d.detach(), loss_g.detach()])

    def _real_batch(self, rng: np.random.Generator) -> Tensor:
        """Faces in an order of their own each epoch, every other mirrored: (batch, 3, 64, 64) in [-1, 1]."""
        batches = len(self.faces) // self.config.batch
        epoch, batch = divmod(self.step, batches)
        order = order_of_epoch(self.config.seed, epoch, len(self.faces))
        faces = self.faces[order[batch * self.config.batch : (batch + 1) * self.config.batch]]
        mirrored = rng.random(len(faces)) < 0.5
        faces[mirrored] = faces[mirrored, :, ::-1]
        # (B, H, W, C) in memory, seen as (B, C, H, W): channels_last already
        return to_signed(torch.from_numpy(faces).to(self.device).permute(0, 3, 1, 2).float() / 255)

    def _latent(self, rng: np.random.Generator, count: int) -> Tensor:
        return torch.from_numpy(rng.standard_normal((count, self.G.latent_size), dtype=np.float32)).to(self.device)

    def _autocast(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16")

    def averaged_generator(self) -> DCGANGenerator:
        """G with the averaged weights, and BatchNorm statistics that belong to them; in eval mode."""
        G = self._placed(DCGANGenerator(width=self.config.width))
        G.load_state_dict(self.average.module.state_dict())
        rng = np.random.default_rng((self.config.seed, 2))
        update_bn((self._latent(rng, self.config.batch) for _ in range(20)), G)
        return G.eval()

    @torch.no_grad()
    def sample_grid(self, G: DCGANGenerator) -> NDArray[np.uint8]:
        """Faces of the same GRID^2 latent codes every time, as one picture."""
        z = self._latent(np.random.default_rng((self.config.seed, 3)), GRID**2)
        faces = to_unit(G(z)).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        rows = faces.reshape(GRID, GRID, *faces.shape[1:]).transpose(0, 2, 1, 3, 4)
        return rows.reshape(GRID * faces.shape[1], GRID * faces.shape[2], 3)

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        return {name: getattr(self, name) for name in ("G", "D", "average", "adam_G", "adam_D")}

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step} | {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.step = state["step"]


def train(
    faces: NDArray[np.uint8],
    out: Path,
    config: TrainConfig,
    *,
    images: int,
    cooldown: int = 0,
    device: torch.device,
    checkpoint_minutes: float = 5.0,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Train until `images` faces have been seen, keeping a model in the folder `out` from the first checkpoint on.

    Over the last `cooldown` of them the learning rate falls to 0 along a line.  What comes before does not depend on
    it, so that a run may be prolonged and cooled down from any checkpoint.

    out/training/ holds state.pt (everything a resumed run needs), log.jsonl and samples/.  If it is there already
    the run continues; InputError if that one was begun with another config.  Raises ModelError if a loss is no
    longer finite.
    """
    game = Game(faces, config, device)
    folder = out / "training"
    elapsed = _resume(game, folder)
    start = saved = time.monotonic()
    losses = torch.zeros(2, device=device)
    since = 0
    while game.step * config.batch < images:
        left = images - game.step * config.batch
        losses += game.play(min(1.0, left / max(cooldown, 1)))
        since += 1
        done = game.step * config.batch >= images
        if since == LOG_EVERY or done:
            loss_d, loss_g = (losses / since).tolist()
            progress = Progress(game.step * config.batch, elapsed + time.monotonic() - start, loss_d, loss_g)
            _log(folder, progress)
            on_progress(progress)
            losses.zero_()
            since = 0
        # between lines of the log, so that a resumed run writes the same lines
        if done or (since == 0 and time.monotonic() - saved > 60 * checkpoint_minutes):
            _save(game, out, cooldown, elapsed + time.monotonic() - start)
            saved = time.monotonic()


def _log(folder: Path, progress: Progress) -> None:
    if not (np.isfinite(progress.loss_d) and np.isfinite(progress.loss_g)):
        raise ModelError(f"{folder}: expected finite losses, got {progress}: the last checkpoint is kept")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps(asdict(progress)) + "\n")


def _save(game: Game, out: Path, cooldown: int, seconds: float) -> None:
    G = game.averaged_generator()
    seen = game.step * game.config.batch
    training = asdict(game.config) | {"images": seen, "cooldown": cooldown, "faces": len(game.faces)}
    training |= {"seconds": round(seconds)}
    state = game.state_dict() | {"config": asdict(game.config), "seconds": seconds}
    save_model(out, G, game.D, width=game.config.width, training=training)
    write_image(out / "training" / "samples" / f"{seen:09d}.png", game.sample_grid(G))
    # last: whatever a kill leaves half done above, the resumed run does again
    write_atomically(out / "training" / "state.pt", lambda file: torch.save(state, file))


def _resume(game: Game, folder: Path) -> float:
    """Bring the game to the last checkpoint; seconds spent until then."""
    path = folder / "state.pt"
    if not path.exists():
        (folder / "log.jsonl").unlink(missing_ok=True)
        return 0.0
    try:
        state = cast(dict[str, Any], torch.load(path, map_location=game.device, weights_only=True))
        begun = TrainConfig(**state["config"])
        if begun == game.config:
            game.load_state_dict(state)
    except Exception as error:
        raise ModelError(f"{path}: expected the state of a training run, got: {error}") from error
    if begun != game.config:
        raise InputError(f"{folder}: expected the config it was begun with, {begun}, got {game.config}")
    seen = game.step * game.config.batch
    lines = [line for line in log_lines(folder / "log.jsonl") if line["images"] <= seen]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    write_atomically(folder / "log.jsonl", lambda file: file.write(text.encode()))
    return float(state["seconds"])


def log_lines(log: Path) -> Iterator[dict[str, Any]]:
    """The lines of a run's log.jsonl, none if it is not there; a kill may have cut the last one short."""
    for line in log.read_text().splitlines() if log.exists() else []:
        try:
            yield json.loads(line)
        except ValueError:
            return
