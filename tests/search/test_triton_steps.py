"""An iteration in one launch, in Triton's interpreter where there is no GPU, against the optimisers in plain torch."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast import InpaintConfig
from faceinpaint_fast.search.objective import Objective, discriminator_loss
from faceinpaint_fast.search.optimisers import ATTEMPTS, BFGS, Adam, AdamState, BFGSState, Moments
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem

pytest.importorskip("triton", reason="Triton is not installed")

from faceinpaint_fast.search import triton_steps
from faceinpaint_fast.search.triton_steps import (
    COMPOSED,
    Composition,
    Found,
    begin,
    begin_,
    blocks,
    candidates,
    discriminator_slope,
    step_,
)
from faceinpaint_fast.tuning import Card, Choice, Table

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# float32: sums of up to 200 products in another order, and what a few steps of a curved valley make of them
TOLERANCE = {torch.float32: {"rtol": 1e-5, "atol": 1e-5}, torch.float64: {"rtol": 1e-11, "atol": 1e-11}}
# what an overflow or a NaN in a row makes NumPy say, in the interpreter
not_finite = pytest.mark.filterwarnings("ignore:.*(invalid value|overflow):RuntimeWarning")


def drawn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(DEVICE, dtype)


def valley(z):
    """Rosenbrock's, in as many dimensions as there are: bent, and badly scaled."""
    return (10 * (z[:, 1:] - z[:, :-1] ** 2) ** 2 + (1 - z[:, :-1]) ** 2).sum(dim=1)


def bowl(z):
    """A quadratic, a hundred times as steep one way as the other."""
    return (torch.logspace(0, 2, z.shape[1], dtype=z.dtype, device=z.device) * (z - 1) ** 2).sum(dim=1)


def of(loss_of, z):
    z = z.clone().requires_grad_()
    loss = loss_of(z)
    (gradient,) = torch.autograd.grad(loss.sum(), z)
    return loss.detach(), gradient


def composed(loss, gradient):
    return COMPOSED, Found(loss[:, None], loss[:, None], gradient)


def adam(dtype=torch.float32, rate=0.2, **settings):
    rule = Adam.of(12, rate, "cosine", device=DEVICE, **settings)
    return dataclasses.replace(rule, **{name: getattr(rule, name).to(dtype) for name in ("size", "mean", "square")})


def assert_same(state, expected, **tolerance):
    for field in dataclasses.fields(expected):
        one, other = getattr(state, field.name), getattr(expected, field.name)
        if field.name == "inverse":
            # it is not kept until there is something in it
            one, other = one[expected.learnt], other[expected.learnt]
        if one.is_floating_point():
            assert_close(one, other, **tolerance, msg=lambda text, name=field.name: f"{name}: {text}")
        else:
            assert torch.equal(one, other.expand_as(one)), field.name


def follow(rule, starts, loss_of, iterations, **tolerance):
    """Step by step, each from where the plain optimiser stands; returns its states."""
    expected, state = rule.begin(starts[0]), begin(rule, starts[0])
    losses = starts.new_full((iterations, starts.shape[1]), torch.nan)
    states = []
    for iteration in range(iterations):
        loss, gradient = loss_of(iteration, expected.z)
        expected = rule.step(expected, loss, gradient, starts)
        step_(rule, state, starts, losses, *composed(loss, gradient))
        assert torch.equal(losses[iteration], loss) or not loss.isfinite().all()
        assert_same(state, expected, **tolerance)
        states.append(expected)
    return states


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(
    ("n", "loss_of"), [(5, valley), (7, bowl), (16, valley), (100, bowl), (100, valley)], ids=lambda v: str(v)[:12]
)
def test_bfgs(n, loss_of, dtype):
    starts = drawn(ATTEMPTS, 2, n, dtype=dtype)
    states = follow(BFGS(0.5, 1.2), starts, lambda _, z: of(loss_of, z), 5, **TOLERANCE[dtype])
    # it has learnt, and been clipped
    assert states[-1].learnt.all()
    assert max(float(state.z.abs().max()) for state in states) == pytest.approx(1.2)


