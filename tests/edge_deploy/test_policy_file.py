# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A policy file is refused for any damage, in one sentence; what is written reads back bit for bit."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from helpers.policies import make_contract, make_model, make_network, make_policy_bytes, with_golden
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tarsus_core.errors import PolicyFileError
from tarsus_core.robot_model import load_robot
from tarsus_edge import policy_file, wire
from tarsus_edge.policy_file import CONTRACT_KEY, DIGEST_KEY, attach_contract, parse_policy, read_policy

ROBOT = load_robot("g1")
DATA = make_policy_bytes(ROBOT, hidden=2)


def refusal(data: bytes) -> str:
    """Return the sentence with which bytes are refused."""
    with pytest.raises(PolicyFileError) as caught:
        parse_policy(data, "walk.onnx")
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text
    return text


def metadata(*entries: tuple[str, bytes]) -> bytes:
    return policy_file._metadata(list(entries))


def parts() -> tuple[bytes, bytes, bytes]:
    """Model, contract and digest of the good file."""
    model, entries = policy_file._split(DATA)
    return model, entries[0][1], entries[1][1]


def test_onnx_itself_reads_the_file_and_its_metadata(tmp_path: Path) -> None:
    path = tmp_path / "walk.onnx"
    path.write_bytes(DATA)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    values = {p.key: p.value for p in model.metadata_props}
    assert set(values) == {CONTRACT_KEY, DIGEST_KEY}
    assert values[DIGEST_KEY] == hashlib.sha256(values[CONTRACT_KEY].encode()).hexdigest()
    file = read_policy(path)
    assert file.contract.to_json() == values[CONTRACT_KEY]
    assert file.sha256 == hashlib.sha256(DATA).hexdigest() and file.data == DATA
    # The model's digest is that of the file as it was before it had metadata.
    del model.metadata_props[:]
    assert file.contract.graph_sha256 == hashlib.sha256(model.SerializeToString()).hexdigest()


def test_contract_comes_back_bit_for_bit() -> None:
    contract = make_contract(ROBOT, action_scale=tuple(np.nextafter(0.1, 1.0) * k for k in range(1, 13)))
    network = make_network(contract.observation_size, contract.action_size, seed=2)
    contract = with_golden(contract, network)
    file = parse_policy(attach_contract(network, contract))
    assert dataclasses.replace(file.contract, graph_sha256="") == contract


def test_attaching_again_replaces_the_metadata() -> None:
    once = parse_policy(DATA)
    again = attach_contract(DATA, dataclasses.replace(once.contract, provenance={"seed": 7}))
    file = parse_policy(again)
    assert file.contract.provenance == {"seed": 7}
    assert file.contract.graph_sha256 == once.contract.graph_sha256
    assert len(onnx.load_from_string(again).metadata_props) == 2
    assert attach_contract(again, once.contract) == DATA


def test_metadata_before_the_graph_is_stripped_too() -> None:
    model, _, _ = parts()
    foreign = wire.bytes_field(14, wire.bytes_field(1, b"author") + wire.bytes_field(2, b"x"))
    assert attach_contract(foreign + model, parse_policy(DATA).contract) == DATA


@pytest.mark.parametrize("bit", range(8))
def test_every_altered_byte_is_refused(bit: int) -> None:
    for place in range(bit, len(DATA), 8):  # each byte once over the eight runs, each time another bit
        altered = bytearray(DATA)
        altered[place] ^= 1 << bit
        with pytest.raises(PolicyFileError):
            parse_policy(bytes(altered))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_cut_insertion_or_swap_is_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(DATA) - 1))
    end = data.draw(st.integers(start, min(len(DATA), start + 64)))
    inserted = data.draw(st.binary(max_size=16))
    altered = DATA[:start] + inserted + DATA[end:]
    if altered != DATA:
        with pytest.raises(PolicyFileError):
            parse_policy(altered)


def test_truncation_at_every_length_is_refused() -> None:
    for length in range(0, len(DATA), 61):
        with pytest.raises(PolicyFileError):
            parse_policy(DATA[:length])


