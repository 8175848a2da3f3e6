"""Which claims of the paper hold: verdicts worked out by hand, and the records that they are of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.evaluation.replication import DEFAULT, PRINTED, report
from faceinpaint_fast.evaluation.tables import EMPTY

EVIDENCE = Path(__file__).resolve().parents[2] / "docs" / "evidence.sh"


def of(mask, *psnr):
    """A record a face, from face 0 on."""
    return [{"mask": mask, "face": i, "psnr": value, "ssim": 0.5, "seconds": 1.0} for i, value in enumerate(psnr)]


def rows(text):
    """The first table's cells, its heads first."""
    heads, _, *lines = [line.strip("| ").split(" | ") for line in text.split("\n\n")[1].splitlines()]
    return [heads, *lines]


def test_verdicts():
    found = {
        "paper": of("centre", 20, 21, 22) + of("left", 20, 21, 22) + of("drop-80", 20, 21, 22) + of("top", 1),
        "paper without SSIM": of("centre", 19, 19, 19) + of("left", 21, 22, 23) + of("drop-80", 20, 25, 18),
        "paper-calibrated": of("centre", 19, 20),
        "DIP": of("top", 2),
    }
    table = rows(report({"celeba": found})["claims paper"])
    assert table[0] == ["claim", "centre", "left", "drop-80"]
    # 1, 2, 3 with half an interval of 2.48; -1 thrice; 0, -4, 4
    assert table[1] == [
        "The structural loss helps (`--set lambda_s=0`, 3 faces)",
        "open: +2.00 ± 2.48 / +0.0000 ± 0.0000",
        "no: -1.00 ± 0.00 / +0.0000 ± 0.0000",
        "open: +0.00 ± 9.94 / +0.0000 ± 0.0000",
    ]
    # what is claimed of the bounds is that they are better than the printed ones
    assert table[2] == [
        "A model's own bounds help (`--methods paper-calibrated`, 2 faces)",
        "no: -1.00 ± 0.00 / +0.0000 ± 0.0000",
        EMPTY,
        EMPTY,
    ]
    assert len(table) == 3
    found["paper without SSIM"] = of("left", 19, 20, 21)
    assert rows(report({"celeba": found})["claims paper"])[1][2] == "yes: +1.00 ± 0.00 / +0.0000 ± 0.0000"


def test_the_default_s_claims():
    found = {"default": of("left", 20, 22), "L1 alone": of("left", 19, 21), "with D, 0.003": of("left", 19, 21)}
    made = report({"faces": found})
    assert set(made) == {"claims default"}
    assert [row[2].partition(":")[0] for row in rows(made["claims default"])[1:]] == ["yes", "no"]


def test_records_of_several_folders_count_together():
    found = {
        "choices/celeba": {"default": of("centre", 5, 5), "L1 alone": of("centre", 4, 4)},
        "evaluation/celeba": {"default": of("centre", 9, 9), "paper": of("top", 5, 6), "DIP": of("top", 4, 4)},
        "evaluation/others": {"paper": of("top", 99, 99)},
        "replication/celeba": {"paper-generated": of("drop-20", 1), "TV": of("top", 7)},
    }
    made = report(found)
    assert rows(made["claims default"])[1][1].startswith("yes: +1.00")
    # 1 and 2; the one face that both have
    assert rows(made["rivals of paper"]) == [
        ["mask", "less DIP (2 faces)", "less TV (1 face)"],
        ["top", "+1.50 ± 6.35 / +0.0000 ± 0.0000", "-2.00 / +0.0000"],
    ]
    assert "printed" not in made
    # beside the print, of a method in two folders those of the last
    for folder, psnr in (("choices", 5), ("evaluation", 9)):
        found[f"{folder}/celeba"]["default"] += of("drop-20", psnr)
    found["replication/celeba"]["default-generated"] = of("drop-20", 2)
    assert rows(report(found)["printed"])[1][2:] == ["9.00 / 0.5000", "2.00 / 0.5000"]


def test_both_images_stand_beside_the_print():
    found = {
        "paper": of("drop-20", 30, 32) + of("centre", 1),
        "paper-generated": of("drop-20", 21) + of("drop-80", 20),
        "default": of("drop-20", 40),
    }
    table = rows(report({"faces": found})["printed"])
    assert table == [
        ["dropped", "the method, printed", "F of paper (2 faces)", "G(z^) of paper (1 face)"],
        ["20 %", "20.0649 / 0.9533", "31.00 ± 12.71 / 0.5000 ± 0.0000", "21.00 / 0.5000"],
        ["40 %", "19.9802 / 0.9089", EMPTY, EMPTY],
        ["60 %", "19.8783 / 0.8892", EMPTY, EMPTY],
        ["80 %", "19.7447 / 0.8461", EMPTY, "20.00 / 0.5000"],
    ]


@pytest.mark.parametrize("claim", PRINTED + DEFAULT, ids=lambda claim: f"{claim.better} or {claim.worse}")
def test_the_evidence_has_both_sides_of_a_claim(claim):
    """By the names under which they are run, with the settings that the claim says."""
    if not EVIDENCE.is_file():
        pytest.skip("docs/ is not part of a source distribution")
    text = EVIDENCE.read_text()
    base = InpaintConfig.paper() if claim in PRINTED else InpaintConfig()
    varied = claim.better if claim.worse in ("paper", "default") else claim.worse
    if "--set" in claim.settings:
        assert re.search(
            rf'^(choice default|printed) "{re.escape(varied)}" {re.escape(claim.settings)}$', text, re.MULTILINE
        )
        settings = dict(pair.split("=") for pair in claim.settings.split() if pair != "--set")
        assert base.with_settings(settings) != base
    else:
        assert re.search(rf"--methods \S*\b{claim.settings.split()[-1]}\b", text)
