"""Commands that hold the engine against something: what they write and print, and what they refuse."""

from __future__ import annotations

import dataclasses
import sys
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from rich.console import Console

from faceinpaint_fast import InpaintConfig, Inpainter, InputError, masks
from faceinpaint_fast.evaluation import methods, protocol, results, tables
from faceinpaint_fast.evaluation.metrics import quality
from faceinpaint_fast.evaluation.protocol import seed_of
from faceinpaint_fast.faces import load_faces
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.images import write_image
from faceinpaint_fast.models import read_config


@pytest.fixture
def grey(monkeypatch):
    """In the place of the rival `harmonic`: grey in the hole.  A list of the number of faces of each call."""
    calls = []

    def harmonic(images, holes):
        calls.append(len(images))
        return np.where(holes[..., None], 0.5, images)

    monkeypatch.setitem(sys.modules, "faceinpaint_fast.evaluation.rivals.harmonic", SimpleNamespace(harmonic=harmonic))
    return calls


@pytest.fixture
def two_sets(faces, tmp_path):
    """A folder of eight faces and a shard of two of them."""
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for name in ("4.png", "5.png"):
            tar.add(faces / name, name)
    return faces, tmp_path / "shard.tar"


def test_evaluate_from_faces_to_tables(faceinpaint, two_sets, taken, model, grey, tmp_path):
    out, readme = tmp_path / "out", tmp_path / "README.md"
    readme.write_text("<!-- evaluate: quality shard -->\n<!-- end -->\n<!-- evaluate: table1 -->\n<!-- end -->\n")
    line = ["evaluate", *two_sets, "--out", out, "--masks", "drop-80,left", "--masks", "left", "--faces", 3,
            "--batch", 2, "--seed", 4, "--methods", "harmonic", "--methods", "default", "--precision", "bf16",
            "--model", model, "--device", "cpu", "--update", readme]  # fmt: skip
    status, said, err = faceinpaint(*line, "--table1")
    # of the first picture of each data set
    first = taken + taken.replace("faces/0.png", "shard.tar:4.png")
    assert (status, err) == (0, f"{first}faceinpaint: shard default left 100.0 %, 0:00:00 left\n")
    # two masks, three faces and two
    assert grey == [2, 1, 2, 1, 2, 2]
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.jsonl")) == [
        "faces/default.jsonl",
        "faces/harmonic.jsonl",
        "shard/default.jsonl",
        "shard/harmonic.jsonl",
    ]
    header, records = results.read(out / "shard" / "default.jsonl")
    # without an encoder z alone is searched
    expected = dataclasses.asdict(InpaintConfig.over_z(precision="bf16"))
    assert header["config"] == expected | {"stages": [], "z_max": "inf", "encoder": None}
    assert (header["seed"], header["batch"], header["machine"]["torch"]) == (4, 2, torch.__version__)
    assert [(record["mask"], record["face"]) for record in records] == [
        *(("drop-80", 0), ("drop-80", 1), ("left", 0), ("left", 1))
    ]
    # by the Python interface
    seeds = [seed_of(4, face) for face in (0, 1)]
    truths = load_faces([two_sets[1]], size=64, framing=CELEBA_108)
    holes = np.stack([masks.draw("drop-80", (64, 64), seed) for seed in seeds])
    inpainter = Inpainter.from_pretrained(model, config=InpaintConfig(precision="bf16"), device="cpu")
    expected = inpainter(truths / 255, holes, seed=seeds).image
    for record, image, truth, hole in zip(records[:2], expected, truths, holes, strict=True):
        figures = quality(np.round(255 * image) / 255, truth / 255, hole)
        assert record["hole_psnr"] == pytest.approx(figures.hole_psnr, abs=0.006)

    made = tables.report(results.read_all(out))
    assert said.count("| mask |") == 6
    for name in ("quality faces", "differences faces", "detail faces", "quality shard", "table1"):
        assert made[name] in said
    assert readme.read_text() == (
        f"<!-- evaluate: quality shard -->\n\n{made['quality shard']}\n\n<!-- end -->\n"
        f"<!-- evaluate: table1 -->\n\n{made['table1']}\n\n<!-- end -->\n"
    )

    grey.clear()
    assert faceinpaint(*line, "--table1") == (0, said, err)
    assert faceinpaint("evaluate", "--out", out, "--table1") == (0, said, "")
    assert "Table 1" not in faceinpaint("evaluate", "--out", out)[1]
    assert grey == []


