# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Heat and charge: what motors and battery report, and what the supervisor does about it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.supervisor import COUNT, KNEE, ROBOT, Rig, knee, motors

from tarsus_edge.health import MotorReading
from tarsus_edge.supervisor import State


def test_that_a_motor_is_hot_is_no_fault_of_the_policy() -> None:
    """A knee at 119 C has 0.525 of 139 N.m, 73; the policy asks for 99.1 * 0.8 = 79 for two seconds."""
    rig = Rig(walk_blend_s=0.0).to_walk()
    rig.supervisor.on_motors(motors(119.0), rig.now_s)
    command = rig.steps(150, offset=knee(0.8))
    assert command.kp[KNEE] * (command.position[KNEE] - ROBOT.default_pose[KNEE]) == pytest.approx(0.525 * 139.0)
    rig.supervisor.on_motors(motors(119.0), rig.now_s)
    rig.steps(150, offset=knee(0.8))
    assert rig.supervisor.state is State.WALK and rig.supervisor.commands.clamped == 0
    rig.supervisor.on_motors(motors(119.0), rig.now_s)
    rig.steps(190, offset=knee(1.9))  # more than a cool motor gives
    assert rig.supervisor.state is State.WALK and rig.supervisor.commands.clamped > 40
    rig.supervisor.on_motors(motors(119.0), rig.now_s)
    rig.steps(30, offset=knee(1.9))
    assert rig.supervisor.reason == "Every command for 1 s was out of its limits (left_knee_joint: torque)."


def test_heat_takes_torque_away_and_then_damps() -> None:
    rig = Rig(walk_blend_s=0.0).to_walk()
    limit = ROBOT.effort_limit_nm[KNEE]
    # At 110 C, half way from 100 to 120, three quarters of the torque are left: with kp 99.1 the target of a knee at
    # rest may be ahead by 0.75 * 139 / 99.1 = 1.05 rad.
    rig.supervisor.on_motors(motors(110.0), rig.now_s)
    assert rig.supervisor.health.effort_scale[KNEE] == 0.75 and rig.supervisor.health.effort_scale.sum() == COUNT - 0.25
    rig.steps(40, offset=knee(1.9))
    command = rig.steps(4, offset=knee(1.9))
    assert command.kp[KNEE] * (command.position[KNEE] - ROBOT.default_pose[KNEE]) == pytest.approx(0.75 * limit)
    assert "left_knee_joint 110 C" in rig.supervisor.health.warning
    rig.supervisor.on_motors(motors(60.0), rig.now_s)
    assert rig.supervisor.health.warning == "" and rig.supervisor.health.effort_scale.min() == 1.0
    rig.supervisor.on_motors(motors(120.0), rig.now_s)
    assert rig.supervisor.reason == "The motor of joint 'left_knee_joint' is at 120 C, the limit is 120."
    rig.supervisor.reset(rig.now_s)
    rig.step()
    assert rig.supervisor.arm(rig.now_s) == (
        False,
        "The motor of joint 'left_knee_joint' is at 120 C, the limit is 120.",
    )
    rig.supervisor.on_motors(motors(90.0), rig.now_s)
    assert rig.supervisor.arm(rig.now_s)[0]


def test_an_error_of_a_motor_damps_and_refuses_arming() -> None:
    rig = Rig().to_stand()
    rig.supervisor.on_motors(motors(40.0, "waist_yaw_joint", error=7), rig.now_s)
    assert rig.supervisor.state is State.DAMP
    assert rig.supervisor.reason == "The motor of joint 'waist_yaw_joint' reports error 7."
    rig.supervisor.reset(rig.now_s)
    rig.step()
    assert not rig.supervisor.arm(rig.now_s)[0]


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_motors_that_report_nonsense_damp_and_are_counted(broken: float) -> None:
    rig = Rig().to_stand()
    rig.supervisor.on_motors(motors(broken), rig.now_s)
    assert rig.supervisor.state is State.DAMP and "no temperature" in rig.supervisor.reason
    reading = motors(40.0)
    for bad in (
        MotorReading(reading.joint_names[1:], reading.temperature_c[1:], reading.error[1:]),
        MotorReading(reading.joint_names, reading.temperature_c[1:], reading.error),
    ):
        rig.supervisor.on_motors(bad, rig.now_s)
    assert rig.supervisor.health.rejected == 3
    assert np.all(rig.supervisor.health.effort_scale == 1.0)


def test_a_low_battery_refuses_arming_and_lets_a_walking_robot_halt_and_sit() -> None:
    rig = Rig(walk_blend_s=0.0).to_walk()
    assert not rig.supervisor.on_battery(1.01, rig.now_s) and not rig.supervisor.on_battery(math.nan, rig.now_s)
    assert rig.supervisor.on_battery(0.19, rig.now_s)
    rig.steps(8)
    assert rig.supervisor.state is State.WALK and not rig.supervisor.halting
    assert rig.supervisor.health.warning == "The battery is at 19%: the robot sits at 10%."
    rig.supervisor.on_battery(0.09, rig.now_s)
    rig.step()
    began = rig.tick_count
    assert rig.supervisor.state is State.WALK and rig.supervisor.halting
    while rig.tick_count < began + 399:
        rig.step(offset=knee(0.1))
    assert rig.supervisor.state is State.WALK
    command = rig.step(offset=knee(0.1))  # 2 s
    assert rig.supervisor.state is State.SIT
    pose = command.position
    np.testing.assert_allclose(pose, ROBOT.default_pose + knee(0.1))
    # Half of 3 s: 1 - (3/4 - 2/8) = a half of the stiffness; damping stays.
    while rig.tick_count < began + 400 + 300:
        command = rig.step(policy=False)
    np.testing.assert_allclose(command.kp, 0.5 * ROBOT.kp, rtol=1e-9)
    np.testing.assert_array_equal(command.position, pose)
    np.testing.assert_array_equal(command.kd, ROBOT.kd)
    assert rig.supervisor.stand(rig.now_s) == (False, "The robot sits down: wait until it is damped.")
    rig.steps(300, policy=False)
    assert rig.supervisor.state is State.DAMP
    assert rig.supervisor.reason == "The battery was at 9%: the robot has sat down."
    rig.supervisor.reset(rig.now_s)
    assert rig.supervisor.arm(rig.now_s) == (False, "The battery is at 9%, below 20%: charge it before arming.")


