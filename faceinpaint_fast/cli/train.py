"""Commands that make a model and measure it: train, train-encoder, fine-tune, calibrate, frechet."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from faceinpaint_fast.cli import console
from faceinpaint_fast.cli.engine import Address, Engine, EngineName, Threads, Workers, crew_of
from faceinpaint_fast.cli.options import HELD_OUT, Crop, Device, OnError, OnErrorName, Seed, Size, geometry
from faceinpaint_fast.cli.shown import run_shown
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.extras import of_extra

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from rich.progress import Progress

    from faceinpaint_fast.config import Precision
    from faceinpaint_fast.framing import Framing
    from faceinpaint_fast.models import Model, ModelConfig

Faces = Annotated[list[Path], typer.Argument(help="Folders, tar shards and pictures of aligned faces.")]
OtherFaces = Annotated[
    list[Path], typer.Argument(help="Folders, tar shards and pictures of faces it was not trained on.")
]
MeasuredModel = Annotated[Path, typer.Argument(help="Model folder; what is found is written into it, if it can be.")]
Images = Annotated[int, typer.Option(min=1, help="How many images to see in all.")]
Samples = Annotated[int, typer.Option(min=1, help="Generated images.")]
Width = Annotated[
    int | None, typer.Option(help="Channels at half the size, 64, or as --from; of the paper's DCGAN, 128.")
]
Batch = Annotated[int, typer.Option(help="Images a step, of all processes together.")]
LearningRate = Annotated[float, typer.Option(help="Of Adam.")]
AnyPrecision = Annotated[str, typer.Option(help="fp32, bf16, or auto: bf16 where the device has it.")]
Minutes = Annotated[float, typer.Option(min=0, help="Between checkpoints.")]
Cooldown = Annotated[int, typer.Option(min=0, help="Over how many of them, the last, the learning rate falls to 0.")]
Falling = Annotated[
    int | None, typer.Option(min=0, help="Over how many of them, the last, the rate falls to 0; by default half.")
]
Misaligned = Annotated[
    bool, typer.Option("--misaligned", help="Turn, scale and shift faces a little, as photographs have them.")
]
NewSize = Annotated[int | None, typer.Option(help="Pixels across a face: 32, 64, 128 or 256; 64, or as --from.")]
NewCrop = Annotated[
    str | None,
    typer.Option(help="Square of a picture: celeba-108, celeba-148 or x,y,side; celeba-108, or as --from."),
]
Begin = Annotated[Path | None, typer.Option("--from", help="Model folder with whose weights a new run begins.")]
Average = Annotated[float, typer.Option(help="Decay of the moving average of G's weights.")]
Curves = Annotated[Path | None, typer.Option(help="Picture of the losses (needs the extra `plots`).")]
Scatter = Annotated[Path | None, typer.Option(help="Picture of the scatter, Fig. 4 (needs the extra `plots`).")]

DEFAULT = 64  # pixels across a face, and channels at half of them


def train(
    data: Faces,
    out: Annotated[Path, typer.Option(help="Model folder; a run that is there already is resumed.")],
    images: Images = 2_000_000,
    cooldown: Cooldown = 0,
    begin: Begin = None,
    size: NewSize = None,
    crop: NewCrop = None,
    on_error: OnError = OnErrorName.fail,
    width: Width = None,
    batch: Batch = 128,
    learning_rate: LearningRate = 2e-4,
    ema: Average = 0.999,
    augment: Annotated[
        bool, typer.Option("--augment", help="Show D faces in other colours, shifted, and with a square blotted out.")
    ] = False,
    precision: AnyPrecision = "auto",
    checkpoint_minutes: Minutes = 5.0,
    plot: Curves = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Train the DCGAN on aligned faces; kill it whenever you like, the same command goes on.

    By several processes: torchrun --nproc-per-node N -m faceinpaint_fast.training train ...
    """
    from faceinpaint_fast.models import load_model
    from faceinpaint_fast.training import game

    with of_extra("train"):
        from faceinpaint_fast.pictures import plots

    with _joined(device) as place:
        exact = _precision(precision, place)
        model = None if begin is None else load_model(begin)
        shape, shown = _shape_of(None if model is None else model.config, size, crop, width)
        config = game.TrainConfig(
            **shape,
            batch=batch,
            learning_rate=learning_rate,
            ema=ema,
            augment=augment,
            precision=exact,
            seed=seed,
        )
        run = _run_of(images, cooldown, checkpoint_minutes)
        _check_model_places(out)
        _check_plot(plot)
        with run_shown(images, out / "training" / "log.jsonl") as (bar, heard):
            faces = _read_faces(bar, data, config.size, shown, on_error)
            stopped = game.train(faces, out, config, **run, device=place, begin=model, **heard())
        if stopped:
            _tell_of_another(out / "training")
            return
        if plot is not None:
            plots.draw_curves(out, plot)
        following = f"faceinpaint calibrate {out} HELD_OUT, faceinpaint train-encoder {out} DATA"
        print(f"{out}: a model that has seen {images} images; next: {following}")


