"""What matplotlib draws: the losses of a run, Fig. 4, quality by mask and over time."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast.benchmarks.time_to_quality import MASKS, TRIALS, Point
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.images import read_image
from faceinpaint_fast.pictures.plots import (
    draw_curves,
    draw_quality,
    draw_recognition,
    draw_scatter,
    draw_time_to_quality,
    running_mean,
)
from faceinpaint_fast.training.calibration import Calibration

BLUE, ORANGE = (31, 119, 180), (255, 127, 14)  # matplotlib's, of D and of G


def test_a_running_mean_takes_fewer_neighbours_at_the_ends():
    assert_allclose(running_mean(np.array([1.0, 2.0, 6.0, 3.0]), 1), [1.5, 3, 11 / 3, 4.5])
    assert_array_equal(running_mean(np.array([1.0, 2.0, 6.0]), 0), [1, 2, 6])
    assert_allclose(running_mean(np.array([1.0, 2.0, 6.0]), 5), [3, 3, 3])


@pytest.fixture
def drawn(tmp_path):
    """Draw a run with these losses, a line of the log every 100 images: (400, 800, 3)."""

    def draw(loss_d, loss_g, torn=""):
        log = tmp_path / "training" / "log.jsonl"
        log.parent.mkdir(exist_ok=True)
        lines = [
            {"images": 100 * (i + 1), "seconds": 1.0, "loss_d": d, "loss_g": g}
            for i, (d, g) in enumerate(zip(loss_d, loss_g, strict=True))
        ]
        log.write_text("".join(json.dumps(line) + "\n" for line in lines) + torn)
        draw_curves(tmp_path, tmp_path / "new" / "losses.png")
        return read_image(tmp_path / "new" / "losses.png").astype(int)

    return draw


def near(picture, colour):
    """Where a picture has a colour, within what a line's soft edge makes of it."""
    return abs(picture - np.array(colour)).max(axis=-1) < 12


def test_each_loss_has_its_line(drawn):
    """D's falls, G's rises, from the same height; the legend is left out of sight, at the right edge's middle."""
    picture = drawn(np.linspace(2, 0.5, 60), np.linspace(2, 4, 60))
    assert picture.shape == (400, 800, 3)
    for colour, sign in ((BLUE, 1), (ORANGE, -1)):
        rows, columns = np.nonzero(near(picture, colour))
        left, right = rows[(columns > 100) & (columns < 150)], rows[(columns > 700) & (columns < 760)]
        assert sign * (np.median(right) - np.median(left)) > 80


def test_the_mean_is_drawn_over_what_was_logged(drawn, rng):
    """Of noise around 1: the mean stays near 1, the values that were logged are faint and all over."""
    noise = rng.normal(0, 0.2, 400)
    picture = drawn(1 + noise, np.full(400, 3.0))
    bold = np.nonzero(near(picture, BLUE)[:, 100:600])[0]
    blue = (picture[..., 2] > picture[..., 0] + 20)[:, 100:600]
    faint = np.nonzero(blue & ~near(picture, BLUE)[:, 100:600])[0]
    assert bold.size > 300
    assert faint.size > 3000
    # 21 values a mean: a spread of 0.044 in place of 0.2
    assert np.std(bold) < 0.5 * np.std(faint)


def test_another_log_is_another_picture(drawn):
    losses = np.linspace(1, 2, 9)
    first = drawn(losses, losses + 1)
    assert_array_equal(drawn(losses, losses + 1, torn='{"images": 1000, "sec'), first)
    assert (drawn(losses, losses + 1.1) != first).any()
    assert (drawn(losses + 0.1, losses + 1) != first).any()
    assert (drawn(losses[:8], losses[:8] + 1) != first).any()


def test_without_a_log_there_is_nothing_to_draw(tmp_path):
    with pytest.raises(InputError, match=r"log\.jsonl: expected the losses of a run, got none"):
        draw_curves(tmp_path, tmp_path / "losses.png")
    assert not any(tmp_path.iterdir())


def test_scatter_draws_both_panels(tmp_path, rng):
    found = Calibration(
        rng.normal(0.48, 0.12, (8, 500)).astype(np.float32), rng.normal(2800, 687, (8, 500)).astype(np.float32), seed=0
    )
    draw_scatter(found, tmp_path / "new" / "fig4.png")
    picture = read_image(tmp_path / "new" / "fig4.png").astype(int)
    assert picture.shape == (450, 1100, 3)
    # a cloud of points, and two dashed red bounds, in either half
    for half in (picture[:, :550], picture[:, 550:]):
        red, green, blue = half[..., 0], half[..., 1], half[..., 2]
        assert ((blue > red + 40) & (blue > green + 20)).sum() > 2000
        rows = ((red > green + 80) & (red > blue + 80)).sum(axis=1)
        assert len(np.split(rows, np.flatnonzero(np.diff(rows > 200)) + 1)) == 5


