# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""On a robot a policy must be signed by default; in simulation it need not, and the one that ships never."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.policies import make_policy
from helpers.ros import Ros
from rclpy.node import Node

from tarsus_core.errors import ConfigError, PolicyFileError
from tarsus_core.robot_model import load_robot
from tarsus_edge.policy_file import read_policy
from tarsus_edge.pretrained import pretrained_policy
from tarsus_edge.signature import TrustedKeys, make_key_files, read_private_key, sign
from tarsus_nodes.policy_source import PolicySource
from tarsus_nodes.supervisor_node import SupervisorNode


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return make_policy(tmp_path / "walk.onnx", load_robot("g1"))


def find(
    session: Ros, policy: str, robot: str = "g1", lockstep: bool = False, **parameters: object
) -> tuple[Path, TrustedKeys | None]:
    node = session.node(lambda **k: Node("asks", **k), parameters={"policy": policy, **parameters})
    return PolicySource(node, lockstep).find(robot)


def test_unsigned_is_refused_on_a_robot_and_taken_in_simulation(session: Ros, policy: Path) -> None:
    with pytest.raises(PolicyFileError, match=r"walk\.onnx' unsigned: sign it .* or set allow_unsigned"):
        find(session, str(policy))
    assert find(session, str(policy), allow_unsigned=True) == (policy, None)
    assert find(session, str(policy), use_sim_time=True) == (policy, None)
    assert find(session, str(policy), lockstep=True) == (policy, None)


def test_the_policy_that_ships_is_as_good_as_the_code_that_would_check_it(session: Ros, tmp_path: Path) -> None:
    ships = pretrained_policy("g1")
    assert find(session, "") == (ships, None)
    assert find(session, str(ships)) == (ships, None)
    link = tmp_path / "link.onnx"
    link.symlink_to(ships)
    assert find(session, str(link)) == (ships, None), "the link may lead elsewhere when it is opened"
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(ships.read_bytes())
    with pytest.raises(PolicyFileError, match="unsigned"):
        find(session, str(copy))
    with pytest.raises(PolicyFileError, match="unsigned"):
        find(session, str(tmp_path / "absent.onnx"))
    with pytest.raises(PolicyFileError, match="unsigned"):
        find(session, str(ships), robot="h1")
    with pytest.raises(ConfigError, match="No policy ships for robot 'h1'"):
        find(session, "", robot="h1")


def test_keys_count_everywhere(session: Ros, policy: Path, tmp_path: Path) -> None:
    make_key_files(tmp_path / "lab.key", tmp_path / "lab.pub")
    keys = str(tmp_path / "lab.pub")
    for more in ({}, {"use_sim_time": True}, {"allow_unsigned": True}):
        with pytest.raises(PolicyFileError, match="is not signed"):
            read_policy(*find(session, str(policy), trusted_keys=keys, **more))
    policy.write_bytes(sign(policy.read_bytes(), read_private_key(tmp_path / "lab.key")))
    assert read_policy(*find(session, str(policy), trusted_keys=keys)).signature is not None
    with pytest.raises(PolicyFileError, match="There is no public key"):
        find(session, str(policy), trusted_keys=str(tmp_path / "absent.pub"))


def test_the_supervisor_asks_for_it_too(session: Ros, policy: Path) -> None:
    with pytest.raises(PolicyFileError, match="unsigned"):
        session.node(SupervisorNode, parameters={"policy": str(policy), "watchdog": False})
