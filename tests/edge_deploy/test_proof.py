# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A policy that takes too much memory, too long, or its process down is refused, and the caller lives on."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.policies import make_contract, make_model, make_network, make_policy, make_policy_bytes
from onnx import helper

from tarsus_core.errors import PolicyFileError, RobotModelError
from tarsus_core.robot_model import load_robot
from tarsus_edge import proof
from tarsus_edge.policy_file import PolicyFile, attach_contract, parse_policy
from tarsus_edge.proof import load_proven, prove
from tarsus_edge.signature import TrustedKeys

ROBOT = load_robot("g1")


def outer_product(size: int) -> PolicyFile:
    """Policy of 2 x ``size`` weights that computes with ``size`` squared values."""
    contract = make_contract(ROBOT)
    zeros = ((0.0,) * contract.observation_size,), ((0.0,) * contract.action_size,)
    contract = dataclasses.replace(contract, golden_observations=zeros[0], golden_actions=zeros[1])
    nodes = [
        helper.make_node("Slice", ["observation", "from", "to", "axes"], ["s"]),
        helper.make_node("Mul", ["s", "column"], ["c"]),
        helper.make_node("Mul", ["c", "row"], ["m"]),
        helper.make_node("ReduceMax", ["m"], ["r"], keepdims=1),
        helper.make_node("Gemm", ["observation", "w"], ["g"]),
        helper.make_node("Add", ["g", "r"], ["action"]),
    ]
    tensors = {
        "from": np.array([0]),
        "to": np.array([1]),
        "axes": np.array([1]),
        "column": np.ones((size, 1), np.float32),
        "row": np.ones((1, size), np.float32),
        "w": np.zeros((contract.observation_size, contract.action_size), np.float32),
    }
    model = make_model(nodes, contract.observation_size, contract.action_size, tensors)
    return parse_policy(attach_contract(model, contract), "outer.onnx")


def test_a_good_policy_is_proven_and_loaded(tmp_path: Path) -> None:
    path = make_policy(tmp_path / "walk.onnx", ROBOT)
    assert 0.0 < prove(parse_policy(path.read_bytes())) < 0.02
    assert load_proven(path, ROBOT).contract.robot == "g1"


def test_a_network_that_asks_for_160_gb_is_refused() -> None:
    with pytest.raises(PolicyFileError, match="Failed to allocate memory"):
        prove(outer_product(200_000))


def test_a_call_longer_than_the_control_period_is_refused() -> None:
    file = outer_product(4_000)
    hasty = dataclasses.replace(file, contract=dataclasses.replace(file.contract, control_period_s=1e-4))
    with pytest.raises(PolicyFileError, match=r"takes [\d.]+ ms on this machine, longer than .* 0\.1 ms"):
        prove(hasty)


def test_the_deadline_ends_the_child() -> None:
    with pytest.raises(PolicyFileError, match=r"not loaded and proven within 0\.01 s"):
        prove(parse_policy(make_policy_bytes(ROBOT)), deadline_s=0.01)


def test_a_child_that_dies_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = parse_policy(make_policy_bytes(ROBOT))
    with pytest.raises(PolicyFileError, match=r"bad_alloc|ended the process it was tried in"):
        prove(file, memory_bytes=8 << 20)
    killer = tmp_path / "killer"
    killer.write_text("#!/bin/sh\nkill -9 $$\n")
    killer.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killer))
    with pytest.raises(PolicyFileError, match="SIGKILL"):
        prove(file)


def test_golden_vectors_that_do_not_hold_are_refused_by_the_child(tmp_path: Path) -> None:
    file = parse_policy(make_policy_bytes(ROBOT))
    golden = tuple(tuple(v + 1.0 for v in row) for row in file.contract.golden_actions)
    data = attach_contract(file.data, dataclasses.replace(file.contract, golden_actions=golden))
    with pytest.raises(PolicyFileError, match=r"'walk\.onnx' does not reproduce its golden vectors"):
        prove(parse_policy(data, "walk.onnx"))


def test_a_policy_in_the_making_has_only_to_run() -> None:
    contract = make_contract(ROBOT)
    file = parse_policy(attach_contract(make_network(contract.observation_size, contract.action_size), contract))
    assert 0.0 < prove(file, golden=False) < 0.02
    with pytest.raises(PolicyFileError, match="no golden vectors"):
        prove(file)


def test_nothing_is_run_for_a_wrong_robot_or_a_missing_signature(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(proof, "prove", lambda _: pytest.fail("it was run"))
    path = make_policy(tmp_path / "walk.onnx", ROBOT)
    with pytest.raises(PolicyFileError, match="not signed"):
        load_proven(path, ROBOT, TrustedKeys({}, "keys"))
    with pytest.raises((PolicyFileError, RobotModelError), match="g2"):
        load_proven(path, dataclasses.replace(ROBOT, name="g2"))


def test_the_folder_it_is_called_from_is_no_place_to_import_from(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("json.py", "numpy.py", "tarsus_edge.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nraise SystemExit(7)\n")
    monkeypatch.chdir(tmp_path)
    prove(parse_policy(make_policy_bytes(ROBOT)))
    assert not (tmp_path / "ran").exists()
