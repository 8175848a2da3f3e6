"""Links of the pages as a viewer of the repository has them: each leads to a file, and to a heading that is there."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
FOLDERS = (".github", "benchmarks", "docs", "examples", "faceinpaint_fast")


def own(folder: Path) -> list[Path]:
    """Returns the pages of a folder that are not another project's."""
    return [path for path in folder.rglob("*.md") if "node_modules" not in path.parts]


PAGES = sorted([*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in own(ROOT / folder))])
MARKDOWN = MarkdownIt("commonmark").enable("table")


def tokens(path):
    for token in MARKDOWN.parse(path.read_text()):
        yield token
        yield from token.children or ()


def headings(path):
    """The anchors of a page, as GitHub makes them."""
    every = MARKDOWN.parse(path.read_text())
    found = []
    for before, token in pairwise(every):
        if before.type == "heading_open":
            text = "".join(each.content for each in token.children if each.type in ("text", "code_inline"))
            kept = "".join(each for each in text.lower() if each in "-_ " or unicodedata.category(each)[0] in "LN")
            slug = kept.replace(" ", "-")
            again = sum(1 for each in found if re.fullmatch(re.escape(slug) + r"(-\d+)?", each))
            found.append(f"{slug}-{again}" if again else slug)
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(path):
    for token in tokens(path):
        link = token.attrs.get("href") or token.attrs.get("src")
        if token.type in ("link_open", "image") and not re.match(r"[a-z]+:", link):
            place, _, heading = link.partition("#")
            there = (path.parent / place).resolve() if place else path
            assert there.is_relative_to(ROOT), link
            assert there.exists(), link
            # which a site has no page of
            assert not there.is_dir(), link
            if heading:
                assert heading in headings(there), link


def test_every_decision_is_listed():
    listed = {token.attrs["href"] for token in tokens(ROOT / "docs/decisions/README.md") if token.type == "link_open"}
    assert {path.name for path in (ROOT / "docs/decisions").glob("0*.md")} == listed


def test_the_navigation_has_every_page():
    text = (ROOT / "docs/site/toc.yml").read_text()
    named = set(re.findall(r"file: (\S+)", text)) | set(re.findall(r"root: (\S+)", text))
    globs = re.findall(r"glob: (\S+)", text)
    assert yaml.safe_load(text)
    pages = {path.relative_to(ROOT).with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    missing = {str(page) for page in pages if str(page) not in named and not any(page.match(each) for each in globs)}
    assert missing == set()
