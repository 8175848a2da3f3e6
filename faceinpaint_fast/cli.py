"""The command `faceinpaint`.  Heavy imports happen inside the commands: --help must not wait for torch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from faceinpaint_fast.errors import InputError, ModelError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; anywhere on the line.")] = False,
) -> None:
    """Restore missing parts of face photographs by searching the latent space of a generator."""


@app.command()
def train(
    data: Annotated[list[Path], typer.Argument(help="Folders of images and tar shards of aligned faces.")],
    out: Annotated[Path, typer.Option(help="Model folder; a run that is there already is resumed.")],
    images: Annotated[int, typer.Option(help="How many images to see in all.")] = 2_000_000,
    width: Annotated[int, typer.Option(help="Channels at 32x32; 128 is the paper's.")] = 64,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 128,
    learning_rate: Annotated[float, typer.Option(help="Of Adam.")] = 2e-4,
    ema: Annotated[float, typer.Option(help="Decay of the moving average of G's weights.")] = 0.999,
    precision: Annotated[str, typer.Option(help="fp32, bf16, or auto: bf16 where the device has it.")] = "auto",
    crop: Annotated[int | None, typer.Option(help="Centred square to cut, in pixels: 108 for CelebA's 178x218.")] = None,
    checkpoint_minutes: Annotated[float, typer.Option(help="Between checkpoints.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Of weights, order, mirroring and latent codes.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
) -> None:
    """Train the DCGAN on aligned faces; kill it whenever you like, the same command goes on."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.training import data as training_data
    from faceinpaint_fast.training import dcgan

    place = pick_device(device)
    config = dcgan.TrainConfig(
        width=width,
        batch=batch,
        learning_rate=learning_rate,
        ema=ema,
        precision=dcgan.best_precision(place) if precision == "auto" else precision,
        seed=seed,
    )
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns) as bar:
        reading = bar.add_task("reading", total=None, note="faces")
        faces = training_data.load_faces(data, crop=crop, progress=lambda count: bar.update(reading, completed=count))
        bar.update(reading, total=len(faces))
        training = bar.add_task("training", total=images, note="")
        before = None

        def show(progress: dcgan.Progress) -> None:
            nonlocal before
            note = f"D {progress.loss_d:.3f}  G {progress.loss_g:.3f}"
            if before is not None:
                rate = (progress.images - before.images) / (progress.seconds - before.seconds)
                note = f"{rate:.0f} images/s  {note}"
            bar.update(training, completed=progress.images, note=note)
            before = progress

        dcgan.train(
            faces,
            out,
            config,
            images=images,
            device=place,
            checkpoint_minutes=checkpoint_minutes,
            on_progress=show,
        )
    print(f"{out}: a model that has seen {images} images; next: faceinpaint calibrate {out} HELD_OUT")


def main() -> None:
    """Errors of the user's are one line on stderr and exit status 2; --debug, anywhere, shows the traceback."""
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app()
    except (InputError, ModelError) as error:
        if debug:
            raise
        print(f"faceinpaint: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
