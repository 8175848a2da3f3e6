"""The search as it runs on a CUDA device, in Triton's interpreter where there is none, against the plain loop."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast import InpaintConfig, Normalization, masks, reference
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.search.loop import Loop, loss_and_gradient
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import ATTEMPTS, optimiser, optimiser_of
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem

pytest.importorskip("triton", reason="Triton is not installed")

from faceinpaint_fast.ops import cpu, triton_ssim_l1
from faceinpaint_fast.search.fused import FusedLoop, composed, finding_of, in_parts

# the interpreter takes networks on a CPU as they are
CPU = torch.device("cpu")
HOLES = np.stack([masks.centre((64, 64)), masks.half((64, 64), "left"), masks.random_pixels((64, 64), 0.8)])
ITERATIONS = 3


@pytest.fixture
def starts():
    return torch.randn(ATTEMPTS, 3, 100, generator=torch.Generator().manual_seed(2))


def config_of(**settings):
    return InpaintConfig.over_z(iterations=ITERATIONS, **settings)


def asked_of(networks, config, starts, guess=None, seed=1):
    images = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    known = torch.from_numpy(~HOLES).float()
    problem = Problem(images * known[:, None], known, torch.from_numpy(reference.weight_map(HOLES)).float(), guess)
    return Objective(problem, networks.discriminator, config), Prior.of(problem, config), starts


def searched(networks, config, asked):
    """A fused search, and its plain loop."""
    gradient, rule = partial(loss_and_gradient, networks.generator), optimiser(config)
    fused = FusedLoop(finding_of(networks, gradient, config), rule, ITERATIONS, *asked)
    return fused, Loop(gradient, *asked, rule, ITERATIONS)


def nowhere(_):
    """Nobody hears of the progress."""


@pytest.fixture
def networks(generator, discriminator):
    return Networks.of(frozen(generator, CPU), frozen(discriminator, CPU), None, InpaintConfig.over_z(), CPU)


@pytest.fixture
def losses_by_csrc(monkeypatch):
    """SSIM and L1 by the kernels for the CPU, since the interpreter takes seconds a plane for those for CUDA."""

    def in_one_part(x, w, v, *target, signed):
        assert signed
        ssim, l1, gradient = cpu.ssim_l1((x + 1) / 2, w, v, *target, with_gradient=True)
        return 1 - ssim[:, None], l1[:, None], gradient / 2

    monkeypatch.setattr(triton_ssim_l1, "ssim_l1_partials", in_one_part)


def assert_is_the_plain_loop(networks, config, asked):
    fused, plain = searched(networks, config, asked)
    z, losses, attempts = fused.iterate(nowhere)
    expected = plain.iterate(nowhere)
    # float32 in another order, over three iterations
    assert_close(z, expected[0], rtol=1e-4, atol=1e-4)
    assert_close(losses, expected[1], rtol=1e-5, atol=1e-6)
    assert torch.equal(attempts, expected[2])
    assert (losses[-1] < losses[0]).all()


def test_with_its_own_kernels_it_is_the_plain_loop(lively, monkeypatch):
    """One grey image of 32 x 32, and as few tiles as can be: the interpreter takes a while."""
    tile = triton_ssim_l1.Tile(columns=1, warps=1, rows=32)
    monkeypatch.setattr(triton_ssim_l1, "TILES", dict.fromkeys(triton_ssim_l1.TILES, ((float("inf"), tile),)))
    G, D = (lively(network(size=32, width=4, channels=1)) for network in (DCGANGenerator, DCGANDiscriminator))
    config = config_of(start="random", lambda_d=0.003)
    networks = Networks.of(frozen(G, CPU), frozen(D, CPU), None, config, CPU)
    random = torch.Generator().manual_seed(1)
    known = torch.from_numpy(~masks.half((32, 32), "left"))[None].float()
    image = torch.rand(1, 1, 32, 32, generator=random) * known[:, None]
    problem = Problem(image, known, torch.from_numpy(reference.weight_map(known.numpy() == 0)).float(), None)
    starts = torch.randn(ATTEMPTS, 1, 100, generator=random)
    asked = Objective(problem, networks.discriminator, config), Prior.of(problem, config), starts
    assert_is_the_plain_loop(networks, config, asked)


@pytest.mark.usefixtures("losses_by_csrc")
@pytest.mark.parametrize(
    "config",
    [
        config_of(),
        config_of(optimiser="adam", schedule="cosine", start="random", lambda_d=0.003),
        config_of(start="random", lambda_d=0.3, lambda_s=0.5, lambda_z=0.0, normalization="none"),
        config_of(start="random", lambda_c=0.0, lambda_s=1.0),
        config_of(optimiser="adam", start="random", normalization=Normalization(-1.0, 1.0, 0.0, 1e6)),
    ],
    ids=["guided", "adam with D", "sums, no prior", "SSIM alone", "bounds"],
)
def test_it_is_the_plain_loop(config, networks, starts):
    guess = 0.5 * starts[1] if config.start == "encoder" else None
    assert_is_the_plain_loop(networks, config, asked_of(networks, config, starts, guess))


@pytest.mark.usefixtures("losses_by_csrc")
def test_over_activations_it_is_the_plain_loop(networks, starts):
    """Behind the second layer, held to where they began, with one start."""
    config = InpaintConfig(stages=[(2, ITERATIONS, 0.1)])
    u = networks.cuts[1].into(networks.cuts[0].into(starts[0]))
    objective, *_ = asked_of(networks, config, starts)
    asked = objective, Prior.at(u, config), u[None].clone()
    beyond, rule = networks.beyond(2), optimiser_of(config.stages[0], config)
    gradient = partial(loss_and_gradient, beyond.generator)
    found = FusedLoop(finding_of(beyond, gradient, config), rule, ITERATIONS, *asked).iterate(nowhere)
    plain = Loop(gradient, *asked, rule, ITERATIONS).iterate(nowhere)
    # nearly all of them: where a gradient is about 0 either sign is right
    assert (found[0] - plain[0]).abs().median() < 1e-5
    assert (found[0] - u).abs().max() > 0.1
    assert_close(found[1], plain[1], rtol=1e-4, atol=1e-6)
    assert not found[2].any()


def test_what_cannot_be_fused_is_composed_before(networks):
    gradient = partial(loss_and_gradient, networks.generator)
    assert finding_of(networks, gradient, InpaintConfig.over_z()).func is in_parts
    assert finding_of(networks, gradient, InpaintConfig.paper()).func is composed


@pytest.mark.usefixtures("losses_by_csrc")
def test_a_row_without_a_finite_loss_begins_again(networks, starts):
    config = config_of(start="random")
    starts[0, 1] = torch.nan
    fused, _ = searched(networks, config, asked_of(networks, config, starts))
    for _ in range(2):
        fused.advance()
    z, losses, attempts = fused.state.found, fused.losses, fused.state.attempt
    assert attempts.tolist() == [0, 1, 0]
    assert losses[0].isfinite().tolist() == [True, False, True]
    assert losses[1].isfinite().all()
    assert z.isfinite().all()
