"""The few launches of an iteration on a CUDA device against the plain loop; Triton's interpreter stands in for one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast import InpaintConfig, masks
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from faceinpaint_fast.networks.products import TorchProduct
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.search.loop import Loop, Question, loss_and_gradient
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import ATTEMPTS, optimiser
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.problem import Problem

pytest.importorskip("triton", reason="Triton is not installed")

from faceinpaint_fast.networks.triton_layers import TritonProduct
from faceinpaint_fast.search.triton_loop import TritonLoop, serves

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SIZE, LATENT_SIZE = 32, 6


@pytest.fixture(scope="module")
def modules():
    torch.manual_seed(3)
    G = DCGANGenerator(size=SIZE, width=8, latent_size=LATENT_SIZE)
    D = DCGANDiscriminator(size=SIZE, width=8)
    for parameter in (*G.parameters(), *D.parameters()):
        # a fresh DCGAN draws flat grey
        if parameter.ndim == 4:
            torch.nn.init.normal_(parameter, 0, 0.1)
    return frozen(G, DEVICE), frozen(D, DEVICE)


def question(modules, config, product, count=2):
    networks = Networks.of(*modules, None, config, DEVICE, product)
    images = torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    holes = np.stack([masks.centre((SIZE, SIZE)), masks.half((SIZE, SIZE), "left")])[:count]
    problem = Problem.of(images, torch.from_numpy(holes).to(DEVICE), networks, config)
    objective, prior = Objective(problem, networks.discriminator, config), Prior.of(problem, config)
    starts = torch.randn(ATTEMPTS, count, LATENT_SIZE, generator=torch.Generator().manual_seed(1)).to(DEVICE)
    return networks, Question(objective, prior, starts)


def ran(loop):
    for _ in range(len(loop.losses)):
        loop.advance()
    return loop.found(loop.losses.shape[1])


@pytest.mark.parametrize("lambda_d", [0.0, 0.01])
@pytest.mark.parametrize("search", ["bfgs", "adam-cosine"])
def test_it_is_the_plain_loop(search, lambda_d, modules):
    config = InpaintConfig(search=search, iterations=3, lambda_d=lambda_d, lambda_s=0.3, lambda_c=0.7)
    networks, asked = question(modules, config, TritonProduct)
    fast = ran(TritonLoop(networks.generator, asked, optimiser(config, DEVICE), config.iterations))
    networks, asked = question(modules, config, TorchProduct)

    def gradient(*arguments):
        return loss_and_gradient(networks.generator, *arguments)

    plain = ran(Loop(gradient, asked, optimiser(config, DEVICE), config.iterations))
    # float32 sums in another order, through three iterations
    for found, expected in zip(fast[:2], plain[:2], strict=True):
        assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(fast[2], plain[2])


def test_its_memory_serves_another_search(modules):
    config = InpaintConfig(search="bfgs", iterations=2)
    networks, asked = question(modules, config, TritonProduct)
    rule = optimiser(config, DEVICE)
    expected = ran(TritonLoop(networks.generator, asked, rule, 2))
    other = Question(
        *(each.rows(torch.tensor([1, 0], device=DEVICE)) for each in (asked.objective, asked.prior)),
        asked.starts.flip(2),
    )
    loop = TritonLoop(networks.generator, other, rule, 2)
    ran(loop)
    loop.begin(asked)
    for found, exact in zip(ran(loop), expected, strict=True):
        assert torch.equal(found, exact)


def test_the_printed_bounds_are_the_plain_loop_s(modules):
    for config, expected in ((InpaintConfig.paper(), False), (InpaintConfig(), True)):
        networks, asked = question(modules, config, TritonProduct, 1)
        assert serves(networks.generator, asked) == expected
