# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The launch file of the simulation: what it starts, with which parameters; and that the nodes know them all."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.policies import make_policy
from helpers.ros import ros

from tarsus_core.robot_model import load_robot
from tarsus_edge.launcher import LaunchError, LaunchPlan, load_plan
from tarsus_edge.launcher.parameters import ParameterDocument
from tarsus_nodes.camera_node import CameraNode
from tarsus_nodes.collision_monitor_node import CollisionMonitorNode
from tarsus_nodes.lifecycle_manager_node import LifecycleManagerNode
from tarsus_nodes.policy_node import PolicyNode
from tarsus_nodes.sim_node import SimNode
from tarsus_nodes.supervisor_node import SupervisorNode
from tarsus_nodes.watchdog_node import WatchdogNode

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
FILE = LAUNCH / "sim.launch.xml"
NODES = {
    "sim": SimNode,
    "policy": PolicyNode,
    "supervisor": SupervisorNode,
    "watchdog": WatchdogNode,
    "lifecycle_manager": LifecycleManagerNode,
}


EXTRA = {"camera": CameraNode, "collision_monitor": CollisionMonitorNode}
"""nodes that are started where they are asked for"""


def plan(**arguments: str) -> LaunchPlan:
    return load_plan(FILE, {"policy": "walk.onnx", **arguments})


def parameters(process: Any) -> dict[str, Any]:
    """Parameters that a process gets beside the file, by name."""
    found: dict[str, Any] = {}
    for word in process.command:
        if isinstance(word, ParameterDocument):
            for node in yaml.safe_load(word.to_yaml()).values():
                found.update(node["ros__parameters"])
    return found


def by_node(made: LaunchPlan) -> dict[str, dict[str, Any]]:
    return {str(process.node).lstrip("/"): parameters(process) for process in made.processes}


def test_it_starts_the_nodes_on_one_policy_and_one_robot_and_their_manager() -> None:
    nodes = by_node(plan(robot="g1", lockstep="true"))
    assert set(nodes) == set(NODES)
    assert nodes.pop("lifecycle_manager") == {}
    for name, values in nodes.items():
        assert values["lockstep"] is True
        assert values.get("robot") == (None if name == "watchdog" else "g1")
    assert nodes["policy"]["policy"] == nodes["supervisor"]["policy"] == "walk.onnx"


def test_a_camera_comes_where_it_is_asked_for() -> None:
    nodes = by_node(plan(robot="g1", camera="true"))
    assert set(nodes) == set(NODES) | {"camera"}
    assert nodes["camera"] == {"robot": "g1"}


@pytest.mark.parametrize("camera", ["true", "false"])
def test_a_collision_monitor_brings_the_camera_and_stands_between_the_command_and_the_policy(camera: str) -> None:
    made = plan(robot="g1", collision_monitor="true", camera=camera)
    nodes = by_node(made)
    assert set(nodes) == set(NODES) | set(EXTRA)
    assert nodes["collision_monitor"] == {"robot": "g1"}
    assert steered(made) == "cmd_vel_checked"
    assert steered(plan(robot="g1", camera=camera)) == "cmd_vel"


def steered(made: LaunchPlan) -> str:
    """Topic that the policy takes its velocity from."""
    policy = next(p for p in made.processes if str(p.node).lstrip("/") == "policy")
    return next(str(w) for w in policy.command if str(w).startswith("cmd_vel:=")).partition(":=")[2]


def test_arguments_become_parameters_of_their_type() -> None:
    nodes = by_node(plan(seed="7", friction="0.6", gui="true", record="run.npz", run_until_s="0.0"))
    assert nodes["sim"] == {
        "robot": "g1", "lockstep": False, "gui": True, "seed": 7, "friction": 0.6, "record": "run.npz",
        "run_until_s": 0.0, "patience_s": 0.5,
    }  # fmt: skip
    assert isinstance(nodes["sim"]["run_until_s"], float)


def test_a_name_that_looks_like_a_number_stays_a_name() -> None:
    nodes = by_node(plan(policy="42", record="1.0"))
    assert nodes["policy"]["policy"] == "42"
    assert nodes["sim"]["record"] == "1.0"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"lockstep": "perhaps"}, "perhaps"), ({"seed": "x"}, "x"), ({"speed": "1"}, "speed")],
)
def test_bad_arguments_are_refused(arguments: dict[str, str], named: str) -> None:
    with pytest.raises(LaunchError, match=named):
        plan(**arguments)


def test_without_a_policy_both_nodes_get_the_one_that_ships() -> None:
    nodes = by_node(load_plan(FILE, {}))
    assert nodes["policy"]["policy"] == nodes["supervisor"]["policy"] == ""


def test_the_end_of_simulator_or_manager_ends_the_launch() -> None:
    required = {str(p.node).lstrip("/") for p in plan().processes if p.required}
    assert required == {"sim", "lifecycle_manager"}


def test_what_ends_is_started_again_where_that_is_asked_for() -> None:
    assert not any(p.respawn for p in plan().processes)
    respawned = {str(p.node).lstrip("/") for p in plan(respawn="true").processes if p.respawn}
    assert respawned == {"policy", "supervisor", "watchdog"}


def test_every_argument_is_described() -> None:
    for argument in ElementTree.parse(FILE).getroot().findall("arg"):
        assert argument.get("description"), argument.get("name")


@pytest.mark.parametrize("name", sorted(NODES | EXTRA))
def test_the_nodes_declare_every_parameter_that_they_are_given(name: str, tmp_path: Path) -> None:
    given = by_node(plan(collision_monitor="true"))[name]
    document = yaml.safe_load((LAUNCH / "params" / "sim.yaml").read_text(encoding="utf-8"))
    given = {**document[f"/**/{name}"]["ros__parameters"], **given}
    if "policy" in given:
        given["policy"] = str(make_policy(tmp_path / "p.onnx", load_robot("g1")))
    with ros() as session:
        node = session.node(
            (NODES | EXTRA)[name], parameters={**given, "autostart": False} if "autostart" in given else given
        )
        for parameter, value in given.items():
            assert node.has_parameter(parameter), parameter
            assert type(node.get_parameter(parameter).value) is type(value), parameter


def test_parameters_can_be_given_to_every_node_over_the_file() -> None:
    made = plan()
    other = dataclasses.replace(made.processes[0], name="other", command=("true",))
    changed = dataclasses.replace(made, processes=(*made.processes, other)).with_parameters(use_sim_time="false", x="1")
    *nodes, last = changed.processes
    assert len(nodes) == len(NODES)
    for before, after in zip(made.processes, nodes, strict=True):
        assert after.command == (*before.command, "-p", "use_sim_time:=false", "-p", "x:=1")
    assert last.command == ("true",), "what is no node takes none"
