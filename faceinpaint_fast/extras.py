"""What only some need, and is installed with an extra of the package: pyproject.toml lists them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class MissingExtraError(ImportError):
    """A package is not installed that comes with an extra of faceinpaint_fast."""


@contextmanager
def of_extra(name: str) -> Iterator[None]:
    """Imports what comes with that extra; MissingExtraError says what to type where it is not installed.

    Of several within each other the outermost names the extra: it knows what is wanted, and not just by whom.
    """
    try:
        yield
    except (ModuleNotFoundError, MissingExtraError) as error:
        what = str(error.name).partition(".")[0]
        raise MissingExtraError(
            f"{what}: expected it to be installed, it is not: pip install 'faceinpaint_fast[{name}]'", name=what
        ) from error
