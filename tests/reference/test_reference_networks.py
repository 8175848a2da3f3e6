"""The plain DCGAN against the package's, on the same weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faceinpaint_fast import reference
from faceinpaint_fast.networks import dcgan as package


def check_same_outputs(plain: nn.Module, fast: nn.Module, inputs: Tensor) -> None:
    plain.load_state_dict(fast.state_dict())
    with torch.no_grad():
        actual, expected = plain.eval()(inputs), fast.eval()(inputs)
    # weights that draw one flat grey could not tell a wrong layer
    assert expected.std() > 0.01
    # float32, the same operations in the same order
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


def test_generators_of_the_same_weights_draw_the_same(generator: package.DCGANGenerator) -> None:
    z = torch.randn(3, 100, generator=torch.Generator().manual_seed(0))
    check_same_outputs(reference.DCGANGenerator(width=4), generator, z)


def test_discriminators_of_the_same_weights_judge_the_same(discriminator: package.DCGANDiscriminator) -> None:
    x = 2 * torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) - 1
    check_same_outputs(reference.DCGANDiscriminator(width=4), discriminator, x)


def test_shapes_and_defaults_are_the_papers() -> None:
    G, D = reference.DCGANGenerator(), reference.DCGANDiscriminator()
    assert G.latent_size == 100
    assert G(torch.zeros(2, 100)).shape == (2, 3, 64, 64)
    assert D(torch.zeros(2, 3, 64, 64)).shape == (2,)
    for plain, fast in ((G, package.DCGANGenerator()), (D, package.DCGANDiscriminator())):
        expected = {name: weight.shape for name, weight in fast.state_dict().items()}
        assert {name: weight.shape for name, weight in plain.state_dict().items()} == expected