def test_a_battery_that_was_low_for_a_moment_halts_for_a_moment() -> None:
    rig = Rig().to_walk()
    rig.supervisor.on_battery(0.099, rig.now_s)
    rig.step()
    assert rig.supervisor.halting
    rig.supervisor.on_battery(1.0, rig.now_s)
    rig.steps(400)
    assert (rig.supervisor.state, rig.supervisor.halting) == (State.WALK, False)
    rig.supervisor.on_battery(0.099, rig.now_s)
    rig.step()
    assert rig.supervisor.state is State.WALK, "it gets its time to stop"


def test_a_battery_that_hovers_at_its_limit_lets_the_robot_sit() -> None:
    """The charge that is reported rises when the robot stops, and falls when it walks."""
    rig = Rig(walk_blend_s=0.0).to_walk()
    for k in range(400):
        rig.supervisor.on_battery(0.099 if k % 200 < 100 else 0.129, rig.now_s)
        rig.step()
    assert rig.supervisor.state is State.WALK and rig.supervisor.halting
    rig.steps(2)
    assert rig.supervisor.state is State.SIT
    rig = Rig(walk_blend_s=0.0).to_walk()
    rig.supervisor.on_battery(0.099, rig.now_s)
    rig.supervisor.on_battery(0.13, rig.now_s)  # as much above 10 % as it takes
    rig.steps(500)
    assert (rig.supervisor.state, rig.supervisor.halting) == (State.WALK, False)


def test_a_standing_robot_with_a_low_battery_sits_after_as_long_and_faults_still_damp_it() -> None:
    rig = Rig().to_stand()
    rig.steps(50)
    rig.supervisor.on_battery(0.0, rig.now_s)
    rig.steps(399)
    rig.supervisor.on_battery(0.8, rig.now_s)
    rig.steps(400)
    assert rig.supervisor.state is State.STAND, "it was one bad reading"
    rig.supervisor.on_battery(0.05, rig.now_s)
    rig.steps(400)
    assert rig.supervisor.state is State.STAND
    rig.step()
    assert rig.supervisor.state is State.SIT
    rig.step(roll=1.2)
    assert rig.supervisor.state is State.DAMP and "tilted" in rig.supervisor.reason


def test_motors_that_fall_silent_damp_after_a_second_and_forbid_arming() -> None:
    rig = Rig().to_stand()
    rig.supervisor.on_motors(motors(40.0), rig.now_s)
    rig.steps(200)
    assert rig.supervisor.state is State.STAND
    rig.step()
    assert (rig.supervisor.state, rig.supervisor.reason) == (State.DAMP, "The motors have not reported for 1 s.")
    assert rig.supervisor.reset(rig.now_s)[0]
    assert rig.supervisor.arm(rig.now_s) == (False, "The motors have not reported for 1 s.")
    rig.supervisor.on_motors(motors(40.0), rig.now_s)
    assert rig.supervisor.arm(rig.now_s)[0]


def test_a_battery_that_falls_silent_forbids_arming_and_warns() -> None:
    rig = Rig().to_stand()
    rig.supervisor.on_battery(0.9, rig.now_s)
    rig.steps(2000)
    assert rig.supervisor.health.warning == ""
    rig.step()
    assert rig.supervisor.state is State.STAND
    assert rig.supervisor.health.warning == "The battery has not reported for 10 s."
    rig.supervisor.damp(rig.now_s)
    rig.supervisor.reset(rig.now_s)
    assert rig.supervisor.arm(rig.now_s) == (False, "The battery has not reported for 10 s.")
    rig.supervisor.on_battery(0.9, rig.now_s)
    assert rig.supervisor.arm(rig.now_s)[0] and rig.supervisor.health.warning == ""


@pytest.mark.parametrize("silent", [False, True])
def test_a_low_battery_or_a_silent_one_takes_the_arming_back(silent: bool) -> None:
    rig = Rig()
    rig.supervisor.on_battery(0.9, rig.now_s)
    rig.step()
    assert rig.supervisor.arm(rig.now_s)[0]
    rig.step()
    assert rig.supervisor.armed
    if silent:
        rig.steps(2000)
    else:
        rig.supervisor.on_battery(0.15, rig.now_s)
        rig.step()
    assert rig.supervisor.state is State.PASSIVE and not rig.supervisor.armed
    rig.supervisor.on_battery(0.9, rig.now_s)
    rig.step()
    assert rig.supervisor.stand(rig.now_s) == (False, "The supervisor is not armed: arm it first.")
    assert rig.supervisor.arm(rig.now_s)[0]


def test_what_never_reports_is_not_judged() -> None:
    rig = Rig().to_walk()
    assert math.isnan(rig.supervisor.health.battery_share)
    assert rig.supervisor.health.obstacle == "" and rig.supervisor.health.warning == ""
