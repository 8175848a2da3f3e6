"""Eq. 7 on tensors: what the door for arrays gives, and the definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast import reference, weight_map
from faceinpaint_fast.ops.weight_map import _weight_map
from faceinpaint_fast.ops.weight_map import weight_map as op


@pytest.fixture
def missing(rng):
    return rng.random((3, 13, 22)) < [[[0.1]], [[0.5]], [[0.9]]]


@pytest.mark.parametrize(("k", "alpha"), [(1, 2.0), (7, 2.0), (31, 5.0)])
def test_it_is_the_one_for_arrays(k, alpha, missing):
    found = op(torch.from_numpy(missing), k, alpha)
    assert found.dtype == torch.float32
    assert torch.equal(found, torch.from_numpy(weight_map(missing, k=k, alpha=alpha)))
    # rounded once, to float32
    assert_close(found, torch.from_numpy(reference.weight_map(missing, k=k, alpha=alpha)).float(), rtol=1e-7, atol=0)


def test_a_patch_may_be_larger_than_an_int64_holds(missing):
    found = op(torch.from_numpy(missing), 2**70 + 1, 1e38)
    assert torch.equal(found, torch.from_numpy(weight_map(missing, k=2**70 + 1, alpha=1e38)))


def test_a_view_is_as_good_as_a_copy(missing):
    turned = torch.from_numpy(missing).transpose(1, 2)
    assert torch.equal(op(turned, 7, 2.0), op(turned.contiguous(), 7, 2.0))
    one = torch.from_numpy(missing[:1]).expand(4, -1, -1)
    assert torch.equal(op(one, 7, 2.0), op(one.contiguous(), 7, 2.0))


def test_the_op_is_registered_correctly(missing):
    torch.library.opcheck(_weight_map, (torch.from_numpy(missing), 3, 2 / 49))


def test_nothing_is_missing():
    assert op(torch.from_numpy(np.zeros((1, 5, 5), bool)), 7, 2.0).eq(1).all()
