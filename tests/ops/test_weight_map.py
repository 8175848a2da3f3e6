"""Eq. 7 on tensors: what the door for arrays gives, and the definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast import reference, weight_map
from faceinpaint_fast.ops.weight_map import _weight_map
from faceinpaint_fast.ops.weight_map import weight_map as op
from faceinpaint_fast.weight_map import radius_and_scale


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


@pytest.fixture
def kernels():
    pytest.importorskip("triton", reason="Triton is not installed")
    from faceinpaint_fast.ops import triton_weight_map

    return triton_weight_map


DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.mark.parametrize(("k", "alpha"), [(1, 2.0), (7, 2.0), (7, -1.7), (31, 5.0), (2**70 + 1, 1e38)])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 13, 22), (2, 1, 37), (2, 29, 1)])
def test_the_triton_kernel_is_the_cpu_s_bit_for_bit(shape, k, alpha, kernels, rng):
    missing = torch.from_numpy(rng.random(shape) < 0.5)
    found = kernels.weight_map(missing.to(DEVICE), *radius_and_scale(k, alpha, *shape[1:]))
    assert found.dtype == torch.float32
    assert torch.equal(found.cpu(), op(missing, k, alpha))


@pytest.mark.parametrize("k", [3, 9, 201])
def test_programs_of_the_triton_kernel_share_an_image(k, kernels, rng, monkeypatch):
    """Strips and blocks that are smaller than an image, and rows of more than a program counts at a time."""
    monkeypatch.setattr(kernels, "COUNTS", 16)
    monkeypatch.setattr(kernels, "BLOCK", 8)
    monkeypatch.setattr(kernels, "STRIP", 4)
    missing = torch.from_numpy(rng.random((2, 11, 21)) < 0.5)
    found = kernels.weight_map(missing.to(DEVICE), *radius_and_scale(k, 2.0, 11, 21))
    assert torch.equal(found.cpu(), op(missing, k, 2.0))


def test_the_triton_kernel_takes_views(kernels, missing):
    turned = torch.from_numpy(missing).to(DEVICE).transpose(1, 2)
    assert torch.equal(kernels.weight_map(turned, 3, 2 / 49).cpu(), op(turned.cpu(), 7, 2.0))


@pytest.mark.parametrize("number", [2 / 49, -1 / 3, 0.0, 1e38, 1e-30, 0.1])
def test_a_float64_comes_whole(number, kernels):
    assert sum(np.float64(part) for part in kernels._parts(number)) == number


@pytest.mark.gpu
def test_a_cuda_graph_can_hold_it(missing):
    there = torch.from_numpy(missing).cuda()
    expected = op(there, 7, 2.0)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = op(there, 7, 2.0)
    found.zero_()
    graph.replay()
    assert torch.equal(found, expected)


def test_nothing_is_missing():
    assert op(torch.from_numpy(np.zeros((1, 5, 5), bool)), 7, 2.0).eq(1).all()
