"""The tables in the project's own documents are what the results beside them say."""

from __future__ import annotations

from pathlib import Path

import pytest

from faceinpaint_fast import markdown as documents
from faceinpaint_fast.cli import recognised
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.evaluation import tables
from faceinpaint_fast.evaluation.results import read, read_all

ROOT = Path(__file__).resolve().parent.parent
# documents by the folder of their results
DOCUMENTS = {
    "evidence/evaluation": ("README.md", "docs/evaluation.md", "faceinpaint_fast/weights/README.md"),
    "evidence/choices": ("docs/choices.md",),
    "evidence/recognition": ("README.md", "docs/recognition.md"),
}
CASES = [(folder, name) for folder, names in DOCUMENTS.items() for name in names]


@pytest.mark.parametrize(("folder", "name"), CASES, ids=lambda value: value)
def test_no_number_is_typed_by_hand(folder, name, tmp_path):
    if not (ROOT / folder).is_dir():
        pytest.skip(f"{folder} is not part of a source distribution")
    copy = tmp_path / "copy.md"
    copy.write_bytes((ROOT / name).read_bytes())
    made, of_people = tables.report(read_all(ROOT / folder)), recognised.tables(ROOT / folder)
    elsewhere = recognised.elsewhere(quality=bool(made), people=bool(of_people))
    documents.update([copy], made | of_people, elsewhere=elsewhere)
    assert copy.read_text() == (ROOT / name).read_text()


@pytest.mark.parametrize("folder", DOCUMENTS)
def test_a_resumed_evaluation_goes_on_with_these_records(folder):
    """The engine's are told by the fields that its config has today: with others they would be another evaluation's."""
    if not (ROOT / folder).is_dir():
        pytest.skip(f"{folder} is not part of a source distribution")
    fields = InpaintConfig().settings().keys()
    configs = [read(path)[0]["config"] for path in (ROOT / folder).rglob("*.jsonl")]
    ours = [config for config in configs if "normalization" in config]
    if not ours:
        pytest.skip(f"{folder} has no record of the engine")
    for config in ours:
        assert config.keys() - {"encoder"} == fields
        assert ("encoder" in config) == (config["start"] == "encoder")
        # and are words that it knows
        InpaintConfig(**{name: config[name] for name in ("optimiser", "schedule", "start", "blend")})
