"""Tables of results against figures worked out by hand and by SciPy, and their places in documents."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from faceinpaint_fast.evaluation.methods import METHODS
from faceinpaint_fast.evaluation.tables import EMPTY, TABLE_1, WIDEST, foremost, interval, report


def record(mask, face, psnr, ssim=0.5, **figures):
    others = {"hole_psnr": 10.0, "hole_ssim": 0.25, "l1": 0.125, "seam": -1.5, "seconds": 0.5}
    return {"mask": mask, "face": face, "psnr": psnr, "ssim": ssim} | others | figures


def of(mask, *psnr, ssim=0.5):
    """A record a face, from face 0 on."""
    return [record(mask, face, value, ssim) for face, value in enumerate(psnr)]


def parts(text):
    """The tables of a text, each as its cells, the heads first, without the line of dashes; and the text above them."""
    title, *bodies = text.split("\n\n")
    tables = []
    for body in bodies:
        heads, dashes, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]
        assert dashes == ["---"] * len(heads)
        assert all(len(line) == len(heads) for line in lines)
        tables.append([heads, *lines])
    return title, tables


def rows(text):
    """The only table of a text."""
    title, (table,) = parts(text)
    return title, table


# ---------------------------------------------------------------------------------------------------------- statistics


def test_an_interval_by_hand():
    # t of 2 degrees of freedom at 0.975 is 4.30265, the standard deviation is 1
    assert interval([1, 2, 3]) == pytest.approx((2, 4.30265 / math.sqrt(3)), rel=1e-5)
    assert interval([7.0, 7.0]) == (7, 0)
    assert interval([7.0]) == (7, pytest.approx(math.nan, nan_ok=True))
    assert interval([]) == pytest.approx((math.nan, math.nan), nan_ok=True)


def test_an_interval_against_scipy(rng):
    sample = rng.normal(25, 3, 40)
    mean, half = interval(sample)
    low, high = stats.t.interval(0.95, 39, loc=sample.mean(), scale=stats.sem(sample))
    assert (mean - half, mean + half) == pytest.approx((low, high))


def test_an_interval_holds_the_mean_95_times_of_100(rng):
    found = [interval(sample) for sample in rng.normal(3, 2, (4000, 5))]
    held = np.mean([abs(mean - 3) <= half for mean, half in found])
    # four standard deviations of a share of 4000
    assert held == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 4000))


# -------------------------------------------------------------------------------------------------------------- tables


def test_quality():
    made = report({"heads": {"default": of("centre", 20, 21, 22), "TV": of("centre", 19, 19, 19, ssim=0.25)}})
    # 4.30265 / sqrt(3) = 2.484
    assert made["quality heads"] == "\n".join(
        [
            "heads: PSNR in dB / SSIM, mean ± half of its 95 % interval (Student's t), over 3 faces",
            "",
            "| mask | default | TV |",
            "| --- | --- | --- |",
            "| centre | 21.00 ± 2.48 / 0.5000 ± 0.0000 | 19.00 ± 0.00 / 0.2500 ± 0.0000 |",
        ]
    )


def test_summary():
    found = {
        "default": of("centre", 20, 21, 22),
        "paper": of("left", 18),
        "paper-calibrated": of("centre", 99),
        "TV": of("left", 19, ssim=0.25) + of("centre", 18, 18),
        "Telea": of("left", 17) + of("centre", 30),
    }
    made = report({"heads": found, "bare": {"default": of("centre", 1)}})
    assert made["summary heads"] == "\n".join(
        [
            "heads: mean PSNR in dB / SSIM of the whole face",
            "",
            "| mask | default (3 faces) | paper (1 face) | the best of the others |",
            "| --- | --- | --- | --- |",
            # ours is none of the others, whatever it is worth
            f"| centre | 21.00 / 0.500 | {EMPTY} | 30.00 / 0.500 Telea (1) |",
            f"| left | {EMPTY} | 18.00 / 0.500 | 19.00 / 0.250 TV (1) |",
        ]
    )
    assert rows(made["summary bare"])[1][0] == ["mask", "default (1 face)"]


def test_no_table_is_wider_than_a_page():
    found = {name: of("centre", 1, 2) + of("drop-20", 3, 4) + of("left", 5) + of("top", 6) for name in METHODS}
    made = report({"heads": found})
    assert len(made) == 7
    for name, text in made.items():
        _, tables = parts(text)
        assert max(len(table[0]) for table in tables) == WIDEST == 4, name
    # what follows is the rest of the columns, beside the same rows
    _, tables = parts(made["quality heads"])
    assert [head for table in tables for head in table[0][1:]] == list(METHODS)
    assert len({tuple(row[0] for row in table) for table in tables}) == 1


def test_methods_and_masks_have_their_order_whatever_was_run_first():
    found = {
        "own": of("centre", 1),
        "TV": of("drop-80", 1) + of("drop-30", 1) + of("centre", 1),
        "default": of("left", 1),
    }
    _, table = rows(report({"heads": found})["quality heads"])
    assert table[0] == ["mask", "default", "TV", "own"]
    assert [row[0] for row in table[1:]] == ["centre", "left", "drop-80", "drop-30"]
    # one face has no interval, and what was not run no figure
    assert table[1] == ["centre", EMPTY, "1.00 / 0.5000", "1.00 / 0.5000"]


def test_numbers_of_faces_stand_where_they_differ():
    found = {"default": of("centre", 1, 2, 3) + of("left", 1), "TV": of("centre", 1, 2) + of("left", 1, 2)}
    title, table = rows(report({"heads": found})["quality heads"])
    assert table[0] == ["mask", "default (1 to 3 faces)", "TV (2 faces)"]
    assert "faces" not in title


def test_differences_are_over_the_faces_that_both_have():
    ours = [record("centre", face, psnr, 0.5) for face, psnr in ((0, 20), (1, 24), (2, 30), (3, 99))]
    rival = [record("centre", face, psnr, 0.75) for face, psnr in ((2, 27), (1, 22), (0, 19), (7, 1))]
    found = {"default": ours, "TV": rival, "own": of("left", 3)}
    title, table = rows(report({"heads": found})["differences heads"])
    assert "`default` less its rivals" in title
    assert title.endswith("over 3 faces")
    assert table[0] == ["mask", "less TV"]
    # 1, 2 and 3: the spread is that of the differences, not that of the faces
    assert table[1:] == [["centre", "+2.00 ± 2.48 / -0.2500 ± 0.0000"]]


def test_differences_with_rivals_that_have_different_faces():
    found = {
        "default": of("centre", 5, 6, 7) + of("left", 5),
        "TV": of("centre", 4, 4),
        # none of its faces under drop-80, and of a mask of its own
        "Telea": of("centre", 9, 9, 9) + of("left", 5) + of("top", 1) + [record("drop-80", 9, 1)],
    }
    found["default"] += of("drop-80", 1)
    _, table = rows(report({"heads": found})["differences heads"])
    assert table[0] == ["mask", "less TV (2 faces)", "less Telea (1 to 3 faces)"]
    assert [row[1:] for row in table[2:]] == [[EMPTY, "+0.00 / +0.0000"]]


@pytest.mark.parametrize("found", [{"default": of("centre", 1)}, {"TV": of("centre", 1), "DIP": of("centre", 1)}])
def test_no_differences_without_two(found):
    assert set(report({"heads": found})) == {"summary heads", "quality heads", "detail heads"}


def test_choices_are_what_others_have_more_than_default():
    found = {
        "default": of("centre", 5, 6, 7) + of("left", 9, 8),
        "slower": [record("centre", face, psnr, seconds=4.0) for face, psnr in enumerate((6, 8, 10))],
        "nothing in common": of("top", 1),
    }
    title, table = rows(report({"heads": found})["choices heads"])
    assert title.endswith("over 2 to 3 faces; seconds of a batch over its size")
    assert table[0] == ["(seconds a face)", "centre", "left"]
    assert table[1][0] == "default (0.5 s)"
    assert table[1][1].startswith("6.00 ± 2.48 / ")
    # 1, 2 and 3
    assert table[2] == ["slower (4 s)", "+2.00 ± 2.48 / +0.0000 ± 0.0000", EMPTY]
    assert len(table) == 3


def test_detail_leaves_out_what_has_no_value():
    found = {
        "default": [record("drop-30", 0, 1, seam=None, seconds=1.0), record("drop-30", 1, 1, seam=3.0, seconds=3.0)],
        "TV": [record("drop-30", 0, 1, hole_psnr=12.5, seam=None)],
    }
    found["TV"].append(record("drop-40", 0, 1, l1=0.5))
    title, (other, table) = parts(report({"heads": found})["detail heads"])
    assert "grey levels" in title
    assert table == [
        ["drop-30", "PSNR / SSIM in the hole", "L1 / seam", "seconds a face"],
        ["default (2)", "10.00 ± 0.00 / 0.2500 ± 0.0000", "0.1250 ± 0.0000 / 3.00", "2"],
        ["TV (1)", "12.50 / 0.2500", f"0.1250 / {EMPTY}", "0.5"],
    ]
    assert other[0][0] == "drop-40"
    assert other[1] == ["TV (1)", "10.00 / 0.2500", "0.5000 / -1.50", "0.5"]


def test_table_1_stands_beside_ours():
    found = {
        "paper": of("drop-20", 20, 22) + of("drop-80", 10, 10, 10) + of("centre", 1, 1, 1, 1),
        "default": of("drop-40", 30),
        "TV": of("drop-20", 77),
        # a column without results is not shown
        "DIP": of("centre", 5),
    }
    title, (of_dip, table) = parts(report({"heads": found})["table1"])
    assert of_dip[0] == ["dropped", "DIP, printed"]
    assert table[0] == ["dropped", "the method, printed", "paper, here (2 to 3 faces)", "default, here (1 face)"]
    # as printed in the paper, line by line
    assert [[*theirs, ours[1]] for theirs, ours in zip(of_dip[1:], table[1:], strict=True)] == [
        ["20 %", "19.8658 / 0.9517", "20.0649 / 0.9533"],
        ["40 %", "19.0177 / 0.8975", "19.9802 / 0.9089"],
        ["60 %", "18.2592 / 0.8547", "19.8783 / 0.8892"],
        ["80 %", "15.7974 / 0.7823", "19.7447 / 0.8461"],
    ]
    assert table[1][2:] == ["21.00 ± 12.71 / 0.5000 ± 0.0000", EMPTY]
    assert table[2][2:] == [EMPTY, "30.00 / 0.5000"]
    assert table[4][2] == "10.00 ± 0.00 / 0.5000 ± 0.0000"
    assert "network" in title
    assert "heads" in title


def test_table_1_has_dip_beside_dip():
    found = {name: of("drop-20", 20) for name in ("default", "paper", "DIP")}
    _, (of_dip, table) = parts(report({"heads": found})["table1"])
    assert of_dip[0] == ["dropped", "DIP, printed", "DIP, here (1 face)"]
    assert of_dip[1] == ["20 %", "19.8658 / 0.9517", "20.00 / 0.5000"]
    assert table[0][2:] == [f"{name}, here (1 face)" for name in ("paper", "default")]


def test_table_1_is_celebas_if_it_is_there():
    of_table_1 = {"paper": of("drop-20", 20)}
    made = report({"asian": of_table_1, "my-CelebA": of_table_1, "none": {"TV": of("drop-20", 1)}})
    assert {name for name in made if name.startswith("table1")} == {"table1", "table1 asian", "table1 my-CelebA"}
    assert made["table1"] == made["table1 my-CelebA"] != made["table1 asian"]
    assert report({"b": of_table_1, "a": of_table_1})["table1"].count("Here: b,") == 1
    assert "table1" not in report({"none": {"paper": of("centre", 1)}})
    assert len(TABLE_1) == 4
    assert foremost(["evaluation/faces", "choices/CelebA", "celeba"]) == "choices/CelebA"
