# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Between ROS messages and what the cores speak: joints by name, stamps exact, SI units on both sides."""

from __future__ import annotations

import math
import struct
from array import array

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Twist
from numpy.typing import NDArray
from sensor_msgs.msg import Imu, JointState
from tarsus_msgs.msg import JointCommand as JointCommandMsg
from tarsus_msgs.msg import MotorStates, WatchdogState

from tarsus_core.errors import StateError
from tarsus_core.state import JointCommand, RobotState, check_stamp, joint_indices
from tarsus_edge.health import MotorReading

Array = NDArray[np.float64]


def stamp_from_seconds(stamp_s: float) -> Time:
    """Message stamp of a time in s, to the nanosecond.

    ``seconds_from_stamp(stamp_from_seconds(t))`` is ``t`` again when t was read from a message, so that a command that
    answers a state carries exactly the stamp of that state: the whole seconds are split off before anything is rounded.

    Raises:
        StateError: for a time that is negative or not finite.
    """
    check_stamp(stamp_s)
    seconds = math.floor(stamp_s)
    nanoseconds = round((stamp_s - seconds) * 1e9)
    return Time(sec=seconds + nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def seconds_from_stamp(stamp: Time) -> float:
    """Time in s of a message stamp: the double nearest to it."""
    return nanoseconds_from_stamp(stamp) / 1_000_000_000


def nanoseconds_from_stamp(stamp: Time) -> int:
    """Time in ns of a message stamp, exactly."""
    nanoseconds: int = stamp.sec * 1_000_000_000 + stamp.nanosec
    return nanoseconds


STAMPED_BYTES = 12
"""of encapsulation, seconds and nanoseconds"""


def serialized_stamp_ns(data: bytes) -> int:
    """Stamp in ns of a serialised message that begins with a header; nothing else of it is read.

    CDR (DDS-XTypes 1.3, 7.4): four bytes of encapsulation, of which the second is odd for little endian, then the
    fields in their order.

    Raises:
        StateError: for a message that is cut short before.
    """
    if len(data) < STAMPED_BYTES:
        raise StateError(f"A message of {len(data)} bytes is cut short: it has no time stamp.")
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    whole: int = seconds * 1_000_000_000 + nanoseconds
    return whole


def joint_state_message(state: RobotState) -> JointState:
    """Joint part of the state of one robot."""
    message = JointState()
    message.header.stamp = stamp_from_seconds(state.stamp_s)
    message.name = list(state.joint_names)
    message.position = _doubles(state.joint_position)
    message.velocity = _doubles(state.joint_velocity)
    message.effort = _doubles(state.joint_effort)
    return message


def imu_message(state: RobotState, frame_id: str) -> Imu:
    """IMU part of the state of one robot, in the frame of the IMU (REP-145); covariance 0 means unknown."""
    message = Imu()
    message.header.stamp = stamp_from_seconds(state.stamp_s)
    message.header.frame_id = frame_id
    q, w, a = (
        state.orientation_base_to_world,
        state.angular_velocity_base_in_base,
        state.linear_acceleration_imu_in_imu,
    )
    o = message.orientation
    o.x, o.y, o.z, o.w = (float(v) for v in np.reshape(q, 4))
    v = message.angular_velocity
    v.x, v.y, v.z = (float(x) for x in np.reshape(w, 3))
    v = message.linear_acceleration
    v.x, v.y, v.z = (float(x) for x in np.reshape(a, 3))
    return message


def robot_state(joints: JointState, imu: Imu, joint_names: tuple[str, ...] | None = None) -> RobotState:
    """State of one robot from its two messages of one stamp, its joints in the order of ``joint_names`` if given.

    Values are taken as they are, NaN included: ``RobotState.check`` judges them. An empty effort (a robot that does not
    measure it) reads as zeros.

    Raises:
        StateError: if the stamps differ or are negative, the array lengths disagree, or a joint is absent or present
            twice.
    """
    if joints.header.stamp != imu.header.stamp:
        raise StateError(
            f"The joint state is of {seconds_from_stamp(joints.header.stamp)} s but the IMU's reading of "
            f"{seconds_from_stamp(imu.header.stamp)} s: pair messages of one stamp."
        )
    check_stamp(seconds_from_stamp(joints.header.stamp))
    count = len(joints.name)
    for field, values in (("position", joints.position), ("velocity", joints.velocity), ("effort", joints.effort)):
        if len(values) != count and not (field == "effort" and len(values) == 0):
            raise StateError(f"The joint state names {count} joints but holds {len(values)} values of {field}.")
    given = tuple(joints.name)
    position, velocity = np.array(joints.position), np.array(joints.velocity)
    effort = np.array(joints.effort) if len(joints.effort) else np.zeros(count)
    if joint_names is not None and joint_names != given:
        index = joint_indices(given, joint_names)
        position, velocity, effort, given = position[index], velocity[index], effort[index], joint_names
    q, w, a = imu.orientation, imu.angular_velocity, imu.linear_acceleration
    return RobotState(
        stamp_s=seconds_from_stamp(joints.header.stamp),
        joint_names=given,
        joint_position=position,
        joint_velocity=velocity,
        joint_effort=effort,
        orientation_base_to_world=np.array([q.x, q.y, q.z, q.w]),
        angular_velocity_base_in_base=np.array([w.x, w.y, w.z]),
        linear_acceleration_imu_in_imu=np.array([a.x, a.y, a.z]),
    )


def joint_command_message(command: JointCommand, sequence: int) -> JointCommandMsg:
    """Message of a command for one robot; ``sequence`` counts the publisher's messages from 1."""
    message = JointCommandMsg()
    message.header.stamp = stamp_from_seconds(command.stamp_s)
    message.sequence = sequence
    message.name = list(command.joint_names)
    message.position = _doubles(command.position)
    message.velocity = _doubles(command.velocity)
    message.effort = _doubles(command.effort)
    message.kp = _doubles(command.kp)
    message.kd = _doubles(command.kd)
    return message


def joint_command(message: JointCommandMsg, joint_names: tuple[str, ...] | None = None) -> JointCommand:
    """Command of a message, its joints in the order of ``joint_names`` if given.

    Values are taken as they are, NaN included: ``JointCommand.check`` judges them.

    Raises:
        StateError: if the array lengths disagree, or the joints are not exactly those of ``joint_names``.
    """
    names = tuple(message.name)
    values = []
    for field in ("position", "velocity", "effort", "kp", "kd"):
        value = np.array(getattr(message, field))
        if len(value) != len(names):
            raise StateError(f"The command names {len(names)} joints but holds {len(value)} values of {field}.")
        values.append(value)
    command = JointCommand(seconds_from_stamp(message.header.stamp), names, *values)
    return command if joint_names is None else command.ordered(joint_names)


def motor_reading(message: MotorStates) -> MotorReading:
    """What the motors report; whether it makes sense is judged by who uses it."""
    return MotorReading(
        tuple(message.name),
        np.asarray(message.temperature, dtype=np.float64),
        np.asarray(message.error, dtype=np.uint32),
    )


def damping_reason(message: WatchdogState) -> str:
    """Why the watchdog lets the actuators damp, one sentence; empty if it does not."""
    return (message.reason or "The watchdog gives no reason.") if message.damp else ""


def velocity_command(twist: Twist) -> Array:
    """(3,) vx, vy in m/s and wz in rad/s of a Twist in the base frame (REP-103)."""
    return np.array([twist.linear.x, twist.linear.y, twist.angular.z])


def twist(command: Array) -> Twist:
    """Twist of a velocity command (3,) of vx, vy (m/s), wz (rad/s)."""
    message = Twist()
    message.linear.x, message.linear.y, message.angular.z = (float(v) for v in command)
    return message


def _doubles(values: Array) -> array[float]:
    """Flat array as the message setters take it without a check of each element."""
    return array("d", np.ascontiguousarray(values, dtype=np.float64).tobytes())
