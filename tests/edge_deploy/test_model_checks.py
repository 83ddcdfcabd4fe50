# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What the network of a policy may not hold is refused before any runtime sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tarsus_core.errors import PolicyFileError
from tarsus_edge import pretrained, wire
from tarsus_edge.model_checks import OPERATORS, refuse_unsafe

X = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])


def model(*nodes: onnx.NodeProto, **graph: Any) -> bytes:
    """A model of these nodes, which observes ``x``."""
    made = helper.make_model(helper.make_graph(list(nodes), "g", [X], [], **graph))
    return bytes(made.SerializeToString())


def refusal(data: bytes) -> str:
    with pytest.raises(PolicyFileError) as caught:
        refuse_unsafe(data)
    return str(caught.value)


def test_the_operators_are_onnxs_own() -> None:
    assert {s.name for s in onnx.defs.get_all_schemas() if s.domain == ""} >= OPERATORS


def test_the_policy_that_ships_passes() -> None:
    refuse_unsafe(Path(pretrained.pretrained_policy("g1")).read_bytes())


@pytest.mark.parametrize(
    "operator",
    [
        "Loop",
        "If",
        "Scan",
        "ConstantOfShape",
        "Expand",
        "Tile",
        "Range",
        "RandomNormal",
        "NonZero",
        "Dropout",
        "Tanhh",
        "",
    ],
)
def test_operators_that_are_not_listed_are_refused(operator: str) -> None:
    assert f"the operator '{operator}'" in refusal(model(helper.make_node(operator, ["x"], ["y"])))


def test_operators_of_other_domains_are_refused() -> None:
    refuse_unsafe(model(helper.make_node("Tanh", ["x"], ["y"], domain="ai.onnx")))
    assert "'com.evil.Tanh'" in refusal(model(helper.make_node("Tanh", ["x"], ["y"], domain="com.evil")))


def test_functions_of_its_own_are_refused() -> None:
    made = onnx.load_from_string(model(helper.make_node("Tanh", ["x"], ["y"])))
    made.functions.append(
        helper.make_function("own", "f", ["a"], ["b"], [helper.make_node("Tanh", ["a"], ["b"])], made.opset_import)
    )
    assert "functions of its own" in refusal(made.SerializeToString())


def test_graphs_inside_nodes_are_refused_under_any_name() -> None:
    branch = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "b", [], [])
    assert "control flow" in refusal(model(helper.make_node("Tanh", ["x"], ["y"], body=branch)))


def claims_too_much(tensor: TensorProto) -> None:
    tensor.dims[:] = [1 << 20, 1 << 20]


def claims_a_negative(tensor: TensorProto) -> None:
    tensor.dims[:] = [-12]


def is_text(tensor: TensorProto) -> None:
    tensor.data_type = TensorProto.STRING


def lies_elsewhere(tensor: TensorProto) -> None:
    tensor.external_data.add(key="location", value="weights.bin")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (claims_too_much, "1048576 x 1048576 values and has not"),
        (claims_a_negative, "values and has not"),
        (is_text, "weights of ONNX type 8"),
        (lies_elsewhere, "another file"),
    ],
)
@pytest.mark.parametrize("place", ["initializer", "constant"])
def test_tensors_that_are_not_what_they_say(spoil: Callable[[TensorProto], None], why: str, place: str) -> None:
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [3, 4], np.zeros(12, np.float32))

    def build() -> bytes:
        if place == "initializer":
            return model(initializer=[tensor])
        return model(helper.make_node("Constant", [], ["y"], value=tensor))

    refuse_unsafe(build())
    spoil(tensor)
    assert why in refusal(build())


def test_dimensions_are_read_packed_and_one_by_one() -> None:
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [2, 2], np.zeros(4, np.float32))
    one_by_one = b"\x08\x02\x08\x02"  # twice field 1, a varint of 2
    packed = b"\x0a\x02\x02\x02"  # field 1, 2 bytes: 2, 2
    data = model(initializer=[tensor])
    assert one_by_one in data
    refuse_unsafe(data.replace(one_by_one, packed))
    assert "127 x 127" in refusal(data.replace(one_by_one, b"\x0a\x02\x7f\x7f"))


def with_field(data: bytes, path: list[int], extra: bytes) -> bytes:
    """The message with ``extra`` after the fields of the message that ``path`` leads to."""
    if not path:
        return data + extra
    found = next(f for f in wire.fields(data) if f.number == path[0])
    inner = with_field(data[found.value_start : found.end], path[1:], extra)
    return data[: found.start] + wire.bytes_field(path[0], inner) + data[found.end :]


