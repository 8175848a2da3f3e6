"""Tables: as text, on a page with their machine, and between the marks of a document."""

from __future__ import annotations

import re

import pytest

from faceinpaint_fast import markdown
from faceinpaint_fast.errors import InputError

TABLES = {"table1": "| 1 |", "quality my heads": "| 2 |\n| 3 |"}
DOCUMENT = """# Results

<!-- evaluate: quality my heads -->
old
<!-- end -->
In between, of <!-- end --> and `<!-- evaluate: NAME -->`.
<!-- evaluate: table1 -->
<!-- end -->
"""


def test_a_table_has_a_line_a_row():
    assert markdown.table(("a", "b"), [["1", "2"], ["", "4"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n|  | 4 |"


def test_a_page_ends_with_the_machine():
    assert markdown.page("| a |", {"threads": "1", "torch": "2"}) == "| a |\n\n- threads: 1\n- torch: 2\n"


def test_tables_are_written_between_their_marks(tmp_path):
    document = tmp_path / "README.md"
    document.write_text(DOCUMENT)
    markdown.check([document])
    assert document.read_text() == DOCUMENT
    markdown.update([document], TABLES)
    expected = """# Results

<!-- evaluate: quality my heads -->

| 2 |
| 3 |

<!-- end -->
In between, of <!-- end --> and `<!-- evaluate: NAME -->`.
<!-- evaluate: table1 -->

| 1 |

<!-- end -->
"""
    assert document.read_text() == expected
    markdown.update([document], TABLES)
    assert document.read_text() == expected
    markdown.update([document], TABLES | {"table1": "| 4 |"})
    assert document.read_text() == expected.replace("| 1 |", "| 4 |")


def test_every_document_or_none(tmp_path):
    good, bad = tmp_path / "good.md", tmp_path / "bad.md"
    good.write_text(DOCUMENT)
    bad.write_text(DOCUMENT.replace("table1", "table2"))
    markdown.check([good, bad])
    with pytest.raises(InputError, match=r"bad\.md: expected one of the tables table1, quality my heads, got 'table2'"):
        markdown.update([good, bad], TABLES)
    assert good.read_text() == DOCUMENT


def test_tables_of_other_results_stay(tmp_path):
    document = tmp_path / "README.md"
    document.write_text(DOCUMENT)
    of_heads = "quality my heads"
    markdown.update([document], {"table1": "| 1 |"}, elsewhere=lambda name: name == of_heads)
    expected = DOCUMENT.replace("table1 -->\n", "table1 -->\n\n| 1 |\n\n")
    assert document.read_text() == expected
    with pytest.raises(InputError, match="expected one of the tables table1, got 'quality my heads'"):
        markdown.update([document], {"table1": "| 2 |"}, elsewhere=lambda name: name != of_heads)
    assert document.read_text() == expected


MARK, END = "<!-- evaluate: table1 -->\n", "<!-- end -->\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no mark\n", "expected a mark <!-- evaluate: NAME -->, got none"),
        (MARK, "expected the end of 'table1', got none"),
        (MARK + MARK + END + END, "expected the end of 'table1', got <!-- evaluate: table1 -->"),
        (END, "expected a table's mark, got <!-- end -->"),
        (MARK + END + END, "expected a table's mark, got <!-- end -->"),
        (b"\xff", "expected a text file to update"),
        (None, "expected a text file to update"),
    ],
)
def test_marks_that_do_not_pair_up_are_refused(tmp_path, content, message):
    document = tmp_path / "a.md"
    if content is not None:
        document.write_bytes(content if isinstance(content, bytes) else content.encode())
    for use in (lambda: markdown.check([document]), lambda: markdown.update([document], TABLES)):
        with pytest.raises(InputError, match=rf"a\.md: {re.escape(message)}"):
            use()
