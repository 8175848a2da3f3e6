"""What a command shows: its progress and its remarks on stderr, results on stdout."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from faceinpaint_fast.errors import InputError

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

TOLD = 5  # warnings that are printed, of those of one piece of work


def print_anything() -> None:
    """Lets stdout and stderr print what their encoding has no sign for, such as a file's name, as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def check_piped(name: object) -> None:
    """Raises InputError if stdout, where a picture is to go, is a terminal."""
    if sys.stdout.isatty():
        raise InputError(f"{name}: expected stdout to be a file or a pipe, got a terminal")


def remark(message: object) -> None:
    """Prints a line on stderr that says whose it is."""
    print(f"faceinpaint: {message}", file=sys.stderr)


@contextmanager
def warnings_as_remarks() -> Iterator[None]:
    """Prints what the engine warned of once the work within is done: the first warnings, and how many there were."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        # which names no file
        warnings.filterwarnings("ignore", module="PIL")
        yield
    messages = list(dict.fromkeys(str(warning.message) for warning in caught))
    for message in messages[:TOLD]:
        remark(message)
    if len(messages) > TOLD:
        remark(f"and {len(messages) - TOLD} more warnings of the kind")


def progress(*columns: ProgressColumn, transient: bool = False) -> Progress:
    """Returns a progress bar on stderr, so that stdout holds results alone; lines where nobody would see it move."""
    from rich.console import Console
    from rich.progress import Progress

    from faceinpaint_fast.cli.lines import Lines

    console = Console(stderr=True)
    if not console.is_terminal:
        return Lines(remark, transient=transient)
    return Progress(*columns, console=console, transient=transient)


def counting_bar(*columns: ProgressColumn) -> Progress:
    """Returns a progress bar that says how many of how many are done and how long the rest takes, then `columns`."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    return progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), *columns
    )


def restoring(bar: Progress, total: int) -> Callable[[str, int], None]:
    """Returns what moves a bar of restorations on: what has been done, and how many of them."""
    task = bar.add_task("restoring", total=total)
    return lambda what, count: bar.update(task, description=what, advance=count)


def print_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table as wide as it needs to be."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*heads, title=title)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def print_markdown(text: str) -> None:
    """Prints Markdown as a terminal shows it."""
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))