@pytest.mark.parametrize(("rows", "n"), [(1, 200), (300, 40)])
def test_bfgs_walks_a_matrix_that_registers_do_not_hold(rows, n, monkeypatch):
    """That of a long code, or any in a large batch."""
    blocks = candidates("bfgs", rows, n)[0]
    assert 2 * blocks["ROWS"] < n
    monkeypatch.setattr(triton_steps, "blocks", lambda *_: blocks)
    starts = drawn(ATTEMPTS, 1, n, dtype=torch.float64)
    states = follow(BFGS(0.5, float("inf")), starts, lambda _, z: of(valley, z), 3, **TOLERANCE[torch.float64])
    assert states[-1].learnt.all()


@pytest.mark.parametrize("kernel", ["bfgs", "adam"])
def test_every_way_to_cut_the_work_gives_the_same(kernel, monkeypatch):
    n = 40 if kernel == "bfgs" else 2048
    rule, starts = BFGS(0.5, 2.0) if kernel == "bfgs" else adam(), drawn(ATTEMPTS, 1, n)
    ways = candidates(kernel, 1, n)
    assert len({str(way) for way in ways}) > 1
    for way in ways:
        monkeypatch.setattr(triton_steps, "blocks", lambda *_, way=way: way)
        follow(rule, starts, lambda _, z: of(valley, z), 2, **TOLERANCE[torch.float32])


def test_a_table_decides_how_the_work_is_cut(monkeypatch):
    device, way = torch.device("cpu"), {"N": 128, "ROWS": 64, "num_warps": 8}
    assert blocks("bfgs", device, 16, 100) == candidates("bfgs", 16, 100)[0]
    measured = Choice("bfgs", {"rows": 16, "n": 100}, way, 1.0)
    table = Table(Card("", (9, 0), 132), {}, (measured,))
    monkeypatch.setattr(triton_steps, "table_of", lambda _: table)
    assert blocks("bfgs", device, 20, 100) == way
    # of codes of another size nothing was measured
    assert blocks("bfgs", device, 20, 64) == candidates("bfgs", 20, 64)[0]
    assert blocks("adam", device, 20, 100) == candidates("adam", 20, 100)[0]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("n", [5, 16, 100])
def test_adam(n, dtype):
    starts = drawn(ATTEMPTS, 2, n, dtype=dtype)
    follow(adam(dtype, z_max=1.2, rate=0.1), starts, lambda _, z: of(valley, z), 5, **TOLERANCE[dtype])


def test_adam_over_long_rows_with_other_betas(monkeypatch):
    """As over activations: blocks, the last one not whole, and torch's Adam as the judge."""
    monkeypatch.setattr(triton_steps, "blocks", lambda *_: {"BLOCK": 64, "num_warps": 1})
    age = torch.arange(13, dtype=torch.float64, device=DEVICE)
    moments = Moments(0.5, 0.99, 0.1)
    rule = dataclasses.replace(adam(torch.float64), mean=1 - 0.5**age, square=1 - 0.99**age, moments=moments)
    z = drawn(2, 150, dtype=torch.float64)
    starts = z[None]
    state, losses = begin(rule, z), z.new_empty(12, 2)
    expected = torch.nn.Parameter(z.clone())
    judge = torch.optim.Adam([expected], betas=(0.5, 0.99), eps=0.1)
    for iteration in range(4):
        loss, gradient = of(valley, state.z)
        expected.grad, judge.param_groups[0]["lr"] = gradient.clone(), float(rule.size[iteration])
        judge.step()
        step_(rule, state, starts, losses, *composed(loss, gradient))
        assert_close(state.z, expected.detach(), rtol=1e-11, atol=1e-11)


