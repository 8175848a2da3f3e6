"""Measured choices of how kernels' work is cut, a table a GPU, as JSON with a line a choice.

A table that was measured on this card, in the user's cache folder, comes first; then the shipped one of its name; any
other card is served by the shipped table of the card that is most like it.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.files import write_text

FORMAT = 1  # of a table; one of another means something else, and is passed over
SHIPPED = files("faceinpaint_fast") / "gpus"


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU: its name, its compute capability, how many multiprocessors it has."""

    name: str
    capability: tuple[int, int]
    multiprocessors: int

    @classmethod
    def of(cls, device: Any) -> Card:
        """Returns the card that a CUDA device of torch's is."""
        import torch

        found = torch.cuda.get_device_properties(device)
        return cls(found.name, (found.major, found.minor), found.multi_processor_count)

    @property
    def file(self) -> str:
        """The name of its table's file."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") + ".json"

    def distance(self, other: Card) -> tuple[int, int, float]:
        """How little alike two cards are: in generation first, then in size."""
        (major, minor), (other_major, other_minor) = self.capability, other.capability
        sizes = abs(math.log(self.multiprocessors / other.multiprocessors))
        return abs(major - other_major), abs(minor - other_minor), sizes


@dataclass(frozen=True, slots=True)
class Choice:
    """What was best for a kernel in one case, and how long it took.

    case    what it was asked to do, by name; one of the names is `rows`, which grow with the batch
    choice  how the work is cut: by name, or the name of another way
    """

    kernel: str
    case: Mapping[str, Any]
    choice: Mapping[str, Any] | str
    microseconds: float


@dataclass(frozen=True, slots=True)
class Table:
    """The choices of a card, when and with what they were measured, by name, and the file they were read from."""

    card: Card
    measured: Mapping[str, str]
    choices: tuple[Choice, ...]
    source: Traversable | None = field(default=None, compare=False)

    @classmethod
    def read(cls, path: Traversable) -> Table | None:
        """Returns the table of a file, None if it is of another format; raises InputError if it is none at all."""
        try:
            found = json.loads(path.read_text())
            if found["format"] != FORMAT:
                return None
            card = found["card"] | {"capability": tuple(found["card"]["capability"])}
            choices = tuple(Choice(**line) for line in found["choices"])
            return cls(Card(**card), found["measured"], choices, path)
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: expected a table of measured choices, got: {error!r}") from error

    def write(self, path: Path) -> None:
        """Writes the table, a line a choice."""
        head = {"format": FORMAT, "card": asdict(self.card), "measured": dict(self.measured)}
        lines = ",\n".join(json.dumps(asdict(choice)) for choice in self.choices)
        text = json.dumps(head)[:-1] + f', "choices": [\n{lines}\n]}}\n'
        write_text(path, text)

    def chosen(self, kernel: str, rows: int, **same: Any) -> Any:
        """Returns the choice for a kernel's case of so many rows, else for the next fewer, or the fewest; or None.

        same  what else the case must be, by name
        """
        alike = [
            choice
            for choice in self.choices
            if choice.kernel == kernel and all(choice.case.get(name) == value for name, value in same.items())
        ]
        fewer = [choice for choice in alike if choice.case["rows"] <= rows]
        if fewer:
            return max(fewer, key=lambda choice: choice.case["rows"]).choice
        return min(alike, key=lambda choice: choice.case["rows"]).choice if alike else None


def users() -> Path:
    """Returns the folder of the user's own tables."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "faceinpaint_fast" / "gpus"


def table_for(card: Card) -> Table | None:
    """Returns the table that serves a card, if there is any."""
    for path in (users() / card.file, SHIPPED / card.file):
        if path.is_file() and (table := Table.read(path)) is not None:
            return table
    return min(_shipped(), key=lambda table: card.distance(table.card), default=None)


@lru_cache
def table_of(device: Any) -> Table | None:
    """Returns the table that serves a device of torch's; None for one that is no GPU. It is read once a process."""
    return table_for(Card.of(device)) if device.type == "cuda" else None


def _shipped() -> Iterator[Table]:
    # a program that the package was frozen into may have left them out
    for path in sorted(SHIPPED.iterdir(), key=lambda path: path.name) if SHIPPED.is_dir() else []:
        if path.name.endswith(".json") and (table := Table.read(path)) is not None:
            yield table