def train_encoder(
    model: Annotated[Path, typer.Argument(help="Model folder; the encoder goes there, a run that is there resumes.")],
    data: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders, tar shards and pictures of aligned faces; none: the model's own samples."),
    ] = None,
    images: Images = 640_000,
    cooldown: Falling = None,
    begin: Annotated[
        Path | None, typer.Option("--from", help="Model folder with whose encoder's weights a new run begins.")
    ] = None,
    width: Width = None,
    batch: Batch = 64,
    learning_rate: LearningRate = 1e-3,
    precision: AnyPrecision = "auto",
    misaligned: Misaligned = False,
    size: Size = None,
    crop: Crop = None,
    on_error: OnError = OnErrorName.fail,
    checkpoint_minutes: Minutes = 5.0,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Train what gives a model's searches their start; kill it whenever you like, the same command goes on.

    By several processes: torchrun --nproc-per-node N -m faceinpaint_fast.training train-encoder ...
    """
    from faceinpaint_fast.files import check_place
    from faceinpaint_fast.models import load_model
    from faceinpaint_fast.training import encoder

    with _joined(device) as place:
        exact = _precision(precision, place)
        origin = None if begin is None else load_model(begin)
        if origin is not None and origin.config.encoder_width is not None:
            width = _width_of(origin.config.encoder_width, width)
        config = encoder.EncoderConfig(
            width=DEFAULT if width is None else width,
            batch=batch,
            learning_rate=learning_rate,
            precision=exact,
            misaligned=misaligned,
            seed=seed,
        )
        run = _run_of(images, cooldown, checkpoint_minutes)
        for name in ("config.json", "encoder.safetensors", "training/encoder/state.pt"):
            check_place(model / name)
        if origin is None:
            encoder.check_new(model)
        loaded = load_model(model)
        asked = geometry(loaded.config, size, crop)
        with run_shown(images, model / "training" / "encoder" / "log.jsonl") as (bar, heard):
            faces = _read_faces(bar, data, *asked, on_error) if data else None
            stopped = encoder.train_encoder(model, loaded, faces, config, **run, device=place, begin=origin, **heard())
        if stopped:
            _tell_of_another(model / "training" / "encoder")
            return
        print(f"{model}: with an encoder that has seen {images} images")


def fine_tune(
    model: Annotated[Path, typer.Argument(help="Model folder, or a model's name, with whose weights the run begins.")],
    data: Faces,
    out: Annotated[Path, typer.Option(help="Folder of the new model; a run that is there already is resumed.")],
    images: Images = 200_000,
    cooldown: Falling = None,
    batch: Batch = 32,
    learning_rate: Annotated[float, typer.Option(help="Of Adam, for G and D; the encoder's is 4 times that.")] = 1e-4,
    game: Annotated[
        float, typer.Option(min=0, help="What D's word counts beside restoring: more is sharper; 0 leaves D alone.")
    ] = 0.03,
    ema: Average = 0.995,
    precision: AnyPrecision = "auto",
    misaligned: Misaligned = False,
    size: Size = None,
    crop: Crop = None,
    on_error: OnError = OnErrorName.fail,
    checkpoint_minutes: Minutes = 5.0,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Train a model's G and its encoder together to restore; kill it whenever you like, the same command goes on.

    By several processes: torchrun --nproc-per-node N -m faceinpaint_fast.training fine-tune ...
    """
    from faceinpaint_fast.models import load_model
    from faceinpaint_fast.training import fine_tuning

    with _joined(device) as place:
        _check_model_places(out, "encoder.safetensors")
        begin = load_model(model)
        config = fine_tuning.FineTuningConfig(
            origin=begin.config.sha256["generator"],
            width=begin.config.width,
            batch=batch,
            learning_rate=learning_rate,
            game=game,
            ema=ema,
            misaligned=misaligned,
            precision=_precision(precision, place),
            seed=seed,
        )
        asked = geometry(begin.config, size, crop)
        with run_shown(images, out / "training" / "log.jsonl") as (bar, heard):
            faces = _read_faces(bar, data, *asked, on_error)
            run = _run_of(images, cooldown, checkpoint_minutes)
            stopped = fine_tuning.fine_tune(begin, faces, out, config, **run, device=place, **heard())
        if stopped:
            _tell_of_another(out / "training")
            return
        print(f"{out}: a model that has seen {images} images; next: faceinpaint calibrate {out} HELD_OUT")


