# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Messages to core types and back: by name, stamps exact, nothing rounded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from helpers.robots import state_of
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Imu, JointState
from tarsus_msgs.msg import JointCommand as JointCommandMsg

from tarsus_core.errors import StateError
from tarsus_core.robot_model import load_robot
from tarsus_core.state import JointCommand
from tarsus_nodes import conversions as c

ROBOT = load_robot("g1")
RNG = np.random.default_rng(0)
STATE = state_of(
    ROBOT,
    12.345,
    joint_position=RNG.normal(size=29),
    joint_velocity=RNG.normal(size=29),
    joint_effort=RNG.normal(size=29),
    angular_velocity_base_in_base=RNG.normal(size=3),
    linear_acceleration_imu_in_imu=RNG.normal(size=3),
    roll=0.3,
)
COMMAND = JointCommand(12.345, ROBOT.joint_names, *(RNG.normal(size=29) for _ in range(5)))


def wire(message: Any) -> Any:
    """Send a message through the middleware's serialisation."""
    return deserialize_message(serialize_message(message), type(message))


def test_state_comes_back_bit_for_bit() -> None:
    joints, imu = wire(c.joint_state_message(STATE)), wire(c.imu_message(STATE, "imu_in_pelvis"))
    assert imu.header.frame_id == "imu_in_pelvis" and joints.header.stamp == imu.header.stamp
    state = c.robot_state(joints, imu)
    assert state.stamp_s == 12.345 and state.joint_names == ROBOT.joint_names
    for field in ("joint_position", "joint_velocity", "joint_effort", "orientation_base_to_world"):
        assert getattr(state, field).tobytes() == getattr(STATE, field).tobytes()
    np.testing.assert_array_equal(state.angular_velocity_base_in_base, STATE.angular_velocity_base_in_base)
    np.testing.assert_array_equal(state.linear_acceleration_imu_in_imu, STATE.linear_acceleration_imu_in_imu)


def test_command_comes_back_bit_for_bit() -> None:
    message = wire(c.joint_command_message(COMMAND, 7))
    assert message.sequence == 7
    command = c.joint_command(message)
    assert command.stamp_s == 12.345 and command.joint_names == ROBOT.joint_names
    for field in ("position", "velocity", "effort", "kp", "kd"):
        assert getattr(command, field).tobytes() == getattr(COMMAND, field).tobytes()


def test_joints_are_matched_by_name() -> None:
    turned = ROBOT.joint_names[::-1]
    joints, imu = c.joint_state_message(STATE), c.imu_message(STATE, "imu")
    state = c.robot_state(joints, imu, turned)
    assert state.joint_names == turned
    np.testing.assert_array_equal(state.joint_position, STATE.joint_position[::-1])
    np.testing.assert_array_equal(state.joint_effort, STATE.joint_effort[::-1])
    command = c.joint_command(c.joint_command_message(COMMAND, 1), turned)
    np.testing.assert_array_equal(command.kd, COMMAND.kd[::-1])
    legs = ROBOT.group("legs")
    assert c.robot_state(joints, imu, legs).joint_position.shape == (12,)  # a robot may report more


def test_nan_passes_to_be_judged_where_it_is_used() -> None:
    broken = state_of(ROBOT, 0.0, joint_position=math.nan)
    state = c.robot_state(c.joint_state_message(broken), c.imu_message(broken, "imu"))
    with pytest.raises(StateError, match="not finite"):
        state.check()


def test_effort_may_be_absent() -> None:
    joints = c.joint_state_message(STATE)
    joints.effort = []
    state = c.robot_state(joints, c.imu_message(STATE, "imu"))
    np.testing.assert_array_equal(state.joint_effort, np.zeros(29))


