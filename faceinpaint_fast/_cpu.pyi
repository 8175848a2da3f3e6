"""The compiled kernels, for arrays in this machine's memory (csrc/bindings/)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# all arrays of a call are of one kind, bfloat16 as uint16
_Numbers = NDArray[np.float32] | NDArray[np.uint16]
_Reals = NDArray[np.float32] | NDArray[np.float64]

LEVEL: str
LEVELS: tuple[str, ...]
MISSING: dict[str, str]
MULTIPLIES_BFLOAT16: bool
TOLERANCE: float
DEPTH: float
LARGEST_WINDOW: int
WINOGRAD_IMAGES: int
WINOGRAD_CHANNELS: int

def use_level(name: str) -> None: ...
def pitch_of(width: int) -> int: ...
def weight_map(
    hole: NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.float64],
    threshold: float,
    radius: int,
    scale: float,
    threads: int,
    out: NDArray[np.float32],
) -> None: ...
def window_statistics(v: _Reals, taps: _Reals, pad: int, threads: int, mean: _Reals, variance: _Reals) -> None: ...
def ssim_l1(
    x: _Reals,
    w: _Reals,
    v: _Reals,
    mean: _Reals,
    variance: _Reals,
    share: _Reals,
    taps: _Reals,
    pad: int,
    c1: float,
    c2: float,
    a: _Reals,
    b: _Reals,
    threads: int,
    ssim: _Reals,
    l1: _Reals,
    gradient: _Reals,
) -> None: ...
def ssim(
    x: _Reals,
    y: _Reals,
    share: _Reals,
    taps: _Reals,
    pad: int,
    c1: float,
    c2: float,
    threads: int,
    out: _Reals,
    gradient: _Reals,
) -> None: ...
def weighted_l1(x: _Reals, y: _Reals, w: _Reals, threads: int, out: _Reals) -> None: ...
def weighted_l1_gradient(grad: _Reals, x: _Reals, y: _Reals, w: _Reals, threads: int, out: _Reals) -> None: ...
def adam(
    beta1: float,
    beta2: float,
    epsilon: float,
    bound: float,
    steps: NDArray[np.float32],
    gradient: NDArray[np.float32],
    centre: NDArray[np.float32],
    threads: int,
    u: NDArray[np.float32],
    mean: NDArray[np.float32],
    square: NDArray[np.float32],
    distance: NDArray[np.float64],
    finite: NDArray[np.bool_],
) -> None: ...

class _Packed:
    def __init__(self, numbers: NDArray[np.float32], rows_of_16: bool) -> None: ...
    def halve(
        self,
        images: _Numbers,
        scale: NDArray[np.float32],
        bias: NDArray[np.float32],
        slope: float,
        gated: bool,
        threads: int,
        half: _Numbers,
    ) -> None: ...
    def double(
        self,
        half: _Numbers,
        scale: NDArray[np.float32],
        bias: NDArray[np.float32],
        slope: float,
        gated: bool,
        threads: int,
        images: _Numbers,
    ) -> None: ...
    def connect(
        self,
        a: _Numbers,
        scale: NDArray[np.float32],
        bias: NDArray[np.float32],
        slope: float,
        gated: bool,
        threads: int,
        out: _Numbers,
    ) -> None: ...

class PackedFloat32(_Packed): ...
class PackedBFloat16(_Packed): ...

def winograd_pays(images: int, height: int, width: int, channels: int) -> bool: ...

class WinogradHalving:
    def __init__(self, weights: NDArray[np.float32]) -> None: ...
    def __call__(
        self,
        images: NDArray[np.float32],
        scale: NDArray[np.float32],
        bias: NDArray[np.float32],
        slope: float,
        gated: bool,
        threads: int,
        half: NDArray[np.float32],
    ) -> None: ...

class WinogradDoubling:
    def __init__(self, weights: NDArray[np.float32]) -> None: ...
    def __call__(
        self,
        half: NDArray[np.float32],
        scale: NDArray[np.float32],
        bias: NDArray[np.float32],
        slope: float,
        gated: bool,
        threads: int,
        images: NDArray[np.float32],
    ) -> None: ...

def take_offsets(
    target: NDArray[Any],
    source: NDArray[Any] | None,
    missing: NDArray[np.bool_],
    f: NDArray[np.float64],
    largest: NDArray[np.float64],
) -> None: ...
def put_sums(
    f: NDArray[np.float64], source: NDArray[Any] | None, missing: NDArray[np.bool_], out: NDArray[Any]
) -> None: ...

class _OnPlanes:
    def solve(
        self,
        f: NDArray[np.float64],
        guidance: NDArray[np.float64] | None,
        tolerance: float,
        reached: NDArray[np.float64],
    ) -> int: ...

class Multigrid(_OnPlanes):
    inverse_diagonals: list[NDArray[np.float32]]
    def __init__(self, missing: NDArray[np.bool_]) -> None: ...

class Rectangle(_OnPlanes):
    def __init__(
        self,
        missing: NDArray[np.bool_],
        top: int,
        left: int,
        down: NDArray[np.float32],
        of_down: NDArray[np.float64],
        across: NDArray[np.float32],
        of_across: NDArray[np.float64],
    ) -> None: ...

class Plates(_OnPlanes):
    def __init__(self, missing: NDArray[np.bool_], tension: float) -> None: ...

class Registration:
    field: NDArray[np.float64]
    gain: float
    ring: float
    yaw: float

class Halves:
    SIZE: int
    FINE: int
    PAD: int
    def __init__(
        self,
        face: NDArray[np.float32],
        lost: NDArray[np.float32],
        frame: NDArray[np.float64],
        height: int,
        width: int,
        axis: float,
    ) -> None: ...
    def registered(self, points: NDArray[np.float64], least: float) -> Registration | None: ...
    def make_source(
        self,
        found: Registration,
        restored: NDArray[np.float32],
        missing: NDArray[np.bool_],
        part: NDArray[np.bool_],
        frame: NDArray[np.float64],
        source: NDArray[np.float32],
        trust: NDArray[np.float32],
    ) -> float: ...
