"""What a repository's host reads: how to cite, how to report, and which checks run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import faceinpaint_fast

ROOT = Path(__file__).parents[2]
SCHEMAS = {
    "CITATION.cff": "vendor.citation-file-format",
    ".github/ISSUE_TEMPLATE/bug.yml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/wish.yml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
    ".github/workflows/checks.yml": "vendor.github-workflows",
}


def checked(path, schema):
    line = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, path]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_as_its_schema_says(name):
    done = checked(name, SCHEMAS[name])
    assert done.returncode == 0, done.stdout


def test_none_is_left_out():
    there = {str(path.relative_to(ROOT)) for path in (ROOT / ".github").rglob("*.yml")}
    assert there | {"CITATION.cff"} == SCHEMAS.keys()


def test_a_citation_without_authors_is_refused(tmp_path):
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    del cited["authors"]
    (tmp_path / "CITATION.cff").write_text(yaml.safe_dump(cited))
    assert checked(tmp_path / "CITATION.cff", SCHEMAS["CITATION.cff"]).returncode != 0


def test_what_is_cited_is_this_version():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == faceinpaint_fast.__version__


def test_the_workflow_runs_make_targets_alone():
    text = (ROOT / ".github/workflows/checks.yml").read_text()
    (job,) = yaml.safe_load(text)["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == ["make ${{ matrix.target }}"]
    phony = re.search(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    assert set(job["strategy"]["matrix"]["target"]) <= set(phony)
    # what a change has to pass here, it has to pass there
    here = re.findall(r"^make (\S+)", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert set(here) == set(job["strategy"]["matrix"]["target"])


def test_every_promise_names_a_test_that_is_there():
    named = re.findall(r"`(tests/\S+\.py)::(\w+)`", (ROOT / "SECURITY.md").read_text())
    assert len(named) > 12
    for file, name in named:
        body = ast.parse((ROOT / file).read_text()).body
        assert name in {each.name for each in body if isinstance(each, ast.FunctionDef)}, f"{file}::{name}"
