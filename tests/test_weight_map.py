"""Eq. 7: values worked out by hand, the plain definition, kinds of arrays, threads, and what is refused."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal, assert_array_max_ulp
from numpy.typing import NDArray

from faceinpaint_fast import InputError, _cpu, arrays, reference, weight_map

SHAPES = [(1, 1), (1, 7), (5, 3), (64, 64), (67, 129), (3, 9, 5), (2, 67, 129), (70, 5, 6)]
KINDS = [np.bool_, np.uint8, np.float16, np.float32, np.float64, np.longdouble]


def expected(hole: NDArray[Any], k: int = 7, alpha: float = 2.0) -> NDArray[np.float32]:
    return reference.weight_map(hole, k=k, alpha=alpha).astype(np.float32)


def assert_same(weights: NDArray[Any], correct: NDArray[np.float32]) -> None:
    # both round once from double, but to numbers that differ by a few 1e-16 before: next to a tie that is one ulp
    assert weights.dtype == np.float32
    assert weights.shape == correct.shape
    assert_array_max_ulp(weights, correct, maxulp=1)


def test_one_missing_pixel_raises_the_weights_of_its_patch() -> None:
    hole = np.zeros((9, 9), bool)
    hole[4, 5] = True
    correct = np.ones((9, 9), np.float32)
    correct[3:6, 4:7] = 1 + 2 / 9
    assert_array_equal(weight_map(hole, k=3), correct)


def test_the_paper_s_patch_and_slope_are_the_defaults() -> None:
    hole = np.zeros((15, 15), bool)
    hole[7, 7] = True
    correct = np.ones((15, 15), np.float32)
    correct[4:11, 4:11] = 1 + 2 / 49
    assert_array_equal(weight_map(hole), correct)


def test_the_border_clips_the_patch_but_not_the_divisor() -> None:
    W = weight_map(np.ones((20, 30), bool))
    # patches of 4x4, 4x7, 6x5, 7x7 and 4x4 pixels
    correct = 1 + 2 * np.array([16, 28, 30, 49, 16]) / 49
    assert_array_equal(W[[0, 0, 2, 9, 19], [0, 9, 1, 9, 29]], correct.astype(np.float32))


# patches of up to 255, 65535 and more pixels are counted in integers of 8, 16 and 64 bits
@pytest.mark.parametrize("k", [1, 15, 17, 255, 257, 2 * 10**9 + 1])
def test_a_picture_of_which_nothing_is_known(k: int) -> None:
    height, width, r = 300, 301, k // 2
    y, x = np.arange(height), np.arange(width)
    rows = np.minimum(y + r, height - 1) - np.maximum(y - r, 0) + 1
    columns = np.minimum(x + r, width - 1) - np.maximum(x - r, 0) + 1
    correct = 1 + 2.0 * rows[:, None] * columns / k**2
    assert_same(weight_map(np.ones((height, width), bool), k=k), correct.astype(np.float32))


@pytest.mark.parametrize("k", [1, 3, 7, 9, 31])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_matches_the_definition(shape: tuple[int, ...], k: int, rng: np.random.Generator) -> None:
    hole = rng.random(shape) < 0.4
    assert_same(weight_map(hole, k=k, alpha=1.7), expected(hole, k, alpha=1.7))


@settings(deadline=None)
@given(
    hole=hypothesis.extra.numpy.arrays(
        st.sampled_from([np.bool_, np.uint8]), hypothesis.extra.numpy.array_shapes(min_dims=2, max_dims=3, max_side=20)
    ),
    radius=st.integers(0, 25),
    alpha=st.floats(0, 1000),
)
def test_it_matches_the_definition_whatever_the_hole(hole: NDArray[Any], radius: int, alpha: float) -> None:
    k = 2 * radius + 1
    W = weight_map(hole, k=k, alpha=alpha)
    assert_same(W, expected(hole, k, alpha))
    # a picture on its side, which is not contiguous either
    assert_array_equal(weight_map(hole.swapaxes(-1, -2), k=k, alpha=alpha).swapaxes(-1, -2), W)


def test_a_slope_below_zero_may_cancel() -> None:
    hole = np.ones((7, 7), bool)
    # zero within the rounding of double, not of float
    assert_allclose(weight_map(hole, k=3, alpha=-1), expected(hole, 3, -1), rtol=1e-7, atol=1e-15)


@pytest.mark.parametrize("alpha", [2.0, 0.3, 1.7, 6.0, 1e-30, 1e5, 3e8, -0.5, -1.0])
@pytest.mark.parametrize("k", [1, 3, 7, 15])
def test_every_count_has_the_bits_of_float64_rounded_once(k: int, alpha: float) -> None:
    # a corner has patches of every count from 0 on, the inside those of a whole patch
    hole = np.zeros((40, 40), bool)
    hole[:20, :20] = np.random.default_rng(k).random((20, 20)) < 0.5
    hole[20:] = True
    counts = np.rint(reference.weight_map(hole, k=k, alpha=k**2) - 1).astype(np.int64)
    assert counts.max() == k**2
    correct = (1 + alpha * (1 / k**2) * counts).astype(np.float32)
    # next to a tie, or where the sum cancels, one more rounding of float64 shows
    slack = np.abs(alpha) * 2.0**-52 if alpha < 0 else 0
    assert_allclose(weight_map(hole, k=k, alpha=alpha), correct, rtol=0, atol=slack)


def test_a_batch_is_its_images_one_by_one(rng: np.random.Generator) -> None:
    holes = rng.random((5, 31, 17)) < 0.5
    assert_array_equal(weight_map(holes), np.stack([weight_map(hole) for hole in holes]))


@pytest.mark.parametrize("dtype", KINDS)
def test_a_pixel_is_missing_from_its_dtype_s_threshold_on(dtype: Any) -> None:
    if dtype == np.bool_:
        values: list[Any] = [False, True]
    elif dtype == np.uint8:
        values = [0, 127, 128, 255]
    else:
        values = [0, np.nextafter(dtype(0.5), dtype(0)), 0.5, 1]
    hole = np.array([values], dtype=dtype)
    missing = np.arange(len(values)) >= len(values) // 2
    assert_array_equal(weight_map(hole, k=1, alpha=1), 1 + missing[None])


def test_a_uint8_hole_may_hold_0_and_1(rng: np.random.Generator) -> None:
    hole = rng.integers(0, 2, (13, 70), dtype=np.uint8)
    assert_array_equal(weight_map(hole), weight_map(hole > 0))


@pytest.mark.parametrize("dtype", KINDS)
def test_every_dtype_gives_the_same_weights_and_is_left_alone(dtype: type, rng: np.random.Generator) -> None:
    missing = rng.random((2, 33, 70)) < 0.3
    hole = (missing * 255).astype(dtype) if dtype == np.uint8 else missing.astype(dtype)
    before = hole.copy()
    hole.flags.writeable = False
    assert_array_equal(weight_map(hole), weight_map(missing))
    assert_array_equal(hole, before)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float16, torch.float32, torch.float64], ids=str)
def test_torch_in_torch_out(dtype: torch.dtype, rng: np.random.Generator) -> None:
    missing = rng.random((2, 9, 11)) < 0.5
    W = weight_map(torch.from_numpy(missing).to(dtype))
    assert isinstance(W, torch.Tensor)
    assert W.dtype == torch.float32
    assert_array_equal(W.numpy(), weight_map(missing))


@pytest.fixture
def compiled_calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the compiled function was called with, call by call."""
    calls = []
    compiled = _cpu.weight_map

    def spy(hole: NDArray[Any], threshold: float, radius: int, **others: Any) -> None:
        calls.append({"hole": hole, "threshold": threshold, "radius": radius, **others})
        compiled(hole, threshold, radius, **others)

    monkeypatch.setattr(_cpu, "weight_map", spy)
    return calls


