"""Shares of pairs against what they are by definition, their intervals, and what the tables and sentences say."""

from __future__ import annotations

import numpy as np
import pytest

from faceinpaint_fast.evaluation import recognition_tables
from faceinpaint_fast.evaluation.recognition_tables import (
    ACCEPTED,
    FIRST,
    OWN,
    RESAMPLES,
    STRICTER,
    figures,
    interval,
    report,
    shares,
)


def drawn(rng, n, apart):
    """Distances (n, n), those of true pairs on the diagonal, in tenths of thousandths."""
    distances = np.round(rng.normal(0.8, 0.1, (n, n)), 4)
    distances[np.diag_indices(n)] = np.round(rng.normal(0.8 - apart, 0.1, n), 4)
    return distances


def records_of(distances, mask="left", kept=0.02):
    """As `recognition` writes them, with this share of the false pairs, the nearest, and one more."""
    n = len(distances)
    false = ~np.eye(n, dtype=bool)
    least = np.sort(distances[false])[: int(kept * n * (n - 1)) + 1]
    return [
        {
            "mask": mask,
            "face": i,
            "own": float(row[i]),
            "rank": int((row[false[i]] < row[i]).sum()),
            "others": sorted(row[false[i]][row[false[i]] <= least[-1]].tolist()),
        }
        for i, row in enumerate(distances)
    ]


def accepted(distances, share):
    """The share of true pairs nearer than the first false pair that is one too many, in per cent."""
    n = len(distances)
    false = np.sort(distances[~np.eye(n, dtype=bool)])
    return 100 * np.mean(np.diag(distances) < false[int(share * len(false))])


@pytest.mark.parametrize("n", [2, 7, 60])
def test_figures_by_definition(rng, n):
    distances = drawn(rng, n, 0.2)
    found = figures(records_of(distances))
    assert found[ACCEPTED][0] == pytest.approx(accepted(distances, 0.01))
    assert found[STRICTER][0] == pytest.approx(accepted(distances, 0.001))
    assert found[FIRST][0] == pytest.approx(100 * np.mean(distances.argmin(axis=1) == np.arange(n)))
    assert found[OWN][0] == pytest.approx(np.diag(distances).mean())
    assert all(len(values) == 1 + RESAMPLES for values in found.values())


def test_the_nearest_of_the_false_pairs_are_enough(rng):
    distances = drawn(rng, 60, 0.2)
    every, few = figures(records_of(distances, kept=1)), figures(records_of(distances))
    assert (every[ACCEPTED] == few[ACCEPTED]).all()


def test_a_resample_is_that_of_its_people(rng, monkeypatch):
    """Each person as many times as drawn, with all false pairs of theirs."""
    distances = drawn(rng, 40, 0.2)
    times = np.random.default_rng(0).multinomial(40, np.full(40, 1 / 40), 3)
    monkeypatch.setattr(recognition_tables, "RESAMPLES", 3)
    found = figures(records_of(distances))
    for i, of_each in enumerate(times, 1):
        people = np.repeat(np.arange(40), of_each)
        false = np.sort(np.concatenate([np.delete(distances[person], person) for person in people]))
        own = distances[people, people]
        assert found[ACCEPTED][i] == pytest.approx(100 * np.mean(own < false[int(0.01 * len(false))]))
        assert found[OWN][i] == pytest.approx(own.mean())


def test_an_interval_is_about_a_binomial_s(rng):
    """Of 400 people of whom half are at rank 1: 1.96 standard deviations of a share are 4.9 per cent."""
    records = records_of(drawn(rng, 400, 0.0))
    for i, record in enumerate(records):
        record["rank"] = i % 2
    value, low, high = interval(figures(records)[FIRST])
    assert value == 50
    assert (value - low, high - value) == pytest.approx((4.9, 4.9), abs=0.8)


@pytest.fixture
def found(rng):
    """Sixty people: restoring helps much on the left and harms much on the right."""
    far, near = drawn(rng, 60, 0.1), drawn(rng, 60, 0.1)
    for distances, less in ((far, 0), (near, 0.4)):
        distances[np.diag_indices(60)] -= less
    return {
        "heads": {
            "undamaged": records_of(near, "none"),
            "biharmonic": records_of(far, "left"),
            "default": records_of(near, "left") + records_of(far, "right") + records_of(near, "mouth"),
            "damaged": records_of(far, "left") + records_of(near, "right") + records_of(near, "mouth"),
        }
    }


def test_tables(found):
    made = report(found)
    assert {name.removesuffix(" heads") for name in made} == set(recognition_tables.TEXTS)
    title, _, body = made["recognition heads"].partition("\n\n")
    assert title.startswith("60 people of heads: % of true pairs accepted where 1 % of false ones are (95 % interval")
    shown = shares(found)["heads"]
    value, low, high = shown["undamaged"]["none"]
    assert title.endswith(f"; of undamaged faces {value:.1f} ({low:.1f} to {high:.1f})")
    heads, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]
    assert heads == ["mask", "damaged", "default", "biharmonic"]
    assert [row[0] for row in rows] == ["mouth", "left", "right"]
    value, low, high = shown["damaged"]["left"]
    assert rows[1][1] == f"{value:.1f} ({low:.1f} to {high:.1f})"
    assert rows[2][3] == recognition_tables.EMPTY
    assert "| none | undamaged |" in made["recognition detail heads"]
    assert made["recognition detail heads"].count("\n") == 2 + 1 + 8


def test_differences_are_of_pairs(found):
    made = report(found)
    gain = made["recognition gain heads"]
    assert "| mask | default | biharmonic |" in gain
    # the same distances: no difference, and no doubt of it
    assert "| mouth | +0.0 (+0.0 to +0.0) | – |" in gain  # noqa: RUF001
    assert "| left | +" in gain
    assert "| right | -" in gain
    assert "less biharmonic" in made["recognition differences heads"]


def test_words_say_where_restoring_helps_and_where_it_harms(found):
    ours, rival = report(found)["recognition advice heads"].splitlines()
    assert ours == (
        "- `default`: more people recognised than with a grey hole: left; fewer: right; cannot be told: mouth."
    )
    assert rival == (
        "- `biharmonic`: more people recognised than with a grey hole: nowhere; fewer: nowhere; cannot be told: left."
    )


def test_a_line_for_those_in_a_hurry(found):
    shown = shares(found)["heads"]
    line = report(found)["recognition line heads"]
    assert line.startswith(
        "Of 60 people of heads dlib's recogniser accepts, where it accepts 1 % of false pairs, so many %"
    )
    assert (
        f"restored (`default`): mouth {shown['damaged']['mouth'][0]:.0f} and {shown['default']['mouth'][0]:.0f}, left"
        in line
    )
    assert f", left {shown['damaged']['left'][0]:.0f} and {shown['default']['left'][0]:.0f}" in line
    assert line.endswith(f"; undamaged {shown['undamaged']['none'][0]:.0f}.")


def test_without_a_grey_hole_there_is_nothing_to_compare_with(found):
    made = report({"heads": {"biharmonic": found["heads"]["biharmonic"]}})
    assert {name.removesuffix(" heads") for name in made} == {"recognition", "recognition detail"}
