"""Commands for those who take the engine elsewhere: export, tune, doctor, models."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, cast

import typer

from faceinpaint_fast.cli.options import (
    Config,
    ConfigName,
    Device,
    Iterations,
    ModelFolder,
    Precision,
    Settings,
    settings_of,
)
from faceinpaint_fast.cli.signals import ctrl_c_heeded


def export(
    model: Annotated[Path, typer.Argument(help="Model folder, or name of a model that is installed.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write it: .onnx, .search, or the package .pt2.")],
    batch: Annotated[int, typer.Option(min=1, help="Images a call of a package; .onnx takes any number.")] = 1,
    config: Config = ConfigName.default,
    iterations: Iterations = None,
    precision: Precision = "fp32",
    settings: Settings = None,
    device: Device = "auto",
    blend: Annotated[
        bool, typer.Option("--blend", help="In an .onnx file, blend what is found into the hole, too.")
    ] = False,
) -> None:
    """Write the search for programs without Python: as ONNX, for our C library, or compiled for this machine's C++."""
    from faceinpaint_fast import models
    from faceinpaint_fast.config import PRESETS
    from faceinpaint_fast.config import Precision as Words
    from faceinpaint_fast.errors import InputError

    chosen = PRESETS[config].with_settings(settings_of(settings))
    if precision != chosen.precision:
        chosen = dataclasses.replace(chosen, precision=cast(Words, precision))
    if iterations is not None:
        chosen = dataclasses.replace(chosen, iterations=iterations)
    steps = f"{chosen.steps} steps"
    if out.suffix == ".search":
        if batch != 1 or blend:
            given = "--blend" if blend else f"--batch {batch}"
            raise InputError(f"{out}: expected neither --batch nor --blend for a .search file, got {given}")
        from faceinpaint_fast.export import search_file

        with ctrl_c_heeded():
            search_file.export(models.load_model(model), out, config=chosen)
        print(f"{out}: {steps} for any number of images a call; next: csrc/c/faceinpaint_search.h")
        return
    if out.suffix == ".onnx":
        if batch != 1:
            raise InputError(f"batch: expected none for an .onnx file, which takes any number of images, got {batch}")
        from faceinpaint_fast.export import onnx_file

        with ctrl_c_heeded():
            onnx_file.export(models.load_model(model), out, config=chosen, blend=blend)
        print(f"{out}: {steps} for any number of images a call; next: examples/onnx")
        return
    if blend:
        raise InputError(
            f"blend: expected none for a package, whose T is left to the caller to blend, got {out} with one"
        )
    from faceinpaint_fast.export import package

    with ctrl_c_heeded():
        package.export(models.load_model(model), out, config=chosen, batch=batch, device=device)
    print(f"{out}: {steps} for {batch} image{'s' * (batch > 1)} a call; next: examples/cpp")


def page(
    model: Annotated[Path, typer.Argument(help="Model folder, or name of a model that is installed.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the page's files, for any web server to serve.")
    ] = None,
    single: Annotated[Path | None, typer.Option(help="File that is the whole page, to be opened from a disk.")] = None,
    config: Config = ConfigName.fast,
    settings: Settings = None,
    wasm: Annotated[
        Path | None, typer.Option(help="Folder of what `make wasm` made: blend and search; by default build/wasm.")
    ] = None,
) -> None:
    """Write the page without a server: it restores faces in the browser that opens it, and sends nothing anywhere."""
    from faceinpaint_fast import models
    from faceinpaint_fast.config import PRESETS
    from faceinpaint_fast.export import page_folder

    chosen = PRESETS[config].with_settings(settings_of(settings))
    page_folder.check(out, single)
    compiled = page_folder.modules(wasm or page_folder.WASM)
    with ctrl_c_heeded():
        made = page_folder.contents(models.load_model(model), chosen, compiled)
    if out is not None:
        page_folder.write(out, made)
        print(f"{out}: {len(made)} files, to be served by anything, such as python -m http.server -d {out}")
    if single is not None:
        page_folder.write_single(single, made)
        print(f"{single}: {single.stat().st_size / 1e6:.0f} MB, to be opened by a browser")


def tune(device: Device = "auto") -> None:
    """Measure on this GPU which way of cutting each kernel's work is fastest, and keep that in the user's cache."""
    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.errors import InputError

    where = pick_device(device)
    if where.type != "cuda":
        raise InputError(f"device: expected a CUDA device, whose kernels are tuned, got {where}")

    from faceinpaint_fast.benchmarks import tuned, tuner

    tuner.tune(tuned.families(where), where, print)


def doctor(
    model: ModelFolder = None,
    graphs: Annotated[
        bool, typer.Option("--graphs", help="Measure the memory that searches keep on a GPU: takes a minute.")
    ] = False,
) -> None:
    """What is installed, which devices and kernels are in use, and whether the model is whole."""
    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.doctor import examine, graph_memory
    from faceinpaint_fast.errors import InputError

    device = pick_device("auto")
    if graphs and device.type != "cuda":
        raise InputError(f"--graphs: expected a CUDA device, which graphs are captured on, got {device}")
    for name, finding in examine(model).items():
        print(f"{name:<16} {finding}")
    if graphs:
        print(f"{'graphs':<16} {graph_memory(model, device)}")


def models() -> None:
    """List the models that are installed: their names are what --model takes, beside folders."""
    from faceinpaint_fast.models import listed

    for name, told in listed():
        print(f"{name:<16} {'; '.join(told)}")