def test_each_damage_is_named() -> None:
    model, contract, digest = parts()
    weights = bytearray(DATA)
    weights[len(model) // 2] ^= 1
    assert "The network in 'walk.onnx' was altered" in refusal(bytes(weights))
    text = contract.replace(b'"action_clip": 5.0', b'"action_clip": 9.0')
    assert text != contract
    altered = model + metadata((CONTRACT_KEY, text), (DIGEST_KEY, digest))
    assert "The contract in 'walk.onnx' was altered" in refusal(altered)
    assert "empty" in refusal(b"")
    assert "truncated or no ONNX model" in refusal(DATA[: len(DATA) // 2])
    assert "truncated or no ONNX model" in refusal(b"<html>not found</html>")
    assert "without a Tarsus contract" in refusal(model)
    assert "metadata" in refusal(DATA + metadata((CONTRACT_KEY, contract)))  # the key twice
    assert "metadata" in refusal(model + metadata((CONTRACT_KEY, contract)))  # no digest
    assert "metadata" in refusal(model + metadata((DIGEST_KEY, digest), (CONTRACT_KEY, contract)))  # another order
    assert "metadata" in refusal(DATA + metadata(("author", b"x")))
    assert "metadata" in refusal(metadata((CONTRACT_KEY, contract), (DIGEST_KEY, digest)) + model)  # another place
    assert "altered" in refusal(DATA + b"\x28\x01")  # trailing bytes that are a field of a model
    assert "truncated or no ONNX" in refusal(DATA + b"\xff")
    assert "holds 2 graphs" in refusal(DATA + wire.bytes_field(7, b""))


def test_a_contract_that_was_signed_again_must_still_make_sense() -> None:
    model, contract, _ = parts()

    def resigned(old: bytes, new: bytes) -> bytes:
        text = contract.replace(old, new, 1)
        assert text != contract
        return model + metadata((CONTRACT_KEY, text), (DIGEST_KEY, hashlib.sha256(text).hexdigest().encode()))

    assert "version 2" in refusal(resigned(b'"version": 1', b'"version": 2'))
    assert "action_clip" in refusal(resigned(b'"action_clip": 5.0', b'"action_clip": -5.0'))
    assert "NaN" in refusal(resigned(b'"action_clip": 5.0', b'"action_clip": NaN'))
    assert "did you mean 'action_clip'" in refusal(resigned(b'"action_clip"', b'"action_clop"'))
    assert "no UTF-8" in refusal(resigned(b'"tests"', b'"t\xffsts"'))
    assert "beyond what a double holds" in refusal(resigned(b'"action_clip": 5.0', b'"action_clip": 1' + b"0" * 400))
    assert "beyond what a double holds" in refusal(resigned(b'"tests"', b"1e999"))
    assert "nested more than 32 deep" in refusal(resigned(b'"kp": [', b'"kp": [' + b"[" * 600 + b"]" * 600 + b","))
    assert "nested more than 32 deep" in refusal(resigned(b'"tests"', b'{"a":' * 900 + b"1" + b"}" * 900))
    assert "cannot be shown" in refusal(resigned(b'"tests"', b'"\\u001b[2J"'))
    assert "must be 3" in refusal(resigned(b'"size": 3}', b'"size": 3.0}'))


def test_a_file_that_is_of_onnx_runtimes_own_format_too_is_refused() -> None:
    # ONNX: field 1 is 8, then field 1 as 8 bytes. ONNX Runtime: the mark of its own format in bytes 4 to 7.
    head = bytes([0x08, 0x08, 0x09, 0]) + b"ORTM" + bytes(3)
    assert "ONNX Runtime's own format" in refusal(head + DATA)
    with pytest.raises(PolicyFileError, match="own format"):
        attach_contract(head + parts()[0], parse_policy(DATA).contract)


def test_parts_without_end_are_refused_at_once() -> None:
    assert "more parts than a policy" in refusal(DATA + b"\x28\x01" * 300_000)


def test_a_contract_of_megabytes_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_file, "MAX_CONTRACT_BYTES", 2 << 20)
    model, contract, _ = parts()
    text = contract + b" " * (2 << 20)
    data = model + metadata((CONTRACT_KEY, text), (DIGEST_KEY, hashlib.sha256(text).hexdigest().encode()))
    monkeypatch.setattr(policy_file.PolicyContract, "from_json", lambda _: pytest.fail("it was read"))
    assert "larger than 2 MiB" in refusal(data)


def test_nothing_in_a_refusal_moves_the_terminal() -> None:
    model, contract, _ = parts()
    assert "\x1b" not in refusal(model + metadata((CONTRACT_KEY, contract), (DIGEST_KEY, b"\x1b[2J" * 10)))


def with_node(node: onnx.NodeProto, tensors: dict[str, np.ndarray] | None = None) -> bytes:
    """Policy file whose network is one node."""
    contract = make_contract(ROBOT)
    zeros = ((0.0,) * contract.observation_size,), ((0.0,) * contract.action_size,)
    contract = dataclasses.replace(contract, golden_observations=zeros[0], golden_actions=zeros[1])
    return attach_contract(make_model([node], contract.observation_size, contract.action_size, tensors or {}), contract)


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    contract = make_contract(ROBOT)
    model = onnx.load_from_string(make_network(contract.observation_size, contract.action_size))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(PolicyFileError, match="another file"):
        attach_contract((tmp_path / "m.onnx").read_bytes(), contract)


def test_external_data_inside_a_node_is_refused() -> None:
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [12], np.zeros(12, np.float32))
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    node = helper.make_node("Constant", [], ["action"])
    node.attribute.append(helper.make_attribute("value", tensor))
    graph = helper.make_graph([node], "g", [], [])
    with pytest.raises(PolicyFileError, match="another file"):
        attach_contract(helper.make_model(graph).SerializeToString(), make_contract(ROBOT))


def test_control_flow_is_refused() -> None:
    branch = helper.make_graph([helper.make_node("Identity", ["observation"], ["x"])], "b", [], [])
    node = helper.make_node("If", ["c"], ["action"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph([node], "g", [], [])
    with pytest.raises(PolicyFileError, match="control flow"):
        attach_contract(helper.make_model(graph).SerializeToString(), make_contract(ROBOT))


def test_what_is_no_model_cannot_get_a_contract() -> None:
    with pytest.raises(PolicyFileError, match="no ONNX model"):
        attach_contract(b"hello", make_contract(ROBOT))


def test_paths_that_are_no_policy(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match="There is no policy file"):
        read_policy(tmp_path / "absent.onnx")
    with pytest.raises(PolicyFileError, match="is a directory"):
        read_policy(tmp_path)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(PolicyFileError, match="no regular file"):  # and it does not wait for a writer
        read_policy(pipe)
    with pytest.raises(PolicyFileError, match="cannot be opened"):
        read_policy("a\0b")
    with pytest.raises(PolicyFileError, match="cannot be opened"):
        read_policy(tmp_path / ("x" * 300))


def test_a_huge_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_file, "MAX_BYTES", 1024 * 1024)
    huge = tmp_path / "huge.onnx"
    with huge.open("wb") as file:
        file.truncate(2**40)  # sparse: takes no room
    with pytest.raises(PolicyFileError, match="larger than 1 MiB"):
        read_policy(huge)