def test_messages_that_contradict_themselves_are_refused() -> None:
    joints, imu = c.joint_state_message(STATE), c.imu_message(STATE, "imu")
    imu.header.stamp.nanosec += 1
    with pytest.raises(StateError, match="pair messages of one stamp"):
        c.robot_state(joints, imu)
    imu = c.imu_message(STATE, "imu")
    for field in ("position", "velocity", "effort"):
        short = c.joint_state_message(STATE)
        setattr(short, field, getattr(short, field)[:-1])
        with pytest.raises(StateError, match=f"names 29 joints but holds 28 values of {field}"):
            c.robot_state(short, imu)
    with pytest.raises(StateError, match="names 0 joints but holds 29 values of position"):
        c.robot_state(JointState(header=imu.header, position=joints.position), imu)
    with pytest.raises(StateError, match="'left_hip_pitch_joint' is missing"):
        c.robot_state(JointState(header=imu.header), imu, ROBOT.joint_names)
    twice = c.joint_state_message(STATE)
    twice.name = [twice.name[1], *twice.name[1:]]
    with pytest.raises(StateError, match="appears twice"):
        c.robot_state(twice, imu, ROBOT.joint_names)
    short_command = c.joint_command_message(COMMAND, 1)
    short_command.kp = short_command.kp[:-1]
    with pytest.raises(StateError, match="holds 28 values of kp"):
        c.joint_command(short_command)
    with pytest.raises(StateError, match="29 joints but the robot has 12"):
        c.joint_command(c.joint_command_message(COMMAND, 1), ROBOT.group("legs"))
    assert c.joint_command(JointCommandMsg()).joint_names == ()


@given(st.integers(0, 2**31 - 2), st.integers(0, 999_999_999))  # the last second may round up to 2^31, which is none
def test_a_stamp_that_was_read_is_written_as_it_was_seen(sec: int, nanosec: int) -> None:
    seconds = c.seconds_from_stamp(Time(sec=sec, nanosec=nanosec))
    again = c.stamp_from_seconds(seconds)
    assert c.seconds_from_stamp(again) == seconds  # an answer carries the stamp of what it answers
    if sec < 4_000_000:  # 46 days of simulated time: to the nanosecond
        assert (again.sec, again.nanosec) == (sec, nanosec)


@pytest.mark.parametrize(
    ("seconds", "stamp"),
    [
        (0.0, (0, 0)),
        (1.5, (1, 500_000_000)),
        (0.005, (0, 5_000_000)),
        (2.9999999999, (3, 0)),
        (60.06, (60, 60_000_000)),
    ],
)
def test_stamps_by_hand(seconds: float, stamp: tuple[int, int]) -> None:
    written = c.stamp_from_seconds(seconds)
    assert (written.sec, written.nanosec) == stamp


@pytest.mark.parametrize("seconds", [-0.001, math.nan, math.inf, 2.0**31])
def test_times_that_are_no_stamp_are_refused(seconds: float) -> None:
    with pytest.raises(StateError, match="The stamp is"):
        c.stamp_from_seconds(seconds)


def test_velocity_by_hand() -> None:
    message = c.twist(np.array([0.5, -0.1, 0.3]))
    assert (message.linear.x, message.linear.y, message.angular.z) == (0.5, -0.1, 0.3)
    message.linear.z = message.angular.x = 9.0  # what a walking robot does not do is not looked at
    np.testing.assert_array_equal(c.velocity_command(message), [0.5, -0.1, 0.3])


def test_unknown_covariances_are_zero() -> None:
    message: Imu = c.imu_message(STATE, "imu")
    assert not np.any(message.orientation_covariance)


@pytest.mark.parametrize("kind", [JointState, Imu])
def test_stamp_is_read_without_the_rest(kind: Any) -> None:
    message = kind()
    message.header.stamp = Time(sec=7, nanosec=999_999_999)
    message.header.frame_id = "imu"
    data = bytes(serialize_message(message))
    assert c.serialized_stamp_ns(data) == 7_999_999_999 == c.nanoseconds_from_stamp(message.header.stamp)
    with pytest.raises(StateError, match="11 bytes is cut short"):
        c.serialized_stamp_ns(data[:11])
    big = bytes([0, data[1] & 0xFE, *data[2:4], *data[4:8][::-1], *data[8:12][::-1]])  # a machine of the other order
    assert c.serialized_stamp_ns(big) == 7_999_999_999
