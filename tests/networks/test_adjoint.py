"""Networks with their pullbacks, in every form there is, against autograd in float64."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from faceinpaint_fast._cpu import WINOGRAD_IMAGES
from faceinpaint_fast.networks.adjoint import AdjointNetwork, TapedNetwork, differentiable
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from faceinpaint_fast.networks.products import MatrixProduct, PackedProduct, TorchProduct
from faceinpaint_fast.networks.protocols import frozen

CPU = torch.device("cpu")
FORMS = {
    "packed": lambda network, dtype: AdjointNetwork(network, PackedProduct, dtype),
    "torch's convolutions": lambda network, dtype: AdjointNetwork(network, TorchProduct, dtype),
    "unfolded": lambda network, dtype: AdjointNetwork(network, MatrixProduct, dtype),
    "any network": lambda network, dtype: TapedNetwork(network, CPU, dtype),
}


@pytest.fixture(params=["G", "D"])
def case(request, generator, discriminator):
    """A frozen network, inputs of a batch of 5, and gradients of its outputs."""
    random = torch.Generator().manual_seed(3)
    codes, images, logits = (torch.randn(shape, generator=random) for shape in ((5, 100), (5, 3, 64, 64), (5,)))
    if request.param == "G":
        return frozen(generator, CPU), codes, images
    return frozen(discriminator, CPU), images, logits


def value_and_gradient(function, inputs, gradients):
    outputs, pull = function(inputs.clone())
    assert outputs.grad_fn is None
    return outputs.clone(), pull(gradients.clone())


def exact(network, inputs, gradients):
    inputs = inputs.double().requires_grad_()
    outputs = copy.deepcopy(network).double()(inputs)
    return outputs.detach(), torch.autograd.grad(outputs, inputs, gradients.double())[0]


# the last: Winograd's filtering in every layer that it is for
@pytest.mark.parametrize("count", [1, 3, 5, WINOGRAD_IMAGES + 1])
@pytest.mark.parametrize("form", FORMS)
def test_float32_is_autograd_s(form, case, count):
    network, inputs, gradients = (case[0], *(torch.cat([tensor, -tensor])[:count] for tensor in case[1:]))
    found = value_and_gradient(FORMS[form](network, torch.float32), inputs, gradients)
    # 8 layers of sums of up to 8192 terms, in another order than autograd's
    for one, other in zip(found, exact(network, inputs, gradients), strict=True):
        assert one.dtype == torch.float32
        assert_close(one.double(), other, rtol=0, atol=1e-5 * float(other.abs().max()))


def beyond(generator, layer):
    """What of G lies behind a layer's BatchNorm, for its activations (B, C, H, W)."""
    modules = [nn.ReLU() if isinstance(each, nn.ReLU) else each for each in generator.layers]
    norms = [i for i, each in enumerate(modules) if isinstance(each, nn.BatchNorm2d)]
    return nn.Sequential(*modules[norms[layer - 1] + 1 :])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("count", [1, WINOGRAD_IMAGES])
@pytest.mark.parametrize("form", [form for form in FORMS if form != "any network"])
def test_a_generator_cut_behind_any_layer_is_autograd_s(form, count, dtype, generator):
    G, random = frozen(generator, CPU), torch.Generator().manual_seed(3)
    network = FORMS[form](G, dtype)
    u = torch.randn(count, 100, generator=random)
    images, gradients = network(u)[0].clone(), torch.randn(count, 3, 64, 64, generator=random)
    # in bfloat16 an activation near 0 may take the other slope of ReLU
    near, back = (1e-5, 1e-5) if dtype == torch.float32 else (0.05, 0.3)
    for layer, cut in enumerate(network.cuts(), 1):
        u = cut.into(u)
        assert u.dtype == torch.float32
        shaped = cut.shaped(u)
        assert shaped.shape == (count, 4 << (4 - layer), 2 << layer, 2 << layer)
        found, pulled = value_and_gradient(cut.onward, u, gradients)
        assert_close(found, images, rtol=0, atol=near)
        value, slope = exact(beyond(G, layer), shaped, gradients)
        assert_close(found.double(), value, rtol=0, atol=near)
        assert_close(cut.shaped(pulled).double(), slope, rtol=0, atol=back * float(slope.abs().max()))
    assert len(network.cuts()) == 4


