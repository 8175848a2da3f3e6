"""A DCGAN's layers as numbers, against the modules that they are of, in float64."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANEncoder, DCGANGenerator
from faceinpaint_fast.networks.layers import Finish, layers_of, scale_and_bias, slope_of


@pytest.mark.parametrize(
    ("network", "slopes"),
    [
        (DCGANGenerator(width=2, latent_size=3), [0, 0, 0, 0, 1]),
        (DCGANDiscriminator(width=2), [0.2, 0.2, 0.2, 0.2, 1]),
        (DCGANEncoder(width=2, latent_size=3), [0.2, 0.2, 0.2, 0.2, 1]),
    ],
    ids=["G", "D", "encoder"],
)
def test_layers_count_from_the_input(network, slopes):
    layers = layers_of(network)
    generates = isinstance(network, DCGANGenerator)
    assert [layer.slope for layer in layers] == slopes
    assert [layer.tanh for layer in layers] == 4 * [False] + [generates]
    assert [layer.connects for layer in layers] == (4 * [False] + [True])[:: -1 if generates else 1]
    assert [layer.weight.shape[0] for layer in layers[:-1]] == ([3, 16, 8, 4] if generates else [2, 4, 8, 16])


def test_a_layer_s_matrix_counts_row_column_channel():
    (first, *_) = layers_of(DCGANDiscriminator(width=2))
    assert first.matrix.shape == (2, 48)
    for (ky, kx, channel), column in (((0, 0, 2), 2), ((0, 1, 0), 3), ((3, 2, 1), 3 * 12 + 2 * 3 + 1)):
        assert torch.equal(first.matrix[:, column], first.weight[:, channel, ky, kx])


def test_batch_norm_is_a_scale_and_a_bias():
    torch.manual_seed(0)
    convolution, norm = nn.Conv2d(3, 4, 4, bias=False), nn.BatchNorm2d(4)
    for parameter in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(parameter)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    scale, bias = scale_and_bias(convolution, norm)
    sums = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    # the numbers are rounded once, to float32
    expected = norm.double().eval()(sums)
    assert_close(sums * scale.double()[:, None, None] + bias.double()[:, None, None], expected, rtol=1e-6, atol=1e-6)


def test_without_a_batch_norm_the_bias_is_the_convolution_s():
    convolution = nn.Conv2d(3, 4, 4)
    scale, bias = scale_and_bias(convolution, None)
    assert torch.equal(scale, torch.ones(4))
    assert torch.equal(bias, convolution.bias)


@pytest.mark.parametrize(
    ("activation", "slope"), [(nn.ReLU(), 0), (nn.LeakyReLU(0.3), 0.3), (nn.Tanh(), 1), (None, 1)], ids=str
)
def test_an_activation_s_slope_below_0(activation, slope):
    assert slope_of(activation) == slope


def test_a_finish_of_pixels_repeats_the_channels():
    finish = Finish(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), 0.2).for_pixels(2)
    assert finish.scale.tolist() == [1, 2, 1, 2]
    assert finish.bias.tolist() == [3, 4, 3, 4]
    assert (finish.slope, finish.tanh) == (0.2, False)
