"""The pieces of a search as one ONNX graph: each exported by torch, one Loop a stage, every large weight in it once.

What no step changes stands in front of the loops; of that, a runtime works out what depends on weights alone when it
loads the file.  But onnxruntime lays a convolution's weight out for the processor's vectors only where it is the loop's
own: small ones, of the largest images, each loop has once more, which spares 5 % of the time.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from faceinpaint_fast.export import plate
from faceinpaint_fast.export.pieces import Pieces, Step
from faceinpaint_fast.extras import of_extra
from faceinpaint_fast.ops.plain import DECOMPOSITIONS

with of_extra("onnx"):
    import onnxscript  # noqa: F401 - what torch exports by
    from onnx import TensorProto, helper, numpy_helper

OPSET, IR = 18, 8
STATE = ("u", "mean", "square")
WORTH_HALVING = 1024  # numbers of a weight
WORTH_TWICE = 2**17  # numbers of a weight, at most, that a loop has for itself


def lerp(start: Tensor, end: Tensor, weight: float) -> Tensor:
    """Returns torch's lerp by its definition: an exporter would compute both ways, and choose a million times."""
    return start + weight * (end - start) if weight < 0.5 else end - (end - start) * (1 - weight)


def graph_of(pieces: Pieces, tension: float | None = None) -> Any:
    """Returns the search as an onnx.GraphProto, from images and holes to T; float32, but float16 weights where exact.

    images     (N, C, H, W) in [0, 1]; what they hold inside the hole does not matter
    holes      (N, 1, H, W), missing where >= 0.5
    generated  T, (N, C, H, W) in [0, 1]
    restored   with a tension, of the blend: F, (N, C, H, W), known pixels as they are and missing ones in [0, 1]
    """
    images, holes = pieces.question()
    with torch.no_grad():
        u, *tensors = pieces.begin(images, holes)
    names = [f"of_{index}" for index in range(len(tensors))]
    build = _Build()
    begin = exported(pieces.begin, {"images": images, "holes": holes}, ["u0", *names])
    build.add(begin)
    epsilon = build.constant(np.float32(pieces.steps[0].epsilon))
    for index, step in enumerate(pieces.steps):
        began = f"u{index}"
        given = {"iteration": torch.zeros(1, dtype=torch.int64), "epsilon": torch.tensor(0.5)}
        # a trace takes what it is given twice for one
        given |= {name: u.clone() for name in (*STATE, "began")} | dict(zip(names, tensors, strict=True))
        part = exported(step, given, [f"{name}_" for name in STATE])
        row, zeros = ["rows", u.shape[1]], build.zeros_like(began)
        state = {"u": (began, row), "mean": (zeros, row), "square": (zeros, row)}
        found, *_ = build.loop(part, f"stage{index}", state, step.count, began=began, epsilon=epsilon)
        if index < len(pieces.between):
            build.add(exported(pieces.between[index], {"u": u}, ["u_"]), u=found, u_=f"u{index + 1}")
            with torch.no_grad():
                u = pieces.between[index](u)
    build.add(exported(pieces.end, {"u": u}, ["generated"]), u=found)
    size = [*images.shape[1:]]
    outputs = [("generated", ["N", *size])]
    if tension is not None:
        add_blend(build, images, holes, tension)
        outputs.append(("restored", ["N", *size]))
    return build.graph([("images", ["N", *size]), ("holes", ["N", 1, *size[1:]])], outputs)


def add_blend(build: _Build, images: Tensor, holes: Tensor, tension: float) -> None:
    """Adds a plate under tension, from the graph's `generated` to `restored`; images and holes are to trace with."""
    size = images.shape[-1]
    asked = {"images": images, "holes": holes, "generated": images.flip(0)}
    begin, kept = plate.Begin(size, tension), ["missing", "deep", "limit"]
    first = dict(zip(("r", "p", "energy"), (f"plate/first/{name}" for name in ("r", "p", "energy")), strict=True))
    build.add(exported(begin, asked, [*first, *kept]), **first)
    with torch.no_grad():
        made = dict(zip((*first, *kept), begin(**asked), strict=True))
    given = {"u": torch.zeros_like(images)} | made
    part = exported(plate.Step(size, tension), given, ["goes_on", *(f"{name}_" for name in plate.STATE)])
    first = {"u": build.zeros_like("generated")} | first
    state = {name: (first[name], ["rows", *given[name].shape[1:]]) for name in plate.STATE}
    u, *_ = build.loop(part, "plate", state, plate.MOST)
    build.add(exported(plate.End(), asked | {"u": given["u"]}, ["restored"]), u=u)


