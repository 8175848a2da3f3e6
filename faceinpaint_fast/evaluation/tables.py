"""Markdown tables of what an evaluation found.

A mean stands with half the width of its 95 % interval, by Student's t over the faces: t_{0.975, n-1} s / sqrt(n).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from scipy import stats

from faceinpaint_fast import markdown
from faceinpaint_fast.config import PRESETS
from faceinpaint_fast.evaluation.methods import METHODS
from faceinpaint_fast.evaluation.protocol import MASKS
from faceinpaint_fast.evaluation.results import Record

# Qiang et al. 2019, Table 1: PSNR in dB and SSIM of DIP and of the method
TABLE_1 = {
    "drop-20": ((19.8658, 0.9517), (20.0649, 0.9533)),
    "drop-40": ((19.0177, 0.8975), (19.9802, 0.9089)),
    "drop-60": ((18.2592, 0.8547), (19.8783, 0.8892)),
    "drop-80": ((15.7974, 0.7823), (19.7447, 0.8461)),
}
BESIDE = ("DIP", "paper", "default")  # whose results stand beside the printed ones
OURS = ("default", "paper")  # that a summary shows whatever they are worth
WIDEST = 4  # columns that a page shows without a bar to push it by
FIGURES = ("psnr", "ssim")
# of a table's columns, by their heads
DETAILS = {"PSNR / SSIM in the hole": ("hole_psnr", "hole_ssim"), "L1 / seam": ("l1", "seam")}
DIGITS = {"psnr": 2, "ssim": 4, "hole_psnr": 2, "hole_ssim": 4, "l1": 4, "seam": 2}
EMPTY = "–"  # noqa: RUF001 - a dash, where nothing was run
INTERVAL = "mean ± half of its 95 % interval (Student's t)"

Results = Mapping[str, Sequence[Record]]  # of one data set, by method
Column = Mapping[str, Mapping[int, Record]]  # of one method, by mask and face


def report(found: Mapping[str, Results]) -> dict[str, str]:
    """Returns every data set's tables, as far as there are results: "quality DATA", "differences DATA" ...

    "table1" is that of CelebA, as the paper's, or else of the first data set that has one.
    """
    made = {
        f"{name} {data}": text
        for data, results in found.items()
        for name, table in TABLES.items()
        if (text := table(data, columns(results))) is not None
    }
    candidates = [data for data in found if f"table1 {data}" in made]
    if candidates:
        made["table1"] = made[f"table1 {foremost(candidates)}"]
    return made


def foremost(data: Iterable[str]) -> str:
    """Returns the data set that stands for all: CelebA, which is the paper's, or else the first."""
    return min(data, key=lambda name: "celeba" not in name.lower())


def columns(results: Results) -> dict[str, Column]:
    """Returns records by method, as METHODS has them, then mask, as MASKS has them, then face."""
    sorted_: dict[str, Column] = {}
    for method in sorted(results, key=order(METHODS)):
        masks = sorted({record["mask"] for record in results[method]}, key=order(MASKS))
        sorted_[method] = {
            mask: {record["face"]: record for record in results[method] if record["mask"] == mask} for mask in masks
        }
    return sorted_


def interval(values: Iterable[float]) -> tuple[float, float]:
    """Returns the mean, and half the width of its 95 % interval; NaN for what too few values leave open."""
    sample = np.fromiter(values, np.float64)
    n = len(sample)
    if n < 2:
        return (float(sample[0]) if n else float("nan")), float("nan")
    return float(sample.mean()), float(stats.t.ppf(0.975, n - 1) * sample.std(ddof=1) / np.sqrt(n))


def summary(data: str, methods: Mapping[str, Column]) -> str:
    """Returns PSNR and SSIM of the whole face as means alone: a row a mask, ours and the best of all others."""
    ours = {f"{name} ({count(methods[name])})": methods[name] for name in OURS if name in methods}
    others = {name: column for name, column in methods.items() if name not in PRESETS}
    masks = _masks(methods)
    columns = {head: [_plain(column.get(mask)) for mask in masks] for head, column in ours.items()}
    if others:
        columns["the best of the others"] = [_best(others, mask) for mask in masks]
    return table(f"{data}: mean PSNR in dB / SSIM of the whole face", ["mask", *masks], columns)


