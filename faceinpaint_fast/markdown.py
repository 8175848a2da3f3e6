"""Tables in Markdown: alone, as a page with the machine that they were measured on, and within documents.

In a document, what stands between the lines `<!-- evaluate: NAME -->` and `<!-- end -->` is the table NAME.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.files import check_place, write_text

# on a line of its own: a text may speak of marks
MARK = re.compile(r"^<!-- (?:evaluate: (?P<name>.+)|end) -->[ \t\r]*$", re.MULTILINE)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table of rows of cells under their heads; every row has as many cells as there are heads."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows))


def page(text: str, machine: Mapping[str, str]) -> str:
    """Returns a text, mostly a table, with a list of what it was measured on below it (`doctor.machine`)."""
    return "\n".join([text, "", *(f"- {name}: {value}" for name, value in machine.items()), ""])


def check(documents: Iterable[Path]) -> None:
    """Raises InputError unless each document is text with marks that pair up, and may be written: before the work."""
    for document in documents:
        _parts(document)
        check_place(document)


def update(documents: Iterable[Path], tables: Mapping[str, str]) -> None:
    """Writes the tables, by name, to their places in all documents, or in none if one asks for a table that is missing.

    Raises InputError for such a table, for marks that do not pair up, and for a document without any.
    """
    texts = {}
    for document in documents:
        parts, end = _parts(document)
        text = ""
        for before, name in parts:
            if name not in tables:
                raise InputError(f"{document}: expected one of the tables {', '.join(tables)}, got {name!r}")
            text += f"{before}\n\n{tables[name]}\n\n"
        texts[document] = text + end
    for document, text in texts.items():
        write_text(document, text)


def _parts(document: Path) -> tuple[list[tuple[str, str]], str]:
    """The texts that stay, each with the name of the table behind it, and the text after the last table."""
    try:
        text = document.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{document}: expected a text file to update, got: {error}") from error
    parts: list[tuple[str, str]] = []
    kept, name = 0, None
    for mark in MARK.finditer(text):
        if (name is None) == (mark["name"] is None):
            expected = "a table's mark" if name is None else f"the end of {name!r}"
            raise InputError(f"{document}: expected {expected}, got {mark[0].strip()}")
        if name is None:
            parts.append((text[kept : mark.end()], mark["name"]))
        name, kept = mark["name"], mark.start()
    if name is not None:
        raise InputError(f"{document}: expected the end of {name!r}, got none")
    if not parts:
        raise InputError(f"{document}: expected a mark <!-- evaluate: NAME -->, got none")
    return parts, text[kept:]
