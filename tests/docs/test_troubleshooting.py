"""Every message in docs/troubleshooting.md is one that the code still prints."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/troubleshooting.md"
MESSAGES = [
    line
    for token in MarkdownIt("commonmark").parse(PAGE.read_text())
    if token.type == "fence" and token.info == "text"
    for line in token.content.splitlines()
]
# letters that a template has to have itself: "{name}: {error}" is no template of any message
OWN = 20


def strings(path):
    """The texts that a file puts together, each as the pieces between what it fills in."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            pieces = [""]
            for value in node.values:
                if isinstance(value, ast.Constant):
                    pieces[-1] += value.value
                else:
                    pieces.append("")
            yield pieces
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value.split("{}")


TEMPLATES = [pieces for path in sorted((ROOT / "faceinpaint_fast").rglob("*.py")) for pieces in strings(path)]


def prints(pieces, message):
    """Whether a message is made of these pieces, and mostly of them."""
    own = sum(len(piece) for piece in pieces)
    return own >= OWN and re.fullmatch(".*".join(map(re.escape, pieces)), message) is not None


@pytest.mark.parametrize("message", MESSAGES)
def test_the_code_still_prints_it(message):
    # a remark of a file has its name before it
    texts = message, message.partition(": ")[2]
    assert any(prints(pieces, text) for pieces in TEMPLATES for text in texts)


@pytest.mark.parametrize(
    "changed",
    ["photo: expected a face, found none", "alpha: expected transparency", "out: expected no folder, got one"],
)
def test_other_words_are_noticed(changed):
    assert not any(prints(pieces, changed) for pieces in TEMPLATES)


def test_there_are_messages_of_every_kind():
    assert len(MESSAGES) > 25