def test_scatter_has_the_printed_means_beside_its_own(tmp_path, rng):
    """Dotted and orange; here they lie far from the model's, black."""
    found = Calibration(
        rng.normal(0.2, 0.01, (8, 500)).astype(np.float32), rng.normal(3500, 10, (8, 500)).astype(np.float32), seed=0
    )
    draw_scatter(found, tmp_path / "fig4.png")
    picture = read_image(tmp_path / "fig4.png").astype(int)
    # without the frame and the legend
    for half, printed_is_above in ((picture[30:365, 70:520], True), (picture[30:365, 630:1080], False)):
        orange, black = near(half, ORANGE).sum(axis=1), (half.max(axis=-1) < 60).sum(axis=1)
        assert orange.max() > 100
        assert black.max() > 400
        assert (orange.argmax() < black.argmax()) == printed_is_above


def test_a_mark_a_method_and_mask(tmp_path):
    def column(**psnr):
        return {mask: {i: {"psnr": value} for i, value in enumerate(values)} for mask, values in psnr.items()}

    methods = {"default": column(left=[30, 30, 30], centre=[10]), "TV": column(centre=[19, 20, 21], left=[12, 12])}
    draw_quality("heads", methods, tmp_path / "new" / "chart.png")
    picture = read_image(tmp_path / "new" / "chart.png").astype(int)
    assert picture.shape == (550, 1000, 3)
    panel = picture[30:485, 66:994]
    halves = np.split(panel, 2, axis=1)
    # masks in the protocol's order: the default is low at the centre and high on the left, beside TV in either
    for half, default_is_above in zip(halves, (False, True), strict=True):
        (rows, columns), (other_rows, other_columns) = (np.nonzero(near(half, colour)) for colour in (BLUE, ORANGE))
        assert (rows.mean() < other_rows.mean()) == default_is_above
        assert columns.max() < other_columns.min()
    # with an interval of 2.48 dB on either side, and none of what does not vary
    extents = [np.ptp(np.nonzero(near(half, ORANGE))[0]) for half in halves]
    assert extents[0] > 5 * extents[1]


def test_scatter_needs_a_place(tmp_path):
    found = Calibration(np.float32([[0.2, 0.4]]), np.float32([[1, 3]]), seed=7)
    with pytest.raises(InputError, match=r"fig4\.docx: expected an extension"):
        draw_scatter(found, tmp_path / "fig4.docx")
    assert not any(tmp_path.iterdir())


def test_quality_over_time_has_a_panel_a_figure_and_mask(tmp_path):
    points = [
        Point(trial=name, mask=mask, evaluations=budget, hole_psnr=i, hole_ssim=i, loss=i, seconds=0.01 * budget)
        for i, (name, trial) in enumerate(TRIALS.items())
        for budget in trial.budgets
        for mask in MASKS
    ]
    draw_time_to_quality(points, tmp_path / "new" / "plot.png")
    picture = read_image(tmp_path / "new" / "plot.png").astype(int)
    assert picture.shape == (1120, 1440, 3)
    # each has the first trial's line, below all others
    for rows in np.split(near(picture, BLUE), 4):
        assert all(panel.sum() > 100 for panel in np.split(rows, 4, axis=1))


def test_who_is_recognised_has_a_mark_a_method_and_mask(tmp_path):
    methods = {
        "damaged": {"centre": (20, 10, 30), "drop-5": (60, 50, 70)},
        "default": {"centre": (80, 70, 90)},
        "undamaged": {"none": (95, 91, 98)},
    }
    draw_recognition({"heads": methods, "others": methods}, tmp_path / "new" / "chart.png")
    picture = read_image(tmp_path / "new" / "chart.png").astype(int)
    assert picture.shape == (800, 850, 3)
    assert_array_equal(near(picture[:400, 100:], BLUE), near(picture[400:, 100:], BLUE))
    # two marks and one, below the legend; the second method has nothing in the right half
    blue, orange = (near(picture[90:400], colour) for colour in (BLUE, ORANGE))
    assert blue[:, 425:].any()
    assert orange[:, :425].any()
    assert not orange[:, 425:].any()
    # 80 of 100 is above 20
    assert np.nonzero(orange)[0].mean() < np.nonzero(blue[:, :425])[0].mean()
    band = (abs(picture[:400] - 217).max(axis=-1) < 3).sum(axis=1)
    # nearly all the way across, over 7 of 100 parts of its height
    assert 15 < (band > 600).sum() < 35