def calibrate(
    model: MeasuredModel,
    data: OtherFaces,
    images: Annotated[int, typer.Option(min=1, help="Held-out images.")] = HELD_OUT,
    samples: Samples = 12_800,
    size: Size = None,
    crop: Crop = None,
    on_error: OnError = OnErrorName.fail,
    plot: Scatter = None,
    seed: Seed = 0,
    device: Device = "auto",
    engine: Engine = EngineName.local,
    address: Address = None,
    workers: Workers = None,
    threads: Threads = 1,
) -> None:
    """Find the bounds of Eq. 5 and 6 for a model: SSIM and L1 between held-out and generated images."""
    from faceinpaint_fast.training import calibration

    with of_extra("train"):
        from faceinpaint_fast.pictures import plots

    _check_plot(plot)
    crew = crew_of(engine, address, workers, threads, device)
    measure = partial(calibration.calibrate, through=None if crew is None else crew.in_order)
    here = device if crew is None else "cpu"
    loaded, found = _compared(measure, model, data, images, size, crop, on_error, samples, seed, here)
    _keep(model, loaded, "calibration", found.describe())
    if plot is not None:
        plots.draw_scatter(found, plot)


def frechet(
    model: MeasuredModel,
    data: OtherFaces,
    images: Annotated[int | None, typer.Option(min=1, help="Held-out images; by default all.")] = None,
    samples: Samples = 10_000,
    size: Size = None,
    crop: Crop = None,
    on_error: OnError = OnErrorName.fail,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Measure how far a model's faces are from held-out ones, in shape and colour, and those from each other."""
    from faceinpaint_fast.training import frechet

    loaded, found = _compared(frechet.frechet, model, data, images, size, crop, on_error, samples, seed, device)
    _keep(model, loaded, "frechet", found)


@contextmanager
def _joined(device: str) -> Iterator[torch.device]:
    """Joins the processes that torchrun has started beside this one, of which the first tells what all do.

    Yields what to train on.  An error is raised, and told, by whoever meets it.
    """
    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.training import ranks

    with ranks.joined(pick_device(device)) as place, ExitStack() as silence:
        if not ranks.is_first():
            nobody = silence.enter_context(open(os.devnull, "w"))  # noqa: PTH123
            silence.enter_context(redirect_stdout(nobody))
            silence.enter_context(redirect_stderr(nobody))
        yield place


def _run_of(images: int, cooldown: int | None, checkpoint_minutes: float) -> dict[str, Any]:
    """Returns what a run is asked for; without a word on its cool-down, that is half of it."""
    falling = images // 2 if cooldown is None else cooldown
    return {"images": images, "cooldown": falling, "checkpoint_minutes": checkpoint_minutes}


def _check_model_places(out: Path, *further: str) -> None:
    """Raises InputError unless a run can write a model into this folder, and none from elsewhere is there."""
    from faceinpaint_fast.files import check_place
    from faceinpaint_fast.training import game

    for name in ("config.json", "generator.safetensors", "discriminator.safetensors", "training/state.pt", *further):
        check_place(out / name)
    game.check_new(out)


def _tell_of_another(folder: Path) -> None:
    """Says why a run has ended of which this process was not asked to."""
    console.remark(f"{folder}: another process was told to end, a checkpoint is made; the same command goes on")


def _precision(name: str, device: torch.device) -> Precision:
    """Returns that precision, or for "auto" the one that the device is fastest in."""
    from faceinpaint_fast.training.run import best_precision

    return cast("Precision", best_precision(device) if name == "auto" else name)


def _shape_of(
    model: ModelConfig | None, size: int | None, crop: str | None, width: int | None
) -> tuple[dict[str, Any], Framing]:
    """Returns size, framing and width of a run that begins with a model, or with none, and what pictures are cut to.

    Raises InputError if others are asked for than the model's.
    """
    from faceinpaint_fast.framing import CELEBA_108, Framing

    if model is not None:
        size, shown = geometry(model, size, crop)
        return {"size": size, "framing": model.framing, "width": _width_of(model.width, width)}, shown
    shown = CELEBA_108 if crop is None else Framing.parse(crop)
    sizes = {"size": size, "width": width}
    return {name: DEFAULT if value is None else value for name, value in sizes.items()} | {"framing": shown}, shown


def _width_of(model: int, asked: int | None) -> int:
    """Returns the width of the model that a run begins with; InputError if another is asked for."""
    if asked not in (None, model):
        raise InputError(f"--width: expected that of --from, {model}, got {asked}")
    return model


def _read_faces(
    bar: Progress, data: list[Path], size: int, framing: Framing, on_error: OnErrorName
) -> NDArray[np.uint8]:
    """Returns the faces (N, size, size, 3) of these sources; the bar says how many are read."""
    from faceinpaint_fast.faces import load_faces

    reading = bar.add_task("reading", total=None, note="faces")
    with console.warnings_as_remarks():
        faces = load_faces(
            data,
            size=size,
            framing=framing,
            progress=lambda count: bar.update(reading, completed=count),
            tell=console.remark,
            on_error=on_error.value,
        )
    bar.update(reading, total=len(faces))
    return faces


def _compared(
    measure: Callable[..., Any],
    folder: Path,
    data: list[Path],
    images: int | None,
    size: int | None,
    crop: str | None,
    on_error: OnErrorName,
    samples: int,
    seed: int,
    device: str,
) -> tuple[Model, Any]:
    """Returns a folder's model, and what `measure` finds between its samples and held-out faces."""
    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.faces import load_faces
    from faceinpaint_fast.models import load_model

    loaded = load_model(folder)
    size, framing = geometry(loaded.config, size, crop)
    with console.warnings_as_remarks():
        faces = load_faces(data, size=size, framing=framing, limit=images, tell=console.remark, on_error=on_error.value)
    with console.progress(transient=True) as bar:
        task = bar.add_task("comparing", total=samples)
        found = measure(
            loaded.generator,
            faces,
            samples=samples,
            seed=seed,
            device=pick_device(device),
            progress=lambda done: bar.update(task, completed=done),
        )
    return loaded, found


def _keep(folder: Path, model: Model, name: Literal["calibration", "frechet"], found: Any) -> None:
    """Prints what was measured of a model, and writes it into its folder, where that can be written to."""
    from faceinpaint_fast.models import save_measured

    # first, so that nothing of the work is lost
    print(json.dumps(found, indent=2), flush=True)
    try:
        save_measured(folder, model, name, found)
    except (InputError, OSError) as error:
        console.remark(f"{folder}: nothing was stored there: {error}")


def _check_plot(path: Path | None) -> None:
    """Raises InputError unless a plot that was asked for can be drawn and written."""
    from faceinpaint_fast.images import check_writable

    if path is not None:
        check_writable(path)
        if find_spec("matplotlib") is None:
            raise InputError("--plot: expected matplotlib, got none: pip install 'faceinpaint_fast[plots]'")
