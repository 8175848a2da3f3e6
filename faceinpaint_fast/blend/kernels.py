"""The kernels of the blend for where an array lies: `_cpu`, or its twin for CUDA."""

from __future__ import annotations

from typing import Any

import numpy as np

from faceinpaint_fast import _cpu
from faceinpaint_fast.arrays import module_of
from faceinpaint_fast.blend.cuda import kernels as cuda_kernels


def kernels_of(array: Any) -> Any:
    """Returns the kernels for arrays that lie where this one does."""
    return _cpu if module_of(array) is np else cuda_kernels
