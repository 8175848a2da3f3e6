"""The border between NumPy and torch: one batch inside, the caller's kind, layout and dtype outside."""

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
from faceinpaint_fast.arrays import ImageBatch
from faceinpaint_fast.errors import InputError


@pytest.fixture
def pixels(rng):
    """Two images, no two sides alike: (2, 4, 5, 3) uint8."""
    return rng.integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)


def as_torch(pixels):
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, -3)))


def test_a_batch_is_a_view(pixels):
    for images in (pixels, pixels[0]):
        batch = ImageBatch.of(images, "images")
        assert batch.pixels.ndim == 4
        assert np.shares_memory(batch.pixels, pixels)
        tensors = as_torch(images)
        batch = ImageBatch.of(tensors, "images")
        assert_array_equal(batch.pixels, images.reshape(-1, 4, 5, 3))
        assert np.shares_memory(batch.pixels, tensors.numpy())


def test_counts_the_images_of_a_batch_alone(pixels):
    assert ImageBatch.of(pixels, "images").count == 2
    assert ImageBatch.of(as_torch(pixels), "images").count == 2
    assert ImageBatch.of(pixels[:1], "images").count == 1
    assert ImageBatch.of(pixels[0], "images").count is None
    assert ImageBatch.of(as_torch(pixels[0]), "images").count is None


def test_torch_may_be_part_of_a_graph(pixels):
    tensors = as_torch(pixels).float().requires_grad_()
    assert_array_equal(ImageBatch.of(tensors, "images").pixels, pixels)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("kind", [lambda array: array, as_torch], ids=["numpy", "torch"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_there_and_back(pixels, single, kind, dtype):
    images = kind((pixels[0] if single else pixels).astype(dtype))
    batch = ImageBatch.of(images, "images")
    back = batch.laid_out(batch.pixels)
    assert type(back) is type(images)
    assert back.dtype == images.dtype
    assert back.shape == images.shape
    assert_array_equal(back, images)


def test_a_list_of_images_comes_back_as_numpys(pixels):
    batch = ImageBatch.of(list(pixels), "images")
    assert batch.count == 2
    assert_array_equal(batch.laid_out(batch.pixels), pixels)


@pytest.mark.parametrize("single", [False, True])
def test_fills_the_hole_and_leaves_the_rest_bit_for_bit(pixels, single):
    holes = np.zeros((2, 4, 5), bool)
    holes[0, 1, 2] = holes[1, 3] = True
    images, hole = (pixels[:1], holes[:1]) if single else (pixels, holes)
    content = np.full(images.shape, 0.5)
    for kind in (lambda array: array, as_torch):
        given = kind(images[0].copy() if single else images.copy())
        filled = ImageBatch.of(given, "images").filled(content, hole)
        assert type(filled) is type(given)
        assert filled.shape == given.shape
        assert_array_equal(given, kind(images[0] if single else images), err_msg="the caller's images have changed")
        back = ImageBatch.of(filled, "filled").pixels
        assert (back[hole] == 128).all()
        assert_array_equal(back[~hole], images[~hole])


def test_fills_floats_unrounded_and_unclipped(pixels):
    images = (pixels / 255).astype(np.float32)
    images[0, 0, 0] = np.nan
    holes = np.zeros((2, 4, 5), bool)
    holes[1, 0, 0] = True
    filled = ImageBatch.of(images, "images").filled(np.full(images.shape, 1.2345678), holes)
    assert filled.dtype == np.float32
    assert (filled[1, 0, 0] == np.float32(1.2345678)).all()
    assert_array_equal(filled[~holes], images[~holes])


def test_unit_scale(pixels):
    assert_array_equal(ImageBatch.of(pixels, "images").unit(), (pixels / 255).astype(np.float32))
    floats = pixels.astype(np.float64)
    assert np.shares_memory(ImageBatch.of(floats, "images").unit(), floats)


def test_every_grey_level_survives_the_unit_scale():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    batch = ImageBatch.of(levels, "images")
    assert_array_equal(batch.rounded(batch.unit()), levels)


def test_rounds_and_clips_to_uint8():
    batch = ImageBatch.of(np.zeros((1, 5, 1), np.uint8), "images")
    unit = np.array([-0.5, 0.4999 / 255, 0.5001 / 255, 254.6 / 255, 7.0]).reshape(1, 1, 5, 1)
    assert_array_equal(batch.rounded(unit).ravel(), [0, 0, 1, 255, 255])


def test_strips_the_batch_axis_of_a_single_image(pixels):
    losses = np.array([0.25], np.float32)
    single = ImageBatch.of(pixels[0], "images").strip(losses)
    # an array still, of which torch can be made: not NumPy's scalar
    assert isinstance(single, np.ndarray)
    assert single.shape == ()
    assert ImageBatch.of(pixels[:1], "images").strip(losses).shape == (1,)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 5)), r"pictures: expected shape \(H, W, C\) or \(B, H, W, C\), not empty, got \(4, 5\)"),
        (np.zeros((1, 1, 4, 5, 3)), r"pictures: expected shape \(H, W, C\)"),
        (np.zeros((0, 4, 5, 3)), r"pictures: expected .* not empty"),
        (torch.zeros(4, 5), r"pictures: expected shape \(C, H, W\) or \(B, C, H, W\), not empty, got \(4, 5\)"),
        (np.zeros((4, 5, 3), np.int64), "pictures: expected float or uint8, got int64"),
        (np.zeros((4, 5, 3), bool), "pictures: expected float or uint8, got bool"),
        (torch.zeros(3, 4, 5, dtype=torch.int32), "pictures: expected float or uint8, got int32"),
        (torch.zeros(3, 4, 5, dtype=torch.bfloat16), "expected one that NumPy can hold.*BFloat16"),
        (torch.zeros(3, 4, 5).to_sparse(), "expected one that NumPy can hold"),
        ([[[1.0, 2.0], [3.0]]], "expected one that NumPy can hold"),
        ("pictures", r"pictures: expected shape"),
        (None, r"pictures: expected shape"),
    ],
    ids=repr,
)
def test_what_is_no_image_is_refused(images, message):
    with pytest.raises(InputError, match=message):
        ImageBatch.of(images, "pictures")


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
batch = arrays.ImageBatch.of(np.zeros((4, 5, 3)), "images")
assert batch.laid_out(batch.pixels).shape == (4, 5, 3)
assert not arrays.is_torch(batch.pixels) and not arrays.is_cupy(batch.pixels)
assert arrays.thread_count() == len(os.sched_getaffinity(0))
assert not {"torch", "cupy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], check=True)
