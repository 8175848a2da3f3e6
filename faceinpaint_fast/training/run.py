"""A training run: steps, a log, checkpoints, and how it goes on after a kill.

All randomness of a step is drawn from (seed, step), so a run that was killed and resumed equals one that was not,
bit for bit on the CPU.  Several processes play a step together; the first of them alone writes and tells: ranks.py.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faceinpaint_fast.checks import expect_number, expect_positive, whole
from faceinpaint_fast.config import Precision
from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.files import named, sweep, write_atomically
from faceinpaint_fast.framing import Framing
from faceinpaint_fast.locks import held
from faceinpaint_fast.models import MAX_SIZE
from faceinpaint_fast.training import ranks

LOG_EVERY = 50  # steps between lines of the log
STATE = "state.pt"  # the file that makes a folder a run's

N = TypeVar("N", bound=nn.Module)


class Training(Protocol):
    """What is trained, one step at a time.

    config  a frozen dataclass that determines it, with `batch`: images a step, of all processes together
    step    how many have been played
    losses  what `play` returns, by name
    """

    config: Any
    device: torch.device
    step: int
    losses: tuple[str, ...]

    @property
    def faces(self) -> NDArray[np.uint8] | None:
        """The faces that it learns from, (N, H, W, 3); none: the model's own samples."""

    def play(self, rate: float) -> Tensor:
        """Does one step at this share of the learning rate; returns its losses, (len(losses),), left on the device.

        They are the means over this process's images.
        """

    def state_dict(self) -> dict[str, Any]:
        """Returns all that a resumed run needs."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from such a state."""

    def check_new(self, out: Path) -> None:
        """Raises InputError if a run would overwrite what is in the model folder `out` from elsewhere."""

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


def check_config(config: Any) -> None:
    """Raises InputError for a width, batch, learning rate, precision or seed that no run can have, or no model."""
    whole(config.width, "width", least=1, most=MAX_SIZE)
    whole(config.batch, "batch", least=1)
    expect_positive(config.learning_rate, "learning_rate")
    if config.precision not in get_args(Precision):
        raise InputError(f"precision: expected one of {get_args(Precision)}, got {config.precision!r}")
    # what torch takes
    whole(config.seed, "seed", least=0, most=2**64 - 1)


