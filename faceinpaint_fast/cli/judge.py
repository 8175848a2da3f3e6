"""Commands that hold the engine against something: bench, parity, evaluate."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from faceinpaint_fast.cli import console, framed, photographed, recognised
from faceinpaint_fast.cli.engine import Address, Engine, EngineName, Threads, Workers, crew_of
from faceinpaint_fast.cli.figures import Drawing, draw_chart
from faceinpaint_fast.cli.options import (
    Config,
    ConfigName,
    Crop,
    Device,
    ModelFolder,
    OnError,
    OnErrorName,
    Precision,
    Report,
    Seed,
    Settings,
    Size,
    geometry,
    listed,
    settings_of,
)
from faceinpaint_fast.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from faceinpaint_fast.cluster.crew import Crew
    from faceinpaint_fast.config import Precision as ConfigPrecision
    from faceinpaint_fast.evaluation.methods import Choice
    from faceinpaint_fast.evaluation.protocol import Evaluation
    from faceinpaint_fast.framing import Framing
    from faceinpaint_fast.models import Model

DataSets = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders and tar shards of faces, each a data set, or pictures; none: report only."),
]
Results = Annotated[Path | None, typer.Option("--out", help="Folder of the results; what is there is not run again.")]
Masks = Annotated[
    list[str] | None,
    typer.Option(help="centre,left,eyes,drop-80 ...; by default all ten, and eyes and mouth of people."),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        help="default, paper, DIP, TV, PatchMatch, harmonic, biharmonic, Telea, or all; paper-generated: G(z^) alone."
    ),
]
Identities = Annotated[
    Path | None,
    typer.Option(help="CSV file of pictures and people: measure who is recognised. Methods: damaged, undamaged too."),
]
Limit = Annotated[int | None, typer.Option(min=1, help="The first so many of each data set.")]
Documents = Annotated[list[Path] | None, typer.Option(help="Document whose tables, between marks, are written anew.")]
Figures = Annotated[
    Path | None, typer.Option(help="Folder for the paper's figures, drawn anew of DATA; by default out/figures.")
]
FigureNumbers = Annotated[list[int] | None, typer.Option(help="1, or 4 to 14: draw this one; none: all of --figures.")]
Photos = Annotated[
    Path | None, typer.Option("--photos", help="Folder of photographs: find, damage and restore their faces. No DATA.")
]
Sheets = Annotated[Path | None, typer.Option("--sheets", help="Folder for a contact sheet a hole, of --photos.")]
Chart = Annotated[Path | None, typer.Option(help="Picture of the results by mask: PSNR, or who is recognised.")]


def bench(
    device: Device = "auto",
    threads: Annotated[int, typer.Option(min=1, help="For torch and the compiled kernels.")] = 1,
    level: Annotated[str | None, typer.Option(help="Of the compiled kernels; doctor names the best.")] = None,
    out: Report = None,
) -> None:
    """Measure the engine beside what a user would write, one thing beside another in one run."""
    import torch

    from faceinpaint_fast import _cpu
    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.benchmarks.comparison import measure
    from faceinpaint_fast.benchmarks.report import comparisons, markdown
    from faceinpaint_fast.doctor import machine
    from faceinpaint_fast.files import check_place, write_text

    if out is not None:
        check_place(out)
    if level is not None:
        if level not in _cpu.LEVELS:
            raise InputError(f"--level: expected one of {', '.join(_cpu.LEVELS)}, got {level!r}")
        _cpu.use_level(level)
    torch.set_num_threads(threads)
    where = pick_device(device)
    builders = comparisons(where)
    with console.progress(transient=True) as bar:
        task = bar.add_task("measuring", total=len(builders))
        measured, failed, on = [], [], machine(where)
        try:
            for name, build in builders.items():
                try:
                    measured.append(measure(build(), where))
                # one that cannot be had costs none of the others
                except Exception as error:
                    failed.append(f"{name}: {type(error).__name__}: {error}")
                if out is not None:
                    write_text(out, markdown(measured, on))
                bar.advance(task)
        finally:
            # whoever interrupts it has what was measured
            console.print_markdown(markdown(measured, on))
    for line in failed:
        console.remark(line)
    if failed:
        raise typer.Exit(1)


def parity(device: Device = "auto", model: ModelFolder = None, seed: Seed = 0, out: Report = None) -> None:
    """Hold every fast function and a short search against the plain reference; exit status 1 if one is off."""
    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.doctor import machine
    from faceinpaint_fast.files import check_place, write_text
    from faceinpaint_fast.models import load_model
    from faceinpaint_fast.parity import report

    if out is not None:
        check_place(out)
    where, loaded = pick_device(device), load_model(model)
    found = []
    print(report.line(report.TITLES))
    for check in report.checks(loaded, where, seed):
        print(report.line(report.cells(check)), flush=True)
        found.append(check)
    failed = sum(not check.passed for check in found)
    print(f"{len(found)} rows on {where}, {failed} failed", flush=True)
    if out is not None:
        write_text(out, report.markdown(found, machine(where)))
    if failed:
        raise typer.Exit(1)


def evaluate(
    data: DataSets = None,
    out: Results = None,
    masks: Masks = None,
    methods: Methods = None,
    faces: Limit = None,
    seed: Seed = 0,
    batch: Annotated[int, typer.Option(min=1, help="Faces at a time.")] = 16,
    model: ModelFolder = None,
    device: Device = "auto",
    precision: Precision = "fp32",
    size: Size = None,
    crop: Crop = None,
    on_error: OnError = OnErrorName.fail,
    settings: Settings = None,
    name: Annotated[str | None, typer.Option("--as", help="What to call the results of one method.")] = None,
    table1: Annotated[bool, typer.Option("--table1", help="Print the paper's Table 1 too, beside ours.")] = False,
    update: Documents = None,
    figures: Figures = None,
    recognise: Identities = None,
    figure: FigureNumbers = None,
    config: Config = ConfigName.default,
    chart: Chart = None,
    photos: Photos = None,
    sheets: Sheets = None,
    engine: Engine = EngineName.local,
    address: Address = None,
    workers: Workers = None,
    threads: Threads = 1,
) -> None:
    """Measure methods on faces under the protocol's masks; kill it whenever you like, the same command goes on.

    Marks are lines: <!-- evaluate: NAME --> before a table, <!-- end --> behind it. NAME is table1, or summary,
    quality, differences, choices or detail, or recognition, alone or with line, gain, differences, detail or advice,
    and the name of a data set; or of replication: claims paper, claims default, rivals of paper, printed; or photos
    with psnr, ssim, sharp or seam and given or detected, seconds detected, frames or mirror.
    """
    from faceinpaint_fast.arrays import pick_device
    from faceinpaint_fast.evaluation.protocol import Evaluation
    from faceinpaint_fast.models import load_model

    differing, chosen = settings_of(settings), listed(methods)
    drawing = Drawing.of(
        figures, figure, preset=config.value, settings={"precision": precision, **differing}, methods=chosen, seed=seed
    )
    photographed.check(photos, sheets)
    crew = crew_of(engine, address, workers, threads, device)
    if crew is not None and drawing:
        raise InputError("--engine: expected local with --figures, got ray")
    if sheets is None:
        _check_outputs(out, update or [], drawing, chart)
    asked = Evaluation(masks=listed(masks) or recognised.masks(recognise), seed=seed, batch=batch)
    # its own processes have the cluster's
    place = pick_device(device if crew is None else "cpu")
    if photos is not None:
        photographed.run(photos, crew, faces, out, sheets, place, load_model(model))
    elif data or drawing:
        shape = geometry((loaded := load_model(model)).config, size, crop)
        if drawing:
            drawing.draw(data or [], shape, on_error, loaded, place)
        if data and out is not None:
            named, bounds = recognised.split(chosen, recognise)
            choice = _chosen(named, bool(bounds), name, loaded, precision, differing)
            run = _run if recognise is None else partial(recognised.run, recognise, bounds)
            run(asked, choice, crew, data, shape, on_error, faces, out, place)
    if out is not None:
        _report(out, update or [], chart, with_table1=table1)


def _check_outputs(out: Path | None, documents: list[Path], drawing: Drawing | None, chart: Path | None) -> None:
    """Raises InputError unless something is asked for and all of it can be written: before the work, not after."""
    from faceinpaint_fast import images, markdown
    from faceinpaint_fast.files import check_place

    if out is None and (drawing is None or chart is not None):
        raise InputError("evaluate: expected --out for results, or --figures, got neither")
    markdown.check(documents)
    if out is not None:
        check_place(out / "results.jsonl")
    if chart is not None:
        images.check_writable(chart)
    if drawing is not None:
        drawing.check()


def _chosen(
    names: tuple[str, ...],
    bounded: bool,
    renamed: str | None,
    model: Model,
    precision: str,
    settings: Mapping[str, str],
) -> Choice:
    """Returns the methods of these names, the one that there is under another name if so asked.

    No names are all, unless there are bounds.
    """
    from faceinpaint_fast.evaluation.methods import Choice, available

    found, notes = available(names, model) if names or not bounded else ([], [])
    for note in notes:
        console.remark(note)
    called = dict(zip(found, found, strict=True))
    if renamed is not None:
        if len(found) != 1:
            raise InputError(f"--as: expected one method to be called {renamed!r}, got {found}")
        called = {renamed: found[0]}
    return Choice(names=called, model=model, precision=cast("ConfigPrecision", precision), settings=settings)


def _run(
    asked: Evaluation,
    choice: Choice,
    crew: Crew | None,
    data: list[Path],
    shape: tuple[int, Framing],
    on_error: OnErrorName,
    limit: int | None,
    out: Path,
    device: torch.device,
) -> None:
    """Runs the methods on the first faces of each data set, and shows how it goes on."""
    from faceinpaint_fast.doctor import machine
    from faceinpaint_fast.evaluation import protocol

    methods = choice.built(device)
    protocol.check(methods, data, out)
    with console.counting_bar() as bar:
        reading = bar.add_task("reading", total=None)
        with console.warnings_as_remarks():
            sets = protocol.data_sets(
                data,
                size=shape[0],
                framing=shape[1],
                limit=limit,
                progress=lambda count: bar.update(reading, completed=count),
                tell=console.remark,
                on_error=on_error.value,
            )
        bar.update(reading, visible=False)
        framed.remark_on(sets, choice.model, device)
        through = None if crew is None else partial(crew.in_order, protocol.Judging(choice, sets, asked.seed))
        progress = console.restoring(bar, sum(map(len, sets.values())) * len(methods) * len(asked.masks))
        where = machine(device)
        protocol.evaluate(asked, methods, sets, out, machine=where, progress=progress, through=through)


def _report(out: Path, documents: list[Path], chart: Path | None, *, with_table1: bool) -> None:
    """Prints the tables of the results in a folder, writes them to their places in documents, and draws the chart."""
    from faceinpaint_fast import markdown
    from faceinpaint_fast.evaluation import replication, results, tables

    if of_photos := photographed.tables(out):
        print("\n\n".join(of_photos.values()))
        markdown.update(documents, of_photos)
        return
    found, of_people = results.read_all(out), recognised.tables(out)
    made = tables.report(found)
    print("\n\n".join(table for name, table in (made | of_people).items() if not name.startswith("table1")))
    if with_table1:
        if "table1" not in made:
            expected = "results of DIP, paper or default with pixels dropped"
            raise InputError(f"--table1: expected {expected} in {out}, got none")
        print(f"\n{made['table1']}")
    every = made | of_people | replication.report(found)
    markdown.update(documents, every, elsewhere=recognised.elsewhere(quality=bool(made), people=bool(of_people)))
    if chart is not None:
        (recognised.draw if of_people else draw_chart)(out, chart)
