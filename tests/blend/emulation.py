"""The blends' kernels for CUDA, compiled for this CPU, in the place of those that CuPy compiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from faceinpaint_fast.blend.cuda import large, small
from faceinpaint_fast.blend.planes import zeros

# of a block; with those that a device would get a test takes four times as long
THREADS, FEW_THREADS = small.THREADS, {32: 32, 64: 128, 128: 512}


def amid_nan(array: np.ndarray) -> np.ndarray:
    """A copy with NaN before and behind it, where no kernel may look."""
    around = np.full(array.size + 2048, np.nan, array.dtype)
    copy = around[1024:-1024].reshape(array.shape)
    copy[...] = array
    return copy


class Emulated:
    """The kernels of both ways; `backwards` turns the order of blocks and threads around."""

    def __init__(
        self, compile_for_cpu: Callable[..., Any], compiled: dict[Any, Any], patch: pytest.MonkeyPatch
    ) -> None:
        self.backwards = False
        self._compile, self._compiled = compile_for_cpu, compiled
        patch.setattr(large, "kernel", self._of_large)
        patch.setattr(large, "captured", lambda launches: launches)
        patch.setattr(large, "zeros", lambda *arguments: list(map(amid_nan, zeros(*arguments))))
        patch.setattr(small, "kernel", self._of_small)
        patch.setattr(small, "THREADS", FEW_THREADS)

    def _kernel(self, name: str, *compiled: Any) -> Any:
        sources, *options = compiled
        key = tuple(map(str, (*sources, *options)))
        if key not in self._compiled:
            self._compiled[key] = self._compile(sources, options)()
        emulation = self._compiled[key]
        emulation.backwards = self.backwards
        return emulation.kernel(name)

    def _of_large(self, name: str) -> Any:
        return self._kernel(name, large.SOURCES)

    def _of_small(self, size: int) -> Any:
        options = small.options(size)[1:]
        return self._kernel("blend_small", small.SOURCES, *options, f"-DSHARED_BYTES={small.shared_bytes(size)}")
