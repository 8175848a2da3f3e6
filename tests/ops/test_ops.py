"""Weighted L1, SSIM and the pair of them against the reference, scikit-image and finite differences; as torch ops."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.testing import assert_close

from faceinpaint_fast import InputError, reference
from faceinpaint_fast.ops import ssim, weighted_l1
from faceinpaint_fast.ops.ssim import ssim_map
from faceinpaint_fast.ops.ssim_l1 import Target
from faceinpaint_fast.ops.weight_map import weight_map
from faceinpaint_fast.ops.window import Window, _taps

OPS = torch.ops.faceinpaint_fast

# the contract's: sums of 10^4 terms in float32; float64 differs by the order of its sums alone
RTOL = {torch.float32: 1e-5, torch.float64: 1e-12}
SHAPES = [(1, 1, 11, 11), (2, 3, 64, 64), (3, 3, 19, 40), (1, 4, 33, 12)]


def images(shape, rng, dtype=torch.float64):
    """Two batches that resemble each other, so that SSIM is far from 0, and weights of one image or of all."""
    x = rng.random(shape)
    y = np.clip(x + 0.3 * rng.standard_normal(shape), 0, 1)
    w = 1 + 2 * rng.random((shape[0], *shape[2:]))
    return (torch.from_numpy(array).to(dtype) for array in (x, y, w))


def last(tensor):
    return tensor.double().movedim(-3, -1).numpy()


def test_gradients_are_the_reference_s(rng):
    x, y, w = images((2, 3, 20, 23), rng)
    x.requires_grad_()
    (found,) = torch.autograd.grad(ssim(x, y).sum(), x)
    expected = torch.from_numpy(reference.ssim_gradient(last(x.detach()), last(y))).movedim(-1, -3)
    assert_close(found, expected, rtol=1e-10, atol=1e-14)
    (found,) = torch.autograd.grad(weighted_l1(x, y, w).sum(), x)
    expected = torch.from_numpy(reference.weighted_l1_gradient(last(x.detach()), last(y), w.numpy()))
    assert_close(found, expected.movedim(-1, -3), rtol=1e-12, atol=0)


def test_gradcheck(rng):
    x, y, w = images((2, 2, 12, 13), rng)
    x.requires_grad_()
    y.requires_grad_()
    assert gradcheck(ssim, (x, y))
    assert gradcheck(lambda x, y: weighted_l1(x, y, w), (x, y))


def test_without_a_batch_axis(rng):
    x, y, w = images((2, 3, 16, 16), rng)
    assert weighted_l1(x[1], y[1], w[1]).shape == ()
    assert_close(weighted_l1(x[1], y[1], w[1]), weighted_l1(x, y, w)[1])
    assert ssim(x[1], y[1]).shape == ()
    assert_close(ssim(x[1], y[1]), ssim(x, y)[1])


def test_images_that_are_almost_alike_or_opposite_are_not_more_than_alike(rng):
    x, noise, _ = images((64, 1, 11, 11), rng, torch.float32)
    for y in (x + 1e-7 * noise, x + 1e-4 * noise, 100 * x):
        assert (ssim(y, x) <= 1).all()
    # S of opposites far beyond the range is -1 times -1
    assert (ssim(1e4 * (x - 0.5), -1e4 * (x - 0.5)) <= 1).all()


def test_a_flat_image_s_variance_is_not_noise():
    """Two squares leave 1e-7 of their size, which S divides by c2 = 9e-4."""
    x, y = torch.full((1, 1, 16, 16), 0.9), torch.full((1, 1, 16, 16), 0.2)
    expected = (2 * 0.9 * 0.2 + 1e-4) / (0.9**2 + 0.2**2 + 1e-4)
    assert_close(ssim(x, y), torch.tensor([expected]), rtol=1e-6, atol=0)


@pytest.mark.parametrize("of", ["windows", "pixels"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_weighted_mean(padding, shared, of, rng):
    x, y, _ = images((2, 3, 14, 17), rng)
    x.requires_grad_()
    local = ssim_map(x, y, window=Window(padding=padding))
    pixels = torch.from_numpy(rng.random((2, 14, 17)))
    windows = pixels[:, 5:-5, 5:-5] if padding == "valid" else pixels
    weights = (pixels if of == "pixels" else windows)[slice(1) if shared else slice(2)]
    windows = windows[:1] if shared else windows
    expected = (windows[:, None] * local).sum(dim=(1, 2, 3)) / (3 * windows.sum(dim=(1, 2)))
    found = ssim(x, y, padding=padding, weights=weights[0] if shared else weights)
    assert_close(found, expected, rtol=1e-12, atol=0)
    found, expected = (torch.autograd.grad(value.sum(), x)[0] for value in (found, expected))
    assert_close(found, expected, rtol=1e-9, atol=1e-14)
    assert torch.equal(ssim(x, x, padding=padding, weights=weights[0]), torch.ones(2, dtype=torch.float64))


def test_weights_that_say_that_nothing_counts(rng):
    x, y, _ = images((2, 3, 14, 17), rng)
    assert torch.equal(ssim(x, y, weights=torch.zeros(14, 17)), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_the_map(padding, rng):
    x, y, _ = images((2, 3, 14, 17), rng)
    x.requires_grad_()
    found, exact = ssim(x, y, padding=padding, reduction="none"), ssim_map(x, y, window=Window(padding=padding))
    assert_close(found, exact, rtol=1e-11, atol=1e-13)
    assert_close(found.mean(dim=(1, 2, 3)), ssim(x, y, padding=padding))
    slopes = torch.from_numpy(rng.random(found.shape))
    found, exact = (torch.autograd.grad((slopes * value).sum(), x)[0] for value in (found, exact))
    assert_close(found, exact, rtol=1e-9, atol=1e-13)
    assert ssim(x[0], y[0], padding=padding, reduction="none").shape == slopes.shape[1:]


def test_what_is_no_tensor():
    x = torch.zeros(3, 16, 16)
    for f in (ssim, lambda x, y: weighted_l1(x, y, torch.ones(16, 16))):
        with pytest.raises(InputError, match=r"x, y: expected torch tensors, got numpy\.ndarray, torch\.Tensor"):
            f(x.numpy(), x)
    with pytest.raises(InputError, match="w: expected a torch tensor, got list"):
        weighted_l1(x, x, [1.0])
    with pytest.raises(InputError, match="weights: expected a torch tensor, got float"):
        ssim(x, x, weights=1.0)


def test_weights_that_are_none(rng):
    x, y, w = images((2, 3, 16, 16), rng)
    w[1, 2, 3] = torch.nan
    with pytest.raises(InputError, match="w: expected numbers, got NaN"):
        weighted_l1(x, y, w)
    for bad in (torch.nan, -1.0, torch.inf):
        w[1, 8, 8] = bad
        with pytest.raises(InputError, match="weights: expected finite numbers >= 0"):
            ssim(x, y, weights=w)
    for shape in ((16,), (3, 16, 16), (2, 3, 16, 16), (15, 16)):
        with pytest.raises(InputError, match="weights: expected shape"):
            ssim(x, y, weights=torch.ones(shape))
    with pytest.raises(InputError, match="weights: expected weights without requires_grad"):
        ssim(x, y, weights=torch.ones(16, 16, requires_grad=True))
    with pytest.raises(InputError, match="weights: expected none"):
        ssim(x, y, weights=torch.ones(16, 16), reduction="none")
    with pytest.raises(InputError, match="reduction: expected one of"):
        ssim(x, y, reduction="sum")
    # a NaN of an image is its own
    x[0, 0, 0, 0] = torch.nan
    assert torch.equal(weighted_l1(x, y, torch.ones(16, 16)).isnan(), torch.tensor([True, False]))


def test_other_bad_arguments():
    x = torch.zeros(2, 3, 16, 10)
    with pytest.raises(InputError, match="at least 11"):
        ssim(x, x)
    for shape in ((0, 3, 16, 16), (2, 0, 16, 16)):
        empty = torch.zeros(shape)
        for f in (ssim, lambda x, y: weighted_l1(x, y, torch.ones(16, 16))):
            with pytest.raises(
                InputError, match=rf"x, y: expected images that are not empty, got shape \({shape[0]}, {shape[1]},"
            ):
                f(empty, empty)
    with pytest.raises(InputError, match=r"w: expected real numbers, got torch\.complex64"):
        weighted_l1(x, x, torch.ones(16, 10, dtype=torch.complex64))
    with pytest.raises(InputError, match="data_range: expected a finite number > 0"):
        ssim(torch.zeros(1, 3, 11, 11), torch.zeros(1, 3, 11, 11), data_range=0)
    with pytest.raises(InputError, match="w: expected"):
        weighted_l1(x, x, torch.ones(3, 16, 10))
    with pytest.raises(InputError, match="w: expected weights without requires_grad"):
        weighted_l1(x, x, torch.ones(16, 10, requires_grad=True))
    for options, message in (
        ({"window_size": 4}, "window_size: expected an odd integer from 3 to 31, got 4"),
        ({"window_size": 33}, "window_size: expected an odd integer"),
        ({"sigma": 0.0}, "sigma: expected a finite number > 0"),
        ({"sigma": "1.5"}, "sigma: expected a finite number > 0, got '1.5'"),
        ({"data_range": None}, "data_range: expected a finite number > 0, got None"),
        ({"data_range": True}, "data_range: expected a finite number > 0, got True"),
        ({"padding": "reflect"}, "padding: expected one of"),
    ):
        with pytest.raises(InputError, match=message):
            ssim(x, x, **options)


WINDOWS = {
    "3 pixels": Window(size=3, sigma=0.7),
    "31 pixels": Window(size=31, sigma=4.0),
    "same": Window(padding="same"),
    "5 pixels, same": Window(size=5, sigma=1.0, padding="same"),
}


def test_under_autocast(rng):
    x, y, w = images((2, 3, 16, 16), rng, torch.float32)
    layer = torch.nn.Conv2d(3, 3, 1)
    with torch.autocast("cpu", torch.bfloat16):
        drawn = layer(x)
        loss = (1 - ssim(drawn, y) + weighted_l1(drawn, y, w)).sum()
    assert drawn.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    loss.backward()
    assert layer.weight.grad.abs().sum() > 0


def test_under_torch_compile(rng):
    x, y, w = images((2, 3, 16, 16), rng, torch.float32)
    x.requires_grad_()

    def loss(x, y, w):
        return (0.8 * weighted_l1(x * 1.1, y, w) - ssim(x * 1.1, y)).sum()

    (expected,) = torch.autograd.grad(loss(x, y, w), x)
    (found,) = torch.autograd.grad(torch.compile(loss, fullgraph=True, backend="aot_eager")(x, y, w), x)
    assert_close(found, expected)


def plain_ssim(x, y):
    """By its definition, which torch differentiates as it likes."""
    return ssim_map(x, y).mean(dim=(-3, -2, -1))


def test_they_are_differentiable_twice(rng):
    x, y, w = images((2, 1, 4, 5), rng)
    x.requires_grad_()
    y.requires_grad_()
    assert gradgradcheck(lambda x, y: ssim(x, y, window_size=3, weights=w), (x, y))
    # the gradient of L1 does not depend on the images, only on the slope that it is multiplied by
    assert gradgradcheck(lambda x, y: weighted_l1(x, y, w), (x, y))


def test_the_second_derivative_where_one_image_depends_on_the_other(rng):
    x, y, _ = images((1, 1, 12, 12), rng)
    x.requires_grad_()

    def curvature(similarity):
        value = similarity(x, y + x * x)
        (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=True)
        return torch.autograd.grad((gradient * y).sum(), x)[0]

    # a chain of a dozen products
    assert_close(curvature(ssim), curvature(plain_ssim), rtol=1e-8, atol=1e-13)


def test_a_hessian_times_a_vector(rng):
    x, y, _ = images((1, 1, 16, 16), rng)
    direction = torch.from_numpy(rng.standard_normal(x.shape))
    found, expected = (
        torch.autograd.functional.hvp(lambda a, f=f: f(a, y).sum(), x, direction)[1] for f in (ssim, plain_ssim)
    )
    assert expected.abs().max() > 1e-3
    assert_close(found, expected, rtol=1e-8, atol=1e-13)


TRANSFORMS = {
    "jvp": lambda f, x, t: torch.func.jvp(f, (x,), (t,))[1],
    "jacfwd": lambda f, x, _: torch.func.jacfwd(f)(x),
    "jacrev": lambda f, x, _: torch.func.jacrev(f)(x),
    "grad": lambda f, x, _: torch.func.grad(lambda x: f(x).sum())(x),
    "vmap of grad": lambda f, x, _: torch.func.vmap(torch.func.grad(lambda x: f(x)))(x),
    "forward mode": lambda f, x, t: _dual(f, x, t),
}


def _dual(f, x, tangent):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(f(forward_ad.make_dual(x, tangent))).tangent


# torch's own forward mode scripts a function when it is first used
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_transforms_of_torch(transform, rng):
    x, y, w = images((2, 1, 12, 12), rng)
    tangent = torch.from_numpy(rng.standard_normal(x.shape))
    # under vmap an image has no batch axis: one y and one w for all
    y, w = y[0], w[0]

    def of(similarity, l1):
        def both(x):
            ys, ws = (y, w) if x.ndim == 3 else (y.expand_as(x), w)
            return 3 * similarity(x, ys) + l1(x, ys, ws)

        return transform(both, x, tangent)

    def plain_l1(x, y, w):
        return (w * (x - y).abs()).sum(dim=(-3, -2, -1))

    found, expected = of(ssim, weighted_l1), of(plain_ssim, plain_l1)
    assert expected.abs().max() > 1
    assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_the_shortest_way_is_taken_where_nobody_watches(rng, monkeypatch):
    x, y, w = images((1, 1, 12, 12), rng)

    def dispatched(*_):
        raise AssertionError("an op of torch's was dispatched")

    for name in ("ssim", "weighted_l1"):
        # the package's name of it is the function
        monkeypatch.setattr(import_module(f"faceinpaint_fast.ops.{name}"), f"_{name}", dispatched)
    x.requires_grad_()
    (ssim(x, y) + weighted_l1(x, y, w)).sum().backward()
    assert x.grad is not None
    with FakeTensorMode(allow_non_fake_inputs=True), pytest.raises(AssertionError, match="dispatched"):
        ssim(x, y)


def test_images_that_hold_no_numbers(rng):
    x, y, w = (t.to("meta") for t in images((2, 3, 12, 12), rng))
    assert ssim(x, y).shape == weighted_l1(x, y, w).shape == (2,)
    with FakeTensorMode():
        x = torch.rand(2, 3, 12, 12, requires_grad=True)
        (ssim(x, torch.rand_like(x)) + weighted_l1(x, torch.rand_like(x), torch.rand(12, 12))).sum().backward()
        assert x.grad.shape == x.shape


def test_compiled_once_for_any_data_range(rng):
    x, y, _ = images((2, 3, 16, 16), rng, torch.float32)
    x.requires_grad_()
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(ssim, dynamic=True, fullgraph=True, backend=counter)
    compiled(x, y, data_range=2.0)
    compilations = counter.frame_count
    for data_range in (1.0, 255.0, 0.5):
        found, expected = (f(x, y, data_range=data_range) for f in (compiled, ssim))
        assert_close(found, expected)
        found, expected = (torch.autograd.grad(value.sum(), x)[0] for value in (found, expected))
        assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))
    assert counter.frame_count == compilations


def test_ops_are_registered_as_torch_wants_them(rng):
    x, y, w = images((2, 3, 13, 12), rng)
    w = w[:, None].contiguous()
    x.requires_grad_()
    torch.library.opcheck(OPS.weighted_l1, (x, y, w))
    torch.library.opcheck(OPS.weighted_l1_gradient, (torch.ones(2, dtype=torch.float64), x.detach(), y, w))
    torch.library.opcheck(OPS.ssim, (x, y.requires_grad_(), None, 11, 1.5, "valid", True, True))
    taps = Window().taps(x.dtype, x.device)
    torch.library.opcheck(OPS.window_statistics, (y.detach(), taps, 5))
    t = Target.of(y.detach(), w[:, 0], torch.ones(1, 3, 2, dtype=torch.float64))
    a = torch.ones(2, dtype=torch.float64)
    for with_gradient in (True, False):
        arguments = x.detach(), t.w, t.v, t.mean, t.variance, t.share, t.taps, t.pad, t.c1, t.c2, a, a, with_gradient
        torch.library.opcheck(OPS.ssim_l1, arguments)


def test_torch_s_defaults_change_no_bit(rng, other_defaults):
    x, y = (torch.from_numpy(rng.random((2, 3, 13, 14)).astype(np.float32)) for _ in range(2))
    w, images = torch.from_numpy(rng.random((13, 14)).astype(np.float32)), x.clone().requires_grad_()

    def found():
        _taps.cache_clear()
        value = ssim(images, y, weights=w)
        (gradient,) = torch.autograd.grad(value.sum(), images, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), images)
        maps = ssim(x, y, reduction="none"), torch.func.jvp(lambda x: ssim(x, y), (x,), (y,))[1]
        return value, gradient, second, *maps, weighted_l1(x, y, w), weight_map(w[None] > 0.5, 7, 2.0)

    expected = found()
    other_defaults()
    for one, other in zip(found(), expected, strict=True):
        assert one.dtype == torch.float32
        assert torch.equal(one, other)


def test_what_inference_mode_keeps_serves_whoever_differentiates(rng):
    x, y = (torch.from_numpy(rng.random((1, 3, 13, 14))) for _ in range(2))
    _taps.cache_clear()
    with torch.inference_mode():
        expected = ssim(x, y, reduction="none")
    x = x.clone().requires_grad_()
    found = ssim(x, y, reduction="none")
    assert torch.equal(found, expected)
    torch.autograd.grad(found.sum(), x)
