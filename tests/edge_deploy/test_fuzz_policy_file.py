# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever a contract says, loading it is a refusal in one sentence or a policy that can be used."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest
from helpers.policies import make_policy_bytes
from helpers.robots import state_of
from hypothesis import given, settings
from hypothesis import strategies as st

from tarsus_core.errors import PolicyFileError, RobotModelError, StateError
from tarsus_core.observation import PolicyInterface
from tarsus_core.robot_model import load_robot
from tarsus_edge import policy_file
from tarsus_edge.policy_file import CONTRACT_KEY, DIGEST_KEY, parse_policy

pytestmark = pytest.mark.fuzz

ROBOT = load_robot("g1")
MODEL, ENTRIES = policy_file._split(make_policy_bytes(ROBOT, hidden=2))
CONTRACT: dict[str, Any] = json.loads(ENTRIES[0][1])

numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.sampled_from([0, -1, 1e308, 5e-324]))
leaves = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=8), st.sampled_from(["g1", "left_knee_joint"]))
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values of a JSON tree; of long lists the first and the last element."""
    found = [path] if path else []
    if isinstance(tree, dict):
        for key, value in tree.items():
            found += places(value, (*path, key))
    elif isinstance(tree, list) and tree:
        for index in sorted({0, len(tree) - 1}):
            found += places(tree[index], (*path, index))
    return found


PLACES = places(CONTRACT)


def signed_anew(contract: Any) -> bytes:
    """Policy file with any contract, its digest right."""
    text = json.dumps(contract).encode()
    digest = hashlib.sha256(text).hexdigest().encode()
    return MODEL + policy_file._metadata([(CONTRACT_KEY, text), (DIGEST_KEY, digest)])


def use(data: bytes) -> None:
    """Load it as the policy node does, up to the command that an action of zeros becomes."""
    try:
        contract = parse_policy(data, "fuzz.onnx").contract
        contract.check_robot(ROBOT)
        interface = PolicyInterface(contract, ROBOT.joint_names)
    except (PolicyFileError, RobotModelError) as error:
        text = str(error)
        assert text.endswith(".") and "\n" not in text
        return
    try:
        observation = interface.observe(state_of(ROBOT, 0.0), np.zeros((1, 3)))
        command = interface.command(np.zeros((1, contract.action_size)), 0.0)
    except StateError:
        return
    assert np.isfinite(observation).all()
    assert np.isfinite(command.position).all() and np.isfinite(command.kp).all() and np.isfinite(command.kd).all()


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), values), min_size=1, max_size=3))
def test_any_value_at_any_place(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    contract = json.loads(json.dumps(CONTRACT))
    for path, value in changes:
        tree = contract
        try:
            for key in path[:-1]:
                tree = tree[key]
            tree[path[-1]] = value
        except (TypeError, IndexError, KeyError):  # a change before has taken the place away
            continue
    use(signed_anew(contract))


@settings(deadline=None)
@given(st.sampled_from(PLACES), st.booleans())
def test_any_part_left_out_or_doubled(path: tuple[Any, ...], doubled: bool) -> None:
    contract = json.loads(json.dumps(CONTRACT))
    tree = contract
    for key in path[:-1]:
        tree = tree[key]
    if doubled and isinstance(tree, list):
        tree.append(tree[path[-1]])
    elif doubled:
        tree[f"{path[-1]}_"] = tree[path[-1]]
    else:
        del tree[path[-1]]
    use(signed_anew(contract))


@settings(deadline=None)
@given(values)
def test_a_contract_that_is_anything(contract: Any) -> None:
    use(signed_anew(contract))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_a_contract_that_is_any_bytes(text: bytes) -> None:
    digest = hashlib.sha256(text).hexdigest().encode()
    use(MODEL + policy_file._metadata([(CONTRACT_KEY, text), (DIGEST_KEY, digest)]))


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_a_file_that_is_any_bytes(data: bytes) -> None:
    use(data)
