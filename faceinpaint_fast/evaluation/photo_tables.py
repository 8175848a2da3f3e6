"""Markdown tables of how well photographs are restored.

A mean is over all photographs; in brackets that over those of odd number, which no constant was chosen on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from faceinpaint_fast import markdown
from faceinpaint_fast.evaluation.photo_holes import HOLES
from faceinpaint_fast.evaluation.photographs import ALWAYS, FEW, METHODS, OURS, PLAIN, POINTS
from faceinpaint_fast.evaluation.results import Record
from faceinpaint_fast.evaluation.tables import EMPTY

TITLES = {
    "psnr": "PSNR in the hole, dB",
    "ssim": "SSIM in the hole",
    "sharp": "Sharpness: the mean gradient in the hole over the original's",
    "seam": "Seam: how much more the hole's border shows than in the original, in grey levels of 255",
    "seconds": "Seconds, warm, everything included",
}
DIGITS = {"psnr": 1, "ssim": 3, "sharp": 2, "seam": 1, "seconds": 2}
WORDS = {"given": "points of the undamaged face", "detected": "points detected in the damaged photograph"}

Results = Mapping[str, Mapping[str, Sequence[Record]]]  # by kind of points and method


def report(found: Results) -> dict[str, str]:
    """Returns the tables by the names of their marks: "photos psnr given", "photos frames" and so on.

    What is of other points than POINTS, as in a folder of folders of results, is passed over.
    """
    found = {points: found[points] for points in POINTS if points in found}
    if not found:
        return {}
    by_figure = {
        f"photos {figure} {points}": _figures(found, figure, points)
        for figure in TITLES
        for points in POINTS
        if points in found and (figure != "seconds" or points == "detected")
    }
    return by_figure | {"photos frames": frames(found), "photos mirror": mirror(found)}


def _figures(found: Results, figure: str, points: str) -> str:
    """Returns the table of a figure: a row a hole, a column a method."""
    # rivals need no points: they stand once
    methods = {
        name: records
        for name in METHODS
        if name != ALWAYS and (records := found[points].get(name) or found.get(POINTS[0], {}).get(name, []))
    }
    heads = [name + (f" ({FEW} photographs)" if name == "PatchMatch" else "") for name in methods]
    rows = [[hole, *(_mean(of_hole(records, hole), figure) for records in methods.values())] for hole in HOLES]
    title = f"{TITLES[figure]}; {WORDS[points]}; {count(found)} photographs, in brackets those of odd number"
    return f"{title}\n\n{markdown.table(['hole', *heads], rows)}"


def frames(found: Results) -> str:
    """Returns how far the frames of damaged faces are off: the table by hole."""
    rows = []
    for hole in HOLES:
        records = of_hole(found.get("detected", {}).get(OURS, []), hole)
        errors = [record["error"] for record in records if "error" in record]
        odd = [record["error"] for record in records if "error" in record and record["face"] % 2]
        seconds = np.mean([record["align"] for record in records if "align" in record] or [np.nan])
        rows.append(
            [
                hole,
                f"{sum(record['found'] for record in records)} of {len(records)}",
                _or_dash(np.median, errors, 2),
                _or_dash(np.median, odd, 2),
                _or_dash(lambda each: float(np.quantile(each, 0.9)), errors, 2),
                f"{seconds:.2f}",
            ]
        )
    heads = ["hole", "found", "error, median", "of odd number", "90 %", "seconds"]
    return f"Frames of damaged faces: how far off, in pixels of the model\n\n{markdown.table(heads, rows)}"


def mirror(found: Results) -> str:
    """Returns what the mirror is worth: how often it is taken, and PSNR with it, by hole and points."""
    rows = []
    for hole in HOLES:
        row = [hole]
        for points in POINTS:
            taken, plain, always = (
                of_hole(found.get(points, {}).get(name, []), hole) for name in (OURS, PLAIN, ALWAYS)
            )
            by_number = {record["face"]: record for record in plain}
            gains = [
                record["psnr"] - by_number[record["face"]]["psnr"] for record in taken if record["face"] in by_number
            ]
            forced = [
                record["psnr"] - by_number[record["face"]]["psnr"] for record in always if record["face"] in by_number
            ]
            odd = [gain for gain, record in zip(gains, taken, strict=True) if record["face"] % 2]
            row += [
                _or_dash(lambda each: 100 * float(np.mean(each)), [record["used"] for record in taken], 0),
                f"{_or_dash(np.mean, gains, 2)} ({_or_dash(np.mean, odd, 2)})",
                _or_dash(np.min, gains, 1),
                _or_dash(np.mean, forced, 2),
            ]
        rows.append(row)
    heads = ["hole"]
    for points in POINTS:
        heads += [f"{points}: taken, %", "gain, dB", "worst", "always"]
    title = "What the mirror gains over the blend of T, in dB; in brackets photographs of odd number"
    return f"{title}\n\n{markdown.table(heads, rows)}"


def of_hole(records: Sequence[Record], hole: str) -> list[Record]:
    """Returns a hole's records."""
    return [record for record in records if record["mask"] == hole]


def count(found: Results) -> int:
    """Returns how many photographs there are results of."""
    return len({record["face"] for methods in found.values() for records in methods.values() for record in records})


def _mean(records: Sequence[Record], figure: str) -> str:
    values = [record[figure] for record in records]
    odd = [record[figure] for record in records if record["face"] % 2]
    every = _or_dash(np.mean, values, DIGITS[figure])
    return every if figure == "seconds" or not odd else f"{every} ({_or_dash(np.mean, odd, DIGITS[figure])})"


def _or_dash(of: Callable[[Sequence[float]], Any], values: Sequence[float], digits: int) -> str:
    return f"{of(values):.{digits}f}" if values else EMPTY
