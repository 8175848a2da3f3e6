"""What the house asks of networks: pixels' ranges, what an encoder sees, a copy for inference alone."""

from __future__ import annotations

import pickle
import threading

import pytest
import torch
from torch.nn import utils
from torch.nn.utils import parametrizations

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.networks.protocols import frozen, to_signed, to_unit, visible

CPU = torch.device("cpu")


def test_ranges_lead_to_each_other():
    assert to_unit(torch.tensor([-1.0, 0.0, 1.0])).tolist() == [0, 0.5, 1]
    assert to_signed(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-1, 0, 1]


def test_an_encoder_sees_known_pixels_and_where_they_are():
    known = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    seen = visible(torch.full((1, 3, 2, 2), 0.75), known)
    assert torch.equal(seen, torch.cat([0.5 * known[:, None].repeat(1, 3, 1, 1), known[:, None]], dim=1))


def test_frozen_is_a_copy_in_eval_mode(generator):
    generator.train().requires_grad_(True)
    copy = frozen(generator, CPU)
    assert not copy.training
    assert generator.training
    assert not any(parameter.requires_grad for parameter in copy.parameters())
    assert all(parameter.requires_grad for parameter in generator.parameters())


def test_frozen_refuses_what_is_no_module():
    with pytest.raises(InputError, match="network: expected a torch module, got function"):
        frozen(lambda z: z, CPU)
    with pytest.raises(InputError, match="encoder: expected a torch module, got str"):
        frozen("E", CPU, "encoder")


def test_frozen_names_what_cannot_be_copied():
    layer = torch.nn.Linear(2, 2)
    layer.lock = threading.Lock()
    with pytest.raises(InputError, match=r"^generator: expected a module that can be copied to cpu, got: .*lock"):
        frozen(layer, CPU, "generator")
    with pytest.raises(InputError, match=r"^generator: expected a module that can be copied to cpu, got: .*meta"):
        frozen(torch.nn.Linear(2, 2, device="meta"), CPU, "generator")


def normed(norm):
    """A layer whose weight is computed anew at each call, after a training step."""
    layer = norm(torch.nn.Linear(5, 4))
    optimiser = torch.optim.SGD(layer.parameters(), 0.1)
    layer(torch.ones(2, 5)).square().sum().backward()
    optimiser.step()
    return layer


# torch says that weight_norm will go one day
@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize(
    "norm", [utils.spectral_norm, utils.weight_norm, parametrizations.spectral_norm, parametrizations.weight_norm]
)
def test_a_weight_that_is_computed_is_copied_as_it_computes(norm):
    layer, x = normed(norm), torch.rand(3, 5)
    copied = frozen(layer, CPU)
    layer.eval()
    assert torch.equal(copied(x), layer(x))
    # and on its own
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(1)
    assert not torch.equal(copied(x), layer(x))
    assert not copied(x).requires_grad
    assert torch.equal(frozen(copied, CPU)(x), copied(x))
    assert torch.equal(pickle.loads(pickle.dumps(copied))(x), copied(x))


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
def test_a_fresh_weight_norm_is_copied():
    layer, x = utils.weight_norm(torch.nn.Linear(5, 4)), torch.rand(3, 5)
    assert torch.equal(frozen(layer, CPU)(x), layer(x))


def test_what_a_network_has_kept_of_a_call_is_copied():
    class Keeping(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.kept = torch.nn.Linear(5, 4), {}

        def forward(self, x):
            self.kept["last"] = [self.inner(x)]
            return self.kept["last"][0]

    layer = Keeping()
    drawn = layer(torch.rand(3, 5))
    kept = frozen(layer, CPU).kept["last"][0]
    assert torch.equal(kept, drawn)
    assert kept is not drawn
    assert drawn.requires_grad
    assert not kept.requires_grad


def test_a_copy_made_in_inference_mode_can_be_differentiated_through():
    with torch.inference_mode():
        layer = torch.nn.Linear(5, 4)
    x = torch.rand(3, 5, requires_grad=True)
    frozen(layer, CPU)(x).sum().backward()
    assert x.grad is not None
