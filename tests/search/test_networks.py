"""The networks of a search: their pullbacks, their sizes, and whether there is a guess to start at."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from faceinpaint_fast import InpaintConfig, InputError
from faceinpaint_fast.networks.adjoint import AdjointNetwork
from faceinpaint_fast.networks.dcgan import DCGANEncoder
from faceinpaint_fast.networks.products import MatrixProduct, PackedProduct
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.search.networks import Networks, tried

CPU = torch.device("cpu")


@pytest.fixture
def modules(generator, discriminator, encoder):
    return tuple(frozen(network, CPU) for network in (generator, discriminator, encoder))


def test_sizes_are_the_generator_s(modules):
    networks = Networks.of(*modules, InpaintConfig.over_z(), CPU)
    assert (networks.latent_size, networks.image_shape) == (100, (3, 64, 64))
    x, _ = networks.generator(torch.zeros(2, 100))
    assert networks.discriminator(x)[0].shape == (2,)
    assert networks.encoder(torch.zeros(2, 4, 64, 64))[0].shape == (2, 100)


def test_the_encoder_is_left_out_where_the_search_starts_at_random(modules):
    assert Networks.of(*modules, InpaintConfig.over_z(), CPU).encoder is not None
    assert Networks.of(*modules, InpaintConfig.over_z(start="random"), CPU).encoder is None
    assert Networks.of(*modules[:2], None, InpaintConfig.over_z(), CPU).encoder is None


def test_an_encoder_of_another_generator_is_refused(modules):
    encoder = frozen(DCGANEncoder(width=2, latent_size=7), CPU)
    with pytest.raises(InputError, match=r"encoder: expected a code \(1, 100\) for one image, got \(1, 7\)"):
        Networks.of(*modules[:2], encoder, InpaintConfig.over_z(), CPU)
    # where it has no part in the search it may be any
    Networks.of(*modules[:2], encoder, InpaintConfig.paper(), CPU)


def test_precision_product_and_invariance_reach_every_network(modules):
    networks = Networks.of(*modules, InpaintConfig.over_z(precision="bf16"), CPU, MatrixProduct)
    for network in (networks.generator, networks.discriminator, networks.encoder):
        assert isinstance(network, AdjointNetwork)
        assert network.dtype == torch.bfloat16
        assert isinstance(network.forwards[0].__self__, MatrixProduct)
        assert not network.batch_invariant
    networks = Networks.of(*modules, InpaintConfig.over_z(batch_invariant=True), CPU)
    assert isinstance(networks.generator.forwards[0].__self__, PackedProduct)
    assert networks.batch_invariant
    other = Networks.of(*modules, InpaintConfig.over_z(), CPU).discriminator
    assert not dataclasses.replace(networks, discriminator=other).batch_invariant


class Changed(nn.Module):
    """A network, and what becomes of what it gives."""

    def __init__(self, inner, change):
        super().__init__()
        self.inner, self.change, self.latent_size = inner, change, 100

    def forward(self, x):
        return self.change(self.inner(x))


@pytest.mark.parametrize(
    ("change", "got"),
    [
        (lambda x: x.permute(0, 2, 3, 1), r"an image .* got \(1, 64, 64, 3\)"),
        (
            lambda x: x[:, :, :10],
            r"an image \(1, channels, height, width\) of at least 11 pixels a side .* \(1, 3, 10, 64\)",
        ),
        (lambda x: x[:, :0], r"an image .* got \(1, 0, 64, 64\)"),
        (lambda x: x[:, 0], r"an image .* got \(1, 64, 64\)"),
        (lambda x: torch.cat([x, x]), r"an image .* got \(2, 3, 64, 64\)"),
        (lambda x: (x, x), r"a differentiable module that takes \(1, 100\) float32, .* got tuple"),
        (lambda x: x.detach(), "a differentiable module that takes .* RuntimeError: .* require grad"),
        (lambda x: x.byte(), "a differentiable module that takes .* RuntimeError: .* require grad"),
    ],
)
def test_what_no_generator_draws_is_refused_by_name(change, got, modules):
    with pytest.raises(InputError, match=rf"^generator: expected {got}"):
        Networks.of(Changed(modules[0], change), modules[1], None, InpaintConfig.over_z(), CPU)


@pytest.mark.parametrize("latent_size", [np.int64(100), torch.tensor(100)], ids=repr)
def test_a_latent_size_may_be_any_library_s_number(latent_size, modules):
    modules[0].latent_size = latent_size
    assert type(Networks.of(*modules, InpaintConfig.over_z(), CPU).latent_size) is int


@pytest.mark.parametrize("latent_size", [100.0, True, 0, "100", None], ids=repr)
def test_what_is_no_latent_size_is_refused_by_name(latent_size, modules):
    modules[0].latent_size = latent_size
    with pytest.raises(InputError, match=r"^generator.latent_size: expected an integer >= 1, got "):
        Networks.of(*modules, InpaintConfig.over_z(), CPU)


def test_codes_of_another_size_are_refused(modules):
    modules[0].latent_size = 99
    with pytest.raises(InputError, match=r"^generator: expected a .*module that takes \(1, 99\) float32, got "):
        Networks.of(*modules, InpaintConfig.over_z(), CPU)


@pytest.mark.parametrize("change", [lambda x: x[:, None], torch.sum, lambda x: torch.stack([x, x], dim=-1)])
def test_what_is_no_logit_is_refused_by_name(change, modules):
    with pytest.raises(InputError, match=r"^discriminator: expected a logit \(1,\) for one image, got \("):
        Networks.of(modules[0], Changed(modules[1], change), None, InpaintConfig.over_z(), CPU)


def test_a_discriminator_with_a_part_in_the_search_is_differentiable(modules):
    flat = Changed(modules[1], torch.sign)
    flat = Changed(flat, torch.detach)
    with pytest.raises(
        InputError, match=r"^discriminator: expected a differentiable module that takes \(1, 3, 64, 64\)"
    ):
        Networks.of(modules[0], flat, None, InpaintConfig.over_z(lambda_d=0.1), CPU)
    Networks.of(modules[0], flat, None, InpaintConfig.over_z(), CPU)


def test_a_discriminator_of_other_images_is_refused(modules):
    with pytest.raises(
        InputError, match=r"^discriminator: expected a module that takes \(1, 3, 64, 64\) float32, got "
    ):
        Networks.of(modules[0], nn.Linear(3, 1), None, InpaintConfig.over_z(), CPU)


def test_memory_that_runs_out_is_nobody_s_input():
    def full(_):
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        tried(full, torch.zeros(1), "generator")
