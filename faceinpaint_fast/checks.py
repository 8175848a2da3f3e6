"""Numbers and switches that a caller hands over, checked: an InputError says what was expected and what came."""

from __future__ import annotations

import contextlib
import math
import numbers
import operator
from collections.abc import Callable
from typing import Any

from faceinpaint_fast.errors import InputError

FLOAT32_ULPS = 4 * 2.0**-23  # what float32's rounding leaves of numbers around 1: four of its steps


def whole(value: Any, name: str, *, least: int | None = None, most: int | None = None, odd: bool = False) -> int:
    """Returns a whole number, be it Python's or another library's, as Python's.

    Raises InputError for anything else, a bool among it, and for one out of its range.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    beyond = number is None or (least is not None and number < least) or (most is not None and number > most)
    if number is None or beyond or (odd and number % 2 == 0):
        bounds = " and".join(f" {sign} {bound}" for sign, bound in ((">=", least), ("<=", most)) if bound is not None)
        raise InputError(f"{name}: expected an {'odd ' * odd}integer{bounds}, got {value!r}")
    return number


def expect_number(value: Any, name: str, expected: str, fits: Callable[[float], bool]) -> None:
    """Raises InputError for what is no real number, as a bool or text is none, and for one that does not fit.

    `fits` gets it as Python's float; what is beyond that does not fit.
    """
    number = None
    if isinstance(value, float):
        number = value
    elif isinstance(value, numbers.Real) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            number = float(value)
    if number is None or not fits(number):
        raise InputError(f"{name}: expected {expected}, got {value!r}")


def expect_positive(value: Any, name: str) -> None:
    """Raises InputError for anything but a finite number > 0."""
    expect_number(value, name, "a finite number > 0", lambda number: 0 < number < math.inf)


def expect_flag(value: Any, name: str) -> None:
    """Raises InputError for anything but True and False."""
    if not isinstance(value, bool):
        raise InputError(f"{name}: expected True or False, got {value!r}")


def in_unit(low: float, high: float) -> bool:
    """Whether numbers from low to high lie in [0, 1], but for what rounding leaves; NaN does not."""
    return low >= -FLOAT32_ULPS and high <= 1 + FLOAT32_ULPS
