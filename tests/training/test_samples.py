"""Samples of a generator."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast.networks.protocols import to_unit
from faceinpaint_fast.training import samples
from faceinpaint_fast.training.samples import samples_of

CPU = torch.device("cpu")


def test_samples_are_what_g_draws_of_codes_from_the_seed(generator, monkeypatch):
    monkeypatch.setattr(samples, "BATCH", 2)
    found = list(samples_of(generator, 5, 7, CPU))
    assert [len(batch) for batch in found] == [2, 2, 1]
    random = torch.Generator().manual_seed(7)
    with torch.no_grad():
        expected = [to_unit(generator(torch.randn(count, 100, generator=random))) for count in (2, 2, 1)]
    assert_close(torch.cat(found), torch.cat(expected), rtol=0, atol=0)
    assert found[0].min() >= 0
    assert found[0].max() <= 1
    assert not found[0].requires_grad
    assert (next(samples_of(generator, 1, 8, CPU)) != found[0][:1]).any()


@pytest.mark.parametrize("training", [True, False])
def test_the_generator_stays_as_it_is(generator, training):
    generator.train(training)
    assert len(next(samples_of(generator, 1, 0, CPU))) == 1
    assert generator.training == training
    assert all(parameter.requires_grad for parameter in generator.parameters())
