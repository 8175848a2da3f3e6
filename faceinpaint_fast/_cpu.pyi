"""The compiled kernels, for arrays in this machine's memory (csrc/bindings.cpp)."""

import numpy as np
from numpy.typing import NDArray

def weight_map(
    hole: NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.float64],
    threshold: float,
    radius: int,
    scale: float,
    threads: int,
    out: NDArray[np.float32],
) -> None: ...
