"""Markdown tables of who is recognised: shares of pairs with their 95 % intervals, by bootstrap over the people.

A share of true pairs is accepted where a share of false ones is: the distance from which on pairs are refused is that
of each method and mask by itself, such that no more of its own false pairs are nearer.  A resample draws as many people
as there are, each with the person's true pair and false ones (the gallery stays), and finds that distance anew.  All
methods have the same resamples, so that their differences are of pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.evaluation.methods import METHODS
from faceinpaint_fast.evaluation.recognition import BOUNDS, DAMAGED, NO_HOLE, RECOGNISED, UNDAMAGED
from faceinpaint_fast.evaluation.results import Record
from faceinpaint_fast.evaluation.tables import EMPTY, columns, order
from faceinpaint_fast.markdown import table

RESAMPLES = 1000
ACCEPTED, STRICTER, FIRST, OWN = "accepted at 1 %", "accepted at 0.1 %", "rank 1", "distance"
SHARES = {ACCEPTED: 0.01, STRICTER: 0.001}  # of false pairs
OF_PAIRS = "% of true pairs accepted where 1 % of false ones are"
INTERVAL = "(95 % interval, by bootstrap over the people)"

Found = NDArray[np.float64]  # a figure of the people themselves, and then of every resample: (1 + RESAMPLES,)
Interval = tuple[float, float, float]  # a figure, and where its 95 % interval begins and ends
Column = Mapping[str, Mapping[str, Found]]  # of one method, by mask and figure


def report(found: Mapping[str, Mapping[str, Sequence[Record]]]) -> dict[str, str]:
    """Returns every data set's tables, by the names that a document's marks have, as "recognition gain DATA"."""
    made: dict[str, str] = {}
    for data, results in found.items():
        judged = judge(results)
        people = len({record["face"] for records in results.values() for record in records})
        title = f"{people} people of {data}"
        texts = {name: write(title, judged) for name, write in TEXTS.items()}
        made |= {f"{name} {data}": text for name, text in texts.items() if text is not None}
    return made


def shares(found: Mapping[str, Mapping[str, Sequence[Record]]]) -> dict[str, dict[str, dict[str, Interval]]]:
    """Returns the share of true pairs accepted where 1 % of false ones are, by data set, method and mask."""
    return {
        data: {
            method: {mask: interval(figures[ACCEPTED]) for mask, figures in column.items()}
            for method, column in judge(results).items()
        }
        for data, results in found.items()
    }


def judge(results: Mapping[str, Sequence[Record]]) -> dict[str, Column]:
    """Returns the figures of methods by mask, shares in per cent: `damaged` first, then as METHODS has them."""
    by_mask = columns(results)
    return {
        name: {mask: figures([faces[face] for face in sorted(faces)]) for mask, faces in by_mask[name].items()}
        for name in sorted(by_mask, key=order((DAMAGED, *METHODS)))
    }


def figures(records: Sequence[Record]) -> dict[str, Found]:
    """Returns the figures of one method under one mask, a record a person."""
    n = len(records)
    weights = np.vstack([np.ones((1, n), int), np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES)])
    own = np.array([record["own"] for record in records])
    others = np.concatenate([record["others"] for record in records])
    nearest = np.argsort(others, kind="stable")
    of = np.repeat(np.arange(n), [len(record["others"]) for record in records])[nearest]
    counts = np.cumsum(weights[:, of], axis=1)  # of false pairs, as far as the place
    found = {OWN: weights @ own / n, FIRST: 100 * (weights @ np.array([record["rank"] == 0 for record in records])) / n}
    for name, share in SHARES.items():
        # the first false pair that is one too many
        beyond = np.minimum((counts <= share * n * (n - 1)).sum(axis=1), len(others) - 1)
        accepted = own < others[nearest][beyond, None]
        found[name] = 100 * (weights * accepted).sum(axis=1) / n
    return found


def interval(found: Found) -> Interval:
    """Returns a figure, and where its 95 % interval begins and ends."""
    low, high = np.quantile(found[1:], (0.025, 0.975))
    return float(found[0]), float(low), float(high)


def _cell(found: Found | None, digits: int = 1, sign: str = "") -> str:
    if found is None:
        return EMPTY
    value, low, high = (f"{number:{sign}.{digits}f}" for number in interval(found))
    return f"{value} ({low} to {high})"


def _methods(judged: Mapping[str, Column]) -> list[str]:
    """Returns the names of what has holes."""
    return [name for name in judged if name != UNDAMAGED]


def _masks(judged: Mapping[str, Column]) -> list[str]:
    return sorted({mask for name in _methods(judged) for mask in judged[name]}, key=order(RECOGNISED))


def _undamaged(judged: Mapping[str, Column]) -> str:
    found = judged.get(UNDAMAGED, {}).get(NO_HOLE)
    return "" if found is None else f"; of undamaged faces {_cell(found[ACCEPTED])}"


def _accepted(title: str, judged: Mapping[str, Column]) -> str:
    """Returns a row a mask, a column a method."""
    names = _methods(judged)
    rows = [
        [mask, *(_cell(judged[name][mask][ACCEPTED] if mask in judged[name] else None) for name in names)]
        for mask in _masks(judged)
    ]
    return f"{title}: {OF_PAIRS} {INTERVAL}{_undamaged(judged)}\n\n{table(['mask', *names], rows)}"


def _less(one: Column, other: Column) -> dict[str, Found]:
    """Returns what one method accepts more than another, by mask, over the same people."""
    return {
        mask: one[mask][ACCEPTED] - other[mask][ACCEPTED]
        for mask in one
        if mask in other and len(one[mask][ACCEPTED]) == len(other[mask][ACCEPTED])
    }


def _by_pair(title: str, pairs: Mapping[str, Mapping[str, Found]]) -> str | None:
    masks = sorted({mask for column in pairs.values() for mask in column}, key=order(RECOGNISED))
    if not masks:
        return None
    rows = [[mask, *(_cell(column.get(mask), sign="+") for column in pairs.values())] for mask in masks]
    return f"{title}, difference in the {OF_PAIRS} {INTERVAL}\n\n{table(['mask', *pairs], rows)}"


def _gain(title: str, judged: Mapping[str, Column]) -> str | None:
    """Returns what every method is worth beside a grey hole."""
    damaged = judged.get(DAMAGED, {})
    pairs = {name: _less(judged[name], damaged) for name in _methods(judged) if name != DAMAGED}
    return _by_pair(f"{title}: every method less `{DAMAGED}`", pairs)


def _differences(title: str, judged: Mapping[str, Column]) -> str | None:
    """Returns what `default` is worth beside other methods."""
    ours = judged.get("default", {})
    pairs = {f"less {name}": _less(ours, judged[name]) for name in _methods(judged) if name not in (DAMAGED, "default")}
    return _by_pair(f"{title}: `default` less other methods", pairs)


def _detail(title: str, judged: Mapping[str, Column]) -> str:
    """Returns all figures, a row a mask and method."""
    digits = {OWN: 3, ACCEPTED: 1, STRICTER: 1, FIRST: 1}
    rows = [
        [mask, name, *(_cell(found[figure], places) for figure, places in digits.items())]
        for mask in (*_masks(judged), NO_HOLE)
        for name, column in judged.items()
        if (found := column.get(mask))
    ]
    heads = ["mask", "method", "distance to the person's own", *(f"{name}, %" for name in (ACCEPTED, STRICTER, FIRST))]
    return f"{title}: mean distance, and shares of true pairs {INTERVAL}\n\n{table(heads, rows)}"


def _advice(_: str, judged: Mapping[str, Column]) -> str | None:
    """Returns, in words, where a method does more harm than a grey hole, or good, or neither can be told."""
    lines = []
    for name in _methods(judged):
        gains = _less(judged[name], judged.get(DAMAGED, {}))
        bounds = {mask: interval(gains[mask])[1:] for mask in _masks(judged) if mask in gains}
        if name != DAMAGED and bounds:
            better = [mask for mask, (low, _) in bounds.items() if low > 0]
            worse = [mask for mask, (_, high) in bounds.items() if high < 0]
            open_ = [mask for mask in bounds if mask not in better + worse]
            told = {"more people recognised than with a grey hole": better, "fewer": worse, "cannot be told": open_}
            words = [f"{what}: {', '.join(of) or 'nowhere'}" for what, of in told.items()]
            lines.append(f"- `{name}`: {'; '.join(words)}.")
    return "\n".join(lines) or None


def _line(title: str, judged: Mapping[str, Column]) -> str | None:
    """Returns a sentence on the first method, damaged and restored, without intervals."""
    damaged, ours = judged.get(DAMAGED, {}), next((name for name in judged if name not in BOUNDS), None)
    both = [] if ours is None else [mask for mask in _masks(judged) if mask in damaged and mask in judged[ours]]
    if ours is None or not both:
        return None
    told = [f"{mask} {damaged[mask][ACCEPTED][0]:.0f} and {judged[ours][mask][ACCEPTED][0]:.0f}" for mask in both]
    most = judged.get(UNDAMAGED, {}).get(NO_HOLE)
    without = "" if most is None else f"; undamaged {most[ACCEPTED][0]:.0f}"
    return (
        f"Of {title} dlib's recogniser accepts, where it accepts 1 % of false pairs, so many % of true ones, "
        f"with a grey hole and restored (`{ours}`): {', '.join(told)}{without}."
    )


# by the name that a document's mark has
TEXTS: Mapping[str, Callable[[str, Mapping[str, Column]], str | None]] = {
    "recognition": _accepted,
    "recognition gain": _gain,
    "recognition differences": _differences,
    "recognition detail": _detail,
    "recognition advice": _advice,
    "recognition line": _line,
}
