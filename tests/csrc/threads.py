"""Functions of `_cpu` on several threads of their own, and called from several at once: for ThreadSanitizer, and for a
CPython without the lock that lets one thread at a time work.

    python -m tests.csrc.threads

Each call must return what the others return.  Without pytest and torch, of whose threads the sanitizer knows nothing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from tests.csrc.calls import CALLS

THREADS, TIMES = 4, 5
ONCE = (
    "taps",
    "scale",
    "bias",
    "numbers",
    "weights",
    "down",
    "of_down",
    "across",
    "of_across",
    "face",
    "lost",
    "frame",
    "points",
)


def enlarged(arguments: dict[str, Any]) -> dict[str, Any]:
    """The call with many images, or planes, so that every thread has work; in memory of its own."""

    def many(value: Any) -> Any:
        return np.repeat(value, 16, axis=0) if isinstance(value, np.ndarray) else value

    images = {name: many(value) for name, value in arguments.items() if name not in ONCE}
    return arguments | images | ({"threads": THREADS} if "threads" in arguments else {})


def same(one: Any, other: Any) -> bool:
    """Whether two calls returned the same bits."""
    if isinstance(one, list | tuple):
        return all(map(same, one, other))
    return one.tobytes() == other.tobytes() if isinstance(one, np.ndarray) else True


def main() -> None:
    called = 0
    for function, arguments in CALLS.values():
        for _ in range(TIMES):
            with ThreadPoolExecutor(THREADS) as pool:
                # the same object at once, on memory of each caller's own
                calls = [pool.submit(function, **enlarged(arguments)) for _ in range(THREADS)]
                found = [call.result() for call in calls]
            assert all(same(found[0], each) for each in found), function
            called += THREADS
    print(f"{called} calls of {len(CALLS)} functions, {THREADS} at once")


if __name__ == "__main__":
    main()
