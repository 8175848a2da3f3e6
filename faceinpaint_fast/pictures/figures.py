"""The paper's figures of restored faces, drawn anew: Fig. 1 and 5 to 14 of Qiang et al. 2019.

Each is a contact sheet of damaged, restored and original faces; `FIGURES` says under which holes, and what stands
between the damaged and the original.  (Fig. 4 shows no faces: `plots.draw_scatter` draws it.)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
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
from faceinpaint_fast.images import check_writable, write_image
from faceinpaint_fast.networks.protocols import to_unit
from faceinpaint_fast.pictures.contact_sheet import contact_sheet
from faceinpaint_fast.pictures.panels import panels
from faceinpaint_fast.pipeline import Inpainter, Inpainting

Pictures = NDArray[np.uint8]

DEEP = 6  # rows below each other: of more, half of the faces go beside the others


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
    methods    Fig. 1's columns by name
    seed       of the holes and of the start of every search
    """

    inpainter: Callable[[InpaintConfig], Inpainter]
    config: InpaintConfig = field(default=InpaintConfig())
    methods: Mapping[str, Restore] = field(default_factory=dict)
    seed: int = 0

    def restore(self, damaged: Damaged, config: InpaintConfig) -> Inpainting[Any]:
        """Restores all rows in one batch."""
        return self.inpainter(config)(damaged.images, damaged.holes, seed=self.seed)


# the rows and what restores them -> pictures (B, H, W, 3) or (B, H, W) by the column's name
Columns = Callable[[Damaged, FigureSettings], dict[str, Pictures]]


def by_method(damaged: Damaged, settings: FigureSettings) -> dict[str, Pictures]:
    """Draws Fig. 1: what each of the caller's methods makes of it."""
    unit, seeds = damaged.images / 255, [settings.seed] * len(damaged.images)
    found = {name: method(unit, damaged.holes, seeds) for name, method in settings.methods.items()}
    return {name: np.round(255 * images.clip(0, 1)).astype(np.uint8) for name, images in found.items()}


def by_loss(damaged: Damaged, settings: FigureSettings) -> dict[str, Pictures]:
    """Draws Fig. 5: what each loss of Eq. 8 restores alone, and all together, D with the paper's weight."""
    config = settings.config
    # the weights of D, of L1, of SSIM
    lambdas = {
        "L1 alone": (0.0, 1.0, 0.0),
        "SSIM alone": (0.0, 0.0, 1.0),
        "D alone": (1.0, 0.0, 0.0),
        "all three": (InpaintConfig.paper().lambda_d, config.lambda_c, config.lambda_s),
    }
    configs = {
        name: dataclasses.replace(config, lambda_d=d, lambda_c=c, lambda_s=s) for name, (d, c, s) in lambdas.items()
    }
    return {name: settings.restore(damaged, each).image for name, each in configs.items()}


def by_step(damaged: Damaged, settings: FigureSettings) -> dict[str, Pictures]:
    """Draws Fig. 6: what Poisson's blend works with, and what comes of it."""
    config = dataclasses.replace(settings.config, blend="poisson")
    found = settings.restore(damaged, config)
    rows = [panels(*row, config) for row in zip(damaged.images, damaged.holes, found.generated, strict=True)]
    shown = ("generated", "gradients", "divergence")
    return {name: np.stack([row[name] for row in rows]) for name in shown} | {"blended": found.image}


def with_and_without_blending(damaged: Damaged, settings: FigureSettings) -> dict[str, Pictures]:
    """Draws Fig. 7: what blending is worth."""
    found = settings.restore(damaged, settings.config)
    return {"G(z^)": found.generated, "not blended": damaged.filled(found.generated), "blended": found.image}


def restored(damaged: Damaged, settings: FigureSettings) -> dict[str, Pictures]:
    """Draws Fig. 8 to 14: what was generated and what was restored."""
    found = settings.restore(damaged, settings.config)
    return {"G(z^)": found.generated, "restored": found.image}


@dataclass(frozen=True, slots=True)
class Figure:
    """What a figure shows: its title, its holes, drawn (`masks.draw`) and by label, and its columns."""

    title: str
    holes: Mapping[str, str]
    columns: Columns


CENTRE = {"centre": "centre"}
EVERY_KIND = CENTRE | {"free-form": "free-form", "80 % dropped": "drop-80"}
OF_DATA = (12, 13, 14)
FIGURES = {
    1: Figure("Methods side by side", EVERY_KIND, by_method),
    5: Figure("Each loss alone", CENTRE, by_loss),
    6: Figure("The steps of Poisson's blend", CENTRE, by_step),
    7: Figure("With and without blending", CENTRE, with_and_without_blending),
    8: Figure("Centre hole", CENTRE, restored),
    9: Figure("Halves", {f"{side} half": side for side in ("left", "right", "top", "bottom")}, restored),
    10: Figure("Free-form holes", {f"strokes {i}": "free-form" for i in (1, 2)}, restored),
    11: Figure("Pixels dropped", {f"{share} % dropped": f"drop-{share}" for share in (20, 40, 60, 80)}, restored),
} | {number: Figure("Other data", EVERY_KIND, restored) for number in OF_DATA}


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
    """Returns the faces of each figure, by name: `own` up to Fig. 11, and of the data sets Fig. 12 to 14 the first.

    own   (H, W, 3) by name
    sets  (N, H, W, 3) by name, of which the first three are shown, as many faces of each as `own` has
    """
    rows = {number: own for number in FIGURES if number not in OF_DATA}
    for number, (name, faces) in zip(OF_DATA, sets.items(), strict=False):
        rows[number] = {f"{name} {i}": face for i, face in enumerate(faces[: len(own)])}
    return rows


def figure_sheet(number: int, faces: Mapping[str, Pictures], settings: FigureSettings) -> Pictures:
    """Returns figure `number` of FIGURES as a contact sheet, a row for each face (H, W, 3) uint8 under each hole.

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
            for name, face in faces.items()
            for i, (label, drawn) in enumerate(figure.holes.items())
        ),
        strict=True,
    )
    damaged = Damaged(np.stack(images), np.stack(holes))
    columns = {"damaged": damaged.filled(255)} | figure.columns(damaged, settings) | {"original": damaged.images}
    rows = dict(zip(names, zip(*columns.values(), strict=True), strict=True))
    title = f"Fig. {number}: {figure.title}"
    deep = len(rows) if len(rows) <= DEEP else -(-len(faces) // 2) * len(figure.holes)
    return contact_sheet(list(columns), rows, title=title, deep=deep)


def write_figure(folder: Path, number: int, faces: Mapping[str, Pictures], settings: FigureSettings) -> Path:
    """Writes a `figure_sheet` to folder/figNN.png, and returns that; InputError too where it cannot be written."""
    path = folder / f"fig{number:02d}.png"
    check_writable(path)
    write_image(path, figure_sheet(number, faces, settings))
    return path