def quality_table(data: str, methods: Mapping[str, Column]) -> str:
    """Returns PSNR and SSIM of the whole face: a row a mask, a column a method."""
    return _by_mask(f"{data}: PSNR in dB / SSIM, {INTERVAL}", methods)


def differences(data: str, methods: Mapping[str, Column]) -> str | None:
    """Returns `default` less each rival over the faces that both have, in PSNR and SSIM; None for no two."""
    ours = methods.get("default", {})
    pairs = {f"less {name}": paired(ours, rival) for name, rival in methods.items() if name != "default"}
    pairs = {name: column for name, column in pairs.items() if column}
    title = f"{data}: `default` less its rivals, face by face, in PSNR (dB) / SSIM, {INTERVAL}"
    return _by_mask(title, pairs, sign="+") if pairs else None


def choices(data: str, methods: Mapping[str, Column]) -> str | None:
    """Returns what it is worth to do otherwise than `default`, a row a method; None where there are no two."""
    default = methods.get("default", {})
    others = {name: paired(column, default) for name, column in methods.items() if name != "default"}
    if not any(others.values()):
        return None
    shown = {name: column for name, column in ({"default": default} | others).items() if column}
    seconds = {name: np.mean([_seconds(faces) for faces in methods[name].values()]) for name in shown}
    columns = {
        mask: [cell(column.get(mask, {}), "" if name == "default" else "+") for name, column in shown.items()]
        for mask in _masks(shown)
    }
    title = (
        f"{data}: PSNR in dB / SSIM of `default`, and below it what others have more, face by face, {INTERVAL}, over "
        f"{count(default)}; seconds of a batch over its size"
    )
    return table(title, ["(seconds a face)", *(f"{name} ({seconds[name]:.3g} s)" for name in shown)], columns)


def detail(data: str, methods: Mapping[str, Column]) -> str:
    """Returns the other figures: a table a mask, a row a method."""
    tables = []
    for mask in _masks(methods):
        found = {name: faces for name, column in methods.items() if (faces := column.get(mask))}
        columns = {
            head: [" / ".join(_mean(faces, figure) for figure in figures) for faces in found.values()]
            for head, figures in DETAILS.items()
        }
        columns["seconds a face"] = [f"{_seconds(faces):.3g}" for faces in found.values()]
        tables.append(table("", [mask, *(f"{name} ({len(faces)})" for name, faces in found.items())], columns))
    title = (
        f"{data}: {INTERVAL}, over the faces in brackets; PSNR and SSIM in the hole, L1 of the whole face on the scale "
        "from 0 to 1, the seam in grey levels beyond the original's, seconds of a batch over its size"
    )
    return "\n\n".join([title, *tables])


def table1(data: str, methods: Mapping[str, Column]) -> str | None:
    """Returns the paper's Table 1 beside ours, DIP first; None where nothing of it was run."""
    ours = {
        name: column
        for name in BESIDE
        if (column := {mask: faces for mask, faces in methods.get(name, {}).items() if mask in TABLE_1})
    }
    if not ours:
        return None
    shares = [f"{mask.removeprefix('drop-')} %" for mask in TABLE_1]
    here = {
        name: {f"{name}, here ({count(column)})": [cell(column.get(mask, {})) for mask in TABLE_1]}
        for name, column in ours.items()
    }
    printed = [
        {f"{name}, printed": [f"{psnr:.4f} / {ssim:.4f}" for psnr, ssim in figures]}
        for name, figures in zip(("DIP", "the method"), zip(*TABLE_1.values(), strict=True), strict=True)
    ]
    title = (
        "PSNR in dB / SSIM by share of pixels dropped. Printed: Table 1 of Qiang et al. 2019, for CelebA. Here: "
        f"{data}, {INTERVAL}. What differs is the network, its training, the faces and the pixels dropped, so that "
        "columns compare with their own kind."
    )
    of_dip = table(title, ["dropped", *shares], printed[0] | here.pop("DIP", {}))
    the_method = printed[1] | {head: cells for column in here.values() for head, cells in column.items()}
    return f"{of_dip}\n\n{table('', ['dropped', *shares], the_method)}"