def exported(module: nn.Module, given: Mapping[str, Tensor], outputs: list[str]) -> Any:
    """Returns a module as an onnx.GraphProto for any number of rows, its inputs and outputs called that."""
    batch = torch.export.Dim("batch", min=1)
    shapes: list[Any] = [{0: batch} if tensor.ndim > 0 and len(tensor) > 1 else {} for tensor in given.values()]
    if isinstance(module, Step):
        # as torch counts what a star takes
        named = len(given) - len([name for name in given if name.startswith("of_")])
        shapes = [*shapes[:named], tuple(shapes[named:])]
    decompositions = {**DECOMPOSITIONS, torch.ops.aten.lerp.Scalar: lerp}
    with _quiet(), torch.no_grad():
        program = torch.export.export(module.eval(), tuple(given.values()), dynamic_shapes=tuple(shapes))
        done = torch.onnx.export(
            program.run_decompositions(decompositions),
            input_names=list(given),
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert done is not None
    return done.model_proto.graph


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps to itself what torch has to say of what torch does, such as that torchvision is not installed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


class _Build:
    """A graph to which parts are added, one behind the other."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        # by content: what each constant is called, and what is worked out by a node
        self._constants: dict[Any, str] = {}
        self._derived: dict[bytes, list[str]] = {}
        self._weights: dict[str, Any] = {}
        self._parts = 0

    def constant(self, array: Any) -> str:
        """Returns the name of an array, which stands in the graph once."""
        array = np.asarray(array)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants:
            name = self._constants[key] = f"constant{len(self._constants)}"
            self._weights[name] = array
        return self._constants[key]

    def add(self, part: Any, **names: str) -> None:
        """Adds a part, some of whose inputs and outputs are called otherwise in the graph."""
        own = [*part.input, *part.output]
        self._taken(part, {value.name: names.get(value.name, value.name) for value in own}, set())

    def zeros_like(self, name: str) -> str:
        """Returns the name of as many zeros as something has numbers."""
        zeros = f"{name}/zeros"
        self._nodes += [
            helper.make_node("Shape", [name], [f"{name}/shape"]),
            helper.make_node("ConstantOfShape", [f"{name}/shape"], [zeros]),
        ]
        return zeros

    def loop(
        self, part: Any, stage: str, state: Mapping[str, tuple[str, list[Any]]], most: int, **names: str
    ) -> list[str]:
        """Adds a part to be done `most` times, or until its output `goes_on`, if it has one, is false.

        stage  what all names within begin with
        state  of each input that is an output, called so with a _ behind, of the time before: what it is at first, and
               its shape
        names  what its other inputs are called in the graph, but for `iteration`, (1,), the number of the time

        Returns what the state is called in the end.
        """
        own = {end: f"{stage}/{end}" for name in state for end in (name, f"{name}_")}
        number, begun, iteration, goes_on = (f"{stage}/{name}" for name in ("number", "begun", "iteration", "goes_on"))
        told = {value.name for value in (*part.input, *part.output)}
        inside = {value.name: value.name for value in part.input} | names | own
        inside |= {"iteration": iteration, "goes_on": goes_on}
        body = self._taken(part, inside, {iteration, *(own[name] for name in state)})
        weights, made = self._own_weights(body, stage)
        if "iteration" in told:
            made.append(helper.make_node("Unsqueeze", [number, self.constant(np.zeros(1, np.int64))], [iteration]))
        if "goes_on" not in told:
            body.append(helper.make_node("Identity", [begun], [goes_on]))

        def values(end: str) -> list[Any]:
            floats = TensorProto.FLOAT
            return [helper.make_tensor_value_info(own[f"{name}{end}"], floats, state[name][1]) for name in state]

        graph = helper.make_graph(
            [*made, *body],
            stage,
            [
                helper.make_tensor_value_info(number, TensorProto.INT64, []),
                helper.make_tensor_value_info(begun, TensorProto.BOOL, []),
                *values(""),
            ],
            [helper.make_tensor_value_info(goes_on, TensorProto.BOOL, []), *values("_")],
            weights,
        )
        found = [f"{stage}/found/{name}" for name in state]
        given = [self.constant(np.int64(most)), self.constant(np.bool_(True)), *(first for first, _ in state.values())]
        self._nodes.append(helper.make_node("Loop", given, found, name=f"{stage}/loop", body=graph))
        return found

    def graph(self, inputs: list[tuple[str, list[Any]]], outputs: list[tuple[str, list[Any]]]) -> Any:
        """Returns all that was added, from these inputs to these outputs, float32 of such shapes each."""

        def told(values: list[tuple[str, list[Any]]]) -> list[Any]:
            return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values]

        nodes, read = self._asked_for([name for name, _ in outputs])
        initializers, casts = kept({name: array for name, array in self._weights.items() if name in read})
        return helper.make_graph([*casts, *nodes], "search", told(inputs), told(outputs), initializers)

    def _asked_for(self, outputs: list[str]) -> tuple[list[Any], set[str]]:
        """Returns the nodes on which some outputs depend, and the names of all that is read on the way."""
        read = set(outputs)
        nodes = []
        for node in reversed(self._nodes):
            if not read.isdisjoint(node.output):
                nodes.append(node)
                within = [inner for attribute in node.attribute for inner in attribute.g.node]
                read.update(name for each in (node, *within) for name in each.input)
        return nodes[::-1], read

    def _own_weights(self, body: list[Any], prefix: str) -> tuple[list[Any], list[Any]]:
        """Returns the small weights that a loop's nodes convolve by as the loop's own: what is kept, and nodes of it.

        The loop's nodes have them as their input in place of the graph's.
        """
        makers = {name: node for node in self._nodes for name in node.output}
        own: dict[str, Any] = {}
        made = []
        for node in body:
            if node.op_type != "Conv":
                continue
            weight = node.input[1]
            # times BatchNorm's scale, if there is one
            factors = [*makers[weight].input] if weight in makers else [weight]
            if all(name in self._weights and self._weights[name].size <= WORTH_TWICE for name in factors):
                node.input[1] = f"{prefix}/{weight}"
                own |= {f"{prefix}/{name}": self._weights[name] for name in factors}
                if weight in makers:
                    within = [f"{prefix}/{name}" for name in factors]
                    made.append(helper.make_node(makers[weight].op_type, within, [node.input[1]]))
        initializers, casts = kept(own)
        return initializers, [*casts, *made]

    def _taken(self, part: Any, names: dict[str, str], varying: set[str]) -> list[Any]:
        """Returns a part's nodes that depend on what varies, called as nothing else in the graph.

        All others are put into the graph, in front of what follows, but for those that stand there already.
        """
        prefix = f"part{self._parts}/"
        self._parts += 1
        names = names | {each.name: self.constant(numpy_helper.to_array(each)) for each in part.initializer}
        asked = {each.name for each in part.output}
        left = []
        for old in part.node:
            inputs = [names.get(name, prefix + name) if name else "" for name in old.input]
            node = helper.make_node(old.op_type, inputs, [], domain=old.domain)
            node.attribute.extend(old.attribute)
            outputs = [names.get(name, prefix + name) if name else "" for name in old.output]
            key = node.SerializeToString(deterministic=True)
            node.output.extend(outputs)
            if not varying.isdisjoint(inputs):
                varying.update(outputs)
                left.append(node)
            elif key in self._derived and asked.isdisjoint(old.output):
                names |= dict(zip(old.output, self._derived[key], strict=True))
            else:
                self._derived[key] = outputs
                self._nodes.append(node)
        return left


def kept(weights: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
    """Returns arrays by name as initializers, and the nodes that cast those in float16 back to float32."""
    initializers, casts = [], []
    for name, array in weights.items():
        half = exact_half(array)
        if half is not None:
            casts.append(helper.make_node("Cast", [f"{name}/half"], [name], to=TensorProto.FLOAT))
        stored = (array, name) if half is None else (half, f"{name}/half")
        initializers.append(numpy_helper.from_array(*stored))
    return initializers, casts


def exact_half(array: Any) -> Any:
    """Returns a large float32 array in float16, where that loses nothing."""
    if array.dtype != np.float32 or array.size < WORTH_HALVING:
        return None
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), array) else None
