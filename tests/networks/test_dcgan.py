"""DCGANs of any size: a layer more for each doubling, the channels of the paper, the initialisation of its authors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from faceinpaint_fast import InputError, reference
from faceinpaint_fast.networks.dcgan import (
    SIZES,
    DCGANDiscriminator,
    DCGANEncoder,
    DCGANGenerator,
    check_size,
)


def convolutions(network):
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]


@pytest.mark.parametrize("size", SIZES)
def test_a_size_is_a_number_of_layers(size):
    layers = {32: 4, 64: 5, 128: 6, 256: 7}[size]
    G = DCGANGenerator(size=size, width=2, latent_size=7, channels=1).eval()
    D = DCGANDiscriminator(size=size, width=2, channels=1).eval()
    E = DCGANEncoder(size=size, width=2, latent_size=7, channels=1).eval()
    assert [len(convolutions(network)) for network in (G, D, E)] == [layers] * 3
    with torch.no_grad():
        images = G(torch.zeros(2, 7))
        assert images.shape == (2, 1, size, size)
        assert D(images).shape == (2,)
        assert E(torch.cat([images, images], dim=1)).shape == (2, 7)


def test_channels_double_with_every_halving():
    G, D = DCGANGenerator(size=128, width=4), DCGANDiscriminator(size=128, width=4)
    assert [layer.out_channels for layer in convolutions(G)] == [64, 32, 16, 8, 4, 3]
    assert [layer.out_channels for layer in convolutions(D)] == [4, 8, 16, 32, 64, 1]


@pytest.mark.parametrize("size", [32, 128])
def test_other_sizes_are_the_reference_s_too(size):
    torch.manual_seed(0)
    pairs = [
        (DCGANGenerator, reference.DCGANGenerator, torch.randn(2, 100)),
        (DCGANDiscriminator, reference.DCGANDiscriminator, torch.rand(2, 3, size, size)),
        (DCGANEncoder, reference.DCGANEncoder, torch.rand(2, 4, size, size)),
    ]
    for fast, plain, inputs in pairs:
        network, exact = fast(size=size, width=2), plain(size=size, width=2)
        exact.load_state_dict(network.state_dict())
        # float32, the same operations in the same order
        torch.testing.assert_close(network(inputs), exact(inputs), rtol=1e-5, atol=1e-6)


def test_weights_begin_as_the_authors_have_them():
    torch.manual_seed(0)
    G = DCGANGenerator(width=16)
    for layer in convolutions(G):
        # a standard deviation of n numbers is off by 1 / sqrt(2 n): the smallest layer has 768
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
    scales = torch.cat([layer.weight for layer in G.modules() if isinstance(layer, nn.BatchNorm2d)])
    assert scales.mean().item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("size", [0, 16, 48, 512, 64.0, True])
def test_no_other_size(size):
    with pytest.raises(InputError, match="size: expected one of 32, 64, 128, 256, got"):
        check_size(size)
    with pytest.raises(InputError, match="size: expected one of"):
        DCGANGenerator(size=size)


def test_torch_s_defaults_change_no_weight(other_defaults):
    def drawn():
        torch.manual_seed(0)
        networks = (
            DCGANGenerator(size=32, width=2),
            DCGANDiscriminator(size=32, width=2),
            DCGANEncoder(size=32, width=2),
        )
        return [tensor for network in networks for tensor in network.state_dict().values()]

    expected = drawn()
    other_defaults()
    for found, before in zip(drawn(), expected, strict=True):
        assert (found.dtype, found.device) == (before.dtype, before.device)
        assert torch.equal(found, before)
