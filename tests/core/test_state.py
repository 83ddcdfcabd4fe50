# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""States and commands by joint name: what is refused, and what reordering keeps."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from tarsus_core.errors import StateError
from tarsus_core.state import JointCommand, RobotState, damping_command, joint_indices

NAMES = ("hip", "knee", "ankle")


def state(**changes: Any) -> RobotState:
    fields: dict[str, Any] = {
        "joint_position": np.array([0.1, 0.2, 0.3]),
        "joint_velocity": np.array([1.0, 2.0, 3.0]),
        "joint_effort": np.zeros(3),
        "orientation_base_to_world": np.array([0.0, 0.0, 0.0, 1.0]),
        "angular_velocity_base_in_base": np.zeros(3),
        "linear_acceleration_imu_in_imu": np.array([0.0, 0.0, 9.81]),
        "linear_velocity_base_in_base": np.array([0.5, 0.0, 0.0]),
    }
    return RobotState(1.0, NAMES, **{**fields, **changes})


def command(**changes: Any) -> JointCommand:
    base = JointCommand(1.0, NAMES, *(np.array([1.0, 2.0, 3.0]) + 10.0 * k for k in range(5)))
    return dataclasses.replace(base, **changes)


def test_a_good_state_passes_alone_and_in_a_batch() -> None:
    state().check()
    state(linear_velocity_base_in_base=None).check()  # a robot measures none
    batch = {f.name: np.stack([getattr(state(), f.name)] * 4) for f in dataclasses.fields(RobotState)[2:]}
    many = RobotState(1.0, NAMES, **batch)
    many.check()
    assert many.robot(2).joint_position.shape == (3,)
    many.robot(2).check()
    position, velocity = many.select(("ankle", "hip"))
    np.testing.assert_array_equal(position, [[0.3, 0.1]] * 4)
    np.testing.assert_array_equal(velocity, [[3.0, 1.0]] * 4)


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(RobotState)[2:]])
def test_what_is_not_finite_or_of_wrong_size_is_named(field: str) -> None:
    good = getattr(state(), field)
    for value in (math.nan, math.inf):
        bad = good.copy()
        bad[-1] = value
        with pytest.raises(StateError, match=f"{field} holds a value that is not finite"):
            state(**{field: bad}).check()
    with pytest.raises(StateError, match=f"{field} has shape"):
        state(**{field: good[:-1]}).check()


@pytest.mark.parametrize("norm", [0.0, 0.98, 1.02])
def test_quaternions_must_be_of_unit_length(norm: float) -> None:
    with pytest.raises(StateError, match="no unit quaternion"):
        state(orientation_base_to_world=np.array([0.0, 0.0, 0.0, norm])).check()


@pytest.mark.parametrize("norm", [0.995, 1.005])
def test_rounding_of_a_quaternion_is_forgiven(norm: float) -> None:
    state(orientation_base_to_world=np.array([0.0, norm, 0.0, 0.0])).check()


def test_commands_are_ordered_by_name() -> None:
    turned = command().ordered(("ankle", "hip", "knee"))
    np.testing.assert_array_equal(turned.position, [3.0, 1.0, 2.0])
    np.testing.assert_array_equal(turned.kd, [43.0, 41.0, 42.0])
    assert turned.stamp_s == 1.0
    same = command()
    assert same.ordered(NAMES) is same


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("hip", "knee"), "3 joints but the robot has 2"),
        (("hip", "knee", "toe"), "'toe' is missing"),
    ],
)
def test_commands_for_other_joints_are_refused(names: tuple[str, ...], reason: str) -> None:
    with pytest.raises(StateError, match=reason):
        command().ordered(names)


def test_a_joint_that_appears_twice_is_refused() -> None:
    with pytest.raises(StateError, match="'hip' appears twice"):
        command(joint_names=("hip", "hip", "knee")).ordered(NAMES)
    with pytest.raises(StateError, match="'knee' appears twice"):
        joint_indices(("knee", "knee"), ("knee",))


@pytest.mark.parametrize("field", ["position", "velocity", "effort", "kp", "kd"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_commands_must_be_finite(field: str, value: float) -> None:
    with pytest.raises(StateError, match=f"{field} of joint 'knee' is"):
        command(**{field: np.array([1.0, value, 1.0])}).check()
    batch = np.ones((2, 3))
    batch[1, 2] = value
    with pytest.raises(StateError, match=f"{field} of joint 'ankle' is"):
        command(**{field: batch}).check()


def test_gains_must_not_be_negative_and_sizes_must_fit() -> None:
    for field in ("kp", "kd"):
        with pytest.raises(StateError, match=f"{field} of joint 'hip' is -1.0"):
            command(**{field: np.array([-1.0, 0.0, 0.0])}).check()
    command(position=np.array([-1.0, 0.0, 0.0])).check()
    with pytest.raises(StateError, match=r"position has shape \(2,\) for 3 joints"):
        command(position=np.zeros(2)).check()


def test_damping_command_only_brakes() -> None:
    kd = np.array([1.0, 2.0, 3.0])
    braking = damping_command(NAMES, 2.5, kd, np.array([0.1, 0.2, 0.3]))
    braking.check()
    assert braking.stamp_s == 2.5 and not braking.kp.any() and not braking.velocity.any() and not braking.effort.any()
    np.testing.assert_array_equal(braking.kd, kd)
