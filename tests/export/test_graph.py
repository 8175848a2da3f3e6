"""The graph of a search: what it is made of, and that a runtime finds with it what the pieces find."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from faceinpaint_fast.export.graph import WORTH_TWICE, _Build, exact_half, lerp
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
    own = [each for loop in loops(graph) for each in inside(loop).initializer]
    outside, within = (
        [each.raw_data for each in kept if each.data_type == onnx.TensorProto.FLOAT16]
        for kept in (graph.initializer, own)
    )
    assert len(outside) == len({*outside})
    kept = sorted(len(each) // 2 for each in {*outside, *within})
    # the ends' few weights are multiplied by their scales beforehand; that of Eq. 7's sums is of 0 and 1
    assert set(kept) <= {each.numel() for each in large} | {64 * 64}
    assert sum(kept) > 0.9 * sum(each.numel() for each in large)


def test_what_no_step_changes_is_in_front_of_the_loops(graph):
    for loop in loops(graph):
        body = inside(loop)
        varying = {each.name for each in body.input}
        for node in body.node:
            if not varying.isdisjoint(node.input):
                varying.update(node.output)
            else:
                # a weight of the loop's own
                assert node.op_type in {"Cast", "Mul"}
                assert any(node.output[0] in each.input for each in body.node if each.op_type in {"Mul", "Conv"})
    made = [name for node in graph.node for name in node.output]
    assert len(made) == len(set(made))
    # of the two stages, what is the same is made once
    alike = [(node.op_type, *node.input, str(node.attribute)) for node in graph.node]
    again = [each for each in set(alike) if alike.count(each) > 1 and each[0] != "ConstantOfShape"]
    assert not again


def test_a_loop_convolves_by_weights_of_its_own_unless_they_are_large(graph):
    for loop in loops(graph):
        body = inside(loop)
        kept = {each.name.removesuffix("/half"): each for each in body.initializer}
        assert all(np.prod(each.dims) <= WORTH_TWICE for each in kept.values())
        own = kept.keys() | {node.output[0] for node in body.node if {*node.input} <= kept.keys()}
        convolved = [node.input[1] for node in body.node if node.op_type == "Conv"]
        assert own.issuperset(convolved)


def test_a_large_weight_stays_the_graph_s():
    build = _Build()
    scale = build.constant(np.float32([3]))
    small, large = (build.constant(np.ones(numbers, np.float32)) for numbers in (WORTH_TWICE, WORTH_TWICE + 1))
    products = [onnx.helper.make_node("Mul", [name, scale], [f"scaled {name}"]) for name in (small, large)]
    build._nodes += products
    weights = [small, large, f"scaled {small}", f"scaled {large}"]
    body = [onnx.helper.make_node("Conv", ["x", name], ["y"]) for name in weights]
    own, made = build._own_weights(body, "u0")
    assert [node.input[1] for node in body] == [f"u0/{small}", large, f"u0/scaled {small}", f"scaled {large}"]
    assert [each.name for each in own] == [f"u0/{small}/half", f"u0/{scale}"]
    assert [(node.op_type, *node.input, *node.output) for node in made] == [
        ("Cast", f"u0/{small}/half", f"u0/{small}"),
        ("Mul", f"u0/{small}", f"u0/{scale}", f"u0/scaled {small}"),
    ]


def test_nothing_stands_in_it_that_nothing_reads(graph):
    bodies = [node for loop in loops(graph) for node in inside(loop).node]
    read = {name for node in (*graph.node, *bodies) for name in node.input} | {each.name for each in graph.output}
    assert read.issuperset(each.name for each in graph.initializer)
    assert all(not read.isdisjoint(node.output) for node in graph.node)


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
