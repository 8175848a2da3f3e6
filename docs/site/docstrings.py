"""A docstring as the project writes it, made reStructuredText.

Plain sentences, `code` in single backticks, indented equations, and what is handed over in two columns:

    hole     (H, W), missing where True, which may go on
             in the next line
    threads  the most that work at it
"""

import re
from itertools import groupby

# what stands in the left column: names, as "k, alpha" or "lambda_*"
NAMES = r"[\w*]+(?:, [\w*]+)*"
ENTRY = re.compile(rf"(?P<names>{NAMES})(?:\s{{2,}}(?P<text>\S.*))?")


def on_docstring(_app, _what, _name, _object, _options, lines):
    """Sphinx's event: the lines are changed in place."""
    blocks = [list(block) for blank, block in groupby(lines, key=lambda line: not line.strip()) if not blank]
    lines[:] = [line for block in blocks for line in [*_shown(block), ""]]


def _shown(block):
    """Returns a block of lines without a blank one, as reStructuredText."""
    if all(line.startswith(" ") for line in block):
        return ["::", "", *(f"    {line}" for line in block)]
    entries = _entries(block)
    if entries is None:
        return [_words(line.strip()) for line in block]
    shown = []
    for names, text in entries:
        shown += [_words(names, code=True), f"    {_words(text)}", ""]
    return shown


def _entries(block):
    """Returns names and texts of a block in two columns, or None of any other."""
    entries = []
    for line in block:
        entry = ENTRY.fullmatch(line)
        if entry:
            entries.append([entry["names"], entry["text"] or ""])
        elif line.startswith("  ") and entries:
            entries[-1][1] = f"{entries[-1][1]} {line.strip()}".strip()
        else:
            return None
    return entries if all(text for _, text in entries) else None


def _words(text, *, code=False):
    """Returns a text with its code as literals, and with no other sign that means something."""
    if code:
        return ", ".join(f"``{name}``" for name in text.split(", "))
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return re.sub(r"([\\*_|`])", r"\\\1", text)
    told = [re.sub(r"([\\*_|])", r"\\\1", part) if i % 2 == 0 else f"``{part}``" for i, part in enumerate(parts)]
    return "".join(told)
