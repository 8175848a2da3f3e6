"""Calls functions of `_cpu` with arguments that are as they should be but for some, and says which call killed it.

    python -m tests.csrc.fuzz CASES SEED LOG

Whatever is passed, a call returns or raises one of EXPECTED, and leaves read-only memory as it was.  LOG holds the call
under way.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import IO, Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

from faceinpaint_fast import _cpu
from tests.csrc.calls import CALLS, FOUND, HALVES, HOLES

EXPECTED = TypeError, ValueError, MemoryError, OverflowError, IndexError
DTYPES = [np.dtype(name) for name in ("f4", "f8", "f2", "u1", "u2", "i8", "?", "c8", ">f4", "O", "U3")]
WHOLE = [-(2**63), -(2**31), -1, 0, 1, 2, 3, 7, 8, 15, 16, 17, 100, 2**31 - 1, 2**31, 2**62, 2**63 - 1, 2**64]
REAL = [-np.inf, -1e300, -1.0, -0.0, 0.0, 5e-324, 1e-12, 0.5, 1.0, 300.0, 1e38, 1e300, np.inf, np.nan]
# how many numbers an axis may have, beside one more or fewer, and twice as many
SIZES = [0, 1, 2, 3, 5, 16, 17, 33]
HUGE = [2**31, 2**40, 2**50]
LAYOUTS = ["as it is", "of Fortran", "every other", "backwards", "read-only", "misaligned", "all the same", "swapped"]
VALUES = [0.0, 1.0, -1.0, np.nan, np.inf, 1e38, 1e-40]


def reshaped(draw: Any, array: np.ndarray) -> np.ndarray:
    """Fresh numbers, with other sizes or another number of axes."""
    shape = list(array.shape)
    what = draw(st.sampled_from(["size", "size", "size", "fewer axes", "more axes", "empty and huge"]))
    if what == "fewer axes" and shape:
        del shape[draw(st.integers(0, len(shape) - 1))]
    elif what == "more axes":
        shape.insert(draw(st.integers(0, len(shape))), draw(st.sampled_from([0, 1, 2])))
    elif what == "empty and huge" and len(shape) > 1:
        first, second = draw(st.permutations(range(len(shape))))[:2]
        shape[first], shape[second] = draw(st.sampled_from(HUGE)), 0
    elif shape:
        axis = draw(st.integers(0, len(shape) - 1))
        size = shape[axis]
        shape[axis] = draw(st.sampled_from([*SIZES, max(size - 1, 0), size + 1, 2 * size]))
    return np.zeros(shape, array.dtype)


def laid_out(draw: Any, array: np.ndarray) -> np.ndarray:
    """The array's numbers, lying otherwise."""
    layout = draw(st.sampled_from(LAYOUTS))
    if layout == "of Fortran":
        return np.asfortranarray(array)
    if layout == "every other" and array.ndim:
        return np.repeat(array, 2, axis=-1)[..., ::2]
    if layout == "backwards" and array.ndim:
        return array[::-1].copy()[::-1]
    if layout == "read-only":
        array = array.copy()
        array.flags.writeable = False
    if layout == "misaligned" and not array.dtype.hasobject:
        memory = np.zeros(array.nbytes + 1, np.uint8)
        array = np.frombuffer(memory.data, array.dtype, offset=1, count=array.size).reshape(array.shape)
    if layout == "all the same" and array.ndim:
        size = draw(st.sampled_from([array.shape[0], *HUGE]))
        return np.lib.stride_tricks.as_strided(np.zeros(1, array.dtype), (size, *array.shape[1:]), (0,) * array.ndim)
    if layout == "swapped" and array.ndim > 1:
        return array.swapaxes(-1, -2).copy().swapaxes(-1, -2)
    return array


def another_array(draw: Any, array: np.ndarray) -> Any:
    what = draw(st.sampled_from(["shape", "shape", "layout", "dtype", "values", "none", "list"]))
    if what == "shape":
        return reshaped(draw, array)
    if what == "layout":
        return laid_out(draw, array)
    if what == "dtype":
        return np.zeros(array.shape, draw(st.sampled_from(DTYPES)))
    if what == "values":
        with np.errstate(all="ignore"):
            return np.full(array.shape, draw(st.sampled_from(VALUES))).astype(array.dtype)
    return None if what == "none" else array.tolist()


def another(draw: Any, value: Any) -> Any:
    """Something else in place of an argument."""
    if isinstance(value, np.ndarray):
        return another_array(draw, value)
    if isinstance(value, bool | int):
        return draw(st.sampled_from([*WHOLE, None, 0.5]))
    if isinstance(value, float):
        return draw(st.sampled_from([*REAL, None, "1"]))
    # a registration
    return draw(st.sampled_from([FOUND, HALVES, None]))


# the same functions, of two holes
OTHERS = {"Multigrid.solve": _cpu.Multigrid(HOLES).solve, "Plates.solve": _cpu.Plates(HOLES, 0.5).solve}


@st.composite
def calls(draw: Any) -> tuple[str, Any, dict[str, Any]]:
    name = draw(st.sampled_from(list(CALLS)))
    function, arguments = CALLS[name]
    if name in OTHERS and draw(st.integers(0, 3)) == 0:
        function = OTHERS[name]
    arguments = {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in arguments.items()}
    # all planes, or images, of a call together: else hardly anything gets by the checks
    if draw(st.integers(0, 3)) == 0:
        times = draw(st.sampled_from([0, 2, 3]))
        for key, value in arguments.items():
            if isinstance(value, np.ndarray) and value.ndim and key not in ("taps", "scale", "bias", "numbers"):
                arguments[key] = np.repeat(value, times, axis=0)
    for key in draw(st.lists(st.sampled_from(list(arguments)), max_size=3, unique=True)):
        arguments[key] = another(draw, arguments[key])
    return name, function, arguments


def told(value: Any) -> str:
    if isinstance(value, np.ndarray):
        flags = "writeable" if value.flags.writeable else "read-only"
        return f"array {value.dtype}{value.shape} strides {value.strides} {flags}"
    return repr(value)[:200]


def main() -> None:
    cases, seed, log = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    outcomes: Counter[str] = Counter()
    with log.open("w") as file:
        fuzz(cases, seed, file, outcomes)
    print(" ".join(f"{outcome}={count}" for outcome, count in sorted(outcomes.items())))


def fuzz(cases: int, seed: int, file: IO[str], outcomes: Counter[str]) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=cases,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    @hypothesis.given(calls())
    def call(drawn: tuple[str, Any, dict[str, Any]]) -> None:
        name, function, arguments = drawn
        file.seek(0)
        file.truncate()
        file.write(f"{name}: " + ", ".join(f"{key}={told(value)}" for key, value in arguments.items()))
        file.flush()
        kept = [
            (value, value.copy())
            for value in arguments.values()
            if isinstance(value, np.ndarray) and not value.flags.writeable and value.size < 1e6
        ]
        try:
            function(**arguments)
            outcomes["returned"] += 1
        except EXPECTED as error:
            outcomes[type(error).__name__] += 1
        for value, before in kept:
            assert value.tobytes() == before.tobytes(), f"{name}: read-only memory was written to"

    call()


if __name__ == "__main__":
    main()
