"""One iteration, the loop around it, and the forms it may take on other devices."""

from __future__ import annotations

import dataclasses
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
from faceinpaint_fast.search.loop import Compiled, Loop, Question, loss_and_gradient
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import ATTEMPTS, optimiser
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem

CPU = torch.device("cpu")
HOLES = np.stack([masks.centre((64, 64)), masks.half((64, 64), "left"), masks.random_pixels((64, 64), 0.8)])


def aims(images, config=InpaintConfig(), holes=HOLES, discriminator=None, guess=None):  # noqa: B008 - frozen
    weights = torch.from_numpy(reference.weight_map(holes)).float()
    known = torch.from_numpy(~holes).float()
    problem = Problem(images * known[:, None], known, weights, guess)
    return Objective(problem, discriminator, config), Prior.of(problem, config)


def gradient_of(generator):
    return partial(loss_and_gradient, differentiable(frozen(generator, CPU), CPU, "fp32"))


def ran(loop):
    for _ in range(len(loop.losses)):
        loop.advance()
    return loop.found(loop.losses.shape[1])


@pytest.fixture
def images():
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def starts():
    return torch.randn(ATTEMPTS, 3, 100, generator=torch.Generator().manual_seed(2))


def test_the_gradient_is_autograd_s(generator, discriminator, images, starts):
    """In z, through G, the losses and D: against the reference's objective in float64."""
    config = InpaintConfig(lambda_d=0.003)
    G, D = (differentiable(frozen(network, CPU), CPU, "fp32") for network in (generator, discriminator))
    loss, gradient = loss_and_gradient(G, starts[0], *aims(images, config, discriminator=D))
    z = starts[0].double().requires_grad_()
    known, weights = torch.from_numpy(~HOLES).double(), torch.from_numpy(reference.weight_map(HOLES))
    x, D = generator.double()(z), discriminator.double()
    terms = reference_objective(x, D, images.double(), known, weights, config, z)
    assert_close(loss.double(), terms["total"].detach(), rtol=1e-5, atol=0)
    (expected,) = torch.autograd.grad(terms["total"].sum(), z)
    assert_close(gradient.double(), expected, rtol=0, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("search", ["adam-cosine", "bfgs"])
def test_a_loop_s_memory_serves_another_search(generator, images, starts, search):
    """What a CUDA graph is captured over: another search with the same shapes gives what one of its own gives."""
    config = InpaintConfig(iterations=5, search=search)
    gradient, guess = gradient_of(generator), 0.5 * starts[1]
    asked = Question(*aims(images, guess=guess), starts)
    expected = ran(Loop(gradient, asked, optimiser(config), config.iterations))
    other = Question(*aims(images.flip(0), holes=HOLES[::-1].copy(), guess=-guess), starts.flip(1))
    loop = Loop(gradient, other.rows(torch.arange(3)), optimiser(config), config.iterations)
    memory = [
        loop.asked.objective.target.v,
        loop.asked.prior.centre,
        loop.asked.starts,
        loop.losses,
        *(getattr(loop.state, f.name) for f in dataclasses.fields(loop.state)),
    ]
    addresses = [tensor.data_ptr() for tensor in memory]
    ran(loop)
    loop.begin(asked)
    assert torch.equal(loop.asked.starts, starts)
    found = ran(loop)
    for one, exact in zip(found, expected, strict=True):
        assert torch.equal(one, exact)
    assert [tensor.data_ptr() for tensor in memory] == addresses
    # results are copies: the next search does not change them
    kept = found[0].clone()
    loop.begin(other)
    ran(loop)
    assert torch.equal(found[0], kept)
    # fewer rows are the first ones
    loop.begin(asked.rows(torch.arange(2)))
    ran(loop)
    for one, exact in zip(loop.found(2), expected, strict=True):
        assert torch.equal(one, exact[..., :2] if one.ndim == 2 and len(one) == config.iterations else exact[:2])


def test_losses_of_every_iteration(generator, images, starts):
    gradient, (objective, prior) = gradient_of(generator), aims(images)
    z, losses, attempts = ran(Loop(gradient, Question(objective, prior, starts), optimiser(InpaintConfig()), 30))
    assert losses.shape == (30, 3)
    assert torch.equal(losses[0], gradient(starts[0], objective, prior)[0])
    assert (losses[-1] < losses[0]).all()
    assert not attempts.any()
    assert z.shape == (3, 100)


def test_memory_does_not_grow_with_iterations(generator, images, starts):
    """Resident memory between the hundredth iteration and the thousandth: activations of one are 2 MB."""
    loop = Loop(gradient_of(generator), Question(*aims(images), starts), optimiser(InpaintConfig()), 1000)
    seen = {}
    for iteration in range(1, 1001):
        loop.advance()
        seen[iteration] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
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