@not_finite
@pytest.mark.parametrize("rule", ["bfgs", "adam"])
def test_rows_that_fail_begin_again_alone(rule, monkeypatch):
    """A NaN loss at once and always, an infinite gradient at once, one later, and a row that nothing happens to."""
    if rule == "adam":
        monkeypatch.setattr(triton_steps, "blocks", lambda *_: {"BLOCK": 8, "num_warps": 1})

    def loss_of(iteration, z):
        loss, gradient = of(valley, z)
        loss[0] = torch.nan
        if iteration == 0:
            gradient[1, 9] = torch.inf
        if iteration == 2:
            gradient[2, 3] = -torch.inf
            loss[1] = torch.inf
        return loss, gradient

    starts = drawn(ATTEMPTS, 4, 10)
    rule = BFGS(0.5, 9.0) if rule == "bfgs" else adam()
    states = follow(rule, starts, loss_of, 6, **TOLERANCE[torch.float32], equal_nan=True)
    later = 1 if isinstance(rule, Adam) else 0
    assert [state.attempt.tolist() for state in states[:3]] == [[1, 1, 0, 0], [2, 1, 0, 0], [3, 1 + later, later, 0]]
    assert states[-1].attempt.tolist() == [ATTEMPTS, 1 + later, later, 0]
    assert torch.equal(states[0].z[:2], starts[1, :2])


@not_finite
@pytest.mark.parametrize("rule", [BFGS(0.5, 2.0), adam()], ids=["bfgs", "adam"])
def test_a_row_s_bits_depend_neither_on_its_neighbours_nor_on_its_place(rule):
    one = drawn(ATTEMPTS, 1, 10)
    many = torch.cat([drawn(ATTEMPTS, 2, 10, seed=1), one, drawn(ATTEMPTS, 1, 10, seed=2)], dim=1)
    states = {1: begin(rule, one[0]), 4: begin(rule, many[0])}
    for iteration in range(4):
        for starts, state in zip((one, many), states.values(), strict=True):
            loss, gradient = map(torch.cat, zip(*[of(valley, row[None]) for row in state.z], strict=True))
            if len(loss) > 1 and iteration == 1:
                loss[1], gradient[3] = torch.nan, torch.inf
            step_(rule, state, starts, starts.new_empty(12, len(loss)), *composed(loss, gradient))
    for field in dataclasses.fields(states[1]):
        alone, among = (getattr(states[count], field.name)[row] for count, row in ((1, 0), (4, 2)))
        assert torch.equal(alone, among), field.name


@pytest.mark.parametrize("rule", [BFGS(0.5, 2.0), adam()], ids=["bfgs", "adam"])
def test_a_state_s_memory_serves_another_search(rule):
    """Whatever is in it; and one of fewer rows."""
    starts = drawn(ATTEMPTS, 2, 6)
    fresh, used = begin(rule, starts[0]), begin(rule, drawn(3, 6, seed=1))
    for field in dataclasses.fields(used):
        memory = getattr(used, field.name)
        memory.fill_(torch.nan if memory.is_floating_point() else 1)
    used.z[2] = 0
    begin_(used, starts[0])
    third = torch.cat([starts, starts[:, :1]], dim=1)
    for _ in range(3):
        step_(rule, fresh, starts, starts.new_empty(3, 2), *composed(*of(valley, fresh.z)))
        step_(rule, used, third, starts.new_empty(3, 3), *composed(*of(valley, used.z)))
    for field in dataclasses.fields(fresh):
        one, other = getattr(fresh, field.name), getattr(used, field.name)[:2]
        assert (
            torch.equal(one[fresh.learnt], other[fresh.learnt]) if field.name == "inverse" else torch.equal(one, other)
        )


# -------------------------------------------------------------------------------------------------------------- Eq. 8


def aims(config, guess=None):
    """Of 4 images: of the last nothing is known.  D is a mean, from about -5 to 5."""

    def judge(x):
        return 10 * x.mean(dim=(1, 2, 3)), lambda of_logit, onto=0: onto + of_logit[:, None, None, None].expand_as(x)

    random = torch.Generator().manual_seed(3)
    images, known = torch.rand(4, 3, 16, 16, generator=random), torch.rand(4, 16, 16, generator=random).round()
    known[3] = 0
    images = images * known[:, None]
    problem = Problem(images.to(DEVICE), known.to(DEVICE), 1 + known.to(DEVICE), guess)
    return Objective(problem, judge, config), Prior.of(problem, config)


