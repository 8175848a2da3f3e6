"""The paper's figures of restored faces, drawn anew: Fig. 1 and 5 to 14 of Qiang et al. 2019.

Each is a contact sheet of damaged, restored and original faces, with the PSNR of the whole face below what was
restored; `FIGURES` says under which holes, and what stands between the damaged and the original.  (Fig. 4 shows no
faces: `plots.draw_scatter` draws it.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faceinpaint_fast import masks
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.evaluation.methods import Restore
from faceinpaint_fast.evaluation.metrics import quality
from faceinpaint_fast.images import check_writable, write_image
from faceinpaint_fast.networks.protocols import to_unit
from faceinpaint_fast.pictures.contact_sheet import contact_sheet
from faceinpaint_fast.pictures.panels import steps
from faceinpaint_fast.pipeline import Inpainter, Inpainting

Pictures = NDArray[np.uint8]

FACES = 12  # of a data set that are shown
ROWS = 12  # faces under holes that a figure has at most; fewer where scattered pixels make a large file
HEIGHT = 128  # pixels of a picture in the sheet
GRID = 3  # panels of Fig. 6 beside each other


@dataclass(frozen=True, slots=True)
class Damaged:
    """The rows of a figure: images (B, H, W, 3) uint8 and their holes (B, H, W)."""

    images: Pictures
    holes: NDArray[np.bool_]

    def filled(self, content: Any) -> Pictures:
        """Returns the images with their holes filled, by pictures (B, H, W, 3) or by one number."""
        return np.where(self.holes[..., None], content, self.images).astype(np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureSettings:
    """What the figures restore with.

    inpainter  makes an Inpainter for a config; Fig. 5 asks for several, the others for that of `config`
    config     what restores, and `name`, what its column is called
    printed    the paper's config, of which Fig. 5 shows the losses
    methods    Fig. 1's other columns by name; "DIP" stands beside the config in Fig. 8 to 14 too
    seed       of the holes and of the start of every search
    """

    inpainter: Callable[[InpaintConfig], Inpainter]
    config: InpaintConfig = field(default=InpaintConfig())
    name: str = "default"
    printed: InpaintConfig = field(default_factory=InpaintConfig.paper)
    methods: Mapping[str, Restore] = field(default_factory=dict)
    seed: int = 0

    def restore(self, damaged: Damaged, config: InpaintConfig) -> Inpainting[Any]:
        """Restores all rows in one batch."""
        return self.inpainter(config)(damaged.images, damaged.holes, seed=self.seed)

    def by(self, name: str, damaged: Damaged) -> Pictures:
        """Restores all rows by the method of this name."""
        found = self.methods[name](damaged.images / 255, damaged.holes, [self.seed] * len(damaged.images))
        return np.round(255 * found.clip(0, 1)).astype(np.uint8)


# the rows and what restores them -> pictures (B, H, W, 3) or (B, H, W) by the column's name
Columns = Callable[[Damaged, FigureSettings], dict[str, Pictures]]


def by_method(damaged: Damaged, settings: FigureSettings) -> dict[str, Pictures]:
    """Draws Fig. 1: what each of the methods makes of it."""
    found = {name: settings.by(name, damaged) for name in settings.methods}
    return found | {settings.name: settings.restore(damaged, settings.config).image}


def by_loss(damaged: Damaged, settings: FigureSettings) -> dict[str, Pictures]:
    """Draws Fig. 5: what each loss of Eq. 8 restores alone, and all together, by the printed method."""
    printed = settings.printed
    # the weights of D, of L1, of SSIM
    lambdas = {"L1 alone": (0.0, 1.0, 0.0), "SSIM alone": (0.0, 0.0, 1.0), "D alone": (1.0, 0.0, 0.0)}
    configs = {
        name: dataclasses.replace(printed, lambda_d=d, lambda_c=c, lambda_s=s) for name, (d, c, s) in lambdas.items()
    }
    return {name: settings.restore(damaged, each).image for name, each in (configs | {"all three": printed}).items()}


def by_step(damaged: Damaged, settings: FigureSettings) -> dict[str, Pictures]:
    """Draws Fig. 6, in grey: the gradients that Poisson's blend merges, their divergence, and what comes of it."""
    found = settings.restore(damaged, dataclasses.replace(settings.config, blend="poisson"))
    triples = zip(damaged.filled(0), damaged.holes, found.generated, found.image, strict=True)
    drawn = [steps(*each) for each in triples]
    return {name: np.stack([each[name] for each in drawn]) for name in drawn[0]}


def with_and_without_blending(damaged: Damaged, settings: FigureSettings) -> dict[str, Pictures]:
    """Draws Fig. 7: what Poisson's blend is worth."""
    found = settings.restore(damaged, dataclasses.replace(settings.config, blend="poisson"))
    return {"G(z^)": found.generated, "not blended": damaged.filled(found.generated), "blended": found.image}


def beside_dip(damaged: Damaged, settings: FigureSettings) -> dict[str, Pictures]:
    """Draws Fig. 8 to 14: what DIP restored, and what the config did."""
    found = {name: settings.by(name, damaged) for name in settings.methods if name == "DIP"}
    return found | {settings.name: settings.restore(damaged, settings.config).image}


@dataclass(frozen=True, slots=True)
class Figure:
    """What a figure shows: its title, its holes, drawn (`masks.draw`) and by label, its columns, and how many rows."""

    title: str
    holes: Mapping[str, str]
    columns: Columns
    rows: int = ROWS


