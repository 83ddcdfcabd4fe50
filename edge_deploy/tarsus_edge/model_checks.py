# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What the network of a policy file may hold: known operators of bounded output, weights inside the file, nothing else.

The bytes are read as protobuf here and not by the onnx package, which the robot does not have; and before any runtime
sees them, since a model checker passes what makes a runtime allocate without bound.
"""

from __future__ import annotations

import math

from tarsus_core.errors import PolicyFileError
from tarsus_edge import wire

OPERATORS = frozenset(
    {
        *("Abs", "Add", "Ceil", "Clip", "Div", "Exp", "Floor", "Log", "Max", "Mean", "Min", "Mod", "Mul", "Neg", "Pow"),
        *("Reciprocal", "Round", "Sign", "Sqrt", "Sub", "Sum"),
        *("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cos", "Cosh", "Sin", "Sinh", "Tan", "Tanh"),
        *("And", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Or", "Where"),
        *("Gemm", "MatMul", "BatchNormalization", "LayerNormalization", "Dropout"),
        *("Celu", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "LogSoftmax", "Mish", "PRelu", "Relu"),
        *("Selu", "Sigmoid", "Softmax", "Softplus", "Softsign", "Swish", "ThresholdedRelu"),
        *("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "ReduceSumSquare"),
        *("Cast", "Concat", "Constant", "Flatten", "Gather", "Identity", "Reshape", "Shape", "Slice", "Split"),
        *("Squeeze", "Transpose", "Unsqueeze"),
    }
)
"""Operators of ONNX's own domain that a policy may hold.

Each computes a function without state whose output is no larger than what its inputs broadcast to. Left out is what
makes large tensors from a few bytes (ConstantOfShape, Expand, Pad, Range, Resize, Tile), what draws at random, what
gives outputs of unknown size (NonZero, Unique), and control flow.
"""

_FLOAT, _UINT8, _INT8, _INT32, _INT64, _BOOL, _FLOAT16, _DOUBLE = 1, 2, 3, 6, 7, 9, 10, 11
_TENSOR_TYPES = {_FLOAT, _UINT8, _INT8, _INT32, _INT64, _BOOL, _FLOAT16, _DOUBLE}

# Field numbers of onnx.proto (ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto)
_MODEL_GRAPH, _MODEL_FUNCTIONS = 7, 25
_GRAPH_NODE, _GRAPH_INITIALIZER, _GRAPH_SPARSE_INITIALIZER = 1, 5, 15
_NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_DIMENSIONS, _TENSOR_TYPE, _TENSOR_EXTERNAL_DATA, _TENSOR_DATA_LOCATION = 1, 2, 13, 14

_SPARSE = "it holds sparse weights, which a policy may not"


def refuse_unsafe(model: bytes) -> None:
    """Refuse what a policy may not hold.

    Args:
        model: a serialised ONNX model; metadata in it does not matter.

    Raises:
        PolicyFileError: half a sentence that says what it holds.
    """
    for item in wire.fields(model):
        if item.number == _MODEL_GRAPH:
            _check_graph(model, item)
        elif item.number == _MODEL_FUNCTIONS:
            raise PolicyFileError("it holds functions of its own, which a policy may not")


def _check_graph(data: bytes, graph: wire.Field) -> None:
    for item in wire.fields(data, graph.value_start, graph.end):
        if item.number == _GRAPH_INITIALIZER:
            _check_tensor(data, item)
        elif item.number == _GRAPH_SPARSE_INITIALIZER:
            raise PolicyFileError(_SPARSE)
        elif item.number == _GRAPH_NODE:
            _check_node(data, item)


def _check_node(data: bytes, node: wire.Field) -> None:
    operator = domain = ""
    for item in wire.fields(data, node.value_start, node.end):
        if item.number == _NODE_OPERATOR:
            operator = _text(data, item)
        elif item.number == _NODE_DOMAIN:
            domain = _text(data, item)
        elif item.number == _NODE_ATTRIBUTE:
            _check_attribute(data, item)
    if domain not in ("", "ai.onnx") or operator not in OPERATORS:
        name = f"{domain}.{operator}" if domain else operator
        raise PolicyFileError(f"it holds the operator '{name}', which a policy may not")


def _check_attribute(data: bytes, attribute: wire.Field) -> None:
    for item in wire.fields(data, attribute.value_start, attribute.end):
        if item.number in _ATTRIBUTE_GRAPHS:
            raise PolicyFileError("it holds control flow (If, Loop or Scan), which a policy may not")
        if item.number in _ATTRIBUTE_SPARSE:
            raise PolicyFileError(_SPARSE)
        if item.number in _ATTRIBUTE_TENSORS:
            _check_tensor(data, item)


def _check_tensor(data: bytes, tensor: wire.Field) -> None:
    dimensions: list[int] = []
    kind = 0
    for item in wire.fields(data, tensor.value_start, tensor.end):
        if item.number == _TENSOR_EXTERNAL_DATA or (item.number == _TENSOR_DATA_LOCATION and item.value != 0):
            raise PolicyFileError("its weights lie in another file, but a policy is one file")
        if item.number == _TENSOR_TYPE:
            kind = item.value
        elif item.number == _TENSOR_DIMENSIONS:
            dimensions += wire.varints(data, item)
    if kind not in _TENSOR_TYPES:
        raise PolicyFileError(f"it holds weights of ONNX type {kind}, which a policy may not")
    # Each element takes a byte or more; a negative dimension reads as a huge number.
    if math.prod(dimensions) > tensor.end - tensor.value_start:
        raise PolicyFileError(f"a tensor claims to have {' x '.join(map(str, dimensions))} values and has not")


def _text(data: bytes, item: wire.Field) -> str:
    return data[item.value_start : item.end].decode("utf-8", errors="replace") if item.wire_type == wire.BYTES else "?"
