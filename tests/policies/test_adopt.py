# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Policies of others: each family's layout, value by value, and one adopted file of each, made for the purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml
from helpers.policies import make_model, make_network
from onnx import helper, numpy_helper

from tarsus_core.cli import main
from tarsus_core.errors import ConfigError, PolicyFileError, StateError
from tarsus_core.observation import PolicyInterface
from tarsus_core.robot_model import load_robot
from tarsus_core.state import RobotState
from tarsus_edge.policy_file import read_policy
from tarsus_edge.policy_runner import PolicyRunner
from tarsus_edge.policy_session import PolicySession
from tarsus_policies.adopt import adopt, read_contract
from tarsus_policies.trial import ScoreSettings, run_trial

CONTRACTS = Path(__file__).parents[2] / "docs" / "contracts"
FAMILIES = ("holosoma", "unitree_rl_lab", "mjlab", "rsl_rl")
SIZES = {"holosoma": 29 + 3 + 1 + 2 + 2 + 29 + 29 + 3 + 2, "unitree_rl_lab": 5 * 96, "mjlab": 99, "rsl_rl": 47}


def state(position: np.ndarray, velocity: np.ndarray, linear: Any = (0.1, 0.2, 0.3)) -> RobotState:
    robot = load_robot("g1")
    zeros = np.zeros((1, 3))
    upright = np.array([[0.0, 0.0, 0.0, 1.0]])
    return RobotState(
        0.0, robot.joint_names, position, velocity, np.zeros((1, 29)), upright, np.array([[0.4, 0.8, 1.2]]), zeros,
        None if linear is None else np.array([linear]),
    )  # fmt: skip


