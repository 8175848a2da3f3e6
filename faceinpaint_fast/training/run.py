"""A training run: steps, a log, checkpoints, and how it goes on after a kill.

All randomness of a step is drawn from (seed, step), so a run that was killed and resumed equals one that was not,
bit for bit on the CPU.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.files import write_atomically
from faceinpaint_fast.framing import Framing

LOG_EVERY = 50  # steps between lines of the log


class Training(Protocol):
    """What is trained, one step at a time.

    config  a frozen dataclass that determines it, with `batch`: images a step
    step    how many have been played
    losses  what `play` returns, by name
    """

    config: Any
    device: torch.device
    step: int
    losses: tuple[str, ...]

    def play(self, rate: float) -> Tensor:
        """Does one step at this share of the learning rate; returns its losses, (len(losses),), left on the device."""

    def state_dict(self) -> dict[str, Any]:
        """Returns all that a resumed run needs."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from such a state."""

    def save(self, out: Path, described: dict[str, Any]) -> None:
        """Puts what has come of it into the model folder `out`, with a description of the run."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log: images seen, seconds spent, and the mean of each loss since the line before."""

    images: int
    seconds: float
    losses: dict[str, float]


def best_precision(device: torch.device) -> str:
    """Returns bf16 where the device has instructions for it, else fp32."""
    has_bf16 = torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu._is_avx512_bf16_supported()
    return "bf16" if has_bf16 else "fp32"


@lru_cache(maxsize=1)
def order_of_epoch(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """Returns a permutation of `count` faces, which is drawn once an epoch, since every step of it asks."""
    return np.random.default_rng((seed, 1, epoch)).permutation(count)


def batch_of_step(
    faces: NDArray[np.uint8], seed: int, step: int, batch: int, rng: np.random.Generator, device: torch.device
) -> Tensor:
    """Returns the faces of a step, (batch, C, H, W) in [0, 1].

    They come in an order of their own each epoch, and every other one is mirrored.
    """
    epoch, number = divmod(step, len(faces) // batch)
    order = order_of_epoch(seed, epoch, len(faces))
    shown = faces[order[number * batch : (number + 1) * batch]]
    mirrored = rng.random(len(shown)) < 0.5
    shown[mirrored] = shown[mirrored, :, ::-1]
    # (B, H, W, C) in memory, seen as (B, C, H, W): channels_last already
    return torch.from_numpy(shown).to(device).permute(0, 3, 1, 2).float() / 255


def check_faces(faces: NDArray[np.uint8], batch: int, size: int) -> None:
    """Raises InputError unless the faces fill a batch, and are of that size."""
    if faces.shape[1:3] != (size, size):
        raise InputError(f"data: expected faces of {size}x{size} pixels, got {faces.shape[2]}x{faces.shape[1]}")
    if len(faces) < batch:
        raise InputError(f"data: expected at least one batch, {batch} faces, got {len(faces)}")


def run(
    training: Training,
    out: Path,
    folder: Path,
    *,
    images: int,
    cooldown: int = 0,
    checkpoint_minutes: float = 5.0,
    on_progress: Callable[[LogLine], None] = lambda _: None,
) -> None:
    """Trains until `images` have been seen; what comes of it is in the model folder `out` from the first checkpoint on.

    Over the last `cooldown` of them the learning rate falls to 0 along a line.  What comes before does not depend on
    it, so that a run may be prolonged and cooled down from any checkpoint.

    `folder` holds state.pt (everything a resumed run needs) and log.jsonl.  If they are there already the run
    continues; InputError if that one was begun with another config.  Raises ModelError if a loss is no longer finite.
    """
    batch = training.config.batch
    elapsed = _resume(training, folder)
    start = saved = time.monotonic()
    losses = torch.zeros(len(training.losses), dtype=torch.float32, device=training.device)
    since = 0
    while training.step * batch < images:
        left = images - training.step * batch
        losses += training.play(min(1.0, left / max(cooldown, 1)))
        since += 1
        done = training.step * batch >= images
        if since == LOG_EVERY or done:
            means = dict(zip(training.losses, (losses / since).tolist(), strict=True))
            line = LogLine(training.step * batch, elapsed + time.monotonic() - start, means)
            _log(folder, line)
            on_progress(line)
            losses.zero_()
            since = 0
        # between lines of the log, so that a resumed run writes the same lines
        if done or (since == 0 and time.monotonic() - saved > 60 * checkpoint_minutes):
            _save(training, out, folder, cooldown, elapsed + time.monotonic() - start)
            saved = time.monotonic()


def _log(folder: Path, line: LogLine) -> None:
    if not np.isfinite(list(line.losses.values())).all():
        raise ModelError(f"{folder}: expected finite losses, got {line}: the last checkpoint is kept")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps({"images": line.images, "seconds": line.seconds} | line.losses) + "\n")


def _save(training: Training, out: Path, folder: Path, cooldown: int, seconds: float) -> None:
    config = asdict(training.config)
    seen = training.step * training.config.batch
    training.save(out, config | {"images": seen, "cooldown": cooldown, "seconds": round(seconds)})
    state = training.state_dict() | {"config": config, "seconds": seconds}
    # last: whatever a kill leaves half done above, the resumed run does again
    write_atomically(folder / "state.pt", lambda file: torch.save(state, file))


def _resume(training: Training, folder: Path) -> float:
    """Bring the training to the last checkpoint; seconds spent until then."""
    path = folder / "state.pt"
    if not path.exists():
        (folder / "log.jsonl").unlink(missing_ok=True)
        return 0.0
    try:
        state = cast(dict[str, Any], torch.load(path, map_location=training.device, weights_only=True))
        begun = _config_of(type(training.config), state["config"])
        if begun == training.config:
            training.load_state_dict(state)
    except Exception as error:
        raise ModelError(f"{path}: expected the state of a training run, got: {error}") from error
    if begun != training.config:
        names = [
            each.name for each in fields(begun) if getattr(begun, each.name) != getattr(training.config, each.name)
        ]
        theirs, ours = (", ".join(f"{name}={getattr(c, name)}" for name in names) for c in (begun, training.config))
        raise InputError(f"{folder}: expected the config it was begun with, {theirs}, got {ours}")
    seen = training.step * training.config.batch
    lines = [line for line in log_lines(folder / "log.jsonl") if line["images"] <= seen]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    write_atomically(folder / "log.jsonl", lambda file: file.write(text.encode()))
    return float(state["seconds"])


def _config_of(kind: type[Any], described: dict[str, Any]) -> Any:
    """Returns the config that `asdict` made `described` of, with the defaults of what an older run does not say."""
    framing = {"framing": Framing.of(described["framing"])} if "framing" in described else {}
    return kind(**described | framing)


def log_lines(log: Path) -> Iterator[dict[str, Any]]:
    """Yields the lines of a run's log.jsonl, none if it is not there; a kill may have cut the last one short."""
    for line in log.read_text().splitlines() if log.exists() else []:
        try:
            yield json.loads(line)
        except ValueError:
            return
