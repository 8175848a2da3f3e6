"""Adam and BFGS, by hand, by torch and by the reference; each row on its own."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from faceinpaint_fast import InpaintConfig
from faceinpaint_fast.reference.search import bfgs as plain_bfgs
from faceinpaint_fast.search.optimisers import ATTEMPTS, BFGS, Adam, Moments, optimiser, optimiser_of


@pytest.fixture
def starts():
    return torch.randn(ATTEMPTS, 3, 100, generator=torch.Generator().manual_seed(2))


# --------------------------------------------------------------------------------------------------------------- Adam


def test_an_iteration_is_torch_s_adam(starts):
    """With weights of another step size every iteration, as the adam has it."""
    sizes = torch.tensor([0.2, 0.1, 0.05, 0.4])
    adam = dataclasses.replace(Adam.of(4, 0.2, "constant"), size=sizes)
    z = nn.Parameter(starts[0].clone())
    torch_adam = torch.optim.Adam([z])
    state = Adam.of(30, 0.2, "constant").begin(starts[0])
    random = torch.Generator().manual_seed(3)
    for size in sizes:
        gradient = torch.randn(z.shape, generator=random)
        torch_adam.param_groups[0]["lr"] = float(size)
        z.grad = gradient
        torch_adam.step()
        state = adam.step(state, torch.zeros(3), gradient, starts)
        # the same formula in another order, in float32
        assert_close(state.z, z.detach(), rtol=0, atol=1e-5)
    assert state.iteration.tolist() == [4]
    assert state.attempt.tolist() == [0, 0, 0]


def test_an_iteration_changes_nothing_that_it_was_given(starts):
    state = Adam.of(30, 0.2, "constant").begin(starts[0])
    before = [getattr(state, field.name).clone() for field in dataclasses.fields(state)]
    loss, gradient = torch.zeros(3), torch.ones(3, 100)
    arguments = loss, gradient, starts
    copies = [tensor.clone() for tensor in arguments]
    Adam.of(30, 0.2, "constant").step(state, loss, gradient, starts)
    for field, tensor in zip(dataclasses.fields(state), before, strict=True):
        assert torch.equal(getattr(state, field.name), tensor)
    for argument, copy in zip(arguments, copies, strict=True):
        assert torch.equal(argument, copy)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_row_that_is_not_finite_begins_again_alone(what, starts):
    loss, gradient = torch.zeros(3), torch.ones(3, 100)
    adam = Adam.of(30, 0.1, "constant")
    state = adam.step(adam.begin(starts[0]), loss, gradient, starts)
    well = adam.step(state, loss, gradient, starts)
    bad_loss, bad_gradient = loss.clone(), gradient.clone()
    if what == "loss":
        bad_loss[1] = float("inf")
    else:
        bad_gradient[1, 5] = float("nan")
    found = adam.step(state, bad_loss, bad_gradient, starts)
    assert torch.equal(found.z[1], starts[1, 1])
    assert not found.mean[1].any()
    assert not found.square[1].any()
    assert found.age.tolist() == [2, 0, 2]
    assert found.attempt.tolist() == [0, 1, 0]
    assert torch.equal(found.z[[0, 2]], well.z[[0, 2]])
    # a new start takes Adam's first step
    again = adam.step(found, loss, gradient, starts)
    assert_close(again.z[1], starts[1, 1] - 0.1)


def test_z_is_clipped_after_the_step(starts):
    loss, gradient = torch.zeros(3), torch.ones(3, 100)
    free, clipped = (
        Adam.of(30, 0.2, "constant", **bound).step(
            Adam.of(30, 0.2, "constant").begin(starts[0]), loss, gradient, starts
        )
        for bound in ({}, {"z_max": 0.5})
    )
    assert free.z.abs().max() > 2
    assert torch.equal(clipped.z, free.z.clamp(-0.5, 0.5))
    # a code that is no longer finite is not clipped into one that is
    lost = Adam.of(30, 0.2, "constant", z_max=0.5).step(clipped, loss, gradient * torch.nan, starts)
    assert lost.attempt.tolist() == [1, 1, 1]


def test_a_row_s_bits_do_not_depend_on_its_place():
    """In 40 rows of one code: torch's vectors of 32 numbers, and what is left, may round powers differently."""
    random = torch.Generator().manual_seed(0)
    code, *gradients = torch.randn(30, 1, 100, generator=random)
    adam = Adam.of(50, 0.2, "constant")
    states = {count: Adam.of(30, 0.2, "constant").begin(code.expand(count, -1)) for count in (1, 40)}
    for gradient in gradients:
        for count, state in states.items():
            starts = code.expand(ATTEMPTS, count, -1)
            states[count] = adam.step(state, torch.zeros(count), gradient.expand(count, -1), starts)
    assert torch.equal(states[40].z, states[1].z.expand(40, -1))


