# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What the network of a policy file may hold: known operators of bounded output, weights inside the file, nothing else.

The bytes are read as protobuf here and not by the onnx package, which the robot does not have; and before any runtime
sees them, since a model checker passes what makes a runtime allocate without bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from tarsus_core.errors import PolicyFileError, printable
from tarsus_edge import wire
from tarsus_edge.wire import BYTES, FIXED32, FIXED64, VARINT

OPERATORS = frozenset(
    {
        *("Abs", "Add", "Ceil", "Clip", "Div", "Exp", "Floor", "Log", "Max", "Mean", "Min", "Mod", "Mul", "Neg", "Pow"),
        *("Reciprocal", "Round", "Sign", "Sqrt", "Sub", "Sum"),
        *("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cos", "Cosh", "Sin", "Sinh", "Tan", "Tanh"),
        *("And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "Not", "Or", "Where"),
        *("Gemm", "MatMul", "BatchNormalization", "LayerNormalization"),
        *("Celu", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "LogSoftmax", "Mish", "PRelu", "Relu"),
        *("Selu", "Sigmoid", "Softmax", "Softplus", "Softsign", "Swish", "ThresholdedRelu"),
        *("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare"),
        *("Cast", "Concat", "Constant", "Flatten", "Gather", "Identity", "Reshape", "Shape", "Slice", "Split"),
        *("Squeeze", "Transpose", "Unsqueeze"),
    }
)
"""Operators of ONNX's own domain that a policy may hold.

Each computes a function without state, and the sizes of its inputs bound that of its output. Left out is what makes
large tensors from a few bytes (ConstantOfShape, Expand, Pad, Range, Resize, Tile), what draws at random (Dropout, too,
which can be told to), what gives outputs of unknown size (NonZero, Unique), and control flow. A row of operators can
still ask for much: that shows in the proof (``proof.py``), as sizes do not depend on what is observed.
"""

_DIVISIONS = ("Div", "Mod")
"""The processor ends a process that divides the least whole number by -1, and ONNX Runtime looks for zeros alone."""

_LOGICAL = ("And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "Not", "Or")
"""operators that give truth values"""

_SHAPED_BY_INPUTS = frozenset(
    {
        *("Reshape", "Slice", "Split", "Squeeze", "Unsqueeze"),
        *(name for name in OPERATORS if name.startswith("Reduce")),
    }
)
"""Operators whose inputs after the first say how large their output is."""

_FLOAT, _UINT8, _INT8, _INT32, _INT64, _BOOL, _FLOAT16, _DOUBLE = 1, 2, 3, 6, 7, 9, 10, 11
_TENSOR_TYPES = {_FLOAT, _UINT8, _INT8, _INT32, _INT64, _BOOL, _FLOAT16, _DOUBLE}
_FRACTIONS = {_FLOAT, _FLOAT16, _DOUBLE}

Wires = Mapping[int, tuple[int, ...]]

_WHOLE, _PACKED, _PACKED_FLOATS, _PACKED_DOUBLES = (VARINT,), (VARINT, BYTES), (FIXED32, BYTES), (FIXED64, BYTES)
_FIXED, _TEXT = (FIXED32,), (BYTES,)

# Messages of onnx.proto: number of each field that a policy may have -> its wire types. What comes once is in _ONCE: of
# a message that comes twice, protobuf makes one.
_MODEL = {1: _WHOLE, 2: _TEXT, 3: _TEXT, 4: _TEXT, 5: _WHOLE, 6: _TEXT, 7: _TEXT, 8: _TEXT, 14: _TEXT, 25: _TEXT}
_GRAPH = {1: _TEXT, 2: _TEXT, 5: _TEXT, 10: _TEXT, 11: _TEXT, 12: _TEXT, 13: _TEXT, 15: _TEXT, 16: _TEXT}
_NODE = {1: _TEXT, 2: _TEXT, 3: _TEXT, 4: _TEXT, 5: _TEXT, 6: _TEXT, 7: _TEXT, 8: _TEXT, 9: _TEXT}
_ATTRIBUTE = {
    **{1: _TEXT, 2: _FIXED, 3: _WHOLE, 4: _TEXT, 5: _TEXT, 6: _TEXT, 7: _PACKED_FLOATS, 8: _PACKED, 9: _TEXT},
    **{10: _TEXT, 11: _TEXT, 13: _TEXT, 20: _WHOLE, 22: _TEXT, 23: _TEXT},
}
_TENSOR = {
    **{1: _PACKED, 2: _WHOLE, 4: _PACKED_FLOATS, 5: _PACKED, 7: _PACKED, 8: _TEXT, 9: _TEXT, 10: _PACKED_DOUBLES},
    **{11: _PACKED, 12: _TEXT, 13: _TEXT, 14: _WHOLE, 16: _TEXT},
}
_ONCE: dict[str, set[int]] = {
    "model": {1, 2, 3, 4, 5, 6, 7},
    "graph": {2, 10},
    "node": {3, 4, 6, 7, 8},
    "attribute": {1, 2, 3, 4, 5, 6, 13, 20, 21, 22},
    "tensor": {2, 8, 9, 12, 14},
}
# The messages that say what operators, types and shapes there are: fields, those that come once, messages in them.
_PLAIN: dict[str, tuple[Wires, set[int], dict[int, str]]] = {
    "operator set": ({1: _TEXT, 2: _WHOLE}, {1, 2}, {}),
    "value": ({1: _TEXT, 2: _TEXT, 3: _TEXT, 4: _TEXT}, {1, 2, 3}, {2: "type"}),
    "type": ({1: _TEXT, 6: _TEXT}, {1, 6}, {1: "tensor type"}),
    "tensor type": ({1: _WHOLE, 2: _TEXT}, {1, 2}, {2: "shape"}),
    "shape": ({1: _TEXT}, set(), {1: "dimension"}),
    "dimension": ({1: _WHOLE, 2: _TEXT, 3: _TEXT}, {1, 2, 3}, {}),
}

_MODEL_GRAPH, _MODEL_OPERATOR_SET, _MODEL_FUNCTIONS = 7, 8, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_SPARSE_INITIALIZER = 1, 5, 11, 15
_GRAPH_VALUES = (11, 12, 13)
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 4, 5, 7
_VALUE_NAME = 1
_ATTRIBUTE_NAME, _ATTRIBUTE_INTEGER = 1, 3
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_DIMENSIONS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 1, 2, 8, 13, 14

_MOST_DIMENSIONS = 8
_SPARSE = "it holds sparse weights, which a policy may not"


def refuse_unsafe(model: bytes) -> None:
    """Refuse what a policy may not hold.

    Args:
        model: a serialised ONNX model; metadata in it does not matter.

    Raises:
        PolicyFileError: half a sentence that says what it holds.
    """
    _Check(model).model()


class _Check:
    """The walk through one model."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._budget = wire.Budget()
        self._fixed: set[str] = {""}
        """names of values that are the same whatever is observed; an optional input that is left out is one"""
        self._whole: set[str] = set()
        """names of values that are whole numbers"""
        self._defined: set[str] = {""}

    def model(self) -> None:
        """Check all of it."""
        for item in self._fields("model", _MODEL, None):
            if item.number == _MODEL_GRAPH:
                self._graph(item)
            elif item.number == _MODEL_FUNCTIONS:
                raise PolicyFileError("it holds functions of its own, which a policy may not")
            elif item.number == _MODEL_OPERATOR_SET:
                self._plain("operator set", item)

    def _plain(self, what: str, message: wire.Field) -> str:
        """Check a message of ``_PLAIN`` and what is in it; return its field 1 where that is a text."""
        known, once, inner = _PLAIN[what]
        text = ""
        for item in self._fields(what, known, message, once):
            if item.number in inner:
                self._plain(inner[item.number], item)
            elif item.number == _VALUE_NAME and item.wire_type == BYTES:
                text = self._text(item)
        return text

    def _fields(
        self, what: str, known: Wires, parent: wire.Field | None, once: set[int] | None = None
    ) -> Iterator[wire.Field]:
        """Fields of a message, each of which ONNX has, and none twice that comes once."""
        once = _ONCE[what] if once is None else once
        start, end = (parent.value_start, parent.end) if parent else (0, len(self._data))
        seen: set[int] = set()
        for item in wire.fields(self._data, start, end, self._budget):
            if item.wire_type not in known.get(item.number, ()):
                raise PolicyFileError(f"field {item.number} of {_article(what)} in it is none that a policy has")
            if item.number in once:
                if item.number in seen:
                    raise PolicyFileError(f"field {item.number} of {_article(what)} comes twice in it")
                seen.add(item.number)
            yield item

    def _graph(self, graph: wire.Field) -> None:
        items = list(self._fields("graph", _GRAPH, graph))
        for item in items:
            if item.number == _GRAPH_INITIALIZER:
                name, kind = self._tensor(item)
                self._define(name)
                self._fixed.add(name)
                if kind not in _FRACTIONS:
                    self._whole.add(name)
            elif item.number == _GRAPH_SPARSE_INITIALIZER:
                raise PolicyFileError(_SPARSE)
        for item in items:
            name = self._plain("value", item) if item.number in _GRAPH_VALUES else ""
            if item.number == _GRAPH_INPUT and name not in self._fixed:  # old files list weights, too
                self._define(name)
        for item in items:
            if item.number == _GRAPH_NODE:
                self._node(item)

    def _define(self, name: str) -> None:
        if name in self._defined:
            raise PolicyFileError(f"it defines '{printable(name)}' twice")
        self._defined.add(name)

    def _node(self, node: wire.Field) -> None:
        operator = domain = ""
        inputs, outputs, kinds = [], [], set()
        for item in self._fields("node", _NODE, node):
            if item.number == _NODE_OPERATOR:
                operator = self._text(item)
            elif item.number == _NODE_DOMAIN:
                domain = self._text(item)
            elif item.number == _NODE_INPUT:
                inputs.append(self._text(item))
            elif item.number == _NODE_OUTPUT:
                outputs.append(self._text(item))
            elif item.number == _NODE_ATTRIBUTE:
                kinds.add(self._attribute(item))
        if domain not in ("", "ai.onnx") or operator not in OPERATORS:
            name = printable(f"{domain}.{operator}" if domain else operator)
            raise PolicyFileError(f"it holds the operator '{name}', which a policy may not")
        for name in inputs:
            if name not in self._defined:
                raise PolicyFileError(f"its operator '{operator}' takes '{printable(name)}' before it is computed")
        loose = [name for name in inputs if name not in self._fixed]
        if operator in _DIVISIONS and loose and not self._whole.isdisjoint(inputs):
            raise PolicyFileError(f"its operator '{operator}' divides whole numbers that depend on what is observed")
        if operator in _SHAPED_BY_INPUTS and any(name in loose for name in inputs[1:]):
            raise PolicyFileError(f"the size of what its operator '{operator}' gives depends on what is observed")
        for name in filter(None, outputs):
            self._define(name)
            if not loose or operator == "Shape":  # sizes are the same whatever is observed
                self._fixed.add(name)
            if self._gives_whole(operator, inputs, kinds):
                self._whole.add(name)

    def _gives_whole(self, operator: str, inputs: list[str], kinds: set[int]) -> bool:
        """Whether an operator may give whole numbers; ``kinds`` are the types that its attributes stand for."""
        if operator in ("Cast", "Constant"):
            return not kinds <= _FRACTIONS
        if operator in ("Shape", *_LOGICAL):
            return operator == "Shape"
        source = 1 if operator == "Where" else 0  # the others give what they take first
        return source < len(inputs) and inputs[source] in self._whole

    def _attribute(self, attribute: wire.Field) -> int:
        """Check an attribute; return the ONNX type that it stands for, where it says what type the output has."""
        name, kind, number = "", _FLOAT, 0
        for item in self._fields("attribute", _ATTRIBUTE, attribute):
            if item.number in _ATTRIBUTE_GRAPHS:
                raise PolicyFileError("it holds control flow (If, Loop or Scan), which a policy may not")
            if item.number in _ATTRIBUTE_SPARSE:
                raise PolicyFileError(_SPARSE)
            if item.number in _ATTRIBUTE_TENSORS:
                kind = self._tensor(item)[1]
            elif item.number == _ATTRIBUTE_NAME:
                name = self._text(item)
            elif item.number == _ATTRIBUTE_INTEGER:
                number = item.value
        if name == "to":
            return number
        return _INT64 if name in ("value_int", "value_ints") else kind

    def _tensor(self, tensor: wire.Field) -> tuple[str, int]:
        """Check weights, and return their name and type."""
        dimensions: list[int] = []
        kind, name = 0, ""
        for item in self._fields("tensor", _TENSOR, tensor):
            if item.number == _TENSOR_EXTERNAL_DATA or (item.number == _TENSOR_DATA_LOCATION and item.value != 0):
                raise PolicyFileError("its weights lie in another file, but a policy is one file")
            if item.number == _TENSOR_TYPE:
                kind = item.value
            elif item.number == _TENSOR_NAME:
                name = self._text(item)
            elif item.number == _TENSOR_DIMENSIONS:
                dimensions += wire.varints(self._data, item, _MOST_DIMENSIONS)
        if kind not in _TENSOR_TYPES:
            raise PolicyFileError(f"it holds weights of ONNX type {kind}, which a policy may not")
        # Each element takes a byte or more; a negative dimension reads as a huge number, and beside a 0 as nothing.
        if len(dimensions) > _MOST_DIMENSIONS or math.prod(dimensions) > tensor.end - tensor.value_start:
            shape = " x ".join(map(str, dimensions[:_MOST_DIMENSIONS]))
            raise PolicyFileError(f"a tensor claims to have {shape} values and has not")
        return name, kind

    def _text(self, item: wire.Field) -> str:
        try:
            return self._data[item.value_start : item.end].decode("utf-8")
        except UnicodeDecodeError:
            raise PolicyFileError(f"the name at byte {item.start} is no UTF-8 text") from None


def _article(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"
