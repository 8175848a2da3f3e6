"""What every binding of `_cpu` refuses: arrays whose numbers do not lie where a number may lie."""

from __future__ import annotations

import numpy as np
import pytest

from faceinpaint_fast import _cpu
from tests.csrc.calls import CALLS, HOLE, zeros


def misaligned(array):
    """A copy behind a byte, C-contiguous."""
    memory = np.zeros(array.nbytes + 1, np.uint8)
    copy = memory[1:].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


ARRAYS = [
    (call, name)
    for call, (_, arguments) in CALLS.items()
    for name, argument in arguments.items()
    # those of take_offsets and put_sums may lie anyhow: below
    if isinstance(argument, np.ndarray) and argument.dtype != np.bool_ and name not in ("target", "source")
    if (call, name) != ("put_sums", "out")
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
