"""Which library made an array, how to get from one to the other, devices and threads."""

from __future__ import annotations

import subprocess
import sys
import threading
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
    monkeypatch.setattr(arrays, "core_count", lambda: 64)
    assert arrays.thread_count() == 7
    monkeypatch.setattr(arrays, "core_count", lambda: 5)
    assert arrays.thread_count() == 5


def test_torch_can_be_kept_to_one_thread_and_others_see_nothing_of_it(monkeypatch):
    monkeypatch.setattr(arrays, "core_count", lambda: 64)

    def seen_by_another():
        seen = []
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        return seen[0]

    torch.set_num_threads(3)
    before = torch.__config__.parallel_info()
    try:
        with arrays.torch_on_one_thread():
            assert torch.get_num_threads() == 1
            # MKL has a setting of its own, once torch's was set
            assert "mkl_get_max_threads() : 3" not in torch.__config__.parallel_info()
            assert arrays.thread_count() == 3
            assert seen_by_another() == 3
            with arrays.torch_on_one_thread():
                assert arrays.thread_count() == 3
            assert arrays.thread_count() == 3
        assert torch.get_num_threads() == arrays.thread_count() == seen_by_another() == 3
        assert torch.__config__.parallel_info() == before
        with pytest.raises(KeyError), arrays.torch_on_one_thread():
            raise KeyError
        assert torch.get_num_threads() == arrays.thread_count() == 3
    finally:
        torch.set_num_threads(1)


def test_numpy_arrays_need_no_torch():
    """One process: torch is never imported for the question, and where it is not in use a core is a thread.

    OMP_NUM_THREADS bounds that, and so does the cores that a process may use, where a system says which.
    """
    script = """
import os, sys
import numpy as np
from faceinpaint_fast import arrays
from faceinpaint_fast.batches import ImageBatch
batch = ImageBatch.of(np.zeros((4, 5, 3)), "images")
assert batch.laid_out(batch.pixels).shape == (4, 5, 3)
assert not arrays.is_torch(batch.pixels) and not arrays.is_cupy(batch.pixels)
cores = len(os.sched_getaffinity(0))
# a number, one a level of nesting, none at all
for wanted, count in (("1", 1), (" 1,4", 1), (str(cores + 1), cores), ("0", cores), ("", cores), ("many", cores)):
    os.environ["OMP_NUM_THREADS"] = wanted
    assert arrays.thread_count() == count
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
assert arrays.thread_count() == 1
del os.sched_getaffinity
assert arrays.thread_count() == os.cpu_count()
assert not {"torch", "cupy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("threads", [1, 2, 5, 100])
def test_threads_share_items_and_each_item_is_worked_on_once(threads):
    made = arrays.shared_out(list, range(40), threads)
    assert sorted(item for some in made for item in some) == list(range(40))
    assert 1 <= len(made) <= threads


def test_without_items_the_caller_s_thread_works_on_none():
    assert arrays.shared_out(list, [], 1) == [[]]


def test_threads_that_cannot_be_started_are_not_missed(monkeypatch):
    started = []

    def start(thread):
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        begin(thread)

    begin = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", start)
    made = arrays.shared_out(list, range(40), 4)
    assert sorted(item for some in made for item in some) == list(range(40))
    assert len(made) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_what_fails_in_a_thread_is_raised_by_the_caller_s(threads):
    def work(items):
        for item in items:
            if item == 7:
                raise InputError(f"item {item}")

    before = threading.active_count()
    with pytest.raises(InputError, match="item 7"):
        arrays.shared_out(work, range(40), threads)
    assert threading.active_count() == before
