"""Tables in Markdown: alone, as a page with the machine that they were measured on, and within documents.

In a document, what stands between the lines `<!-- evaluate: NAME -->` and `<!-- end -->` is the table NAME.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
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


def update(
    documents: Iterable[Path], tables: Mapping[str, str], *, elsewhere: Callable[[str], bool] = lambda _: False
) -> None:
    """Writes the tables, by name, to their places in all documents, or in none if one asks for a table that is missing.

    Other results' tables, of which `elsewhere` knows by name, stay as they are.  Raises InputError for a table that is
    missing, for marks that do not pair up, and for a document without any.
    """
    texts = {}
    for document in documents:
        parts, end = _parts(document)
        text = ""
        for before, name, old in parts:
            if name not in tables and not elsewhere(name):
                raise InputError(f"{document}: expected one of the tables {', '.join(tables)}, got {name!r}")
            text += f"{before}\n\n{tables[name]}\n\n" if name in tables else f"{before}{old}"
        texts[document] = text + end
    for document, text in texts.items():
        write_text(document, text)


def _parts(document: Path) -> tuple[list[tuple[str, str, str]], str]:
    """The texts that stay, each with the name of the table behind it and the table, and the text after the last one."""
    try:
        text = document.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{document}: expected a text file to update, got: {error}") from error
    parts: list[tuple[str, str, str]] = []
    kept, begun = 0, None
    for mark in MARK.finditer(text):
        if (begun is None) == (mark["name"] is None):
            expected = "a table's mark" if begun is None else f"the end of {begun['name']!r}"
            raise InputError(f"{document}: expected {expected}, got {mark[0].strip()}")
        if begun is None:
            begun = mark
        else:
            parts.append((text[kept : begun.end()], begun["name"], text[begun.end() : mark.start()]))
            kept, begun = mark.start(), None
    if begun is not None:
        raise InputError(f"{document}: expected the end of {begun['name']!r}, got none")
    if not parts:
        raise InputError(f"{document}: expected a mark <!-- evaluate: NAME -->, got none")
    return parts, text[kept:]
