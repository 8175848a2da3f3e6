"""Commands that restore faces: inpaint, demo."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faceinpaint_fast.cli import console, photograph
from faceinpaint_fast.cli.hole import STDIN, Hole, read_hole
from faceinpaint_fast.cli.options import Config, ConfigName, Device, Iterations, ModelFolder, Seed
from faceinpaint_fast.cli.photograph import Aligned, Box, DetectorName, Eyes, Landmarks, MirrorName, Mode, Steps
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.extras import of_extra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from faceinpaint_fast.config import InpaintConfig
    from faceinpaint_fast.models import Model
    from faceinpaint_fast.picture_file import PictureFile
    from faceinpaint_fast.pictures.demonstration import Restored

STDOUT = {Path("-"), Path("/dev/stdout")}


def inpaint(
    image: Annotated[
        Path, typer.Argument(help="Photograph, or aligned face of the model's size (shipped: 64x64); -: stdin.")
    ],
    hole: Hole,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the restored picture; -: PNG to stdout.")],
    seed: Seed = 0,
    iterations: Iterations = None,
    config: Config = ConfigName.default,
    model: ModelFolder = None,
    device: Device = "auto",
    invert: Annotated[bool, typer.Option("--invert", help="Black = fill.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Take a hole as it is, however unlikely.")] = False,
    aligned: Aligned = False,
    landmarks: Landmarks = None,
    eyes: Eyes = None,
    box: Box = None,
    detector: DetectorName = None,
    mirror: MirrorName = Mode.auto,
    steps: Steps = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Also print each face's place and its losses.")] = False,
    save_steps: Annotated[
        Path | None, typer.Option(help="Folder for W, G(z^), merged gradients, divergence of an aligned face.")
    ] = None,
) -> None:
    """Restore the missing part of a face, or of the faces of a photograph, which are found, aligned and put back.

    The picture keeps its known pixels, its depth, transparency, colour profile and EXIF, as far as OUT's format can.
    """
    from faceinpaint_fast.picture_file import PictureFile
    from faceinpaint_fast.pictures import panels

    began = time.perf_counter()
    if str(image) == hole == STDIN:
        raise InputError("-: expected a picture or a hole on stdin, got both")
    faces = photograph.faces_of(landmarks, eyes, box)
    if aligned and (faces is not None or detector is not None):
        raise InputError("--aligned: expected no faces to be found, got where they are, or who finds them")
    _check(out, [] if save_steps is None else [save_steps / f"{name}.png" for name in panels.NAMES])
    photograph.check_steps(steps, out)
    with console.warnings_as_remarks():
        picture = PictureFile.read(sys.stdin.buffer, name="stdin") if str(image) == STDIN else PictureFile.read(image)
        missing, found = read_hole(hole, picture, seed, invert=invert, force=force)
    chosen = _config(config, iterations)

    # torch takes seconds to import: a mistake in the line is told before
    from faceinpaint_fast.models import load_model

    loaded = load_model(model)
    its_size = picture.levels.shape[:2] == (loaded.config.size, loaded.config.size)
    if aligned or (its_size and faces is None and detector is None):
        if steps is not None:
            raise InputError("--steps: expected a photograph, got an aligned face, of which there are --save-steps")
        filled, faces_told = _aligned(loaded, picture, missing, chosen, device, seed, save_steps)
    elif save_steps is not None:
        raise InputError("--save-steps: expected an aligned face of the model's size, got a photograph")
    else:
        result = photograph.restored(
            loaded,
            picture.pixels,
            missing,
            faces=faces,
            detector=detector,
            config=chosen,
            device=device,
            mirror=mirror,
            seed=seed,
        )
        filled, faces_told = result.image, photograph.told(result)
        if steps is not None:
            photograph.write_steps(steps, picture.pixels, missing, result)
    if found:
        console.remark(found)
    _write(picture.filled(filled, missing), out)
    # stdout is the picture's, if it goes there
    say = console.remark if out in STDOUT else print
    count = len(faces_told) or "no"
    took = f"{time.perf_counter() - began:.1f} s"
    say(f"{out}: {missing.mean():.1%} of the picture filled, {count} face{'s' * (count != 1)}, {took}")
    for line in faces_told if verbose else []:
        say(line)


def _aligned(
    model: Model,
    picture: PictureFile,
    missing: NDArray[np.bool_],
    config: InpaintConfig,
    device: str,
    seed: int,
    save_steps: Path | None,
) -> tuple[NDArray[Any], list[str]]:
    """Returns the pixels of an aligned face, restored, and a line of its losses; saves the steps, if asked to."""
    from faceinpaint_fast import images
    from faceinpaint_fast.pictures import panels
    from faceinpaint_fast.pipeline import Inpainter

    damaged = picture.pixels
    inpainter = Inpainter.of(model, config=config, device=device)
    with console.progress(transient=True) as bar, console.warnings_as_remarks():
        task = bar.add_task("searching", total=1.0)
        result = inpainter(damaged, missing, seed=seed, progress=lambda share: bar.update(task, completed=share))
    if save_steps is not None:
        seen, generated = images.as_bytes(damaged), images.as_bytes(result.generated)
        for name, panel in panels.panels(seen, missing, generated, config).items():
            images.write_image(save_steps / f"{name}.png", panel)
    return result.image, ["  ".join(f"{name} {float(loss):.4f}" for name, loss in result.losses.items())]


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write the contact sheet.")] = Path("out/demo.png"),
    seed: Seed = 0,
    iterations: Iterations = None,
    model: ModelFolder = None,
    device: Device = "auto",
) -> None:
    """Restore a real face under four holes as users have them, and a photograph, and draw what came of it."""
    from faceinpaint_fast import images
    from faceinpaint_fast.faces import astronaut
    from faceinpaint_fast.models import load_model
    from faceinpaint_fast.photo.restorer import Restorer
    from faceinpaint_fast.pipeline import Inpainter

    with of_extra("cli"):
        from faceinpaint_fast.pictures.demonstration import HOLES, demo_sheet, restore_holes, restore_photograph

    photo = out.with_stem(f"{out.stem}-photo")
    for path in (out, photo):
        images.check_writable(path)
    config = _config(ConfigName.default, iterations)
    loaded = load_model(model)
    face = astronaut(loaded.config.framing, loaded.config.size)
    inpainter = Inpainter.of(loaded, config=config, device=device)
    inpainter.warm_up()
    with console.progress(transient=True) as bar:
        tasks = {name: bar.add_task(name, total=1.0) for name in HOLES}
        rows = restore_holes(
            inpainter,
            face,
            framing=loaded.config.framing,
            seed=seed,
            progress=lambda name, share: bar.update(tasks[name], completed=share),
        )
    heads = ("hole", "PSNR in it", "SSIM in it", "PSNR", "SSIM", "seconds")
    console.print_table(f"{config.steps} steps", heads, map(_figures, rows))
    images.write_image(out, demo_sheet(face, rows))
    print(f"{out}: damaged, restored, original")
    try:
        images.write_image(photo, restore_photograph(Restorer(inpainter, framing=loaded.config.framing), seed))
    except InputError as error:
        # without the extra
        console.remark(error)
    else:
        print(f"{photo}: a photograph, likewise")


def _check(out: Path, steps: list[Path]) -> None:
    """Raises InputError unless the restored picture and its steps can be written."""
    from faceinpaint_fast import images

    if out in STDOUT:
        console.check_piped(out)
    else:
        images.check_writable(out)
    for step in steps:
        images.check_writable(step)
        if step.resolve() == out.resolve():
            raise InputError(f"--save-steps: expected another folder, in this one {step.name} would replace {out}")


def _write(picture: PictureFile, out: Path) -> None:
    """Writes a picture to its file or to stdout, and says what is lost there."""
    if out in STDOUT:
        sys.stdout.buffer.write(picture.encoded("PNG", console.remark))
        sys.stdout.flush()
    else:
        picture.write(out, console.remark)


def _config(name: ConfigName, iterations: int | None) -> InpaintConfig:
    """Returns the preset, with that many iterations if any were asked for."""
    from faceinpaint_fast.config import PRESETS

    preset = PRESETS[name]
    return preset if iterations is None else dataclasses.replace(preset, iterations=iterations)


def _figures(row: Restored) -> tuple[str, ...]:
    """Returns a row of the demonstration's table."""
    q = row.quality
    figures = f"{q.hole_psnr:.2f} dB", f"{q.hole_ssim:.3f}", f"{q.psnr:.2f} dB", f"{q.ssim:.3f}"
    return row.name, *figures, f"{row.seconds:.2f}"
