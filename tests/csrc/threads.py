"""Functions of `_cpu` on several threads of their own, and called from several at once: for ThreadSanitizer.

    python -m tests.csrc.threads

Without pytest and torch, of whose threads the sanitizer knows nothing.
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
    "down_transposed",
    "across",
    "across_transposed",
    "inverse",
    "face",
    "lost",
    "frame",
    "points",
)


def enlarged(arguments: dict[str, Any]) -> dict[str, Any]:
    """The call with many images, or planes, so that every thread has work; in memory of its own."""

    def many(value: Any) -> Any:
        if isinstance(value, list):
            return [many(each) for each in value]
        return np.repeat(value, 16, axis=0) if isinstance(value, np.ndarray) else value

    images = {name: many(value) for name, value in arguments.items() if name not in ONCE}
    return arguments | images | ({"threads": THREADS} if "threads" in arguments else {})


def main() -> None:
    called = 0
    for function, arguments in CALLS.values():
        for _ in range(TIMES):
            with ThreadPoolExecutor(THREADS) as pool:
                # the same object at once, on memory of each caller's own
                for done in [pool.submit(function, **enlarged(arguments)) for _ in range(THREADS)]:
                    done.result()
                    called += 1
    print(f"{called} calls of {len(CALLS)} functions, {THREADS} at once")


if __name__ == "__main__":
    main()