def layouts(missing: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """The same float32 hole in other orders, strides, alignment and byte order."""
    hole = missing.astype(np.float32)
    odd_address = np.empty(hole.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(hole.shape)
    odd_address[:] = hole
    return {
        "fortran": np.asfortranarray(hole),
        "every second": np.repeat(np.repeat(hole, 2, axis=-1), 2, axis=-2)[..., ::2, ::2],
        "reversed": hole[..., ::-1].copy()[..., ::-1],
        "broadcast": np.broadcast_to(hole[:1], hole.shape),
        "odd address": odd_address,
        "byte order": hole.astype(hole.dtype.newbyteorder()),
    }


@pytest.mark.parametrize("layout", layouts(np.ones((1, 1, 1), bool)))
def test_layout_in_memory_changes_nothing(
    layout: str, rng: np.random.Generator, compiled_calls: list[dict[str, Any]]
) -> None:
    hole = layouts(rng.random((3, 10, 13)) < 0.5)[layout]
    assert_array_equal(weight_map(hole), weight_map(np.array(hole, np.float32, order="C")))
    # some processors read an odd address all the same, so no weight would tell
    assert all(call["hole"].flags.aligned for call in compiled_calls)


def test_a_tensor_need_not_be_contiguous(rng: np.random.Generator) -> None:
    hole = torch.from_numpy(rng.random((3, 10, 13)) < 0.5).mT
    assert not hole.is_contiguous()
    assert_array_equal(weight_map(hole), weight_map(hole.contiguous()))


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("wrap", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_a_contiguous_hole_and_the_result_are_not_copied(
    wrap: Any, dtype: type, compiled_calls: list[dict[str, Any]]
) -> None:
    hole: NDArray[Any] = np.ones((2, 5, 6), dtype)
    W = weight_map(wrap(hole))
    (call,) = compiled_calls
    assert np.shares_memory(call["hole"], hole)
    assert np.shares_memory(call["out"], np.asarray(W))


def test_a_thread_is_started_for_every_megapixel_at_most(
    compiled_calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for available, height in [(8, 1), (8, 1023), (8, 2048), (8, 3100), (2, 3100)]:
        monkeypatch.setattr(arrays, "thread_count", lambda available=available: available)
        weight_map(np.zeros((height, 1024), bool))
    assert [call["threads"] for call in compiled_calls] == [1, 1, 2, 3, 2]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 37, 53), (3, 37, 53), (1, 200, 70)], ids=str)
@pytest.mark.parametrize("radius", [0, 3, 8, 20, 500])
def test_threads_change_no_bit(shape: tuple[int, int, int], dtype: type, radius: int, rng: np.random.Generator) -> None:
    hole: NDArray[Any] = (rng.random(shape) < 0.5).astype(dtype)

    def run(threads: int) -> NDArray[np.float32]:
        # a row to either side, which is nobody's, and NaN for whatever is forgotten
        memory = np.full((shape[0] * shape[1] + 2, shape[2]), np.nan, np.float32)
        _cpu.weight_map(hole, 1, radius, 0.25, threads, memory[1:-1].reshape(shape))
        assert np.isnan(memory[[0, -1]]).all()
        return memory[1:-1].reshape(shape)

    k = 2 * radius + 1
    # a patch that covers the image wherever it lies, spares the definition its k^2 steps a pixel
    counts = hole.sum((1, 2), keepdims=True) if radius == 500 else (reference.weight_map(hole, k=k, alpha=k**2) - 1)
    single = run(threads=1)
    assert_same(single, np.broadcast_to(1 + 0.25 * counts, shape).astype(np.float32))
    for threads in (2, 3, 7, 64, 1000):
        assert_array_equal(run(threads), single)


@pytest.mark.parametrize(
    ("hole", "got"),
    [
        (np.ones(5, bool), r"\(5,\)"),
        (np.ones((1, 1, 2, 2), bool), r"\(1, 1, 2, 2\)"),
        (np.ones((0, 5), bool), r"\(0, 5\)"),
        (torch.ones((2, 3, 0)), r"\(2, 3, 0\)"),
        (None, "a NoneType"),
        (np.ones((5, 5), np.int32), "int32"),
        (np.ones((5, 5), complex), "complex128"),
        (torch.ones((5, 5), dtype=torch.int64), "int64"),
        (np.array([["a", "b"]]), "a ndarray: its dtype is <U1"),
        (np.full((5, 5), np.nan), "NaN"),
        (np.array([[0, 1, np.nan]], np.float16), "NaN"),
    ],
    ids=str,
)
def test_a_bad_hole_is_refused_by_name(hole: Any, got: str) -> None:
    with pytest.raises(InputError, match=rf"^hole: expected .*, got {got}"):
        weight_map(hole)


@pytest.mark.parametrize("k", [0, -1, 2, 8, 7.0, "7", None, np.int64(4), True], ids=repr)
def test_a_bad_k_is_refused_by_name(k: Any) -> None:
    with pytest.raises(InputError, match=r"^k: expected an odd integer >= 1, got "):
        weight_map(np.ones((5, 5), bool), k=k)


@pytest.mark.parametrize("alpha", [np.nan, np.inf, -np.inf, 1e39, 10**400, "2", None, 1j, True], ids=str)
def test_a_bad_alpha_is_refused_by_name(alpha: Any) -> None:
    with pytest.raises(InputError, match=r"^alpha: expected .*, got "):
        weight_map(np.ones((5, 5), bool), alpha=alpha)


def test_k_and_alpha_may_be_numpy_s_and_k_of_any_size() -> None:
    hole = np.eye(6, dtype=bool)
    options: dict[str, Any] = {"k": np.uint8(255), "alpha": np.float32(2)}
    assert_array_equal(weight_map(hole, **options), weight_map(hole, k=255))
    assert_array_equal(weight_map(hole, k=10**400 + 1), np.ones((6, 6)))


def compiled_arguments() -> dict[str, Any]:
    hole = np.zeros((2, 4, 6), np.uint8)
    return {
        "hole": hole,
        "threshold": 1,
        "radius": 1,
        "scale": 1.0,
        "threads": 1,
        "out": np.empty_like(hole, np.float32),
    }


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("hole", np.zeros((2, 4, 6), bool), TypeError),
        ("hole", np.zeros((2, 4, 6), np.int8), TypeError),
        ("hole", np.zeros((2, 6, 4), np.uint8).swapaxes(1, 2), TypeError),
        ("hole", np.zeros((2, 4, 12), np.uint8)[..., ::2], TypeError),
        ("hole", [[[1]]], TypeError),
        ("hole", np.zeros((4, 6), np.uint8), ValueError),
        ("hole", np.zeros((2, 4, 0), np.uint8), ValueError),
        ("out", np.zeros((2, 4, 6)), TypeError),
        ("out", np.zeros((2, 4, 12), np.float32)[..., ::2], TypeError),
        ("out", np.zeros((2, 4, 5), np.float32), ValueError),
        ("out", np.broadcast_to(np.float32(0), (2, 4, 6)), TypeError),
        ("out", np.frombuffer(bytes(2 * 4 * 6 * 4), np.float32).reshape(2, 4, 6), ValueError),
        ("threshold", 256, TypeError),
        ("threshold", 0, ValueError),
        ("radius", -1, ValueError),
        ("threads", 0, ValueError),
    ],
)
def test_the_compiled_function_converts_nothing(name: str, value: Any, error: type[Exception]) -> None:
    _cpu.weight_map(**compiled_arguments())
    with pytest.raises(error):
        _cpu.weight_map(**compiled_arguments() | {name: value})