def test_attempts_end(starts):
    state, adam = Adam.of(30, 0.2, "constant").begin(starts[0]), Adam.of(30, 0.2, "constant")
    for number in range(1, 7):
        state = adam.step(state, torch.full((3,), torch.nan), torch.ones(3, 100), starts)
        assert state.attempt.tolist() == [min(number, ATTEMPTS)] * 3
        assert state.z.isfinite().all()


def test_step_sizes():
    assert_close(Adam.of(4, 0.3, "constant").size, torch.full((4,), 0.3))
    cosine = Adam.of(4, 0.3, "cosine").size
    assert_close(cosine, torch.tensor([0.3, 0.3 * (2 + 2**0.5) / 4, 0.15, 0.3 * (2 - 2**0.5) / 4]))


def test_the_config_names_the_optimisers_and_their_step_sizes():
    config = InpaintConfig(iterations=3, learning_rate=0.7, z_max=2.0, stages=[(2, 5, 0.3)])
    over_z, beyond = optimiser(config), optimiser_of(config.stages[0], config)
    assert (over_z.moments, over_z.z_max) == (Moments(0.9, 0.999, 1e-8), 2.0)
    assert (beyond.moments, beyond.z_max) == (Moments(0.5, 0.999, 1e-12), math.inf)
    assert_close(over_z.size, Adam.of(3, 0.7, "cosine").size)
    assert_close(beyond.size, Adam.of(5, 0.3, "cosine").size)
    assert_close(beyond.mean[1:3], torch.tensor([0.5, 0.75]))
    assert isinstance(optimiser(InpaintConfig.over_z()), BFGS)


# --------------------------------------------------------------------------------------------------------------- BFGS


def minimised(loss_of, z, config):
    """Every state of a search for the least loss, (B, n) -> (B,), from z on; no other starts."""
    rule = optimiser(config)
    states = [rule.begin(z)]
    for _ in range(config.iterations):
        at = states[-1].z.clone().requires_grad_()
        loss = loss_of(at)
        (gradient,) = torch.autograd.grad(loss.sum(), at)
        states.append(rule.step(states[-1], loss.detach(), gradient, z.expand(ATTEMPTS, *z.shape)))
    return states


def valley(z):
    """Rosenbrock's, in as many dimensions as there are: bent, and badly scaled."""
    return (10 * (z[:, 1:] - z[:, :-1] ** 2) ** 2 + (1 - z[:, :-1]) ** 2).sum(dim=1)


@pytest.mark.parametrize("z_max", [float("inf"), 0.8])
def test_bfgs_is_the_reference_s(z_max):
    """Step by step in float64: where it stands, and what it has found."""
    z = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    config = InpaintConfig.over_z(iterations=40, learning_rate=0.5, z_max=z_max)
    found = minimised(valley, z, config)
    expected, rows = plain_bfgs(lambda z: {"total": valley(z)}, z, config)
    assert_close(torch.stack([valley(state.z) for state in found[:-1]]), torch.stack([row["total"] for row in rows]))
    assert_close(found[-1].found, expected, rtol=1e-7, atol=1e-7)
    # steps were halved on the way, or there was nothing to compare
    assert any((state.size < 1).any() for state in found)
    if z_max == 0.8:
        assert found[-1].z.abs().max() == 0.8


def test_bfgs_learns_a_quadratic_s_curvature():
    """Exact in theory after n exact line searches; here about as many steps, and the inverse Hessian with them."""
    basis = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))[0]
    hessian = basis @ torch.diag(torch.logspace(0, 2, 8, dtype=torch.float64)) @ basis.T
    least = torch.arange(8.0, dtype=torch.float64)

    def loss(z):
        return torch.einsum("bi,ij,bj->b", z - least, hessian, z - least) / 2

    last = minimised(loss, torch.zeros(1, 8, dtype=torch.float64), InpaintConfig.over_z(iterations=60))[-1]
    assert (last.found - least).norm() < 1e-6 * least.norm()
    # the identity's norm is 2.8; the best multiple of it, which knows no curvature, is 2.1 off
    assert (last.inverse[0] @ hessian - torch.eye(8)).norm() < 0.3
    assert_close(last.inverse, last.inverse.transpose(1, 2))


