# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever messages say, converters refuse or convert them, and no actuator is told what is not finite."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Twist
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import Imu, JointState
from tarsus_msgs.msg import JointCommand as JointCommandMsg
from tarsus_msgs.msg import MotorStates

from tarsus_core.errors import StateError
from tarsus_core.robot_model import load_robot
from tarsus_edge.policy_runner import VelocityInput
from tarsus_edge.supervisor import Supervisor
from tarsus_edge.supervisor_config import SupervisorConfig
from tarsus_nodes import conversions as c

pytestmark = pytest.mark.fuzz

ROBOT = load_robot("g1")
COUNT = len(ROBOT.joint_names)

doubles = st.one_of(st.floats(-10.0, 10.0), st.floats())
stamps = st.builds(Time, sec=st.integers(-(2**31), 2**31 - 1), nanosec=st.integers(0, 2**32 - 1))


@st.composite
def joint_names(draw: st.DrawFn) -> list[str]:
    """The robot's joints in any order; some missing, doubled or unknown."""
    names = list(draw(st.permutations(ROBOT.joint_names))) if draw(st.booleans()) else list(ROBOT.joint_names)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        place = draw(st.integers(0, len(names) - 1))
        change = draw(st.sampled_from(["drop", "double", "rename"]))
        if change == "drop":
            names.pop(place)
        elif change == "double":
            names.append(names[place])
        else:
            names[place] = draw(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6))
    return names


@st.composite
def values(draw: st.DrawFn, count: int, base: Any = None) -> list[float]:
    """Numbers for so many joints, mostly sound, sometimes one too many or too few."""
    made = [0.0] * count if base is None or len(base) != count else [float(v) for v in base]
    for _ in range(draw(st.integers(0, 2))):
        if made:
            made[draw(st.integers(0, len(made) - 1))] = draw(doubles)
    shape = draw(st.sampled_from(["as it is"] * 6 + ["shorter", "longer", "empty"]))
    if shape == "empty":
        return []
    return made[:-1] if shape == "shorter" else made + [0.0] * (shape == "longer")


@st.composite
def readings(draw: st.DrawFn) -> tuple[JointState, Imu]:
    """A joint state and an IMU reading."""
    names = draw(joint_names())
    joints = JointState(name=names)
    joints.header.stamp = draw(stamps)
    joints.position = draw(values(len(names), ROBOT.default_pose))
    joints.velocity, joints.effort = draw(values(len(names))), draw(values(len(names)))
    imu = Imu()
    imu.header.stamp = joints.header.stamp if draw(st.sampled_from([True, True, True, False])) else draw(stamps)
    imu.orientation.w = 1.0
    for vector in (imu.orientation, imu.angular_velocity, imu.linear_acceleration):
        if draw(st.booleans()):
            setattr(vector, draw(st.sampled_from("xyz")), draw(doubles))
    return joints, imu


@st.composite
def commands(draw: st.DrawFn) -> JointCommandMsg:
    """A joint command."""
    names = draw(joint_names())
    message = JointCommandMsg(sequence=draw(st.integers(0, 2**64 - 1)), name=names)
    message.header.stamp = draw(stamps) if draw(st.booleans()) else Time(sec=4)
    message.position = draw(values(len(names), ROBOT.default_pose))
    message.velocity, message.effort = draw(values(len(names))), draw(values(len(names)))
    message.kp, message.kd = draw(values(len(names), ROBOT.kp)), draw(values(len(names), ROBOT.kd))
    return message


def walking() -> Supervisor:
    """A supervisor in WALK at 4 s, by way of every service."""
    supervisor = Supervisor(
        SupervisorConfig(stand_gain_ramp_s=0.0, walk_blend_s=0.0), ROBOT, ROBOT.default_pose, ROBOT.kp, ROBOT.kd
    )
    supervisor.on_state(c.robot_state(*sound(0), ROBOT.joint_names), 0.0)
    assert supervisor.arm(0.0)[0] and supervisor.stand(0.0)[0]
    for k in range(1, 201):
        now = 0.02 * k
        supervisor.on_state(c.robot_state(*sound(20_000_000 * k), ROBOT.joint_names), now)
        supervisor.tick(now)
    good = JointCommandMsg(name=list(ROBOT.joint_names), position=ROBOT.default_pose.tolist(), sequence=1)
    good.velocity = good.effort = [0.0] * COUNT
    good.kp, good.kd = ROBOT.kp.tolist(), ROBOT.kd.tolist()
    good.header.stamp = Time(sec=3, nanosec=999_000_000)
    assert supervisor.on_policy_command(c.joint_command(good, ROBOT.joint_names))
    assert supervisor.walk(4.0)[0]
    return supervisor


def sound(nanoseconds: int) -> tuple[JointState, Imu]:
    joints = JointState(name=list(ROBOT.joint_names), position=ROBOT.default_pose.tolist())
    joints.velocity = [0.0] * COUNT
    joints.header.stamp = Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)
    imu = Imu()
    imu.header.stamp = joints.header.stamp
    imu.orientation.w, imu.linear_acceleration.z = 1.0, 9.81 + 1e-12 * nanoseconds
    return joints, imu


WALKING = walking()


def check_actuators(supervisor: Supervisor, now_s: float) -> None:
    command = supervisor.tick(now_s)
    assert command is not None
    command.check()
    assert np.all(command.kp <= ROBOT.kp) and np.all(np.abs(command.effort) <= ROBOT.effort_limit_nm)


@settings(deadline=None)
@given(st.lists(st.one_of(readings(), commands()), max_size=6))
def test_no_message_leads_to_a_command_that_is_not_finite(messages: list[Any]) -> None:
    supervisor = copy.deepcopy(WALKING)
    now = 4.0
    for message in messages:
        now += 0.004
        try:
            if isinstance(message, tuple):
                supervisor.on_state(c.robot_state(*message, ROBOT.joint_names), now)
            else:
                supervisor.on_policy_command(c.joint_command(message))
        except StateError as error:
            assert str(error).endswith(".") and "\n" not in str(error)
        check_actuators(supervisor, now)


@settings(deadline=None)
@given(joint_names(), st.data())
def test_no_report_of_motors_and_battery_leads_to_a_command_that_is_not_finite(
    names: list[str], data: st.DataObject
) -> None:
    supervisor = copy.deepcopy(WALKING)
    message = MotorStates(name=names, temperature=data.draw(values(len(names), [40.0] * len(names))))
    message.error = data.draw(st.lists(st.integers(0, 2**32 - 1), max_size=COUNT))
    supervisor.on_motors(c.motor_reading(message), 4.0)
    supervisor.on_battery(data.draw(doubles), 4.0)
    check_actuators(supervisor, 4.005)
    assert np.isfinite(supervisor.health.effort_scale).all()


@settings(deadline=None)
@given(st.lists(st.tuples(doubles, doubles, doubles, st.floats(0.0, 0.3)), max_size=8))
def test_no_velocity_command_is_used_that_is_not_finite_or_old(rows: list[tuple[float, float, float, float]]) -> None:
    velocity = VelocityInput(0.5)
    now = 0.0
    for x, y, yaw, wait in rows:
        twist = Twist()
        twist.linear.x, twist.linear.y, twist.angular.z = x, y, yaw
        velocity.update(c.velocity_command(twist), now)
        now += wait
        assert np.isfinite(velocity.value(now)).all()
    assert not velocity.value(now + 0.6).any()
