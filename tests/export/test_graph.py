"""The graph of a search: what it is made of, and that a runtime finds with it what the pieces find."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faceinpaint_fast.export.graph import exact_half, lerp
from faceinpaint_fast.models import load_model

onnx = pytest.importorskip("onnx", reason="onnx is not installed")


@pytest.fixture(scope="module")
def graph(exported):
    return onnx.load(exported[0]).graph


def loops(graph):
    return [node for node in graph.node if node.op_type == "Loop"]


def inside(loop):
    return next(each.g for each in loop.attribute if each.name == "body")


def test_a_stage_is_a_loop_of_as_many_steps(graph, exported):
    kept = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    assert [int(kept[loop.input[0]]) for loop in loops(graph)] == [stage.steps for stage in exported[1].stages]


def test_every_weight_stands_in_it_once_and_in_half_precision(graph, small_model):
    model = load_model(small_model)
    large = [p for network in (model.generator, model.encoder) for p in network.parameters() if p.ndim == 4]
    halves = [each for each in graph.initializer if each.data_type == onnx.TensorProto.FLOAT16]
    kept = sorted(np.prod(each.dims) for each in halves)
    # the ends' few weights are multiplied by their scales beforehand; that of Eq. 7's sums is of 0 and 1
    assert set(kept) <= {each.numel() for each in large} | {64 * 64}
    assert sum(kept) > 0.9 * sum(each.numel() for each in large)


def test_what_no_step_changes_is_in_front_of_the_loops(graph):
    for loop in loops(graph):
        body = inside(loop)
        assert not body.initializer
        varying = {each.name for each in body.input}
        for node in body.node:
            assert not varying.isdisjoint(node.input), node
            varying.update(node.output)
    made = [name for node in graph.node for name in node.output]
    assert len(made) == len(set(made))
    # of the two stages, what is the same is made once
    alike = [(node.op_type, *node.input, str(node.attribute)) for node in graph.node]
    again = [each for each in set(alike) if alike.count(each) > 1 and each[0] != "ConstantOfShape"]
    assert not again


def test_nothing_is_computed_twice_for_a_choice(graph):
    ops = [node.op_type for loop in loops(graph) for node in inside(loop).node]
    assert "Where" not in ops
    assert "Conv" in ops
    assert "ConvTranspose" in ops


@pytest.mark.parametrize("weight", [0.001, 0.499, 0.5, 0.9])
def test_lerp_is_torch_s(weight):
    start, end = torch.randn(2, 1000)
    # torch may fuse a product and a sum
    torch.testing.assert_close(lerp(start, end, weight), start.lerp(end, weight), rtol=1e-6, atol=1e-6)
    assert torch.equal(lerp(start, start, weight), start)


@pytest.mark.parametrize(
    ("array", "halved"),
    [
        (np.full(2048, 0.5, np.float32), True),
        (np.full(2048, 0.1, np.float32), False),
        (np.full(2048, 1e6, np.float32), False),
        (np.full(8, 0.5, np.float32), False),
        (np.full(2048, 1, np.int64), False),
    ],
)
def test_what_is_halved_loses_nothing(array, halved):
    half = exact_half(array)
    assert (half is not None) == halved
    assert half is None or (half.dtype == np.float16 and np.array_equal(half.astype(np.float32), array))
