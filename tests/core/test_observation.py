# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The observation builder on a robot of three joints, every number worked out by hand."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from tarsus_core.contract import CommandRange, Gait, ObservationTerm, PolicyContract
from tarsus_core.errors import StateError
from tarsus_core.observation import PolicyInterface
from tarsus_core.robot_model import load_robot
from tarsus_core.rotations import quat_from_rpy
from tarsus_core.state import RobotState
from tarsus_sim.walk_config import WalkConfig
from tarsus_sim.walk_contract import walk_contract

# The robot lists hip, knee, arm; the contract lists them in another order, drives knee and hip, observes hip and knee.
NAMES = ("hip", "knee", "arm")
CONTRACT = PolicyContract(
    robot="toy",
    urdf_sha256="0",
    joint_names=("arm", "hip", "knee"),
    default_pose=(0.3, 0.1, 0.2),
    kp=(30.0, 10.0, 20.0),
    kd=(3.0, 1.0, 2.0),
    effort_limit_nm=(300.0, 100.0, 200.0),
    action_joint_names=("knee", "hip"),
    action_scale=(0.5, 0.25),
    action_clip=2.0,
    observed_joint_names=("hip", "knee"),
    observation=(
        ObservationTerm("base_angular_velocity", 3, scale=0.5, clip=4.0),
        ObservationTerm("projected_gravity", 3),
        ObservationTerm("velocity_command", 3, scale=2.0),
        ObservationTerm("joint_position", 2),
        ObservationTerm("joint_velocity", 2, scale=0.1, clip=20.0),
        ObservationTerm("last_action", 2),
        ObservationTerm("gait_phase", 2),
    ),
    control_period_s=0.02,
    command_range=CommandRange((-0.5, 1.0), (-0.2, 0.2), (-0.6, 0.6)),
    gait=Gait(period_s=0.8, stand_below=0.05),
)
GO = np.array([[0.5, 0.1, -0.2]])
STOP = np.zeros((1, 3))


def state(**changes: Any) -> RobotState:
    fields: dict[str, Any] = {
        "joint_position": np.array([0.15, 0.1, 0.0]),
        "joint_velocity": np.array([1.0, -2.0, 5.0]),
        "joint_effort": np.zeros(3),
        "orientation_base_to_world": np.array([0.0, 0.0, 0.0, 1.0]),
        "angular_velocity_base_in_base": np.array([1.0, -2.0, 10.0]),
        "linear_acceleration_imu_in_imu": np.array([0.0, 0.0, 9.81]),
    }
    return RobotState(0.0, NAMES, **{**fields, **changes})


def interface(count: int = 1, **changes: Any) -> PolicyInterface:
    return PolicyInterface(dataclasses.replace(CONTRACT, **changes), NAMES, count)


def test_one_observation_by_hand() -> None:
    observation = interface().observe(state(orientation_base_to_world=quat_from_rpy(0.0, math.pi / 2, 0.0)), GO)
    expected = [
        *(0.5, -1.0, 2.0),  # angular velocity 1, -2, 10 clipped to +-4, times 0.5
        *(1.0, 0.0, 0.0),  # lying on its face
        *(1.0, 0.2, -0.4),  # command times 2
        *(0.05, -0.1),  # hip 0.15 - 0.1, knee 0.1 - 0.2
        *(0.1, -0.2),  # joint velocity times 0.1; the arm is not observed
        *(0.0, 0.0),  # no action yet
        *(0.0, 1.0),  # the clock starts at phase 0: sin 0, cos 0
    ]
    assert observation.dtype == np.float32 and observation.shape == (1, 17)
    np.testing.assert_allclose(observation[0], np.array(expected), atol=1e-7)