def test_a_mask_of_0_and_1_is_read_the_same_beside_one_of_0_and_255(rng):
    ones = (rng.random((20, 20)) < 0.5).astype(np.uint8)
    levels = rng.integers(0, 256, (20, 20), dtype=np.uint8)
    both = weight_map(np.stack([ones, levels, np.zeros_like(ones)]))
    for alone, together in zip((ones, levels, np.zeros_like(ones)), both, strict=True):
        assert_array_equal(weight_map(alone), together)


def test_an_image_is_no_batch_of_holes(rng: np.random.Generator) -> None:
    for image in (rng.random((40, 50, 3)), rng.integers(0, 256, (40, 50, 4), np.uint8)):
        for kind in (np.asarray, torch.from_numpy):
            with pytest.raises(InputError, match=r"^hole: expected one channel, or equal ones, got \(40, 50, [34]\)"):
                weight_map(kind(image))


def test_a_hole_may_be_a_picture_of_equal_channels(rng: np.random.Generator) -> None:
    hole = rng.random((40, 50)) < 0.5
    for channels in (1, 3):
        assert_array_equal(weight_map(np.stack([hole] * channels, axis=-1) * np.uint8(255)), weight_map(hole))
    # a few columns are a few columns
    assert weight_map(np.zeros((31, 50, 3), bool)).shape == (31, 50, 3)


def test_floats_outside_0_to_1_are_no_hole() -> None:
    with pytest.raises(InputError, match=r"^hole: expected float in \[0, 1\], bool or uint8, got 0 to 255"):
        weight_map(np.array([[0.0, 255.0]]))