def observe(family: str, periods: int = 1, command: tuple[float, float, float] = (0.2, 0.1, -0.2)) -> np.ndarray:
    """Observation of joint i at 0.01 (i + 1) beyond its default, moving at i + 1 rad/s, in the robot's order."""
    contract = read_contract(CONTRACTS / f"{family}.yaml")
    robot = load_robot("g1")
    interface = PolicyInterface(contract, robot.joint_names)
    for k in range(periods):
        offset = 0.01 * (np.arange(29) + 1) + k
        seen = interface.observe(
            state(interface.default_pose + offset[None], np.arange(29.0)[None] + 1.0), np.array([command])
        )
        interface.command(np.full((1, contract.action_size), 0.5 + k), 0.0)
    return seen[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_sizes(family: str) -> None:
    assert read_contract(CONTRACTS / f"{family}.yaml").observation_size == SIZES[family]


def test_holosoma_sorts_its_terms_and_gives_each_foot_a_phase() -> None:
    seen = observe("holosoma", 2)
    np.testing.assert_allclose(seen[:29], 0.5)  # the action before
    np.testing.assert_allclose(seen[29:32], [0.1, 0.2, 0.3])  # 0.25 x the gyroscope
    np.testing.assert_allclose(seen[32:35], [-0.2, 0.2, 0.1])  # turning first
    angle = 2.0 * np.pi * 0.02  # one control period of a gait of 1 s
    np.testing.assert_allclose(seen[35:37], [np.cos(angle), -np.cos(angle)], atol=1e-6)
    np.testing.assert_allclose(seen[37:66], 1.0 + 0.01 * (np.arange(29) + 1), atol=1e-6)
    np.testing.assert_allclose(seen[66:95], 0.05 * (np.arange(29) + 1), atol=1e-6)
    np.testing.assert_allclose(seen[95:98], [0.0, 0.0, -1.0])
    np.testing.assert_allclose(seen[98:], [np.sin(angle), -np.sin(angle)], atol=1e-6)


def test_holosoma_stands_with_both_phases_at_half_a_period_at_once() -> None:
    contract = read_contract(CONTRACTS / "holosoma.yaml")
    robot = load_robot("g1")
    interface = PolicyInterface(contract, robot.joint_names)
    here = state(interface.default_pose[None], np.zeros((1, 29)))
    for command in ((0.5, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)):
        seen = interface.observe(here, np.array([command]))[0]
        interface.command(np.zeros((1, 29)), 0.0)
    np.testing.assert_array_equal(seen[35:37], [-1.0, -1.0])
    np.testing.assert_array_equal(seen[98:], [0.0, 0.0])


def test_isaac_lab_orders_joints_breadth_first_and_keeps_history_term_by_term() -> None:
    seen = observe("unitree_rl_lab", 3)
    np.testing.assert_allclose(seen[:15], np.tile([0.08, 0.16, 0.24], 5), atol=1e-6)
    positions = seen[45 : 45 + 5 * 29].reshape(5, 29)
    # the first period fills the history; then the oldest goes
    np.testing.assert_allclose(positions[:, 0], [0.01, 0.01, 0.01, 1.01, 2.01], atol=1e-6)
    # left hip pitch, right hip pitch, waist yaw, left hip roll: 0, 6, 12, 1 in the robot's order
    np.testing.assert_allclose(positions[0, :4], [0.01, 0.07, 0.13, 0.02], atol=1e-6)
    actions = seen[-5 * 29 :].reshape(5, 29)
    np.testing.assert_allclose(actions[:, 0], [0.0, 0.0, 0.0, 0.5, 1.5])


def test_unitree_rl_gym_scales_the_command_and_its_phase_runs_always() -> None:
    seen = observe("rsl_rl", 6)
    np.testing.assert_allclose(seen[6:9], [0.4, 0.2, -0.05])  # 2 x vx, 2 x vy, 0.25 x wz
    np.testing.assert_allclose(seen[9:21], 5.0 + 0.01 * (np.arange(12) + 1), atol=1e-6)
    angle = 2.0 * np.pi * 5 * 0.02 / 0.8
    np.testing.assert_allclose(seen[45:], [np.sin(angle), np.cos(angle)], atol=1e-6)
    np.testing.assert_allclose(observe("rsl_rl", 6, (0.0, 0.0, 0.0))[45:], seen[45:])


def test_mjlab_observes_what_no_robot_measures() -> None:
    seen = observe("mjlab")
    np.testing.assert_allclose(seen[:3], [0.1, 0.2, 0.3])
    np.testing.assert_allclose(seen[-3:], [0.2, 0.1, -0.2])
    contract = read_contract(CONTRACTS / "mjlab.yaml")
    interface = PolicyInterface(contract, load_robot("g1").joint_names)
    blind = state(interface.default_pose[None], np.zeros((1, 29)), linear=None)
    with pytest.raises(StateError, match="linear velocity, which this robot does not measure"):
        interface.observe(blind, np.zeros((1, 3)))


def test_action_scales_and_gains_go_to_the_joints_that_they_name() -> None:
    robot = load_robot("g1")
    contract = read_contract(CONTRACTS / "mjlab.yaml")
    scale = dict(zip(contract.action_joint_names, contract.action_scale, strict=True))
    for name, value in scale.items():  # a quarter of effort over stiffness, as mjlab has it
        i = robot.joint_names.index(name)
        assert value == pytest.approx(0.25 * robot.effort_limit_nm[i] / robot.kp[i], rel=1e-3)
    isaac = read_contract(CONTRACTS / "unitree_rl_lab.yaml")
    pose = dict(zip(isaac.joint_names, isaac.default_pose, strict=True))
    assert (pose["left_hip_pitch_joint"], pose["right_knee_joint"], pose["left_elbow_joint"]) == (-0.1, 0.3, 0.97)
    kp = dict(zip(isaac.joint_names, isaac.kp, strict=True))
    assert (kp["left_knee_joint"], kp["waist_roll_joint"], kp["right_wrist_yaw_joint"]) == (150.0, 200.0, 40.0)


def with_normaliser(model: bytes, size: int) -> bytes:
    """Put (x - mean) / std in front of a network, as exporters do."""
    loaded = onnx.load_from_string(model)
    rng = np.random.default_rng(3)
    for name, value in (("mean", rng.normal(size=size)), ("std", rng.uniform(0.5, 2.0, size))):
        loaded.graph.initializer.append(numpy_helper.from_array(value.astype(np.float32)[None], name))
    nodes = [
        helper.make_node("Sub", ["observation", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["normal"]),
    ]
    loaded.graph.node[0].input[0] = "normal"
    for k, node in enumerate(nodes):
        loaded.graph.node.insert(k, node)
    return bytes(loaded.SerializeToString())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_of_each_family_is_adopted_and_walks(
    family: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    contract = read_contract(CONTRACTS / f"{family}.yaml")
    plain = make_network(contract.observation_size, contract.action_size, gain=0.02)
    model = tmp_path / "model.onnx"
    model.write_bytes(with_normaliser(plain, contract.observation_size))
    output = tmp_path / "adopted.onnx"
    arguments = ["adopt", str(model), "--contract", str(CONTRACTS / f"{family}.yaml"), "--output", str(output)]
    assert main(arguments) == 0
    said = capfd.readouterr().out
    assert f"{contract.observation_size} observations in, {contract.action_size} actions out" in said
    robot = load_robot("g1")
    session = PolicySession(read_policy(output), robot)
    assert session.contract.provenance["adopted_from"] == family
    assert len(session.contract.golden_observations) >= 4
    settings = ScoreSettings(seconds=0.5, settle_s=0.1, stand_s=0.1)
    run_trial(session, robot, (0.2, 0.0, 0.0), 0, settings)
    if family == "mjlab":
        assert "No robot measures base_linear_velocity" in said
        with pytest.raises(PolicyFileError, match="observes 'base_linear_velocity', which no sensor"):
            PolicyRunner(session, robot.joint_names, 0.005)
    else:
        PolicyRunner(session, robot.joint_names, 0.005)


def changed(tmp_path: Path, **changes: Any) -> Path:
    data = yaml.safe_load((CONTRACTS / "rsl_rl.yaml").read_text(encoding="utf-8"))
    for key, value in changes.items():
        if value is None:
            data.pop(key)
        else:
            data[key] = value
    path = tmp_path / "contract.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"joints": None}, "has no 'joints'"),
        ({"jonts": "legs"}, "unknown entry 'jonts'"),
        ({"joints": ["left_hip_pitch_joint", "tail_joint"]}, "no joint 'tail_joint'"),
        ({"kp": {"tail_.*": 1.0}}, "names joints that are not there"),
        ({"kp": [1.0, 2.0]}, "'kp' has 2 values for 12 joints"),
        ({"observation": [{"name": "base_linear_speed"}]}, "no observation term 'base_linear_speed'"),
        ({"observation": [{"name": "joint_position", "history": 1.5}]}, "history of the observation term"),
        ({"command_range": {"vx": [0.0, 1.0], "vy": [0.0, 0.0]}}, "command_range.wz"),
        ({"action": {"scale": {".*_knee_joint": 1.0}}}, "says nothing of joint 'left_hip_pitch_joint'"),
        ({"gait": {"period": 0.8}}, "unknown entry 'period'"),
        ({"control_period_s": "fast"}, "'fast'"),
    ],
)
def test_a_wrong_contract_is_one_sentence(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises((ConfigError, PolicyFileError)) as caught:
        read_contract(changed(tmp_path, **changes))
    assert words in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_a_model_that_does_not_fit_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(make_network(46, 12))
    with pytest.raises(PolicyFileError, match=r"shape \[1, 46\], but its contract says \[1, 47\]"):
        adopt(model, CONTRACTS / "rsl_rl.yaml")
    nodes = [
        helper.make_node("Gemm", ["observation", "w"], ["a"]),
        helper.make_node("Div", ["least", "minus_one"], ["b"]),
        helper.make_node("Cast", ["b"], ["c"], to=1),
        helper.make_node("Add", ["a", "c"], ["action"]),
    ]
    weights = {"w": np.zeros((47, 12), np.float32), "least": np.array([-(2**63)]), "minus_one": np.array([-1])}
    model.write_bytes(make_model(nodes, 47, 12, weights))
    with pytest.raises(PolicyFileError, match="ended the process it was tried in"):
        adopt(model, CONTRACTS / "rsl_rl.yaml")
    model.write_bytes(b"no model")
    with pytest.raises(PolicyFileError):
        adopt(model, CONTRACTS / "rsl_rl.yaml")
    assert main(["adopt", str(tmp_path / "absent.onnx"), "--contract", str(CONTRACTS / "rsl_rl.yaml")]) != 0
    assert "There is no model" in capfd.readouterr().err
    assert main(["adopt", str(model), "--contract", str(tmp_path / "absent.yaml")]) != 0
    assert "cannot be read" in capfd.readouterr().err
