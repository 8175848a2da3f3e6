"""One iteration, the loop around it, and the forms it may take on other devices."""

from __future__ import annotations

import resource
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from faceinpaint_fast import InpaintConfig, masks, reference
from faceinpaint_fast.networks.adjoint import TapedNetwork, differentiable
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.reference.objective import objective as reference_objective
from faceinpaint_fast.search.loop import AdamLoop, Compiled, Loop, loss_and_gradient
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import ATTEMPTS, Adam, optimiser
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem

CPU = torch.device("cpu")
HOLES = np.stack([masks.centre((64, 64)), masks.half((64, 64), "left"), masks.random_pixels((64, 64), 0.8)])


def aims(images, config=InpaintConfig.over_z(), holes=HOLES, discriminator=None, guess=None):  # noqa: B008 - frozen
    weights = torch.from_numpy(reference.weight_map(holes)).float()
    known = torch.from_numpy(~holes).float()
    problem = Problem(images * known[:, None], known, weights, guess)
    return Objective(problem, discriminator, config), Prior.of(problem, config)


def gradient_of(generator):
    return partial(loss_and_gradient, differentiable(frozen(generator, CPU), CPU, "fp32"))


def ran(loop, progress=lambda _: None):
    return loop.iterate(progress)


@pytest.fixture
def images():
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def starts():
    return torch.randn(ATTEMPTS, 3, 100, generator=torch.Generator().manual_seed(2))


