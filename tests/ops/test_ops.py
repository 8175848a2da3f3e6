"""Both distances as torch ops: gradients, autocast, compilation, registration."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck
from torch.testing import assert_close

from faceinpaint_fast import reference
from faceinpaint_fast.ops import ssim, weighted_l1
from faceinpaint_fast.ops.ssim_l1 import Target
from faceinpaint_fast.ops.window import Window

OPS = torch.ops.faceinpaint_fast

# the contract's: sums of 10^4 terms in float32; float64 differs by the order of its sums alone
RTOL = {torch.float32: 1e-5, torch.float64: 1e-12}
SHAPES = [(1, 1, 11, 11), (2, 3, 64, 64), (3, 3, 19, 40), (1, 4, 33, 12)]


def test_gradients_are_the_reference_s(last, images):
    x, y, w = images((2, 3, 20, 23))
    x.requires_grad_()
    (found,) = torch.autograd.grad(ssim(x, y).sum(), x)
    expected = torch.from_numpy(reference.ssim_gradient(last(x.detach()), last(y))).movedim(-1, -3)
    assert_close(found, expected, rtol=1e-10, atol=1e-14)
    (found,) = torch.autograd.grad(weighted_l1(x, y, w).sum(), x)
    expected = torch.from_numpy(reference.weighted_l1_gradient(last(x.detach()), last(y), w.numpy()))
    assert_close(found, expected.movedim(-1, -3), rtol=1e-12, atol=0)


def test_gradcheck(images):
    x, y, w = images((2, 2, 12, 13))
    x.requires_grad_()
    y.requires_grad_()
    assert gradcheck(ssim, (x, y))
    assert gradcheck(lambda x, y: weighted_l1(x, y, w), (x, y))


def test_without_a_batch_axis(images):
    x, y, w = images((2, 3, 16, 16))
    assert weighted_l1(x[1], y[1], w[1]).shape == ()
    assert_close(weighted_l1(x[1], y[1], w[1]), weighted_l1(x, y, w)[1])
    assert ssim(x[1], y[1]).shape == ()
    assert_close(ssim(x[1], y[1]), ssim(x, y)[1])


@pytest.mark.parametrize("low", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_summed_in_single(images, low):
    x, y, w = images((2, 3, 64, 64), torch.float32)
    x = x.to(low).requires_grad_()
    exact = x.detach().float().requires_grad_()
    for one, other in ((ssim(x, y), ssim(exact, y)), (weighted_l1(x, y, w), weighted_l1(exact, y, w))):
        assert one.dtype == torch.float32
        assert torch.equal(one, other)
        (found,), (expected,) = torch.autograd.grad(one.sum(), x), torch.autograd.grad(other.sum(), exact)
        assert found.dtype == low
        assert torch.equal(found, expected.to(low))


def test_under_autocast(images):
    x, y, w = images((2, 3, 16, 16), torch.float32)
    layer = torch.nn.Conv2d(3, 3, 1)
    with torch.autocast("cpu", torch.bfloat16):
        drawn = layer(x)
        loss = (1 - ssim(drawn, y) + weighted_l1(drawn, y, w)).sum()
    assert drawn.dtype == torch.bfloat16
    assert loss.dtype == torch.float32
    loss.backward()
    assert layer.weight.grad.abs().sum() > 0


def test_under_torch_compile(images):
    x, y, w = images((2, 3, 16, 16), torch.float32)
    x.requires_grad_()

    def loss(x, y, w):
        return (0.8 * weighted_l1(x * 1.1, y, w) - ssim(x * 1.1, y)).sum()

    (expected,) = torch.autograd.grad(loss(x, y, w), x)
    (found,) = torch.autograd.grad(torch.compile(loss, fullgraph=True, backend="aot_eager")(x, y, w), x)
    assert_close(found, expected)


def test_ops_are_registered_as_torch_wants_them(images):
    x, y, w = images((2, 3, 13, 12))
    w = w[:, None].contiguous()
    x.requires_grad_()
    torch.library.opcheck(OPS.weighted_l1, (x, y, w))
    torch.library.opcheck(OPS.weighted_l1_gradient, (torch.ones(2, dtype=torch.float64), x.detach(), y, w))
    torch.library.opcheck(OPS.ssim, (x, y.requires_grad_(), 11, 1.5, "valid", 1.0, True, True))
    taps = Window().taps(x.dtype, x.device)
    torch.library.opcheck(OPS.window_statistics, (y.detach(), taps, 5))
    t = Target.of(y.detach(), w[:, 0], torch.ones(1, 3, 2, dtype=torch.float64))
    a = torch.ones(2, dtype=torch.float64)
    for with_gradient in (True, False):
        arguments = x.detach(), t.w, t.v, t.mean, t.variance, t.share, t.taps, t.pad, t.c1, t.c2, a, a, with_gradient
        torch.library.opcheck(OPS.ssim_l1, arguments)