def test_pose_and_gains_come_in_the_order_of_the_robot() -> None:
    i = interface()
    np.testing.assert_array_equal(i.default_pose, [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(i.kp, [10.0, 20.0, 30.0])
    np.testing.assert_array_equal(i.kd, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(i.effort_limit_nm, [100.0, 200.0, 300.0])


def test_actions_become_targets_by_hand() -> None:
    i = interface()
    i.observe(state(), GO)
    command = i.command(np.array([[1.0, -3.0]], dtype=np.float32), 7.5)
    # knee: 0.2 + 0.5 * 1; hip: 0.1 + 0.25 * (-3 clipped to -2); the arm holds its pose
    np.testing.assert_allclose(command.position, [[-0.4, 0.7, 0.3]])
    assert command.stamp_s == 7.5 and command.joint_names == NAMES
    np.testing.assert_array_equal(command.kp, [[10.0, 20.0, 30.0]])
    assert not command.velocity.any() and not command.effort.any()
    np.testing.assert_array_equal(i.last_action, [[1.0, -2.0]])  # as it was clipped, in the order of the action
    observation = i.observe(state(), GO)
    np.testing.assert_allclose(observation[0, 13:15], [1.0, -2.0])
    angle = 2.0 * math.pi * 0.02 / 0.8
    np.testing.assert_allclose(observation[0, 15:], [math.sin(angle), math.cos(angle)], atol=1e-7)


def test_commands_are_clamped_to_the_trained_range_and_nan_is_zero() -> None:
    i = interface()
    i.observe(state(), np.array([[3.0, -1.0, 0.6]]))
    np.testing.assert_array_equal(i.velocity_command, [[1.0, -0.2, 0.6]])
    for value in (math.nan, math.inf, -math.inf):
        observation = i.observe(state(), np.array([[0.5, value, 0.0]]))
        assert not i.velocity_command.any() and np.isfinite(observation).all()


def test_standing_shows_no_phase() -> None:
    i = interface()
    np.testing.assert_array_equal(i.observe(state(), STOP)[0, 15:], [0.0, 0.0])


def test_an_action_that_is_not_finite_leaves_no_trace() -> None:
    i = interface()
    i.observe(state(), GO)
    i.command(np.array([[0.5, 0.5]], dtype=np.float32), 0.0)
    phase = i.clock.phase.copy()
    for value in (math.nan, math.inf):
        with pytest.raises(StateError, match="not finite"):
            i.command(np.array([[value, 0.0]], dtype=np.float32), 0.0)
    np.testing.assert_array_equal(i.last_action, [[0.5, 0.5]])
    np.testing.assert_array_equal(i.clock.phase, phase)


def with_history(length: int) -> PolicyInterface:
    terms = (ObservationTerm("joint_position", 2, scale=10.0, history=length), ObservationTerm("last_action", 2))
    return interface(observation=terms)


def at(hip: float) -> RobotState:
    return state(joint_position=np.array([hip, 0.2, 0.0]))


def test_history_is_oldest_first_and_starts_filled() -> None:
    i = with_history(3)
    np.testing.assert_allclose(i.observe(at(0.2), STOP)[0, :6], [1.0, 0.0, 1.0, 0.0, 1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(i.observe(at(0.3), STOP)[0, :6], [1.0, 0.0, 1.0, 0.0, 2.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(i.observe(at(0.4), STOP)[0, :6], [1.0, 0.0, 2.0, 0.0, 3.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(i.observe(at(0.5), STOP)[0, :6], [2.0, 0.0, 3.0, 0.0, 4.0, 0.0], atol=1e-6)


def test_reset_forgets_history_action_and_phase() -> None:
    i, fresh = with_history(3), with_history(3)
    for hip in (0.2, 0.3):
        i.observe(at(hip), GO)
        i.command(np.ones((1, 2), dtype=np.float32), 0.0)
    i.reset()
    assert i.observe(at(0.4), GO).tobytes() == fresh.observe(at(0.4), GO).tobytes()
    np.testing.assert_array_equal(i.clock.phase, [0.0])
    i.reset(phase=0.5)
    np.testing.assert_array_equal(i.clock.phase, [0.5])


def test_peek_shows_what_observe_would_and_remembers_nothing() -> None:
    i, twin = with_history(3), with_history(3)
    for hip in (0.2, 0.3):
        i.observe(at(hip), GO)
        twin.observe(at(hip), GO)
    peeked = i.peek(at(0.4))
    assert peeked.tobytes() == i.peek(at(0.4)).tobytes()
    assert i.observe(at(0.4), GO).tobytes() == twin.observe(at(0.4), GO).tobytes() == peeked.tobytes()


def test_robots_in_a_batch_do_not_disturb_each_other() -> None:
    terms = (*CONTRACT.observation[:4], ObservationTerm("joint_velocity", 2, history=4), *CONTRACT.observation[5:])
    batch = interface(3, observation=terms)
    alone = [interface(observation=terms) for _ in range(3)]
    rng = np.random.default_rng(1)
    commands = np.array([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.2, 0.3]])
    for k in range(12):
        q, dq, w = rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
        many = state(
            joint_position=q,
            joint_velocity=dq,
            angular_velocity_base_in_base=w,
            orientation_base_to_world=np.tile([0.0, 0.0, 0.0, 1.0], (3, 1)),
        )
        if k == 6:
            batch.reset(np.array([1]))
            alone[1].reset()
        observed = batch.observe(many, commands)
        actions = rng.normal(size=(3, 2)).astype(np.float32)
        targets = batch.command(actions, 0.0).position
        for r in range(3):
            one = state(joint_position=q[r], joint_velocity=dq[r], angular_velocity_base_in_base=w[r])
            assert alone[r].observe(one, commands[r : r + 1]).tobytes() == observed[r : r + 1].tobytes()
            assert alone[r].command(actions[r : r + 1], 0.0).position.tobytes() == targets[r : r + 1].tobytes()


def test_a_robot_with_other_joints_is_refused() -> None:
    with pytest.raises(StateError, match="'arm' is missing"):
        PolicyInterface(CONTRACT, ("hip", "knee"))
    with pytest.raises(StateError, match="4 joints but the policy commands 3"):
        PolicyInterface(CONTRACT, (*NAMES, "tail"))


def test_one_more_action_sets_the_rate_of_the_gait_clock() -> None:
    terms = tuple(dataclasses.replace(t, size=3) if t.name == "last_action" else t for t in CONTRACT.observation)
    gait = dataclasses.replace(CONTRACT.gait, rate_octaves=1.0, rate_scale=0.6)
    contract = dataclasses.replace(CONTRACT, gait=gait, observation=terms)
    contract.check()
    assert contract.action_size == 3
    i = PolicyInterface(contract, NAMES, 2)
    states = [state(), state()]
    both = RobotState(
        0.0,
        NAMES,
        *(
            np.stack([getattr(s, name) for s in states])
            for name in (
                "joint_position",
                "joint_velocity",
                "joint_effort",
                "orientation_base_to_world",
                "angular_velocity_base_in_base",
                "linear_acceleration_imu_in_imu",
            )
        ),
    )
    i.observe(both, np.tile(GO, (2, 1)))
    command = i.command(np.array([[1.0, 0.0, 1.0], [1.0, 0.0, -2.5]], dtype=np.float32), 0.0)
    np.testing.assert_allclose(command.position, [[0.1, 0.7, 0.3]] * 2)  # the joints do not see it
    np.testing.assert_allclose(
        i.gait_octaves, [0.6, -1.0]
    )  # 0.6 * 1; the second, clipped to 0.6 * -2, is more than one octave
    np.testing.assert_allclose(i.clock.phase, [2.0**0.6 * 0.02 / 0.8, 0.5 * 0.02 / 0.8])
    np.testing.assert_allclose(i.observe(both, np.tile(GO, (2, 1)))[:, 15], [1.0, -2.0])


def test_leg_odometry_is_observed_and_peeking_does_not_move_its_filter() -> None:
    robot = load_robot("g1")
    contract = walk_contract(WalkConfig(leg_odometry=True))
    i = PolicyInterface(contract, robot.joint_names)
    turning = {
        "joint_position": robot.default_pose,
        "joint_velocity": np.zeros(29),
        "joint_effort": np.zeros(29),
        "orientation_base_to_world": np.array([0.0, 0.0, 0.0, 1.0]),
        "angular_velocity_base_in_base": np.array([0.0, 0.5, 0.0]),
        "linear_acceleration_imu_in_imu": np.zeros(3),
    }
    moving = RobotState(0.0, robot.joint_names, **turning)
    still = RobotState(0.0, robot.joint_names, **{**turning, "angular_velocity_base_in_base": np.zeros(3)})
    first = i.observe(moving, STOP)[0, -2:]
    assert first[0] > 0.5 and first[1] == pytest.approx(0.0, abs=1e-6)  # twice 0.36 m/s
    peeked = i.peek(still)[0, -2:]
    np.testing.assert_array_equal(i.peek(still)[0, -2:], peeked)
    np.testing.assert_array_equal(i.observe(still, STOP)[0, -2:], peeked)
    np.testing.assert_allclose(peeked, 0.75 * first, rtol=1e-5)
    i.reset()
    assert not i.observe(still, STOP)[0, -2:].any(), "a reset forgets"