def test_nothing_but_a_generator_can_be_cut(discriminator):
    assert AdjointNetwork(frozen(discriminator, CPU), PackedProduct, torch.float32).cuts() == ()


@pytest.mark.parametrize("form", FORMS)
def test_bf16_is_near(form, case):
    network, inputs, gradients = case
    found = value_and_gradient(FORMS[form](network, torch.bfloat16), inputs, gradients)
    for one, other in zip(found, exact(network, inputs, gradients), strict=True):
        assert one.dtype == torch.float32
        # 8 bits a number, through 8 layers and their kinks
        error = ((one - other).norm() / other.norm()).item()
        assert 1e-4 < error < 0.15


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("width", [4, 16, 64])
@pytest.mark.parametrize(
    ("count", "selections"),
    [
        (WINOGRAD_IMAGES - 1, ([3], [6, 3], [3, 5, 1, 0, 2])),
        (2 * WINOGRAD_IMAGES + 1, ([*range(WINOGRAD_IMAGES)], [*range(2 * WINOGRAD_IMAGES, 4, -1)])),
    ],
    ids=["few", "many"],
)
def test_an_image_s_bits_depend_on_no_other(dtype, width, count, selections):
    """In whatever order, with whatever neighbours, few of any number or many: products sum along k in one order."""
    torch.manual_seed(0)
    generator = frozen(DCGANGenerator(width=width), CPU)
    discriminator = frozen(DCGANDiscriminator(width=width), CPU)
    z = torch.randn(count, 100)
    for network, inputs in ((generator, z), (discriminator, torch.rand(count, 3, 64, 64))):
        function = FORMS["packed"](network, dtype)
        outputs, pull = function(inputs)
        gradients = torch.randn_like(outputs)
        outputs, gradient = outputs.clone(), pull(gradients)
        for rows in selections:
            some, pull = function(inputs[rows])
            assert torch.equal(some, outputs[rows])
            assert torch.equal(pull(gradients[rows]), gradient[rows])


def test_threads_change_no_bit(case):
    network, inputs, gradients = case
    inputs, gradients = inputs.repeat(4, *[1] * (inputs.ndim - 1)), gradients.repeat(4, *[1] * (gradients.ndim - 1))
    one = value_and_gradient(FORMS["packed"](network, torch.float32), inputs, gradients)
    torch.set_num_threads(3)
    try:
        three = value_and_gradient(FORMS["packed"](network, torch.float32), inputs, gradients)
    finally:
        torch.set_num_threads(1)
    for a, b in zip(one, three, strict=True):
        assert torch.equal(a, b)


def test_a_nan_stays_in_its_image(case):
    network, inputs, gradients = case
    well = value_and_gradient(FORMS["packed"](network, torch.float32), inputs, gradients)
    inputs = inputs.clone()
    inputs[2] = float("nan")
    found = value_and_gradient(FORMS["packed"](network, torch.float32), inputs, gradients)
    others = [0, 1, 3, 4]
    for one, other in zip(found, well, strict=True):
        assert torch.equal(one[others], other[others])
    assert found[0][2].isnan().all()


def test_what_gets_which_form(case):
    network, inputs, _ = case
    assert isinstance(differentiable(network, CPU, "fp32"), AdjointNetwork)

    class Other(torch.nn.Module):
        def forward(self, z):
            return 2 * z

    other = differentiable(Other(), CPU, "fp32")
    assert isinstance(other, TapedNetwork)
    doubled, pull = other(inputs)
    assert torch.equal(doubled, 2 * inputs)
    assert torch.equal(pull(inputs), 2 * inputs)


def test_the_network_s_own_weights_stay_as_they_are(case):
    network, inputs, gradients = case
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for form in FORMS.values():
        value_and_gradient(form(network, torch.float32), inputs, gradients)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
