"""The pieces of a search as one ONNX graph: each exported by torch, one Loop a stage, every weight in it once.

What no step changes stands in front of the loops; of that, a runtime works out what depends on weights alone when it
loads the file.
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

from faceinpaint_fast.export.pieces import Pieces, Step
from faceinpaint_fast.extras import of_extra
from faceinpaint_fast.ops.plain import DECOMPOSITIONS

with of_extra("onnx"):
    import onnxscript  # noqa: F401 - what torch exports by
    from onnx import TensorProto, helper, numpy_helper

OPSET, IR = 18, 8
STATE = ("u", "mean", "square")
WORTH_HALVING = 1024  # numbers of a weight


def lerp(start: Tensor, end: Tensor, weight: float) -> Tensor:
    """Returns torch's lerp by its definition: an exporter would compute both ways, and choose a million times."""
    return start + weight * (end - start) if weight < 0.5 else end - (end - start) * (1 - weight)


def graph_of(pieces: Pieces) -> Any:
    """Returns the search as an onnx.GraphProto, from images and holes to T; float32, but float16 weights where exact.

    images     (N, C, H, W) in [0, 1]; what they hold inside the hole does not matter
    holes      (N, 1, H, W), missing where >= 0.5
    generated  T, (N, C, H, W) in [0, 1]
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
        build.loop(part, step, began, epsilon, u.shape[1])
        if index < len(pieces.between):
            build.add(exported(pieces.between[index], {"u": u}, ["u_"]), u=f"found{index}", u_=f"u{index + 1}")
            with torch.no_grad():
                u = pieces.between[index](u)
    build.add(exported(pieces.end, {"u": u}, ["generated"]), u=f"found{len(pieces.steps) - 1}")
    size = [*images.shape[1:]]
    asked = [("images", ["N", *size]), ("holes", ["N", 1, *size[1:]])]
    return build.graph(asked, [("generated", ["N", *size])])


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

    def loop(self, part: Any, step: Step, began: str, epsilon: str, width: int) -> None:
        """Adds a stage, from where it began to what it found, `foundK` for `uK`; `width` numbers a row."""
        found = began.replace("u", "found")
        inside = {name: f"{began}/{name}" for name in (*STATE, *(f"{name}_" for name in STATE))}
        number, goes_on, iteration = (f"{began}/{name}" for name in ("number", "goes_on", "iteration"))
        names = {value.name: value.name for value in part.input} | inside
        names |= {"began": began, "epsilon": epsilon, "iteration": iteration}
        body = self._taken(part, names, {iteration, *(inside[name] for name in STATE)})
        first = self.constant(np.zeros(1, np.int64))
        body = [
            helper.make_node("Unsqueeze", [number, first], [iteration]),
            *body,
            helper.make_node("Identity", [goes_on], [f"{goes_on}_"]),
        ]

        def told(name: str, kind: int, shape: list[Any]) -> Any:
            return helper.make_tensor_value_info(name, kind, shape)

        def state(end: str) -> list[Any]:
            return [told(f"{began}/{name}{end}", TensorProto.FLOAT, ["rows", width]) for name in STATE]

        graph = helper.make_graph(
            body,
            f"{began}/stage",
            [told(number, TensorProto.INT64, []), told(goes_on, TensorProto.BOOL, []), *state("")],
            [told(f"{goes_on}_", TensorProto.BOOL, []), *state("_")],
        )
        count, yes = self.constant(np.int64(step.count)), self.constant(np.bool_(True))
        zeros = f"{began}/zeros"
        self._nodes += [
            helper.make_node("Shape", [began], [f"{began}/shape"]),
            helper.make_node("ConstantOfShape", [f"{began}/shape"], [zeros]),
            helper.make_node(
                "Loop",
                [count, yes, began, zeros, zeros],
                [found, f"{found}/mean", f"{found}/square"],
                name=f"{began}/loop",
                body=graph,
            ),
        ]

    def graph(self, inputs: list[tuple[str, list[Any]]], outputs: list[tuple[str, list[Any]]]) -> Any:
        """Returns all that was added, from these inputs to these outputs, float32 of such shapes each."""

        def told(values: list[tuple[str, list[Any]]]) -> list[Any]:
            return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values]

        initializers, casts = [], []
        for name, array in self._weights.items():
            half = exact_half(array)
            if half is not None:
                casts.append(helper.make_node("Cast", [f"{name}/half"], [name], to=TensorProto.FLOAT))
            kept = (array, name) if half is None else (half, f"{name}/half")
            initializers.append(numpy_helper.from_array(*kept))
        return helper.make_graph([*casts, *self._nodes], "search", told(inputs), told(outputs), initializers)

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


def exact_half(array: Any) -> Any:
    """Returns a large float32 array in float16, where that loses nothing."""
    if array.dtype != np.float32 or array.size < WORTH_HALVING:
        return None
    with np.errstate(over="ignore"):
        half = array.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), array) else None