CENTRE = {"centre": "centre"}
EVERY_KIND = CENTRE | {"free-form": "free-form", "80 % dropped": "drop-80"}
OF_DATA = (12, 13, 14)
STEPS = 6
FIGURES = {
    1: Figure("Methods side by side", EVERY_KIND, by_method, rows=6),
    5: Figure("Each loss alone, by the printed method", CENTRE, by_loss, rows=6),
    STEPS: Figure("The steps of Poisson's blend", CENTRE, by_step, rows=4),
    7: Figure("With and without Poisson's blend", CENTRE, with_and_without_blending, rows=8),
    8: Figure("Centre hole", CENTRE, beside_dip),
    9: Figure("Halves", {f"{side} half": side for side in ("left", "right", "top", "bottom")}, beside_dip),
    10: Figure("Free-form holes", {f"strokes {i}": "free-form" for i in (1, 2)}, beside_dip),
    11: Figure(
        "Pixels dropped", {f"{share} % dropped": f"drop-{share}" for share in (20, 40, 60, 80)}, beside_dip, rows=8
    ),
} | {number: Figure("Other data", EVERY_KIND, beside_dip, rows=9) for number in OF_DATA}


def default_faces(face: Pictures, inpainter: Inpainter, *, count: int = 3) -> dict[str, Pictures]:
    """Returns the astronaut's face and `count` that the inpainter's G draws itself, (H, W, 3) uint8, by name.

    A face that G can draw exactly flatters every method that searches its latent space.
    """
    # NumPy's numbers, so that no search of any seed starts where it should arrive
    z = np.random.default_rng(0).standard_normal((count, inpainter.generator.latent_size))
    drawn = to_unit(inpainter.generator(torch.from_numpy(z).float().to(inpainter.device)))
    pictures = (255 * drawn).round().byte().movedim(1, -1).cpu().numpy()
    own = {f"G's own face {i} (flattering)": picture for i, picture in enumerate(pictures, 1)}
    return {"astronaut": face} | own


def rows_of_figures(own: Mapping[str, Pictures], sets: Mapping[str, Pictures]) -> dict[int, Mapping[str, Pictures]]:
    """Returns the faces of each figure, by name: up to Fig. 11 of the first data set, or else `own`.

    Fig. 12 to 14 are of the first three data sets, one each.

    own   (H, W, 3) by name
    sets  (N, H, W, 3) by name, of which the first FACES are shown
    """
    named = [{f"{name} {i}": face for i, face in enumerate(faces[:FACES])} for name, faces in sets.items()]
    rows = {number: named[0] if named else own for number in FIGURES if number not in OF_DATA}
    return rows | dict(zip(OF_DATA, named, strict=False))


def figure_sheet(
    number: int, faces: Mapping[str, Pictures], settings: FigureSettings, title: str | None = None
) -> Pictures:
    """Returns figure `number` of FIGURES as a contact sheet, a row for each face (H, W, 3) uint8 under each hole.

    There are as many faces as the figure has rows for.  `title` is by default the figure's.

    Raises InputError for a number that is not among FIGURES, without a face or for faces of several shapes, and as
    Inpainter does.
    """
    if number not in FIGURES:
        raise InputError(f"figure: expected one of {', '.join(map(str, FIGURES))}, got {number}")
    shapes = {face.shape for face in faces.values()}
    if len(shapes) != 1:
        raise InputError(f"faces: expected some, all of one shape, got {sorted(shapes) or 'none'}")
    figure = FIGURES[number]
    # each of a figure's holes from a seed of its own, the same for every face
    names, images, holes = zip(
        *(
            (f"{name}, {label}", face, masks.draw(drawn, face.shape[:2], settings.seed + i))
            for name, face in list(faces.items())[: max(1, figure.rows // len(figure.holes))]
            for i, (label, drawn) in enumerate(figure.holes.items())
        ),
        strict=True,
    )
    damaged = Damaged(np.stack(images), np.stack(holes))
    columns = figure.columns(damaged, settings)
    title = f"Fig. {number}: {title or figure.title}"
    if number == STEPS:
        return _grids(names, columns, title)
    shown = {"damaged": damaged.filled(255)} | columns | {"original": damaged.images}
    below = {name: columns.get(name) for name in shown}
    rows = dict(zip(names, zip(*shown.values(), strict=True), strict=True))
    captions = {
        name: ["" if pictures is None else _psnr(pictures[i], images[i]) for pictures in below.values()]
        for i, name in enumerate(names)
    }
    return contact_sheet(list(shown), rows, captions=captions, title=title, shown=HEIGHT)


def write_figure(
    folder: Path, number: int, faces: Mapping[str, Pictures], settings: FigureSettings, title: str | None = None
) -> Path:
    """Writes a `figure_sheet` to folder/figNN.png, and returns that; InputError too where it cannot be written."""
    path = folder / f"fig{number:02d}.png"
    check_writable(path)
    write_image(path, figure_sheet(number, faces, settings, title))
    return path


def _grids(names: Sequence[str], columns: Mapping[str, Pictures], title: str) -> Pictures:
    """Returns a sheet of the panels of each face, GRID beside each other with their names below, faces by two."""
    panels, rows, captions = list(columns), {}, {}
    for i, name in enumerate(names):
        for first in range(0, len(panels), GRID):
            part = panels[first : first + GRID]
            # no two rows of a sheet are called alike
            label = name if first == 0 else " " * (len(panels) * i + first)
            rows[label], captions[label] = [columns[panel][i] for panel in part], part
    deep = len(rows) // len(names) * -(-len(names) // 2)
    return contact_sheet([""] * GRID, rows, captions=captions, title=title, deep=deep, shown=HEIGHT)


def _psnr(picture: Pictures, original: Pictures) -> str:
    return f"{quality(picture / 255, original / 255, np.zeros(original.shape[:2], np.bool_)).psnr:.1f} dB"