def test_the_gradient_is_autograd_s(generator, discriminator, images, starts):
    """In z, through G, the losses and D: against the reference's objective in float64."""
    config = InpaintConfig.over_z(lambda_d=0.003)
    G, D = (differentiable(frozen(network, CPU), CPU, "fp32") for network in (generator, discriminator))
    loss, gradient = loss_and_gradient(G, starts[0], *aims(images, config, discriminator=D))
    z = starts[0].double().requires_grad_()
    known, weights = torch.from_numpy(~HOLES).double(), torch.from_numpy(reference.weight_map(HOLES))
    x, D = generator.double()(z), discriminator.double()
    terms = reference_objective(x, D, images.double(), known, weights, config, z)
    assert_close(loss.double(), terms["total"].detach(), rtol=1e-5, atol=0)
    (expected,) = torch.autograd.grad(terms["total"].sum(), z)
    assert_close(gradient.double(), expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


def test_losses_of_every_iteration(generator, images, starts):
    gradient, (objective, prior) = gradient_of(generator), aims(images)
    z, losses, attempts = ran(Loop(gradient, objective, prior, starts, optimiser(InpaintConfig.over_z()), 30))
    assert losses.shape == (30, 3)
    assert torch.equal(losses[0], gradient(starts[0], objective, prior)[0])
    assert (losses[-1] < losses[0]).all()
    assert not attempts.any()
    assert z.shape == (3, 100)


def test_adam_in_one_pass_is_adam_by_torch_s_ops(generator, images, starts):
    """Of codes that are held to a guess, bounded, and then to 0; in float32, in another order."""
    G, rule = differentiable(frozen(generator, CPU), CPU, "fp32"), Adam.of(6, 0.05, "cosine", z_max=0.5)
    for guess in (0.5 * starts[1], None):
        objective, prior = aims(images, guess=guess)
        fused = ran(AdamLoop(G, objective, prior, starts, rule, 6))
        plain = ran(Loop(gradient_of(generator), objective, prior, starts, rule, 6))
        for one, other in zip(fused, plain, strict=True):
            assert_close(one, other, rtol=1e-4, atol=1e-5)
        assert fused[0].abs().max() <= 0.5


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_row_of_adam_in_one_pass_that_fails_begins_again_alone(what, generator, images, starts):
    """As by torch's ops, with a generator that draws NaN, or has an infinite gradient, of one row at one iteration."""
    inner, calls = differentiable(frozen(generator, CPU), CPU, "fp32"), []

    def G(z):
        x, pull = inner(z)
        calls.append(1)
        if len(calls) != 2:
            return x, pull
        if what == "loss":
            x[1] = torch.nan
            return x, lambda gradient: pull(gradient.nan_to_num())
        return x, lambda gradient: pull(gradient).index_fill(0, torch.tensor([1]), torch.inf)

    rule, (objective, prior) = Adam.of(4, 0.05, "constant"), aims(images)
    loops = [
        AdamLoop(G, objective, prior, starts, rule, 4),
        Loop(partial(loss_and_gradient, G), objective, prior, starts, rule, 4),
    ]
    for loop in loops:
        calls.clear()
        for _ in range(2):
            loop.advance()
        assert torch.equal(loop.state.z[1], starts[1, 1])
        loop.advance()
        loop.advance()
    fused, plain = (loop.state for loop in loops)
    for name in ("attempt", "age", "iteration"):
        assert torch.equal(getattr(fused, name), getattr(plain, name)), name
    assert fused.attempt.tolist() == [0, 1, 0]
    assert_close(fused.z, plain.z, rtol=1e-4, atol=1e-5)


def test_a_row_of_adam_in_one_pass_has_its_bits_wherever_it_is(generator, images, starts):
    """Rows of 100 numbers are no whole number of vectors: what is left over is rounded as the others are."""
    G, rule = differentiable(frozen(generator, CPU), CPU, "fp32", batch_invariant=True), Adam.of(3, 0.05, "cosine")
    found, _, _ = ran(AdamLoop(G, *aims(images), starts, rule, 3))
    order = [2, 0, 1]
    turned, _, _ = ran(AdamLoop(G, *aims(images[order], holes=HOLES[order]), starts[:, order], rule, 3))
    assert torch.equal(turned, found[order])


def test_memory_does_not_grow_with_iterations(generator, images, starts):
    """Resident memory between the hundredth iteration and the thousandth: activations of one are 2 MB."""
    seen = {}

    def watch(share):
        seen[round(1000 * share)] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    ran(Loop(gradient_of(generator), *aims(images), starts, optimiser(InpaintConfig.over_z()), 1000), watch)
    assert len(seen) == 1000
    assert seen[1000] - seen[100] <= 1024


class Plain(nn.Module):
    """A generator that is no DCGAN."""

    latent_size = 100

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(100, 3 * 64 * 64)

    def forward(self, z):
        return torch.tanh(self.linear(z)).view(-1, 3, 64, 64)


# torch's own, while it compiles
quiet = pytest.mark.filterwarnings("ignore")


@quiet
def test_compiled_it_is_the_same(images, starts):
    torch.manual_seed(0)
    gradient = partial(loss_and_gradient, TapedNetwork(frozen(Plain(), CPU), CPU, torch.float32))
    compiled, aim = Compiled(gradient), aims(images)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*not compiled")
        found = compiled(starts[0], *aim)
    for one, other in zip(found, gradient(starts[0], *aim), strict=True):
        assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_what_cannot_be_compiled_runs_as_it_is_and_says_why(images, starts, monkeypatch):
    tries = []

    def refuse(*_):
        tries.append(1)
        raise RuntimeError("no compiler\nat all")

    monkeypatch.setattr(torch, "compile", lambda *_, **__: refuse)
    torch.manual_seed(0)
    gradient = partial(loss_and_gradient, TapedNetwork(frozen(Plain(), CPU), CPU, torch.float32))
    compiled, aim = Compiled(gradient), aims(images)
    with pytest.warns(UserWarning, match="generator: not compiled, runs as it is: RuntimeError: no compiler at all"):
        found = compiled(starts[0], *aim)
    again = compiled(starts[0], *aim)
    assert len(tries) == 1
    for one, two, other in zip(found, again, gradient(starts[0], *aim), strict=True):
        assert torch.equal(one, other)
        assert torch.equal(two, other)


@quiet
def test_an_error_of_the_generator_s_own_is_raised(images, starts):
    class Broken(Plain):
        def forward(self, _):
            raise ValueError("no weights")

    gradient = partial(loss_and_gradient, TapedNetwork(Broken(), CPU, torch.float32))
    with pytest.warns(UserWarning, match="no weights"), pytest.raises(ValueError, match="no weights"):
        Compiled(gradient)(starts[0], *aims(images))
