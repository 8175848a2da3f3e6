"""The networks of a search: their pullbacks, their sizes, and whether there is a guess to start at."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from faceinpaint_fast import InpaintConfig, InputError
from faceinpaint_fast.networks.adjoint import AdjointNetwork
from faceinpaint_fast.networks.dcgan import DCGANEncoder
from faceinpaint_fast.networks.products import MatrixProduct, PackedProduct
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.search.networks import Networks

CPU = torch.device("cpu")


@pytest.fixture
def modules(generator, discriminator, encoder):
    return tuple(frozen(network, CPU) for network in (generator, discriminator, encoder))


def test_sizes_are_the_generator_s(modules):
    networks = Networks.of(*modules, InpaintConfig(), CPU)
    assert (networks.latent_size, networks.image_shape) == (100, (3, 64, 64))
    x, _ = networks.generator(torch.zeros(2, 100))
    assert networks.discriminator(x)[0].shape == (2,)
    assert networks.encoder(torch.zeros(2, 4, 64, 64))[0].shape == (2, 100)


def test_the_encoder_is_left_out_where_the_search_starts_at_random(modules):
    assert Networks.of(*modules, InpaintConfig(), CPU).encoder is not None
    assert Networks.of(*modules, InpaintConfig(start="random"), CPU).encoder is None
    assert Networks.of(*modules[:2], None, InpaintConfig(), CPU).encoder is None


def test_an_encoder_of_another_generator_is_refused(modules):
    encoder = frozen(DCGANEncoder(width=2, latent_size=7), CPU)
    with pytest.raises(InputError, match=r"encoder: expected a code \(1, 100\) for one image, got \(1, 7\)"):
        Networks.of(*modules[:2], encoder, InpaintConfig(), CPU)
    # where it has no part in the search it may be any
    Networks.of(*modules[:2], encoder, InpaintConfig.paper(), CPU)


def test_precision_product_and_invariance_reach_every_network(modules):
    networks = Networks.of(*modules, InpaintConfig(precision="bf16"), CPU, MatrixProduct)
    for network in (networks.generator, networks.discriminator, networks.encoder):
        assert isinstance(network, AdjointNetwork)
        assert network.dtype == torch.bfloat16
        assert isinstance(network.forwards[0].__self__, MatrixProduct)
        assert not network.batch_invariant
    networks = Networks.of(*modules, InpaintConfig(batch_invariant=True), CPU)
    assert isinstance(networks.generator.forwards[0].__self__, PackedProduct)
    assert networks.batch_invariant
    other = Networks.of(*modules, InpaintConfig(), CPU).discriminator
    assert not dataclasses.replace(networks, discriminator=other).batch_invariant
