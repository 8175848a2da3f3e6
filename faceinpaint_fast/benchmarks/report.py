"""All comparisons of a device, by name, and how their measurements are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from faceinpaint_fast.benchmarks import asked, blend, calls, losses, search
from faceinpaint_fast.benchmarks.comparison import Comparison, Measurement
from faceinpaint_fast.markdown import page, table

HEADS = ("what", "ours", "beside", "theirs", "ratio", "at least")


def comparisons(device: torch.device) -> dict[str, Callable[[], Comparison]]:
    """Returns what there is to compare on the device, by name; a comparison takes memory from when it is built."""
    of_losses = losses.comparisons(device, asked.image_shape())
    return search.comparisons(device) | of_losses | calls.comparisons(device) | blend.comparisons(device)


def markdown(measurements: Sequence[Measurement], machine: Mapping[str, str]) -> str:
    """Returns a page with a table of the measurements, and below it what they were made on."""
    return page(table(HEADS, map(_cells, measurements)), machine)


def _cells(measurement: Measurement) -> list[str]:
    """Returns a row of the table."""
    comparison = measurement.comparison
    ours, theirs = (f"{1e3 * seconds:.3g} ms" for seconds in (measurement.ours, measurement.theirs))
    missed = ", missed" if measurement.falls_short else ""
    aim = "" if comparison.at_least is None else f"{comparison.at_least:g}{missed}"
    return [comparison.what, ours, comparison.rival, theirs, f"{measurement.ratio:.2f}", aim]