def test_bfgs_never_loses_ground():
    z = torch.randn(16, 10, generator=torch.Generator().manual_seed(3))
    states = minimised(valley, z, InpaintConfig.over_z(iterations=30))
    losses = torch.stack([state.loss for state in states[1:]])
    assert (losses.diff(dim=0) <= 0).all()
    assert_close(losses[-1], valley(states[-1].found))
    assert (losses[-1] < 0.05 * losses[0]).all()


def test_bfgs_begins_with_a_step_of_the_length_asked_for():
    z = torch.randn(3, 10, generator=torch.Generator().manual_seed(3))
    first = minimised(valley, z, InpaintConfig.over_z(iterations=1, learning_rate=0.25))[-1]
    at = z.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(valley(at).sum(), at)
    assert_close(first.z, z - 0.25 * gradient / gradient.norm(dim=1, keepdim=True))
    assert torch.equal(first.found, z)


def test_bfgs_stays_where_there_is_no_slope():
    states = minimised(lambda z: 0 * z.sum(dim=1), torch.ones(2, 5), InpaintConfig.over_z(iterations=4))
    assert torch.equal(states[-1].found, torch.ones(2, 5))
    assert states[-1].z.isfinite().all()


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_bfgs_without_a_finite_loss_begins_again_alone(what, starts):
    rule, loss, gradient = BFGS(0.1, float("inf")), torch.zeros(3), torch.ones(3, 100)
    bad_loss, bad_gradient = loss.clone(), gradient.clone()
    if what == "loss":
        bad_loss[1] = float("inf")
    else:
        bad_gradient[1, 5] = float("nan")
    begun = rule.begin(starts[0])
    well, found = (rule.step(begun, *given, starts) for given in ((loss, gradient), (bad_loss, bad_gradient)))
    assert torch.equal(found.z[1], starts[1, 1])
    assert found.attempt.tolist() == [0, 1, 0]
    assert torch.equal(found.z[[0, 2]], well.z[[0, 2]])
    # a new start takes the first step
    again = rule.step(found, loss, gradient, starts)
    assert_close(again.z[1], starts[1, 1] - 0.01)
    # later on what is not finite was a step too far: half of it
    halved = rule.step(well, bad_loss, bad_gradient, starts)
    assert halved.attempt.tolist() == [0, 0, 0]
    assert torch.equal(halved.found[1], starts[0, 1])
    assert_close(halved.z[1], starts[0, 1] - 0.005)
    state = begun
    for number in range(1, 7):
        state = rule.step(state, torch.full((3,), torch.nan), gradient, starts)
        assert state.attempt.tolist() == [min(number, ATTEMPTS)] * 3


def test_a_row_s_bits_depend_neither_on_its_place_nor_on_how_many_there_are():
    z = torch.randn(1, 100, generator=torch.Generator().manual_seed(0))
    config = InpaintConfig.over_z(iterations=25)
    # each row's loss by itself, so that only the optimiser can differ
    alone, many = (
        minimised(lambda z: torch.stack([valley(row[None])[0] for row in z]), z.repeat(count, 1), config)[-1]
        for count in (1, 37)
    )
    for field in dataclasses.fields(alone):
        if field.name != "iteration":
            value = getattr(many, field.name)
            assert torch.equal(value, getattr(alone, field.name).expand_as(value)), field.name


def test_bfgs_changes_nothing_that_it_was_given(starts):
    rule = BFGS(0.1, float("inf"))
    state = rule.step(rule.begin(starts[0]), torch.zeros(3), torch.ones(3, 100), starts)
    before = [getattr(state, field.name).clone() for field in dataclasses.fields(state)]
    rule.step(state, torch.full((3,), -1.0), torch.full((3, 100), 0.9), starts)
    for field, tensor in zip(dataclasses.fields(state), before, strict=True):
        assert torch.equal(getattr(state, field.name), tensor)
    # a loop copies each of them into its own memory
    begun = rule.begin(starts[0])
    addresses = [getattr(begun, field.name).data_ptr() for field in dataclasses.fields(begun)]
    assert len({*addresses}) == len(addresses)