# by the name that a document's mark has
TABLES: Mapping[str, Callable[[str, Mapping[str, Column]], str | None]] = {
    "summary": summary,
    "quality": quality_table,
    "differences": differences,
    "choices": choices,
    "detail": detail,
    "table1": table1,
}


def table(title: str, first: Sequence[str], columns: Mapping[str, Sequence[str]]) -> str:
    """Returns a table under its title, if any: its first column, head and cells, and the others by their heads.

    No page is wider than WIDEST columns: further ones follow as tables of their own, each with the first.
    """
    heads, beside = list(columns), WIDEST - 1
    parts = [
        markdown.table([first[0], *part], list(zip(first[1:], *(columns[head] for head in part), strict=True)))
        for part in (heads[i : i + beside] for i in range(0, len(heads), beside))
    ]
    return "\n\n".join([title, *parts] if title else parts)


def paired(ours: Column, rival: Column) -> Column:
    """Returns the difference of two columns on each face that both have, by mask."""
    both = {mask: ours[mask].keys() & rival[mask].keys() for mask in ours.keys() & rival.keys()}
    return {
        mask: {face: {name: ours[mask][face][name] - rival[mask][face][name] for name in FIGURES} for face in faces}
        for mask, faces in both.items()
        if faces
    }


def cell(faces: Mapping[int, Record], sign: str = "") -> str:
    """Returns the means of PSNR and SSIM over faces, with their intervals."""
    return " / ".join(_mean(faces, figure, sign) for figure in FIGURES) if faces else EMPTY


def _by_mask(title: str, methods: Mapping[str, Column], sign: str = "") -> str:
    masks = _masks(methods)
    counts = {name: count(column) for name, column in methods.items()}
    alike = len(set(counts.values())) == 1
    columns = {
        name if alike else f"{name} ({counts[name]})": [cell(column.get(mask, {}), sign) for mask in masks]
        for name, column in methods.items()
    }
    over = f", over {next(iter(counts.values()))}" if alike else ""
    return table(f"{title}{over}", ["mask", *masks], columns)


def _masks(methods: Mapping[str, Column]) -> list[str]:
    return sorted({mask for column in methods.values() for mask in column}, key=order(MASKS))


def order(names: Sequence[str]) -> Callable[[str], tuple[int, str]]:
    """Returns a key that sorts as `names` does, with what they lack behind them."""
    return lambda name: (names.index(name) if name in names else len(names), name)


def count(column: Column) -> str:
    """Returns how many faces a column's means are over, in words."""
    least, most = (choose([len(faces) for faces in column.values()] or [0]) for choose in (min, max))
    return f"{most} face{'s' * (most != 1)}" if least == most else f"{least} to {most} faces"


def _mean(faces: Mapping[int, Record], figure: str, sign: str = "") -> str:
    """Returns a figure's mean over the faces that have it, with its interval."""
    mean, half = interval(record[figure] for record in faces.values() if record[figure] is not None)
    if np.isnan(mean):
        return EMPTY
    digits = DIGITS[figure]
    return f"{mean:{sign}.{digits}f}" + ("" if np.isnan(half) else f" ± {half:.{digits}f}")


def _plain(faces: Mapping[int, Record] | None) -> str:
    """Returns the means alone."""
    if not faces:
        return EMPTY
    psnr, ssim = (np.mean([record[figure] for record in faces.values()]) for figure in FIGURES)
    return f"{psnr:.2f} / {ssim:.3f}"


def _best(methods: Mapping[str, Column], mask: str) -> str:
    """Returns the means of the method that has the highest PSNR under a mask, with its name and its faces."""
    found = {name: faces for name, column in methods.items() if (faces := column.get(mask))}
    if not found:
        return EMPTY
    best = max(found, key=lambda name: float(np.mean([record["psnr"] for record in found[name].values()])))
    return f"{_plain(found[best])} {best} ({len(found[best])})"


def _seconds(faces: Mapping[int, Record]) -> float:
    """Returns the mean, without an interval: the faces of a batch share its time, and are no sample of times."""
    return float(np.mean([record["seconds"] for record in faces.values()]))