@pytest.mark.parametrize(
    ("path", "extra", "why"),
    [
        ([], b"\x7a\x01x", "field 15 of a model"),  # ONNX has none: something hides there
        ([7], b"\xa2\x06\x00", "field 100 of a graph"),
        ([7, 1], b"\x20\x01", "field 4 of a node"),  # an operator that is a number
        ([7, 1], b"\x22\x04Loop", "field 4 of a node comes twice"),
        ([7, 5], b"\x09" + bytes(8), "field 1 of a tensor"),  # a dimension as fixed64
        ([7, 5], b"\x32\x01x", "field 6 of a tensor"),  # text
        ([7, 5], b"\x4a\x01x", "field 9 of a tensor comes twice"),
        ([7, 5], b"\x0a\x08" + b"\1" * 8, "a tensor claims"),  # ten dimensions
        ([7, 1], b"\x0a\x02\xff\xfe", "no UTF-8"),
        ([], b"\x08\x09", "field 1 of a model comes twice"),
        ([8], b"\xa2\x06\x00", "field 100 of an operator set"),
        ([7, 11], b"\xa2\x06\x00", "field 100 of a value"),
        ([7, 11], b"\x0a\x01x", "field 1 of a value comes twice"),
        ([7, 11, 2], b"\x10\x01", "field 2 of a type"),
        ([7, 11, 2, 1], b"\x08\x01", "field 1 of a tensor type comes twice"),
        ([7, 11, 2, 1, 2, 1], b"\x08\x81\x00", "not written as short as it can be"),
        ([7, 1], b"\x12\x01y", "defines 'y' twice"),
    ],
)
def test_what_readers_could_read_in_two_ways_is_refused(path: list[int], extra: bytes, why: str) -> None:
    weights = numpy_helper.from_array(np.zeros((3, 4), np.float32), "t")
    data = model(helper.make_node("Tanh", ["x"], ["y"]), initializer=[weights])
    refuse_unsafe(data)
    assert why in refusal(with_field(data, path, extra))


def test_a_second_graph_cannot_be_merged_into_the_first() -> None:
    data = model(helper.make_node("Tanh", ["x"], ["y"]))
    assert "field 7 of a model comes twice" in refusal(data + wire.bytes_field(7, b""))


def test_names_are_defined_once() -> None:
    weights = numpy_helper.from_array(np.zeros(3, np.float32), "y")
    assert "defines 'y' twice" in refusal(model(helper.make_node("Tanh", ["x"], ["y"]), initializer=[weights]))
    assert "defines 'y?' twice" in refusal(
        model(helper.make_node("Tanh", ["x"], ["y\x1b"]), helper.make_node("Tanh", ["x"], ["y\x1b"]))
    )
    assert "defines 'x' twice" in refusal(model(helper.make_node("Tanh", ["x"], ["x"])))


SIZES = numpy_helper.from_array(np.array([1, 4]), "sizes")


@pytest.mark.parametrize("operator", ["Reshape", "Slice", "Split", "Squeeze", "Unsqueeze", "ReduceMax", "ReduceSum"])
def test_sizes_do_not_depend_on_what_is_observed(operator: str) -> None:
    def data(*before: onnx.NodeProto, sizes: str = "sizes") -> bytes:
        return model(*before, helper.make_node(operator, ["x", sizes], ["y"]), initializer=[SIZES])

    refuse_unsafe(data())
    made = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Add", ["s", "sizes"], ["t"])]
    refuse_unsafe(data(*made, sizes="t"))  # from the size of the observation: always the same
    constant = helper.make_node("Constant", [], ["c"], value=SIZES)
    refuse_unsafe(data(constant, sizes="c"))
    refuse_unsafe(data(sizes=""))  # left out
    loose = [helper.make_node("Cast", ["x"], ["i"], to=7), helper.make_node("Add", ["i", "sizes"], ["t"])]
    assert f"'{operator}' gives depends on what is observed" in refusal(data(*loose, sizes="t"))


WHOLE = numpy_helper.from_array(np.array([-(2**63)]), "least")


@pytest.mark.parametrize("operator", ["Div", "Mod"])
def test_whole_numbers_that_are_observed_are_not_divided(operator: str) -> None:
    """The least one by -1 ends the process."""

    def data(*before: onnx.NodeProto, of: str = "least", by: str = "i") -> bytes:
        return model(*before, helper.make_node(operator, [of, by], ["y"]), initializer=[WHOLE, SIZES])

    why = "divides whole numbers that depend on what is observed"
    cast = helper.make_node("Cast", ["x"], ["i"], to=7)
    assert why in refusal(data(cast))
    assert why in refusal(data(cast, helper.make_node("Identity", ["i"], ["j"]), of="j", by="j"))
    where = [helper.make_node("IsNaN", ["x"], ["c"]), helper.make_node("Where", ["c", "least", "sizes"], ["i"])]
    assert why in refusal(data(*where))
    twice = helper.make_node("Cast", ["x"], ["i"], to=7)
    twice.attribute.append(helper.make_attribute("to", 1))  # a reader may take the first or the last
    assert why in refusal(data(twice))
    constant = helper.make_node("Constant", [], ["k"], value_int=3)
    assert why in refusal(data(constant, cast, of="i", by="k"))
    refuse_unsafe(data(helper.make_node("Shape", ["x"], ["i"])))  # always the same: it shows when it is tried
    refuse_unsafe(data(of="x", by="x"))
    back = helper.make_node("Cast", ["i"], ["f"], to=1)
    refuse_unsafe(data(cast, back, of="x", by="f"))
    refuse_unsafe(data(helper.make_node("Reshape", ["x", "sizes"], ["f"]), of="f", by="f"))


def test_what_a_node_takes_is_computed_before_it() -> None:
    later = [helper.make_node("Tanh", ["b"], ["a"]), helper.make_node("Tanh", ["x"], ["b"])]
    assert "'Tanh' takes 'b' before it is computed" in refusal(model(*later))
    refuse_unsafe(model(*reversed(later)))
