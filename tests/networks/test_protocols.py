"""What the house asks of networks: pixels' ranges, what an encoder sees, a copy for inference alone."""

from __future__ import annotations

import pytest
import torch

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
