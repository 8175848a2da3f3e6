"""A training step on a CUDA device as one graph: its hundreds of small kernels take longer to launch than to run."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor

from faceinpaint_fast.search.graph import Replay, aside, captured

WARM_UP = 3  # calls before a capture, by which every library has chosen its kernels, and optimisers have their state


class Captured:
    """A function of tensors, whose shapes stay the same; what it returns is overwritten by the next call."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self._function = function
        self._calls = 0
        self._replay: Replay | None = None
        self._inputs: tuple[Tensor, ...] = ()
        self._result: Tensor

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Returns what the function does."""
        self._calls += 1
        if self._calls <= WARM_UP:
            aside(partial(self._do, inputs))
            return self._result
        if self._replay is None:
            self._inputs = tuple(each.clone() for each in inputs)
            self._replay = captured(partial(self._do, self._inputs))
        for kept, given in zip(self._inputs, inputs, strict=True):
            kept.copy_(given)
        self._replay()
        return self._result

    def _do(self, inputs: tuple[Tensor, ...]) -> None:
        self._result = self._function(*inputs)
