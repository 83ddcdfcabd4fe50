# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Leg odometry: kinematics against finite differences, velocity by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tarsus_core.errors import StateError
from tarsus_core.leg_odometry import LegOdometry
from tarsus_core.robot_model import load_robot
from tarsus_core.rotations import quat_from_rpy
from tarsus_core.state import RobotState

ROBOT = load_robot("g1")
NAMES = ROBOT.joint_names
FRESH = np.ones(1, dtype=bool)


def odometry(count: int = 1) -> LegOdometry:
    return LegOdometry(ROBOT, NAMES, 0.02, count)


def state(**changes: Any) -> RobotState:
    values: dict[str, Any] = {
        "joint_position": ROBOT.default_pose[None],
        "joint_velocity": np.zeros((1, 29)),
        "joint_effort": np.zeros((1, 29)),
        "orientation_base_to_world": np.array([[0.0, 0.0, 0.0, 1.0]]),
        "angular_velocity_base_in_base": np.zeros((1, 3)),
        "linear_acceleration_imu_in_imu": np.zeros((1, 3)),
    }
    return RobotState(0.0, NAMES, **{**values, **changes})


def test_feet_are_where_the_robot_file_says_and_mirror_images() -> None:
    foot, velocity = odometry().feet(ROBOT.default_pose[None], np.zeros((1, 29)))
    assert foot.shape == velocity.shape == (2, 1, 3)
    # in the default pose the base link is base_height above the ground, the foot frame sole_height
    np.testing.assert_allclose(foot[:, 0, 2], ROBOT.sole_height_m - ROBOT.base_height_m, atol=0.02)
    np.testing.assert_allclose(foot[0, 0] * [1, -1, 1], foot[1, 0], atol=1e-9)
    assert foot[0, 0, 1] > 0.05
    assert not velocity.any()


def test_velocities_are_the_derivative_of_positions() -> None:
    rng = np.random.default_rng(0)
    q = ROBOT.default_pose + rng.uniform(-0.4, 0.4, (5, 29))
    dq = rng.uniform(-3.0, 3.0, (5, 29))
    legs, h = odometry(5), 1e-6
    ahead, behind = (legs.feet(q + s * h * dq, dq)[0] for s in (1.0, -1.0))
    np.testing.assert_allclose(legs.feet(q, dq)[1], (ahead - behind) / (2.0 * h), atol=1e-7)


def test_a_body_that_turns_over_a_standing_foot_moves_as_an_inverted_pendulum() -> None:
    legs = odometry()
    foot = legs.feet(ROBOT.default_pose[None], np.zeros((1, 29)))[0].mean(axis=0)[0]
    # both feet on the ground, pitching forward at 0.5 rad/s about them: v = -omega x foot, x: -0.5 * foot_z
    gyro = np.array([[0.0, 0.5, 0.0]])
    velocity = legs.update(state(angular_velocity_base_in_base=gyro), FRESH)
    np.testing.assert_allclose(velocity, [[-0.5 * foot[2], 0.0]], atol=1e-6)
    assert velocity[0, 0] == pytest.approx(0.36, abs=0.03)


def test_it_is_the_lower_foot_that_counts_and_the_heading_frame() -> None:
    q = ROBOT.default_pose[None].copy()
    knee = NAMES.index("right_knee_joint")
    q[0, knee] += 0.8  # the right foot is lifted by far more than 1 cm
    dq = np.zeros((1, 29))
    dq[0, knee] = 5.0
    legs = odometry()
    np.testing.assert_allclose(legs.update(state(joint_position=q, joint_velocity=dq), FRESH), 0.0, atol=1e-3)
    dq[0, NAMES.index("left_hip_pitch_joint")] = 1.0  # the standing leg turns backward: the base moves ahead
    moving = legs.update(state(joint_position=q, joint_velocity=dq), FRESH)
    assert moving[0, 0] > 0.5 and abs(moving[0, 1]) < 0.1
    turned = np.array([quat_from_rpy(0.0, 0.0, 2.0)])
    again = legs.update(state(joint_position=q, joint_velocity=dq, orientation_base_to_world=turned), FRESH)
    np.testing.assert_allclose(again, moving, atol=1e-9)


def test_it_is_low_passed_and_starts_with_what_it_sees() -> None:
    legs = odometry()
    gyro = np.array([[0.0, 0.5, 0.0]])
    first = legs.update(state(angular_velocity_base_in_base=gyro), FRESH).copy()
    later = legs.update(state(), ~FRESH)
    np.testing.assert_allclose(later, first * 0.75)  # 20 ms of 60 + 20 ms: a quarter of what is new, which is zero


def test_a_robot_without_legs_is_refused() -> None:
    with pytest.raises(StateError, match="left_hip_pitch_joint"):
        LegOdometry(ROBOT, NAMES[12:], 0.02, 1)