def test_evaluate_under_a_name_with_other_settings(faceinpaint, faces, model, tmp_path):
    line = ["evaluate", faces, "--out", tmp_path / "out", "--masks", "left", "--faces", 1, "--model", model,
            "--methods", "default", "--device", "cpu"]  # fmt: skip
    assert faceinpaint(*line, "--set", "iterations=2")[0] == 0
    assert faceinpaint(*line, "--set", "iterations=3", "--set", "blend=none", "--as", "Stitched, as it is")[0] == 0
    folder = tmp_path / "out" / faces.name
    names = [results.read(folder / f"{name}.jsonl")[0]["config"] for name in ("default", "stitched-as-it-is")]
    assert [(config["iterations"], config["blend"]) for config in names] == [(2, "tension"), (3, "none")]
    assert "| Stitched, as it is |" in faceinpaint("evaluate", "--out", tmp_path / "out")[1]


def test_evaluate_wants_to_know_what_for(refused, faces):
    assert "evaluate: expected --out for results, or --figures, got neither" in refused("evaluate", faces)


def test_evaluate_shows_how_far_it_is(faceinpaint, faces, grey, tmp_path, monkeypatch):
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setenv("COLUMNS", "120")
    status, _, err = faceinpaint(
        "evaluate", faces, "--out", tmp_path / "out", "--methods", "harmonic", "--masks", "left"
    )
    assert status == 0
    assert "faces harmonic left" in err
    assert "8/8" in err
    assert grey == [8]


def test_evaluate_says_what_is_left_out(faceinpaint, faces, tmp_path, monkeypatch):
    def stop(names, **_):
        raise InputError(f"asked for {names}")

    monkeypatch.setattr(methods, "find_spec", lambda _: None)
    monkeypatch.setattr(methods, "build", stop)
    _, _, err = faceinpaint("evaluate", faces, "--out", tmp_path / "out")
    note, asked = err.splitlines()
    assert note == "faceinpaint: Telea is left out: it needs the library cv2"
    assert asked == f"faceinpaint: asked for {[name for name in methods.METHODS if name != 'Telea']}"


