"""The tables in the project's own documents are what the results beside them say."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceinpaint_fast import markdown as documents
from faceinpaint_fast.cli import recognised
from faceinpaint_fast.config import InpaintConfig, Stage
from faceinpaint_fast.evaluation import photo_tables, replication, tables
from faceinpaint_fast.evaluation.results import PHOTOGRAPHS, read, read_all

ROOT = Path(__file__).resolve().parent.parent
# documents by the folder of their results
DOCUMENTS = {
    "evidence/evaluation": ("README.md", "docs/evaluation.md", "faceinpaint_fast/weights/faces64/README.md"),
    "evidence/evaluation128": ("faceinpaint_fast/weights/faces128/README.md",),
    "evidence/choices": ("docs/choices.md",),
    "evidence/recognition": ("README.md", "docs/recognition.md"),
    "evidence": ("docs/replication.md",),
    "evidence/photos": ("docs/photos.md",),
}
CASES = [(folder, name) for folder, names in DOCUMENTS.items() for name in names]


@pytest.mark.parametrize(("folder", "name"), CASES, ids=lambda value: value)
def test_no_number_is_typed_by_hand(folder, name, tmp_path):
    if not (ROOT / folder).is_dir():
        pytest.skip(f"{folder} is not part of a source distribution")
    copy = tmp_path / "copy.md"
    copy.write_bytes((ROOT / name).read_bytes())
    found, of_people = read_all(ROOT / folder), recognised.tables(ROOT / folder)
    made = tables.report(found)
    elsewhere = recognised.elsewhere(quality=bool(made), people=bool(of_people))
    of_photos = photo_tables.report(read_all(ROOT / folder, PHOTOGRAPHS))
    every = made | of_people | of_photos | replication.report(found)
    documents.update([copy], every, elsewhere=elsewhere)
    assert copy.read_text() == (ROOT / name).read_text()


@pytest.mark.parametrize("name", ["docs/evaluation.md", "docs/choices.md", "docs/replication.md"])
def test_a_page_holds_its_tables_without_a_bar(name):
    if not (ROOT / name).is_file():
        pytest.skip("docs/ is not part of a source distribution")
    rows = [line for line in (ROOT / name).read_text().splitlines() if line.startswith("|")]
    assert rows
    assert max(row.count("|") - 1 for row in rows) <= tables.WIDEST


def test_the_gallery_shows_every_figure_and_none_is_large():
    folder = ROOT / "docs/figures"
    if not folder.is_dir():
        pytest.skip("docs/ is not part of a source distribution")
    pages = "docs/figures/README.md", "docs/evaluation.md", "docs/recognition.md"
    shown = "".join((ROOT / name).read_text() for name in pages)
    drawn = {path.name: path.stat().st_size for path in folder.glob("*.png")}
    # figures 1, 4 to 12, and the charts
    charts = {"evaluation.png", "recognition.png"}
    assert {f"fig{number:02d}.png" for number in (1, *range(4, 13))} | charts == drawn.keys()
    for name, size in drawn.items():
        assert f"{name})" in shown, name
        assert size < 400_000, name


@pytest.mark.parametrize("folder", DOCUMENTS)
def test_a_resumed_evaluation_goes_on_with_these_records(folder):
    """The engine's are told by the fields that its config has today: with others they would be another evaluation's."""
    if not (ROOT / folder).is_dir():
        pytest.skip(f"{folder} is not part of a source distribution")
    fields = InpaintConfig().settings().keys()
    configs = [read(path)[0]["config"] for path in sorted((ROOT / folder).rglob("*.jsonl"))]
    ours = [config for config in configs if "normalization" in config]
    if not ours:
        pytest.skip(f"{folder} has no record of the engine")
    for config in ours:
        assert config.keys() - {"encoder", "judged"} == fields
        assert ("encoder" in config) == (config["start"] == "encoder")
        # and are words that it knows
        stages = [Stage(**stage) for stage in config["stages"]]
        words = {name: config[name] for name in ("iterations", "optimiser", "schedule", "start", "blend")}
        InpaintConfig(stages=stages, **words)