def parts_of(sums, count):
    """As many numbers a row that add up to each of them."""
    shares = 1 + drawn(len(sums), count, seed=5).abs()
    return sums[:, None] * (shares / shares.sum(dim=1, keepdim=True))


@pytest.mark.parametrize(
    ("lambdas", "counts", "guessed"),
    [
        ((0.0, 0.95, 0.05, 0.03), (1, 1), False),
        ((0.003, 0.2, 0.797, 0.1), (12, 7), True),
        ((0.5, 0.0, 0.3, 0.0), (300, 128), False),
        ((0.0, 0.7, 0.0, 2.0), (3, 5), True),
    ],
)
@pytest.mark.parametrize("rule", [BFGS(0.5, 2.0), adam()], ids=["bfgs", "adam"])
def test_eq_8_and_its_gradient_are_the_objective_s(rule, lambdas, counts, guessed):
    names = ("lambda_d", "lambda_c", "lambda_s", "lambda_z")
    config = InpaintConfig(**dict(zip(names, lambdas, strict=True)))
    objective, prior = aims(config, drawn(4, 20, seed=4) if guessed else None)
    x, z, pulled = drawn(4, 3, 16, 16).tanh(), drawn(4, 20, seed=1), drawn(4, 20, seed=2)
    expected = objective.with_gradient(x)[0] + prior.weighted(z)
    terms = objective.terms(x)
    l1, structural = terms[:, 1] * objective.total_weight, terms[:, 2]
    # what has no part may be anything
    parts = [
        parts_of(sums, count) if weight else torch.full((4, count), torch.nan, device=DEVICE)
        for sums, count, weight in ((structural, counts[0], lambdas[2]), (l1, counts[1], lambdas[1]))
    ]
    logit = objective.D(x)[0] if lambdas[0] else None
    composition = Composition(lambdas, objective.total_weight, prior.share, prior.centre)
    state, losses = begin(rule, z), z.new_empty(12, 4)
    step_(rule, state, z.expand(ATTEMPTS, -1, -1), losses, composition, Found(*parts, pulled, logit))
    assert_close(losses[0], expected, rtol=1e-5, atol=1e-6)
    plain = rule.step(rule.begin(z), expected, pulled + prior.gradient(z), z.expand(ATTEMPTS, -1, -1))
    assert_same(state, plain, rtol=1e-5, atol=2e-6)


def test_the_discriminator_s_loss_is_eq_3_at_either_end():
    logit = torch.tensor([-800.0, -40.0, -1.0, 0.0, 1e-4, 3.0, 40.0, 800.0], device=DEVICE)
    z = drawn(8, 4)
    zeros = torch.zeros_like(logit)
    composition = Composition((1.0, 0.0, 0.0, 0.0))
    losses = z.new_empty(1, 8)
    rule = BFGS(0.1, 1.0)
    step_(rule, begin(rule, z), z.expand(ATTEMPTS, -1, -1), losses, composition, Found(*[zeros[:, None]] * 2, z, logit))
    assert_close(losses[0], discriminator_loss(logit), rtol=1e-6, atol=1e-15)


def test_the_discriminator_s_slope():
    logit = torch.cat([torch.tensor([-800.0, -40.0, 0.0, 40.0, 800.0, torch.nan]), torch.linspace(-3, 3, 300)])
    logit = logit.to(DEVICE)
    expected = (-0.3 * torch.sigmoid(logit.double())).float()
    with np.errstate(over="ignore"):
        assert_close(discriminator_slope(logit, 0.3), expected, rtol=1e-6, atol=0, equal_nan=True)


def test_states_hold_no_more_than_their_optimisers_do():
    """A loop copies field by field."""
    for rule, state in ((BFGS(0.1, 1.0), BFGSState), (adam(), AdamState)):
        begun = begin(rule, drawn(3, 4))
        assert isinstance(begun, state)
        assert begun.iteration.shape == (3,)
