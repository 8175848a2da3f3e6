"""The explicit adjoint of a DCGAN against autograd."""

from __future__ import annotations

import gc

import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast.generator import frozen
from faceinpaint_fast.step import fastest

CPU = torch.device("cpu")


def value_and_gradient(function, inputs, weights):
    inputs = inputs.clone().requires_grad_()
    outputs = function(inputs)
    (gradient,) = torch.autograd.grad((weights.view(outputs.shape) * outputs).sum(), inputs)
    return outputs.detach(), gradient


@pytest.fixture(params=["G", "D"])
def case(request, generator, discriminator):
    """A frozen network, inputs of a batch of 3, and weights that tell its outputs apart."""
    random = torch.Generator().manual_seed(3)
    codes, images, logits = (torch.randn(shape, generator=random) for shape in ((3, 100), (3, 3, 64, 64), (3,)))
    return (
        (frozen(generator, CPU), codes, images)
        if request.param == "G"
        else (frozen(discriminator, CPU), images, logits)
    )


@pytest.mark.parametrize("count", [1, 3])
def test_is_autograd_s(case, count):
    network, inputs, weights = case
    found = value_and_gradient(fastest(network, CPU, "fp32"), inputs[:count], weights[:count])
    exact = value_and_gradient(network.double(), inputs[:count].double(), weights[:count].double())
    # 8 layers of sums of up to 512 terms, in another order than autograd's
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == torch.float32
        assert_close(one.double(), other, rtol=0, atol=1e-5 * float(other.abs().max()))


def test_bf16_is_near(case):
    network, inputs, weights = case
    found = value_and_gradient(fastest(network, CPU, "bf16"), inputs, weights)
    exact = value_and_gradient(network, inputs, weights)
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == torch.float32
        # 8 bits a number, through 8 layers and their kinks
        error = ((one - other).norm() / other.norm()).item()
        assert 1e-4 < error < 0.15


def test_dcgan_gets_the_explicit_adjoint_and_others_autograd_s(case):
    network, inputs, _ = case
    assert (
        "ExplicitAdjoint" in fastest(network, CPU, "fp32")(inputs.requires_grad_()).grad_fn.next_functions[0][0].name()
    )

    class Other(torch.nn.Module):
        def forward(self, z):
            return 2 * z

    z = torch.randn(2, 5, requires_grad=True)
    (gradient,) = torch.autograd.grad(fastest(Other(), CPU, "fp32")(z).sum(), z)
    assert torch.equal(gradient, torch.full((2, 5), 2.0))


def test_the_network_s_own_weights_stay_as_they_are(case):
    network, inputs, _ = case
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fastest(network, CPU, "fp32")(inputs)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_nothing_is_left_for_the_garbage_collector(case):
    network, inputs, weights = case
    function = fastest(network, CPU, "fp32")

    def tensors():
        # type(), since isinstance() would wake lazy modules up
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    value_and_gradient(function, inputs, weights)
    gc.collect()
    gc.disable()
    try:
        before = tensors()
        for _ in range(3):
            value_and_gradient(function, inputs, weights)
        assert tensors() == before
    finally:
        gc.enable()