@lru_cache(maxsize=1)
def order_of_epoch(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """Returns a permutation of `count` faces, which is drawn once an epoch, since every step of it asks."""
    return np.random.default_rng((seed, 1, epoch)).permutation(count)


def batch_of_step(faces: Tensor, seed: int, step: int, batch: int, mine: slice, rng: np.random.Generator) -> Tensor:
    """Returns `mine` of a step's `batch` faces, (B, C, H, W) in [0, 1], where all of them lie, (N, H, W, C) uint8.

    They come in an order of their own each epoch, and every other one is mirrored.
    """
    epoch, number = divmod(step, len(faces) // batch)
    order = order_of_epoch(seed, epoch, len(faces))[number * batch : (number + 1) * batch][mine]
    mirrored = (rng.random(batch) < 0.5)[mine]
    shown = faces[moved(order, faces.device)]
    shown = torch.where(moved(mirrored, faces.device)[:, None, None, None], shown.flip(2), shown)
    # (B, H, W, C) in memory, seen as (B, C, H, W): channels_last already
    return shown.permute(0, 3, 1, 2).float() / 255


def lying(faces: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Returns the faces where the training is, so that no step waits for them; on a CPU it is the same memory."""
    return torch.from_numpy(np.require(faces, requirements=["C", "W"])).to(device)


def learning(network: N, device: torch.device) -> N:
    """Returns a copy of a network, frozen or not, that learns on the device, in its convolutions' fastest layout."""
    copied = deepcopy(network).train().requires_grad_(True)
    return copied.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Returns a context in which convolutions run in bfloat16, if that is the precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def moved(array: NDArray[Any], device: torch.device) -> Tensor:
    """Returns an array as a tensor on the device, without waiting for what that is doing."""
    return torch.from_numpy(array).to(device, non_blocking=True)


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
    on_step: Callable[[int], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> bool:
    """Trains until `images` have been seen; what comes of it is in the model folder `out` from the first checkpoint on.

    Returns whether it was stopped before.

    Over the last `cooldown` of them the learning rate falls to 0 along a line.  What comes before does not depend on
    it, so that a run may be prolonged and cooled down from any checkpoint.

    on_progress  hears each line of the log
    on_step      hears after each step how many images have been seen
    stopped      says after each step whether to leave it at that, with a checkpoint; one process's word is enough

    `folder` holds state.pt (everything a resumed run needs) and log.jsonl, and belongs to one run at a time.  If they
    are there already the run continues; InputError if that one was begun with another config or other faces, or is
    finished and something else is asked for, if `out` holds a model that came from elsewhere, and while another
    process has the folder.  Raises ModelError if a loss is no longer finite, ConnectionError if another of the
    processes that play together has ended.
    """
    whole(images, "images", least=1)
    whole(cooldown, "cooldown", least=0)
    expect_number(checkpoint_minutes, "checkpoint_minutes", "a number >= 0", lambda number: number >= 0)
    training.check_new(out)
    first = ranks.is_first()
    with held(folder / "lock", folder) if first else nullcontext():
        with ranks.first_alone(training.device):
            if first:
                _sweep(out, folder)
            past = _resume(training, folder, images, cooldown)
        losses = torch.tensor(past.losses, dtype=torch.float32, device=training.device)
        since, seen, stop = past.since, _seen(training), False
        start = saved = time.monotonic()
        while seen < images and not stop:
            losses += ranks.mean(training.play(min(1.0, (images - seen) / max(cooldown, 1))))
            since += 1
            seen = _seen(training)
            if first:
                on_step(seen)
            stop = ranks.agreed(stopped(), training.device)
            seconds = past.seconds + time.monotonic() - start
            if since == LOG_EVERY or seen >= images:
                line = LogLine(seen, seconds, dict(zip(training.losses, (losses / since).tolist(), strict=True)))
                _check_finite(folder, line.losses)
                if first:
                    _log(folder, line)
                    on_progress(line)
                losses.zero_()
                since = 0
            due = since == 0 and time.monotonic() - saved > 60 * checkpoint_minutes
            if first and (due or stop or seen >= images):
                _save(training, out, folder, replace(past, seconds=seconds, since=since, losses=losses.tolist()))
                saved = time.monotonic()
        return stop and seen < images


def _sweep(out: Path, folder: Path) -> None:
    for place in (out, folder, folder / "samples"):
        sweep(place)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Past:
    """What state.pt says of a run beside what is trained.

    faces    which they are
    seconds  spent
    since    steps since the last line of the log
    losses   their sums over these steps
    """

    faces: str
    cooldown: int
    seconds: float
    since: int
    losses: list[float]


def _seen(training: Training) -> int:
    return training.step * cast(int, training.config.batch)


def _log(folder: Path, line: LogLine) -> None:
    log = folder / "log.jsonl"
    with named(log), log.open("a") as file:
        file.write(json.dumps({"images": line.images, "seconds": line.seconds} | line.losses) + "\n")


def _check_finite(folder: Path, losses: Mapping[str, float]) -> None:
    if not np.isfinite(list(losses.values())).all():
        raise ModelError(f"{folder}: expected finite losses, got {losses}: the last checkpoint is kept")


def _save(training: Training, out: Path, folder: Path, past: _Past) -> None:
    _check_finite(folder, dict(zip(training.losses, past.losses, strict=True)))
    config = {name: value for name, value in asdict(training.config).items() if value is not None}
    seen, seconds = _seen(training), round(past.seconds)
    training.save(out, config | {"images": seen, "cooldown": past.cooldown, "seconds": seconds})
    # last: whatever a kill leaves half done above, the resumed run does again
    _save_state(training, folder, past)


def _save_state(training: Training, folder: Path, past: _Past) -> None:
    state = BytesIO()
    torch.save(training.state_dict() | {"config": asdict(training.config)} | asdict(past), state)
    # not by torch, which hides what the system says of a full disk
    write_atomically(folder / STATE, lambda file: file.write(state.getbuffer()))


def _resume(training: Training, folder: Path, images: int, cooldown: int) -> _Past:
    """Brings the training to the last checkpoint, or makes the first; returns how far the run is."""
    path, faces = folder / STATE, _fingerprint(training.faces)
    new = _Past(faces=faces, cooldown=cooldown, seconds=0.0, since=0, losses=[0.0] * len(training.losses))
    if not path.exists():
        (folder / "log.jsonl").unlink(missing_ok=True)
        # at once: from now on what is in the model's folder is this run's
        _save_state(training, folder, new)
        return new
    try:
        state = cast(dict[str, Any], torch.load(path, map_location=training.device, weights_only=True))
        begun = _config_of(type(training.config), state["config"])
        if begun == training.config:
            training.load_state_dict(state)
            # an older run does not say all of it
            past = replace(new, **{each.name: state[each.name] for each in fields(_Past) if each.name in state})
    except Exception as error:
        raise ModelError(f"{path}: expected the state of a training run, got: {error}") from error
    if begun != training.config:
        names = [
            each.name for each in fields(begun) if getattr(begun, each.name) != getattr(training.config, each.name)
        ]
        theirs, ours = (", ".join(f"{name}={getattr(c, name)}" for name in names) for c in (begun, training.config))
        raise InputError(f"{folder}: expected the config it was begun with, {theirs}, got {ours}")
    seen = _seen(training)
    _check_asked(folder, past, new, seen, images, training.config.batch)
    if ranks.is_first():
        lines = [line for line in log_lines(folder / "log.jsonl") if line["images"] <= seen]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        write_atomically(folder / "log.jsonl", lambda file: file.write(text.encode()))
    return replace(past, cooldown=cooldown)


def _check_asked(folder: Path, past: _Past, asked: _Past, seen: int, images: int, batch: int) -> None:
    """Raises InputError if a run has had other faces than it is asked for, or is further than it is asked to go."""
    if past.faces != asked.faces:
        raise InputError(f"{folder}: expected the faces it was begun with, {past.faces}, got {asked.faces}")
    if seen >= images + batch:
        raise InputError(f"images: expected at least the {seen} that {folder} has seen, got {images}")
    if seen >= images and past.cooldown != asked.cooldown:
        expected = f"{past.cooldown}, as the run in {folder} ended, or more images"
        raise InputError(f"cooldown: expected {expected}, got {asked.cooldown}")


def _fingerprint(faces: NDArray[np.uint8] | None) -> str:
    """Returns what tells faces from others."""
    if faces is None:
        return "the model's own samples"
    return f"{len(faces)} with SHA-256 {hashlib.sha256(np.ascontiguousarray(faces).data).hexdigest()}"


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
