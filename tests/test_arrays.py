"""Which library made an array, how to get from one to the other, devices and threads."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from faceinpaint_fast import arrays
from faceinpaint_fast.errors import InputError


def test_like_follows_the_example(rng):
    result = rng.random((2, 3))
    assert arrays.like(result, np.zeros(1)) is result
    tensor = arrays.like(result, torch.zeros(1))
    assert isinstance(tensor, torch.Tensor)
    assert np.shares_memory(tensor.numpy(), result)
    assert tensor.device == torch.device("cpu")


def test_to_numpy_copies_nothing(rng):
    array, tensor = rng.random(3), torch.ones(3)
    assert arrays.to_numpy(array) is array
    assert np.shares_memory(arrays.to_numpy(tensor), tensor.numpy())
    assert_array_equal(arrays.to_numpy([1, 2]), [1, 2])


def test_picks_a_device_that_is_at_hand():
    assert arrays.pick_device("cpu") == torch.device("cpu")
    assert arrays.pick_device(torch.device("cpu")) == torch.device("cpu")
    assert arrays.pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "cpu:x", "meta", ""])
def test_refuses_a_device_that_is_not(name):
    with pytest.raises(InputError, match=f"device: expected auto or a device at hand, got '{name}'"):
        arrays.pick_device(name)


@pytest.mark.parametrize("version", [13, 14])
def test_cupy_works_on_torch_s_stream(version, monkeypatch):
    """CuPy 13 takes its address; 14 warns of that, and takes the stream."""
    entered = []

    def external_stream(address):
        assert version == 13
        return nullcontext(entered.append(address))

    cuda = SimpleNamespace(Device=nullcontext, Stream=SimpleNamespace(), ExternalStream=external_stream)
    if version == 14:
        cuda.Stream.from_external = lambda stream: nullcontext(entered.append(stream.cuda_stream))
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda, ndarray=np.ndarray))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(cuda_stream=100 + device.index))
    monkeypatch.setattr(arrays, "is_torch", lambda _: True)
    with arrays.on_stream_of(SimpleNamespace(is_cuda=True, device=torch.device("cuda", 1))):
        assert entered == [101]


def test_threads_are_torchs_where_torch_is_in_use(monkeypatch):
    assert arrays.thread_count() == torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    assert arrays.thread_count() == 7


def test_numpy_arrays_need_no_torch():
    """One process: torch is never imported for the question, and a core is a thread where it is not in use."""
    script = """
import os, sys
import numpy as np
from faceinpaint_fast import arrays
from faceinpaint_fast.batches import ImageBatch
batch = ImageBatch.of(np.zeros((4, 5, 3)), "images")
assert batch.laid_out(batch.pixels).shape == (4, 5, 3)
assert not arrays.is_torch(batch.pixels) and not arrays.is_cupy(batch.pixels)
assert arrays.thread_count() == len(os.sched_getaffinity(0))
assert not {"torch", "cupy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
