"""The compiled SSIM, L1 and weighted L1 (csrc/losses.cpp) against their definitions, and what their binding refuses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from torch import Tensor

from faceinpaint_fast import _cpu
from faceinpaint_fast.ops.window import Window

Array = NDArray[Any]

C1, C2 = 1e-4, 9e-4

# one window; a batch; odd sizes; narrow and high; several vectors and bands
SHAPES = [(1, 1, 11, 11), (2, 3, 64, 64), (3, 3, 19, 40), (1, 4, 33, 12), (1, 3, 70, 130)]
WINDOWS = [Window(size=size, sigma=sigma, padding=padding)
           for size, sigma in [(3, 0.8), (11, 1.5), (31, 5.0)] for padding in ("valid", "same")]  # fmt: skip
CASES = [
    pytest.param(shape, window, id=f"{'x'.join(map(str, shape))}-{window.size}-{window.padding}")
    for shape in SHAPES
    for window in WINDOWS
    if min(shape[2:]) >= window.size
]

# Of the largest number: float's own 6e-8 grows in 22 taps and where E[u^2] - E[u]^2 cancels, by at most some ten of it
# in these lively images; double's 1e-16 does likewise.
TOLERANCE: dict[Any, float] = {np.float32: 1e-5, np.float64: 1e-11}
KINDS = [pytest.param(kind, id=kind.__name__) for kind in TOLERANCE]


@dataclass(frozen=True)
class Inputs:
    """Arguments of ssim_l1 but for the statistics of v."""

    x: Array
    w: Array
    v: Array
    share: Array
    a: Array
    b: Array
    window: Window

    def of(self, *images: int) -> Inputs:
        """Those images alone, in that order."""
        i = list(images)
        w, share = (s if len(s) == 1 < len(self.x) else s[i] for s in (self.w, self.share))
        return replace(self, x=self.x[i], w=w, v=self.v[i], share=share, a=self.a[i], b=self.b[i])


def inputs(rng: np.random.Generator, shape: tuple[int, ...], window: Window, kind: Any, *, one: bool = False) -> Inputs:
    B, C, H, W = shape
    images = 1 if one else B
    x = rng.random(shape)
    w = rng.uniform(0.2, 1.5, (images, H, W))
    v = w[:, None] * np.clip(x + rng.normal(0, 0.3, shape), 0, 1)
    # a few pixels where sign(u - v) is sign(0)
    v[..., ::5, ::7] = (w[:, None].astype(kind) * x.astype(kind))[..., ::5, ::7]
    windows = (images, window.positions(H), window.positions(W))
    share = rng.random(windows) / np.prod(windows[1:]) / C
    share[:, 0, 0] = 0.5
    # 0 among them, and signs of both kinds
    a, b = np.linspace(1, -1, B) if B > 1 else np.array([0.7]), np.linspace(0, 0.01, B) + 0.001 * (B == 1)
    return Inputs(*(np.ascontiguousarray(array, kind) for array in (x, w, v, share, a, b)), window)


def nan(*shape: int, kind: Any) -> Array:
    return np.full(shape, np.nan, kind)


def taps(window: Window, kind: Any) -> Array:
    return window.taps(torch.float64, torch.device("cpu")).numpy().astype(kind)


def statistics(v: Array, window: Window, threads: int = 1) -> tuple[Array, Array]:
    shape = *v.shape[:2], *(window.positions(side) for side in v.shape[2:])
    mean, variance = nan(*shape, kind=v.dtype), nan(*shape, kind=v.dtype)
    _cpu.window_statistics(v, taps(window, v.dtype), window.pad, threads, mean, variance)
    return mean, variance


def ssim_l1(t: Inputs, *, threads: int = 1, gradient: bool = True) -> tuple[Array, Array, Array]:
    kind = t.x.dtype
    ssim, l1 = nan(len(t.x), kind=kind), nan(len(t.x), kind=kind)
    out = nan(*t.x.shape, kind=kind) if gradient else np.empty(0, kind)
    _cpu.ssim_l1(t.x, t.w, t.v, *statistics(t.v, t.window), t.share, taps(t.window, kind), t.window.pad, C1, C2,
                 t.a, t.b, threads, ssim, l1, out)  # fmt: skip
    return ssim, l1, out


def ssim_l1_reference(t: Inputs) -> tuple[Array, Array, Array]:
    """Eq. 2 as it stands, and autograd, in double."""
    x, w, v, share, a, b = (torch.from_numpy(i).double() for i in (t.x, t.w, t.v, t.share, t.a, t.b))
    mean = t.window.local_mean
    x.requires_grad_()
    u = w[:, None] * x
    mu_u, mu_v = mean(u), mean(v)
    s_u, s_v, s_uv = mean(u * u) - mu_u**2, mean(v * v) - mu_v**2, mean(u * v) - mu_u * mu_v
    S = (2 * mu_u * mu_v + C1) * (2 * s_uv + C2) / ((mu_u**2 + mu_v**2 + C1) * (s_u + s_v + C2))
    ssim = 1 - (share[:, None] * (1 - S)).sum((1, 2, 3))
    # by the kind's own u - v: in double those that are 0 in float need not be
    l1 = (u - v).abs().sum((1, 2, 3))
    signs = torch.from_numpy(np.sign(t.w[:, None] * t.x - t.v)).double()
    (of_ssim,) = torch.autograd.grad(ssim, x, a)
    gradient = of_ssim + w[:, None] * b[:, None, None, None] * signs
    return tuple(i.detach().numpy() for i in (ssim, l1, gradient))


def assert_close(computed: Array, correct: Array | Tensor, kind: Any) -> None:
    correct = np.asarray(correct)
    assert computed.dtype == kind
    assert_allclose(computed, correct, rtol=0, atol=TOLERANCE[kind] * np.abs(correct).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "window"), CASES)
def test_window_statistics(shape: tuple[int, ...], window: Window, kind: Any, rng: np.random.Generator) -> None:
    v = rng.random(shape).astype(kind)
    mean, variance = statistics(v, window)
    exact = torch.from_numpy(v).double()
    mu = window.local_mean(exact)
    assert_close(mean, mu, kind)
    assert_close(variance, window.local_mean(exact**2) - mu**2, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "window"), CASES)
def test_ssim_l1_and_their_gradient(
    shape: tuple[int, ...], window: Window, kind: Any, rng: np.random.Generator
) -> None:
    t = inputs(rng, shape, window, kind)
    for computed, correct in zip(ssim_l1(t), ssim_l1_reference(t), strict=True):
        for image, its in zip(computed, correct, strict=True):
            assert_close(image, its, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", [Window(), Window(size=5, padding="same")], ids=lambda w: w.padding)
def test_w_and_share_of_one_image_serve_all(window: Window, kind: Any, rng: np.random.Generator) -> None:
    t = inputs(rng, (3, 2, 20, 23), window, kind, one=True)
    for computed, correct in zip(ssim_l1(t), ssim_l1_reference(t), strict=True):
        assert_close(computed, correct, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_taps_need_not_be_symmetric(kind: Any, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    lopsided = torch.from_numpy(rng.dirichlet(np.ones(11)))
    monkeypatch.setattr(Window, "taps", lambda _, dtype, __: lopsided.to(dtype))
    t = inputs(rng, (1, 2, 24, 37), Window(padding="same"), kind)
    for computed, correct in zip(ssim_l1(t), ssim_l1_reference(t), strict=True):
        assert_close(computed, correct, kind)


@pytest.mark.parametrize("window", [Window(), Window(size=7)], ids=lambda w: str(w.size))
def test_the_values_are_the_same_bits_without_a_gradient(window: Window, rng: np.random.Generator) -> None:
    t = inputs(rng, (2, 3, 30, 45), window, np.float32)
    assert_array_equal(ssim_l1(t, gradient=False)[:2], ssim_l1(t)[:2])


@pytest.mark.parametrize("window", [Window(), Window(padding="same"), Window(size=7)], ids=str)
def test_neighbours_order_and_threads_change_no_bit(window: Window, rng: np.random.Generator) -> None:
    t = inputs(rng, (3, 3, 25, 41), window, np.float32)
    together = ssim_l1(t)
    order = [2, 0, 1]
    for batch, shuffled in zip(together, ssim_l1(t.of(*order)), strict=True):
        assert_array_equal(shuffled, batch[order])
    for image in range(3):
        for batch, alone in zip(together, ssim_l1(t.of(image)), strict=True):
            assert_array_equal(alone[0], batch[image])
    for threads in (2, 3, 100):
        for batch, again in zip(together, ssim_l1(t, threads=threads), strict=True):
            assert_array_equal(again, batch)
        for one, several in zip(statistics(t.v, window), statistics(t.v, window, threads), strict=True):
            assert_array_equal(several, one)


# first and last column: of the latter, windows beyond the border make something too, which nobody may see
@pytest.mark.parametrize("pixel", [(1, 0, 0, 0), (1, 1, 24, 40), (1, 2, 12, 20)])
@pytest.mark.parametrize("window", [Window(), Window(padding="same")], ids=lambda w: w.padding)
def test_nan_stays_in_its_image(pixel: tuple[int, ...], window: Window, rng: np.random.Generator) -> None:
    t = inputs(rng, (3, 3, 25, 41), window, np.float32)
    clean = ssim_l1(t)
    t.x[pixel] = np.nan
    spoilt = ssim_l1(t)
    for before, after in zip(clean, spoilt, strict=True):
        assert np.isnan(after[1]).any()
        assert_array_equal(after[[0, 2]], before[[0, 2]])
    assert np.isnan(ssim_l1(t, gradient=False)[:2])[:, 1].all()


# --- weighted L1 ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("w_of", [(1, 1), (1, 3), (2, 1), (2, 3)], ids=str)
@pytest.mark.parametrize("size", [(1, 1), (5, 9), (64, 64), (67, 129)], ids=str)
def test_weighted_l1(size: tuple[int, int], w_of: tuple[int, int], kind: Any, rng: np.random.Generator) -> None:
    x, y = rng.random((2, 2, 3, *size)).astype(kind)
    y[..., ::3] = x[..., ::3]
    w = rng.uniform(0.5, 3, (*w_of, *size)).astype(kind)
    grad = np.array([-2.0, 0.25], kind)
    one, out, gradient = nan(2, kind=kind), nan(2, kind=kind), nan(*x.shape, kind=kind)
    _cpu.weighted_l1(x, y, w, 1, one)
    assert_close(one, np.sum(w.astype(float) * np.abs(x.astype(float) - y), axis=(1, 2, 3)), kind)
    _cpu.weighted_l1_gradient(grad, x, y, w, 1, gradient)
    assert_allclose(gradient, grad[:, None, None, None] * w * np.sign(x - y), rtol=2 * np.finfo(kind).eps)

    for threads in (2, 3):
        _cpu.weighted_l1(x, y, w, threads, out)
        assert_array_equal(out, one)
        again = nan(*x.shape, kind=kind)
        _cpu.weighted_l1_gradient(grad, x, y, w, threads, again)
        assert_array_equal(again, gradient)
    alone = nan(1, kind=kind)
    _cpu.weighted_l1(x[1:], y[1:], w[-1:], 1, alone)
    assert_array_equal(alone, one[1:])
    x[0, 0, 0, 0] = np.nan
    _cpu.weighted_l1(x, y, w, 1, out)
    assert np.isnan(out[0])
    assert out[1] == one[1]


def test_sums_of_many_equal_numbers_stay_accurate() -> None:
    x, y = np.full((2, 1, 1, 1000, 1000), 0.1, np.float32)
    y[:] = 0.7
    w, out = np.ones((1, 1, 1000, 1000), np.float32), nan(1, kind=np.float32)
    _cpu.weighted_l1(x, y, w, 1, out)
    assert_allclose(out, 1e6 * abs(float(x[0, 0, 0, 0]) - float(y[0, 0, 0, 0])), rtol=1e-6)


# --- what the binding refuses ---


def arguments(rng: np.random.Generator) -> dict[str, Any]:
    t = inputs(rng, (2, 3, 16, 20), Window(), np.float32)
    mean, variance = statistics(t.v, t.window)
    f = np.float32
    return {"x": t.x, "w": t.w, "v": t.v, "mean": mean, "variance": variance, "share": t.share,
            "taps": taps(t.window, f), "pad": 0, "c1": C1, "c2": C2, "a": t.a, "b": t.b, "threads": 1,
            "ssim": nan(2, kind=f), "l1": nan(2, kind=f), "gradient": nan(*t.x.shape, kind=f)}  # fmt: skip


ARRAYS = ["x", "w", "v", "mean", "variance", "share", "taps", "a", "b", "ssim", "l1", "gradient"]


@pytest.mark.parametrize("name", ARRAYS)
def test_ssim_l1_refuses_what_does_not_fit(name: str, rng: np.random.Generator) -> None:
    good = arguments(rng)
    _cpu.ssim_l1(**good)
    with pytest.raises(TypeError):
        _cpu.ssim_l1(**good | {name: good[name].astype(np.float64)})
    strided = np.repeat(good[name], 2, axis=-1)[..., ::2]
    with pytest.raises(TypeError):
        _cpu.ssim_l1(**good | {name: strided})
    # one row, image or tap more
    longer = np.concatenate([good[name], good[name][-1:]])
    with pytest.raises(ValueError, match="expected"):
        _cpu.ssim_l1(**good | {name: longer})
    with pytest.raises(ValueError, match="expected"):
        _cpu.ssim_l1(**good | {name: good[name][None]})


@pytest.mark.parametrize(
    ("name", "value"), [("pad", 1), ("pad", -1), ("pad", 5), ("threads", 0), ("taps", np.ones(33, np.float32)),
                        ("taps", np.ones(1, np.float32)), ("taps", np.ones(17, np.float32))]
)  # fmt: skip
def test_ssim_l1_refuses_windows_and_threads(name: str, value: Any, rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="expected"):
        _cpu.ssim_l1(**arguments(rng) | {name: value})


def test_window_statistics_refuses_what_does_not_fit(rng: np.random.Generator) -> None:
    v, t = rng.random((1, 2, 12, 13)), taps(Window(), float)
    mean, variance = (nan(1, 2, 2, 3, kind=float) for _ in range(2))
    _cpu.window_statistics(v, t, 0, 1, mean, variance)
    for bad in [(v[0], t, 0, 1, mean, variance), (v, t, 5, 1, mean, variance), (v, t, 0, 0, mean, variance),
                (v, t, 0, 1, mean[:, :1].copy(), variance), (v, t, 0, 1, mean, variance[..., :2].copy())]:  # fmt: skip
        with pytest.raises(ValueError, match="expected"):
            _cpu.window_statistics(*bad)
    with pytest.raises(TypeError):
        _cpu.window_statistics(v.astype(np.float32), t, 0, 1, mean, variance)


def test_weighted_l1_refuses_what_does_not_fit(rng: np.random.Generator) -> None:
    x, y = rng.random((2, 3, 2, 4, 5))
    w, grad, out, gradient = np.ones((1, 2, 4, 5)), np.ones(3), nan(3, kind=float), nan(*x.shape, kind=float)
    _cpu.weighted_l1(x, y, w, 1, out)
    _cpu.weighted_l1_gradient(grad, x, y, w, 1, gradient)
    for bad in [(x[0], y, w, 1), (x, y[:2], w, 1), (x, y, np.ones((2, 2, 4, 5)), 1), (x, y, w[0], 1), (x, y, w, 0)]:
        with pytest.raises(ValueError, match="expected"):
            _cpu.weighted_l1(*bad, out)
        with pytest.raises(ValueError, match="expected"):
            _cpu.weighted_l1_gradient(grad, *bad, gradient)
    with pytest.raises(ValueError, match="out"):
        _cpu.weighted_l1(x, y, w, 1, out[:2])
    with pytest.raises(ValueError, match="grad"):
        _cpu.weighted_l1_gradient(grad[:2], x, y, w, 1, gradient)
    with pytest.raises(ValueError, match="out"):
        _cpu.weighted_l1_gradient(grad, x, y, w, 1, gradient[:2])
    with pytest.raises(TypeError):
        _cpu.weighted_l1(x.astype(np.float32), y, w, 1, out)
