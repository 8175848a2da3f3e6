"""What every binding of `_cpu` refuses: arrays whose numbers do not lie where a number may lie."""

from __future__ import annotations

import numpy as np
import pytest

from faceinpaint_fast import _cpu


def misaligned(array):
    """A copy behind a byte, C-contiguous."""
    memory = np.zeros(array.nbytes + 1, np.uint8)
    copy = memory[1:].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


HOLE = np.zeros((1, 9, 8), np.bool_)
HOLE[0, 2:6, 3:7] = True
FINE, COARSE, *_ = _cpu.levels(HOLE)
LAYER = {"scale": zeros(3), "bias": zeros(3), "slope": 0.0, "gated": False, "threads": 1}
NUMBERS = {"taps": np.full(3, 1 / 3, np.float32), "pad": 0, "threads": 1}
SIXTEEN = {"scale": zeros(1), "bias": zeros(1), "slope": 0.0, "gated": False, "threads": 1}

CALLS = {
    "weight_map": (
        _cpu.weight_map,
        {"hole": zeros(1, 9, 8), "threshold": 0.5, "radius": 1, "scale": 1.0, "threads": 1, "out": zeros(1, 9, 8)},
    ),
    "window_statistics": (
        _cpu.window_statistics,
        {"v": zeros(1, 1, 9, 8), "mean": zeros(1, 1, 7, 6), "variance": zeros(1, 1, 7, 6)} | NUMBERS,
    ),
    "weighted_l1": (
        _cpu.weighted_l1,
        {name: zeros(1, 1, 9, 8) for name in "xyw"} | {"threads": 1, "out": zeros(1)},
    ),
    "weighted_l1_gradient": (
        _cpu.weighted_l1_gradient,
        {name: zeros(1, 1, 9, 8) for name in ("x", "y", "w", "out")} | {"grad": zeros(1), "threads": 1},
    ),
    "PackedFloat32": (_cpu.PackedFloat32, {"numbers": zeros(16, 3), "rows_of_16": False}),
    "halve": (
        _cpu.PackedFloat32(zeros(16, 3), False).halve,
        {"images": zeros(1, 4, 4, 1), "half": zeros(1, 2, 2, 3)} | LAYER,
    ),
    "WinogradHalving": (
        _cpu.WinogradHalving(zeros(3, 16)),
        {"images": zeros(1, 4, 4, 1), "half": zeros(1, 2, 2, 3)} | LAYER,
    ),
    "WinogradDoubling": (
        _cpu.WinogradDoubling(zeros(3, 16)),
        {"half": zeros(1, 2, 2, 3), "images": zeros(1, 4, 4, 1)} | SIXTEEN,
    ),
    "restrict": (FINE.restrict, {"b": zeros(1, 11, 16), "coarse": COARSE, "coarse_b": zeros(1, 7, 16)}),
    "residual": (
        FINE.residual,
        {"f": zeros(1, 11, 16, dtype=np.float64), "v": None, "wanted": np.ones(1, np.bool_), "r": zeros(1, 11, 16)}
        | {"squares": zeros(1, dtype=np.float64)},
    ),
    "Plates.solve": (
        _cpu.Plates(HOLE, 0.5).solve,
        {"f": zeros(1, 11, 16, dtype=np.float64), "guidance": zeros(1, 11, 16, dtype=np.float64), "tolerance": 1e-3}
        | {"reached": zeros(1, dtype=np.float64)},
    ),
}
ARRAYS = [
    (call, name)
    for call, (_, arguments) in CALLS.items()
    for name, argument in arguments.items()
    if isinstance(argument, np.ndarray) and argument.dtype != np.bool_
]


@pytest.mark.parametrize(("call", "name"), ARRAYS)
def test_a_misaligned_array_is_refused(call, name):
    function, arguments = CALLS[call]
    function(**arguments)
    with pytest.raises(TypeError, match="incompatible"):
        function(**arguments | {name: misaligned(arguments[name])})


@pytest.mark.parametrize("name", ["target", "source"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_strides_that_no_whole_numbers_make_are_refused(name, dtype):
    records = np.zeros((1, 9, 8), [("rgb", dtype, 3), ("flag", np.uint8)])
    images = {name: zeros(1, 9, 8, 3, dtype=dtype) for name in ("target", "source")}
    f, largest = zeros(3, 11, 16, dtype=np.float64), zeros(3, dtype=np.float64)
    _cpu.take_offsets(**images, missing=HOLE, f=f, largest=largest)
    with pytest.raises(ValueError, match=f"{name}: expected strides of whole numbers"):
        _cpu.take_offsets(**images | {name: records["rgb"]}, missing=HOLE, f=f, largest=largest)
    with pytest.raises(ValueError, match=f"{name}: expected numbers where they may lie"):
        _cpu.take_offsets(**images | {name: misaligned(images[name])}, missing=HOLE, f=f, largest=largest)
    written = {"out": images["target"], "source": images["source"]}
    written[name.replace("target", "out")] = records["rgb"]
    with pytest.raises(ValueError, match="expected strides of whole numbers"):
        _cpu.put_sums(f=f, missing=HOLE, **written)


def test_the_stride_of_an_axis_with_one_number_does_not_matter():
    odd = np.lib.stride_tricks.as_strided(zeros(9, 8, 3), (1, 9, 8, 3), (13, 96, 12, 4))
    f, largest = zeros(3, 11, 16, dtype=np.float64), zeros(3, dtype=np.float64)
    _cpu.take_offsets(odd, None, HOLE, f, largest)
