"""What `evaluate` draws: the paper's figures, and the chart of its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from faceinpaint_fast.cli import console
from faceinpaint_fast.cli.options import HELD_OUT, OnErrorName
from faceinpaint_fast.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from faceinpaint_fast.config import Precision
    from faceinpaint_fast.framing import Framing
    from faceinpaint_fast.models import Model
    from faceinpaint_fast.pictures.figures import FigureSettings

FOLDER = Path("out/figures")
SCATTER = 4  # the figure that shows no faces
METHODS = ("TV", "PatchMatch", "DIP")  # beside the engine's in Fig. 1, as in the paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What is to be drawn, and with what.

    folder    where the figures go
    numbers   of the figures; none: all that there are faces for
    preset    of the engine's configs, which restores
    settings  fields of every config that differ from the presets, as text
    methods   Fig. 1's columns beside the preset's; DIP's is there always
    seed      of holes and searches
    """

    folder: Path
    numbers: tuple[int, ...]
    preset: str
    settings: Mapping[str, str]
    methods: tuple[str, ...]
    seed: int

    @classmethod
    def of(cls, folder: Path | None, numbers: list[int] | None, **asked: Any) -> Drawing | None:
        """Returns what is to be drawn by the options of the command; None where neither of the two is there."""
        if folder is None and not numbers:
            return None
        return cls(folder=folder or FOLDER, numbers=tuple(dict.fromkeys(numbers or ())), **asked)

    def check(self) -> None:
        """Raises InputError for a number that no figure has, and unless all of them can be written."""
        from faceinpaint_fast.files import check_place
        from faceinpaint_fast.pictures.figures import FIGURES

        known = sorted((SCATTER, *FIGURES))
        for number in self.numbers or known:
            if number not in known:
                raise InputError(f"--figure: expected one of {', '.join(map(str, known))}, got {number}")
            check_place(self.folder / f"fig{number:02d}.png")

    def draw(
        self,
        data: Sequence[Path],
        shape: tuple[int, Framing],
        on_error: OnErrorName,
        model: Model,
        device: torch.device,
    ) -> None:
        """Draws Fig. 1 and 5 to 11 of the first data set, or of faces at hand; of the data sets Fig. 4 and 12 to 14."""
        from faceinpaint_fast.evaluation.protocol import data_sets
        from faceinpaint_fast.faces import astronaut
        from faceinpaint_fast.pictures import figures

        limit = HELD_OUT if SCATTER in (self.numbers or (SCATTER,)) else figures.FACES
        with console.warnings_as_remarks():
            sets = data_sets(data, size=shape[0], framing=shape[1], limit=limit, on_error=on_error.value)
        settings = self._settings(model, device)
        inpainter = settings.inpainter(settings.config)
        own = {} if sets else figures.default_faces(astronaut(model.config.framing, model.config.size), inpainter)
        rows = figures.rows_of_figures(own, sets)
        there = sorted([*rows, *([SCATTER] if sets else [])])
        if absent := [number for number in self.numbers if number not in there]:
            raise InputError(f"--figure: expected a data set more for figure {absent[0]}, got {len(sets)}")
        titles = dict(zip(figures.OF_DATA, sets, strict=False))
        with console.progress(transient=True) as bar:
            task = bar.add_task("drawing", total=len(self.numbers or there))
            for number in self.numbers or there:
                if number == SCATTER:
                    self._scatter(next(iter(sets.values())), model, device)
                else:
                    figures.write_figure(self.folder, number, rows[number], settings, titles.get(number))
                bar.advance(task)
        print(f"{self.folder}: figures {', '.join(map(str, self.numbers or there))}")

    def _settings(self, model: Model, device: torch.device) -> FigureSettings:
        from faceinpaint_fast.config import PRESETS
        from faceinpaint_fast.evaluation.methods import available, build
        from faceinpaint_fast.pictures.figures import FigureSettings
        from faceinpaint_fast.pipeline import Inpainter

        names, _ = available(list(dict.fromkeys((*(self.methods or METHODS), "DIP"))), model)
        precision = cast("Precision", self.settings["precision"])
        methods = build(names, model=model, device=device, precision=precision, settings=self.settings)
        return FigureSettings(
            inpainter=cache(lambda config: Inpainter.of(model, config=config, device=device)),
            config=PRESETS[self.preset].with_settings(self.settings),
            name=self.preset,
            printed=PRESETS["paper"].with_settings(self.settings),
            methods={name: method.restore for name, method in methods.items() if name != self.preset},
            seed=self.seed,
        )

    def _scatter(self, held_out: NDArray[np.uint8], model: Model, device: torch.device) -> None:
        from faceinpaint_fast.pictures import plots
        from faceinpaint_fast.training import calibration

        found = calibration.calibrate(model.generator, held_out, seed=self.seed, device=device)
        plots.draw_scatter(found, self.folder / f"fig{SCATTER:02d}.png")


def draw_chart(out: Path, path: Path) -> None:
    """Draws what the results in a folder say of CelebA, or else of the first data set."""
    from faceinpaint_fast.evaluation import results, tables
    from faceinpaint_fast.pictures import plots

    found = results.read_all(out)
    data = tables.foremost(found)
    plots.draw_quality(data, tables.columns(found[data]), path)
