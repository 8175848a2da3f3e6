"""The command `faceinpaint`.  Heavy imports happen inside the commands: --help must not wait for torch."""

from __future__ import annotations

import dataclasses
import enum
import json
import logging
import sys
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from faceinpaint_fast.errors import InputError, ModelError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from rich.progress import Progress, ProgressColumn

    from faceinpaint_fast.config import InpaintConfig, Precision
    from faceinpaint_fast.evaluation.methods import Method
    from faceinpaint_fast.evaluation.protocol import Protocol
    from faceinpaint_fast.models import Model
    from faceinpaint_fast.training import run

# click's, which newer versions of typer have taken in: its only address in all of them
USAGE_ERROR = typer.BadParameter.__mro__[1]
MAX_SEED = 2**63 - 1  # what torch takes
CALIBRATED = 64  # held-out images, as in the paper


class ConfigName(enum.StrEnum):
    """Presets of `InpaintConfig`."""

    default = "default"
    paper = "paper"
    paper_calibrated = "paper-calibrated"


app = typer.Typer(pretty_exceptions_enable=False)


@app.callback()
def _root(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; anywhere on the line.")
    ] = False,
) -> None:
    """Restore missing parts of face photographs by searching the latent space of a generator."""


@app.command()
def inpaint(
    image: Annotated[Path, typer.Argument(help="Picture of an aligned face, of the model's size (64x64).")],
    hole: Annotated[
        str, typer.Argument(help="Picture of the hole, white = fill; or centre, left, free-form, drop-80 ...")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the restored picture.")],
    seed: Annotated[
        int, typer.Option(min=0, max=MAX_SEED, help="Of the start of the search, and of a drawn hole.")
    ] = 0,
    iterations: Annotated[int | None, typer.Option(help="Steps of the search; by default the config's.")] = None,
    config: Annotated[
        ConfigName, typer.Option(help="The best default, or the paper: as printed, or calibrated.")
    ] = ConfigName.default,
    model: Annotated[Path | None, typer.Option(help="Model folder; by default the one that is shipped.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    invert: Annotated[bool, typer.Option("--invert", help="Black = fill.")] = False,
    save_steps: Annotated[Path | None, typer.Option(help="Folder for W, G(z^), merged gradients, divergence.")] = None,
) -> None:
    """Restore the missing part of a face."""
    from faceinpaint_fast import images, masks
    from faceinpaint_fast.config import PRESETS

    images.check_writable(out)
    if save_steps is not None:
        images.check_place(save_steps / "weights.png")
    damaged = images.read_image(image)
    is_file = Path(hole).exists() or Path(hole).suffix.lower() in images.EXTENSIONS
    missing = masks.read_hole(hole if is_file else masks.draw(hole, damaged.shape[:2], seed), invert=invert)
    chosen = PRESETS[config]
    if iterations is not None:
        chosen = dataclasses.replace(chosen, iterations=iterations)

    # torch takes seconds to import: a mistake in the line is told before
    from faceinpaint_fast.pipeline import Inpainter

    inpainter = Inpainter.from_pretrained(model, config=chosen, device=device)
    with _progress(transient=True) as bar, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        task = bar.add_task("searching", total=1.0)
        result = inpainter(damaged, missing, seed=seed, progress=lambda share: bar.update(task, completed=share))
    for warning in caught:
        print(f"faceinpaint: {warning.message}", file=sys.stderr)
    images.write_image(out, result.image)
    if save_steps is not None:
        from faceinpaint_fast.pictures.panels import panels

        for name, panel in panels(damaged, missing, result.generated, chosen).items():
            images.write_image(save_steps / f"{name}.png", panel)
    losses = "  ".join(f"{name} {float(loss):.4f}" for name, loss in result.losses.items())
    print(f"{out}: {losses}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the contact sheet.")] = Path("out/demo.png"),
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of the holes and of the start of the search.")] = 0,
    iterations: Annotated[int | None, typer.Option(help="Steps of the search.")] = None,
    model: Annotated[Path | None, typer.Option(help="Model folder; by default the one that is shipped.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Restore a real face under four kinds of hole, and draw what came of it."""
    from rich.console import Console
    from rich.table import Table

    from faceinpaint_fast import images
    from faceinpaint_fast.config import InpaintConfig
    from faceinpaint_fast.pictures.demonstration import HOLES, demo_sheet, restore_astronaut
    from faceinpaint_fast.pipeline import Inpainter

    images.check_writable(out)
    config = InpaintConfig() if iterations is None else InpaintConfig(iterations=iterations)
    inpainter = Inpainter.from_pretrained(model, config=config, device=device)
    inpainter.warm_up()
    with _progress(transient=True) as bar:
        tasks = {name: bar.add_task(name, total=1.0) for name in HOLES}
        rows = restore_astronaut(
            inpainter, seed=seed, progress=lambda name, share: bar.update(tasks[name], completed=share)
        )
    images.write_image(out, demo_sheet(rows))

    table = Table(
        "hole", "PSNR in it", "SSIM in it", "PSNR", "SSIM", "seconds", title=f"{config.iterations} iterations"
    )
    for row in rows:
        q = row.quality
        figures = (
            f"{q.hole_psnr:.2f} dB",
            f"{q.hole_ssim:.3f}",
            f"{q.psnr:.2f} dB",
            f"{q.ssim:.3f}",
            f"{row.seconds:.2f}",
        )
        table.add_row(row.name, *figures)
    Console().print(table)
    print(f"{out}: damaged, generated, stitched, blended, original")


@app.command()
def train(
    data: Annotated[list[Path], typer.Argument(help="Folders of images and tar shards of aligned faces.")],
    out: Annotated[Path, typer.Option(help="Model folder; a run that is there already is resumed.")],
    images: Annotated[int, typer.Option(min=1, help="How many images to see in all.")] = 2_000_000,
    cooldown: Annotated[
        int, typer.Option(min=0, help="Over how many of them, the last, the learning rate falls to 0.")
    ] = 0,
    width: Annotated[int, typer.Option(help="Channels at 32x32; 128 is the paper's.")] = 64,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 128,
    learning_rate: Annotated[float, typer.Option(help="Of Adam.")] = 2e-4,
    ema: Annotated[float, typer.Option(help="Decay of the moving average of G's weights.")] = 0.999,
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto: bf16 where the device has it.")] = "auto",
    crop: Annotated[
        int | None, typer.Option(min=1, help="Centred square to cut, in pixels: 108 for CelebA's 178x218.")
    ] = None,
    checkpoint_minutes: Annotated[float, typer.Option(help="Between checkpoints.")] = 5.0,
    plot: Annotated[Path | None, typer.Option(help="Picture of the losses (needs the extra `plots`).")] = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of weights, order, mirroring and latent codes.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Train the DCGAN on aligned faces; kill it whenever you like, the same command goes on."""
    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.images import check_place
    from faceinpaint_fast.pictures import plots as curves
    from faceinpaint_fast.training import game as dcgan
    from faceinpaint_fast.training import run

    place = pick_device(device)
    config = dcgan.TrainConfig(
        width=width,
        batch=batch,
        learning_rate=learning_rate,
        ema=ema,
        precision=run.best_precision(place) if precision == "auto" else precision,
        seed=seed,
    )
    check_place(out / "config.json")
    _check_plot(plot)
    with _training_bar() as bar:
        faces = _read_faces(bar, data, crop)
        dcgan.train(
            faces,
            out,
            config,
            images=images,
            cooldown=cooldown,
            device=place,
            checkpoint_minutes=checkpoint_minutes,
            on_progress=_shown(bar, images),
        )
    if plot is not None:
        curves.draw_curves(out, plot)
    following = f"faceinpaint calibrate {out} HELD_OUT, faceinpaint train-encoder {out} DATA"
    print(f"{out}: a model that has seen {images} images; next: {following}")


@app.command()
def train_encoder(
    model: Annotated[Path, typer.Argument(help="Model folder; the encoder goes there, a run that is there resumes.")],
    data: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders and tar shards of aligned faces; none: the model's own samples."),
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="How many images to see in all.")] = 640_000,
    cooldown: Annotated[
        int | None, typer.Option(min=0, help="Over how many of them, the last, the rate falls to 0; by default half.")
    ] = None,
    width: Annotated[int, typer.Option(help="Channels at 32x32.")] = 64,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 64,
    learning_rate: Annotated[float, typer.Option(help="Of Adam.")] = 1e-3,
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto: bf16 where the device has it.")] = "auto",
    crop: Annotated[int | None, typer.Option(min=1, help="Centred square to cut, in pixels.")] = None,
    checkpoint_minutes: Annotated[float, typer.Option(help="Between checkpoints.")] = 5.0,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of weights, order, mirroring, codes and holes.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Train what gives a model's searches their start; kill it whenever you like, the same command goes on."""
    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.images import check_place
    from faceinpaint_fast.models import load_model
    from faceinpaint_fast.training import encoder, run

    place = pick_device(device)
    exact = run.best_precision(place) if precision == "auto" else precision
    config = encoder.EncoderConfig(
        width=width, batch=batch, learning_rate=learning_rate, precision=cast("Precision", exact), seed=seed
    )
    check_place(model / "config.json")
    loaded = load_model(model)
    with _training_bar() as bar:
        faces = _read_faces(bar, data, crop) if data else None
        encoder.train_encoder(
            model,
            loaded,
            faces,
            config,
            images=images,
            cooldown=images // 2 if cooldown is None else cooldown,
            device=place,
            checkpoint_minutes=checkpoint_minutes,
            on_progress=_shown(bar, images),
        )
    print(f"{model}: with an encoder that has seen {images} images")


def _training_bar() -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    return _progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )


def _read_faces(bar: Progress, data: list[Path], crop: int | None) -> NDArray[np.uint8]:
    from faceinpaint_fast.faces import load_faces

    reading = bar.add_task("reading", total=None, note="faces")
    faces = load_faces(data, crop=crop, progress=lambda count: bar.update(reading, completed=count))
    bar.update(reading, total=len(faces))
    return faces


def _shown(bar: Progress, images: int) -> Callable[[run.Progress], None]:
    """Shows how a training run goes on."""
    training = bar.add_task("training", total=images, note="")
    before = None

    def show(now: run.Progress) -> None:
        nonlocal before
        note = "  ".join(f"{name} {loss:.3f}" for name, loss in now.losses.items())
        if before is not None:
            rate = (now.images - before.images) / (now.seconds - before.seconds)
            note = f"{rate:.0f} images/s  {note}"
        bar.update(training, completed=now.images, note=note)
        before = now

    return show


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="Model folder.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the package, .pt2.")],
    batch: Annotated[int, typer.Option(min=1, help="Images a call.")] = 1,
    iterations: Annotated[int | None, typer.Option(help="Steps of the search; by default the config's.")] = None,
    precision: Annotated[str, typer.Option(help="Of the networks: fp32 or bf16.")] = "fp32",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Compile the search into a package that C++ programs run without Python; examples/cpp is one."""
    from faceinpaint_fast import export
    from faceinpaint_fast.config import InpaintConfig
    from faceinpaint_fast.models import load_model

    config = InpaintConfig(precision=cast("Precision", precision))
    if iterations is not None:
        config = dataclasses.replace(config, iterations=iterations)
    export.export(load_model(model), out, config=config, batch=batch, device=device)
    print(f"{out}: {config.iterations} iterations for {batch} image{'s' * (batch > 1)} a call; next: examples/cpp")


@app.command()
def calibrate(
    model: Annotated[Path, typer.Argument(help="Model folder; the bounds are written into it.")],
    data: Annotated[list[Path], typer.Argument(help="Folders and tar shards of faces it was not trained on.")],
    images: Annotated[int, typer.Option(min=1, help="Held-out images.")] = CALIBRATED,
    samples: Annotated[int, typer.Option(min=1, help="Generated images.")] = 12_800,
    crop: Annotated[int | None, typer.Option(min=1, help="Centred square to cut, in pixels.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Picture of the scatter, Fig. 4 (needs the extra `plots`).")] = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of the samples.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Find the bounds of Eq. 5 and 6 for a model: SSIM and L1 between held-out and generated images."""
    from faceinpaint_fast.training import calibration

    _check_plot(plot)
    loaded, found = _compared(calibration.calibrate, model, data, images, crop, samples, seed, device)
    described = found.describe()
    _keep(model, loaded, "calibration", described)
    if plot is not None:
        calibration.scatter(found, plot)
    print(json.dumps(described, indent=2))


@app.command()
def frechet(
    model: Annotated[Path, typer.Argument(help="Model folder; the distances are written into it.")],
    data: Annotated[list[Path], typer.Argument(help="Folders and tar shards of faces it was not trained on.")],
    images: Annotated[int | None, typer.Option(min=1, help="Held-out images; by default all.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Generated images.")] = 10_000,
    crop: Annotated[int | None, typer.Option(min=1, help="Centred square to cut, in pixels.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of the samples.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Measure how far a model's faces are from held-out ones, in shape and colour, and those from each other."""
    from faceinpaint_fast.training import frechet

    loaded, found = _compared(frechet.frechet, model, data, images, crop, samples, seed, device)
    _keep(model, loaded, "frechet", found)
    print(json.dumps(found, indent=2))


def _compared(
    measure: Callable[..., Any],
    folder: Path,
    data: list[Path],
    images: int | None,
    crop: int | None,
    samples: int,
    seed: int,
    device: str,
) -> tuple[Model, Any]:
    """A model, and what is measured between its samples and held-out faces."""
    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.faces import load_faces
    from faceinpaint_fast.images import check_place
    from faceinpaint_fast.models import load_model

    check_place(folder / "config.json")
    loaded = load_model(folder)
    faces = load_faces(data, crop=crop, limit=images)
    with _progress(transient=True) as bar:
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


def _check_plot(path: Path | None) -> None:
    """InputError unless a plot that was asked for can be drawn and written."""
    from faceinpaint_fast.images import check_writable

    if path is not None:
        check_writable(path)
        if find_spec("matplotlib") is None:
            raise InputError("--plot: expected matplotlib, of the extra faceinpaint_fast[plots], got none")


def _keep(folder: Path, measured: Model, name: str, found: Mapping[str, float]) -> None:
    """Write what was found out about a model into its folder."""
    from faceinpaint_fast.models import read_config, write_config

    # anew: a training run that goes on may have replaced the weights meanwhile, and this was not found of them
    config = read_config(folder)
    if config.get("sha256") != measured.config["sha256"]:
        raise ModelError(f"{folder}: expected the weights that were measured, got others that were written since")
    write_config(folder, config | {name: found})


@app.command()
def doctor(
    model: Annotated[Path | None, typer.Option(help="Model folder; by default the one that is shipped.")] = None,
) -> None:
    """What is installed, which devices and kernels are in use, and whether the model is whole."""
    from faceinpaint_fast.doctor import examine

    for name, finding in examine(model).items():
        print(f"{name:<16} {finding}")


@app.command()
def bench(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="For torch and the compiled kernels.")] = 1,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the table there, as Markdown.")] = None,
) -> None:
    """Measure the engine beside what a user would write, one thing beside another in one run."""
    import torch
    from rich.console import Console
    from rich.markdown import Markdown

    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.benchmarks.comparison import machine, markdown, measure
    from faceinpaint_fast.benchmarks.search import comparisons

    if out is not None:
        # before minutes of measuring, not after
        out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    where = pick_device(device)
    builders = comparisons(where)
    with _progress(transient=True) as bar:
        task = bar.add_task("measuring", total=len(builders))
        measured = []
        for build in builders.values():
            measured.append(measure(build(), where))
            bar.advance(task)
    table = markdown(measured, machine(where))
    if out is not None:
        out.write_text(table)
    Console().print(Markdown(table))


@app.command()
def parity(
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    model: Annotated[Path | None, typer.Option(help="Model folder; by default the one that is shipped.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of what functions are tried on.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write the table there, as Markdown.")] = None,
) -> None:
    """Hold every fast function and a short search against the plain reference; exit status 1 if one is off."""
    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.benchmarks.comparison import machine
    from faceinpaint_fast.images import check_place
    from faceinpaint_fast.models import load_model
    from faceinpaint_fast.parity.functions import checks
    from faceinpaint_fast.parity.report import TITLES, line, markdown

    if out is not None:
        check_place(out)
    where, loaded = pick_device(device), load_model(model)
    found = []
    print(line(TITLES))
    for check in checks(loaded, where, seed):
        print(line(check.cells), flush=True)
        found.append(check)
    failed = sum(not check.passed for check in found)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(markdown(found, machine(where)))
    print(f"{len(found)} rows on {where}, {failed} failed")
    if failed:
        raise typer.Exit(1)


@app.command()
def evaluate(
    data: Annotated[
        list[Path] | None, typer.Argument(help="Folders and tar shards of faces, each a data set; none: report only.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results; what is there already is not run again.")
    ] = None,
    masks: Annotated[list[str] | None, typer.Option(help="centre,left,drop-80 ...; by default all ten.")] = None,
    methods: Annotated[
        list[str] | None,
        typer.Option(
            help="default, paper, paper-calibrated, DIP, TV, PatchMatch, harmonic, biharmonic, Telea, or all."
        ),
    ] = None,
    faces: Annotated[int | None, typer.Option(min=1, help="The first so many of each data set.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Of the holes and of the starts of searches.")] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Faces at a time.")] = 16,
    model: Annotated[Path | None, typer.Option(help="Model folder; by default the one that is shipped.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    precision: Annotated[str, typer.Option(help="Of the networks: fp32 or bf16.")] = "fp32",
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="FIELD=VALUE of the engine's config, for its presets.")
    ] = None,
    name: Annotated[str | None, typer.Option("--as", help="What to call the results of one method.")] = None,
    table1: Annotated[bool, typer.Option("--table1", help="Print the paper's Table 1 too, beside ours.")] = False,
    update: Annotated[
        list[Path] | None, typer.Option(help="Document whose tables, between marks, are written anew.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for the paper's figures, drawn anew: 4 and 12 to 14 of DATA.")
    ] = None,
) -> None:
    """Measure methods on faces under the protocol's masks; kill it whenever you like, the same command goes on.

    Marks are lines: <!-- evaluate: NAME --> before a table, <!-- end --> behind it. NAME is table1, or summary,
    quality, differences, choices or detail and the name of a data set.
    """
    from faceinpaint_fast import markdown as documents
    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.config import InpaintConfig
    from faceinpaint_fast.evaluation import tables
    from faceinpaint_fast.evaluation.methods import available, build
    from faceinpaint_fast.evaluation.protocol import MASKS, Protocol
    from faceinpaint_fast.evaluation.results import read_all
    from faceinpaint_fast.models import load_model

    if out is None and figures is None:
        raise InputError("evaluate: expected --out for results, or --figures, got neither")
    documents.check(update or [])
    asked = Protocol(masks=_listed(masks) or MASKS, seed=seed, batch=batch)
    place, differing = pick_device(device), dict(_setting(text) for text in settings or [])
    if data or figures is not None:
        loaded = load_model(model)
        names, notes = available(_listed(methods), loaded)
        for note in notes:
            print(f"faceinpaint: {note}", file=sys.stderr)
        exact = cast("Precision", precision)
        chosen = build(names, model=loaded, device=place, precision=exact, settings=differing)
        if name is not None:
            if len(chosen) != 1 or Path(name).name != name:
                raise InputError(f"--as: expected a name, and one method to be called so, got {name!r} and {names}")
            chosen = {name: chosen[names[0]]}
        if figures is not None:
            config = InpaintConfig().with_settings({"precision": precision, **differing})
            _draw_figures(figures, data or [], chosen, loaded, config, place, seed)
        if data and out is not None:
            _run_protocol(asked, chosen, data, faces, out, place)
    if out is None:
        return
    made = tables.report(read_all(out))
    print("\n\n".join(table for name, table in made.items() if not name.startswith("table1")))
    if table1:
        if "table1" not in made:
            expected = f"results of {', '.join(tables.BESIDE)} with pixels dropped in {out}"
            raise InputError(f"--table1: expected {expected}, got none")
        print(f"\n{made['table1']}")
    documents.update(update or [], made)


def _run_protocol(
    asked: Protocol, methods: dict[str, Method], data: list[Path], limit: int | None, out: Path, device: torch.device
) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    from faceinpaint_fast.benchmarks.comparison import machine
    from faceinpaint_fast.evaluation import protocol

    with _progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        reading = bar.add_task("reading", total=None)
        sets = protocol.data_sets(data, limit, lambda count: bar.update(reading, completed=count))
        bar.update(reading, visible=False)
        task = bar.add_task("restoring", total=sum(map(len, sets.values())) * len(methods) * len(asked.masks))
        protocol.run(
            asked,
            methods,
            sets,
            out,
            machine=machine(device),
            progress=lambda what, count: bar.update(task, description=what, advance=count),
        )


def _draw_figures(
    folder: Path,
    data: list[Path],
    methods: dict[str, Method],
    model: Model,
    config: InpaintConfig,
    device: torch.device,
    seed: int,
) -> None:
    """Fig. 1 and 5 to 11 of faces that anybody may see; of the data sets Fig. 4, by the first, and 12 to 14."""
    from faceinpaint_fast.evaluation.protocol import data_sets
    from faceinpaint_fast.images import check_place
    from faceinpaint_fast.pictures import figures
    from faceinpaint_fast.pipeline import Inpainter
    from faceinpaint_fast.training import calibration

    check_place(folder / "fig01.png")
    sets = data_sets(data, CALIBRATED)
    restorer = figures.Restorer(
        inpainter=cache(lambda config: Inpainter.of(model, config=config, device=device)),
        config=config,
        methods={name: method.restore for name, method in methods.items()},
        seed=seed,
    )
    own = figures.default_faces(restorer.inpainter(config))
    shown = {number: own for number in figures.FIGURES if number < 12}
    for number, (name, faces) in zip((12, 13, 14), sets.items(), strict=False):
        shown[number] = {f"{name} {i}": face for i, face in enumerate(faces[: len(own)])}
    with _progress(transient=True) as bar:
        task = bar.add_task("drawing", total=len(shown) + bool(sets))
        for number, rows in shown.items():
            figures.write(folder, number, rows, restorer)
            bar.advance(task)
        if sets:
            held_out = next(iter(sets.values()))
            found = calibration.calibrate(model.generator, held_out, seed=seed, device=device)
            calibration.scatter(found, folder / "fig04.png")
    print(f"{folder}: figures {', '.join(map(str, sorted([*shown, *([4] if sets else [])])))}")


def _setting(text: str) -> tuple[str, str]:
    field, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"--set: expected FIELD=VALUE, got {text!r}")
    return field, value


def _listed(values: list[str] | None) -> tuple[str, ...]:
    """What was named, by commas or by repeating the option, each once and in that order."""
    return tuple(dict.fromkeys(name for value in values or [] for name in value.split(",") if name))


def _progress(*columns: ProgressColumn, transient: bool = False) -> Progress:
    """A progress bar on stderr, so that stdout holds results alone; none where nobody would see it move."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=transient, disable=not console.is_terminal)


def main() -> None:
    """Errors are one line on stderr and exit status 2; --debug, anywhere, shows the traceback."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    # what Pillow says of a broken file, besides raising an error, would be a second line
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    try:
        # not standalone, where typer would draw a frame around a usage error
        sys.exit(app(arguments or ["--help"], prog_name="faceinpaint", standalone_mode=False))
    except typer.Abort:
        sys.exit(130)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        message = getattr(error, "format_message", error.__str__)()
        if not isinstance(error, InputError | ModelError | OSError | USAGE_ERROR):
            message = f"unforeseen {type(error).__name__}, please report it with what --debug shows: {message}"
        print(f"faceinpaint: {' '.join(message.split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
