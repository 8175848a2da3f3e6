"""Pages of measurements, as a command writes them: some are a table alone, and get their name for a heading."""

from pathlib import PurePath

FOLDER = PurePath("benchmarks/results")


def on_page(_app, name, source):
    """Sphinx's event: what is in `source` may be changed."""
    page = PurePath(name)
    if page.parent == FOLDER and not source[0].startswith("# "):
        source[0] = f"# {page.name}\n\n{source[0]}"