def test_ctrl_c_costs_evaluate_one_batch(faceinpaint, faces, taken, tmp_path, monkeypatch, grey):
    line = ["evaluate", faces, "--out", tmp_path / "out", "--methods", "harmonic", "--masks", "left", "--batch", 3]
    module = sys.modules["faceinpaint_fast.evaluation.rivals.harmonic"]

    def interrupted(images, holes):
        if len(grey) == 2:
            raise KeyboardInterrupt
        return whole(images, holes)

    whole = module.harmonic
    monkeypatch.setattr(module, "harmonic", interrupted)
    assert faceinpaint(*line) == (130, "", taken)
    assert len(results.read(tmp_path / "out" / "faces" / "harmonic.jsonl")[1]) == 6
    monkeypatch.setattr(module, "harmonic", whole)
    assert faceinpaint(*line)[0] == 0
    assert grey == [3, 3, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--masks", "left,middle"], "hole: expected centre"),
        (["--masks", "drop-100"], "masks: expected a hole with missing and with known pixels"),
        (["--methods", "harmonic,best"], "methods: expected some of"),
        (["--methods", "default", "--precision", "fp16"], "precision: expected"),
        (["--device", "gpu"], "device: expected auto or a device at hand"),
        (["--model", "nowhere"], "nowhere: expected a model folder"),
        (["--set", "iterations"], "--set: expected FIELD=VALUE"),
        (["--set", "steps=3"], "set: expected one of iterations"),
        (["--as", "?!"], "method: expected a name with a letter or a digit, got '?!'"),
        (["--as", "both", "--methods", "TV"], "--as: expected one method to be called 'both', got"),
        (["--update", "nowhere.md"], "nowhere.md: expected a text file to update"),
        (["nowhere"], "nowhere: expected a folder of images, an image or a whole tar file"),
        (["--out", "face.png"], "face.png/results.jsonl: expected a place that can be written to"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_evaluate_refuses_what_does_not_fit(refused, faces, picture, grey, options, message, monkeypatch):
    monkeypatch.chdir(picture.parent)
    err = refused("evaluate", faces, "--out", "out", "--methods", "harmonic", *options)
    assert message in err
    assert grey == []


def test_evaluate_refuses_results_of_another_seed(refused, faceinpaint, faces, grey, tmp_path):
    line = ["evaluate", faces, "--out", tmp_path / "out", "--methods", "harmonic", "--masks", "left"]
    assert faceinpaint(*line)[0] == 0
    assert "expected results with seed 1, got 0; choose another --out, or delete the file" in refused(
        *line, "--seed", 1
    )
    assert grey == [8]


def test_evaluate_reports_nothing_of_nothing(refused, tmp_path):
    assert "out: expected results of faceinpaint evaluate, got none" in refused("evaluate", "--out", tmp_path / "out")


def test_evaluate_without_table_1(faceinpaint, faces, grey, tmp_path):
    out, readme = tmp_path / "out", tmp_path / "README.md"
    readme.write_text("<!-- evaluate: table1 -->\nold\n<!-- end -->\n")
    line = ["evaluate", faces, "--out", out, "--methods", "harmonic", "--masks", "left", "--faces", 1]
    for option, message in (
        (["--table1"], "--table1: expected results of DIP, paper or default with pixels dropped in"),
        (
            ["--update", readme],
            "README.md: expected one of the tables summary faces, quality faces, detail faces, got 'table1'",
        ),
    ):
        status, _, err = faceinpaint(*line, *option)
        assert status == 2
        assert message in err
    assert "old" in readme.read_text()
    assert grey == [1]


def test_bench_shows_and_writes_what_it_measured(faceinpaint, tmp_path, monkeypatch):
    from faceinpaint_fast.benchmarks import report
    from faceinpaint_fast.benchmarks.comparison import Comparison

    quick = Comparison(what="this", rival="that", ours=lambda: None, theirs=lambda: None, at_least=None)
    monkeypatch.setattr(report, "comparisons", lambda _: {"quick": lambda: quick})
    out = tmp_path / "new" / "table.md"
    status, said, _ = faceinpaint("bench", "--device", "cpu", "--out", out)
    assert status == 0
    assert "| this |" in out.read_text()
    assert "this" in said


def test_bench_measures_a_lower_level_where_asked(faceinpaint, monkeypatch):
    from faceinpaint_fast import _cpu
    from faceinpaint_fast.benchmarks import report

    monkeypatch.setattr(report, "comparisons", lambda _: {})
    try:
        status, said, _ = faceinpaint("bench", "--device", "cpu", "--level", _cpu.LEVELS[0])
        assert status == 0
        assert f"kernels: {_cpu.LEVELS[0]}" in said
    finally:
        _cpu.use_level(_cpu.LEVELS[-1])
    status, _, told = faceinpaint("bench", "--device", "cpu", "--level", "avx3")
    assert status == 2
    assert told.startswith("faceinpaint: --level: expected one of ")


def test_a_comparison_that_fails_costs_none_of_the_others(faceinpaint, tmp_path, monkeypatch):
    from faceinpaint_fast.benchmarks import report
    from faceinpaint_fast.benchmarks.comparison import Comparison

    def broken():
        raise AssertionError("another result")

    quick = Comparison(what="this", rival="that", ours=lambda: None, theirs=lambda: None, at_least=None)
    monkeypatch.setattr(report, "comparisons", lambda _: {"broken": broken, "quick": lambda: quick})
    out = tmp_path / "table.md"
    status, _, err = faceinpaint("bench", "--device", "cpu", "--out", out)
    assert status == 1
    assert "faceinpaint: broken: AssertionError: another result" in err
    assert "| this |" in out.read_text()


def test_parity_shows_and_writes_what_it_found(faceinpaint, model, tmp_path, monkeypatch):
    from faceinpaint_fast.parity import report
    from faceinpaint_fast.parity.check import Check

    asked = []

    def quick(*arguments):
        asked.append(arguments)
        yield Check("this", (2, 3), "float32", 3e-7, 1e-5)

    monkeypatch.setattr(report, "checks", quick)
    out = tmp_path / "new" / "table.md"
    status, said, err = faceinpaint("parity", "--device", "cpu", "--model", model, "--seed", 5, "--out", out)
    assert (status, err) == (0, "")
    assert [line.split() for line in said.splitlines()[1:]] == [
        ["this", "2x3", "float32", "3.0e-07", "1.0e-05", "pass"],
        ["1", "rows", "on", "cpu,", "0", "failed"],
    ]
    assert "| this | 2x3 | float32 | 3.0e-07 | 1.0e-05 | pass |" in out.read_text()
    assert f"- torch: {torch.__version__}" in out.read_text()
    ((loaded, device, seed),) = asked
    assert loaded.config == read_config(model)
    assert (device, seed) == (torch.device("cpu"), 5)


def test_parity_refuses_before_any_work(refused, model, tmp_path):
    assert "expected a file to write to, got a folder" in refused("parity", "--model", model, "--out", tmp_path)
    assert "expected a model folder" in refused("parity", "--model", tmp_path, "--out", tmp_path / "table.md")
    assert "device: expected auto or" in refused("parity", "--model", model, "--device", "abacus")


def test_a_broken_kernel_fails_parity(faceinpaint, model, tmp_path, monkeypatch):
    from faceinpaint_fast import _cpu
    from faceinpaint_fast.parity import functions, report

    monkeypatch.setattr(report, "checks", lambda _, device, __: functions.weights(device, [(37, 51)]))
    assert faceinpaint("parity", "--device", "cpu", "--model", model)[0] == 0
    kernel = _cpu.weight_map

    def broken(*arguments, out, **options):
        kernel(*arguments, out=out, **options)
        out *= 1.001

    monkeypatch.setattr(_cpu, "weight_map", broken)
    out = tmp_path / "table.md"
    status, said, err = faceinpaint("parity", "--device", "cpu", "--model", model, "--out", out)
    # a result, not a mistake in the line: the table is whole
    assert (status, err) == (1, "")
    rows = said.splitlines()[1:-1]
    assert all(row.endswith("FAIL") for row in rows)
    assert said.splitlines()[-1] == f"{len(rows)} rows on cpu, {len(rows)} failed"
    assert out.read_text().count("FAIL") == len(rows)


def test_evaluate_takes_faces_of_the_model_alone(faceinpaint, refused, celeba, model, tmp_path, monkeypatch):
    given = []

    def judge(asked, methods, data, out, **_):  # noqa: ARG001
        given.append(data)
        raise InputError("enough")

    monkeypatch.setattr(protocol, "evaluate", judge)
    line = ["evaluate", celeba, "--model", model, "--methods", "harmonic", "--out", tmp_path / "out"]
    assert "(35, 55) is drawn with 64x64\nfaceinpaint: enough" in faceinpaint(*line)[2]
    assert faceinpaint(*line, "--size", 64, "--crop", "celeba-108")[2].endswith("enough\n")
    assert given[0]["celeba"].shape == (2, 64, 64, 3)
    assert_array_equal(given[0]["celeba"], given[1]["celeba"])
    assert "--size: expected the model's, 64, got 128" in refused(*line, "--size", 128)
    assert "--crop: expected the model's, celeba-108, or x,y,side" in refused(*line, "--crop", "celeba-148")
    write_image(celeba / "0.png", np.zeros((90, 100, 3), np.uint8))
    assert "0.png: expected 64x64 pixels, or 108x108 or 178x218 to be cut to celeba-108, got 100x90" in refused(*line)
