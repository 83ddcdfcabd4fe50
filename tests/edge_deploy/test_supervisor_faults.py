# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What damps the supervisor beside age and limits: holes, rivals, frozen sensors, busy machines, heat, charge."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.robots import state_of
from helpers.supervisor import COUNT, KNEE, ROBOT, Rig, knee, policy_command

from tarsus_edge.health import MotorReading
from tarsus_edge.supervisor import State


@pytest.mark.parametrize(("hole", "state"), [(9, State.STAND), (10, State.DAMP)])
def test_a_hole_in_the_states_damps_even_if_nobody_looked_meanwhile(hole: int, state: State) -> None:
    rig = Rig().to_stand()
    rig.steps(10)
    rig.tick_count += hole - 1  # 45 ms and 50 ms from state to state
    command = rig.step()
    assert rig.supervisor.state is state
    assert command.kp.any() == (state is State.STAND)
    assert rig.supervisor.states.late == 1


@pytest.mark.parametrize("stamp", [-1.0, float("nan"), float("inf"), 2.0**31])
def test_a_stamp_that_no_message_can_hold_leaves_the_last_good_state(stamp: float) -> None:
    rig = Rig().to_stand()
    rig.steps(3)
    rig.supervisor.on_state(state_of(ROBOT, stamp), rig.now_s)
    assert rig.supervisor.state is State.STAND
    assert rig.supervisor.states.stamp_s == 0.02
    assert "stamp is" in rig.supervisor.states.last_rejection
    assert rig.supervisor.states.rejected == 1


def test_what_forbids_to_command_the_robot_damps_it_and_refuses_arming() -> None:
    rig = Rig().to_stand()
    rig.supervisor.obstruct("")
    assert rig.supervisor.state is State.STAND
    rig.supervisor.obstruct("There are two.")
    assert (rig.supervisor.state, rig.supervisor.reason) == (State.DAMP, "There are two.")
    assert rig.supervisor.reset(rig.now_s)[0]
    assert rig.supervisor.arm(rig.now_s) == (False, "There are two.")
    rig.supervisor.obstruct("")
    assert rig.supervisor.arm(rig.now_s)[0]


def test_what_comes_between_arming_and_standing_disarms() -> None:
    for hinder, end in (
        (lambda rig: rig.supervisor.obstruct("There are two."), lambda rig: rig.supervisor.obstruct("")),
        (
            lambda rig: rig.supervisor.on_motors(motors(40.0, error=7), rig.now_s),
            lambda rig: rig.supervisor.on_motors(motors(40.0), rig.now_s),
        ),
        (
            lambda rig: rig.supervisor.on_motors(motors(math.nan), rig.now_s),
            lambda rig: rig.supervisor.on_motors(motors(40.0), rig.now_s),
        ),
    ):
        rig = Rig()
        rig.step()
        assert rig.supervisor.arm(rig.now_s)[0]
        hinder(rig)
        assert rig.supervisor.state is State.PASSIVE
        assert not rig.supervisor.armed
        assert not rig.supervisor.arm(rig.now_s)[0]
        end(rig)
        assert rig.supervisor.stand(rig.now_s) == (False, "The supervisor is not armed: arm it first.")
        assert rig.supervisor.arm(rig.now_s)[0] and rig.supervisor.stand(rig.now_s)[0]


def test_a_battery_that_runs_low_after_arming_forbids_to_stand_up() -> None:
    rig = Rig()
    rig.step()
    assert rig.supervisor.arm(rig.now_s)[0]
    rig.supervisor.on_battery(0.19, rig.now_s)
    granted, why = rig.supervisor.stand(rig.now_s)
    assert not granted and "charge it before arming" in why
    assert not rig.supervisor.armed


def test_the_end_of_the_policy_damps_a_walking_robot_alone() -> None:
    rig = Rig().to_stand()
    rig.supervisor.lose_policy()
    assert rig.supervisor.state is State.STAND
    rig = Rig().to_walk()
    rig.supervisor.lose_policy()
    assert (rig.supervisor.state, rig.supervisor.reason) == (State.DAMP, "The policy has ended.")


# ---- sensors that hang up, and machines that are too busy ----


def test_an_imu_that_says_the_same_damps_after_50_ms_and_counts_anew_after_a_change() -> None:
    rig = Rig().to_stand()
    frozen = {"linear_acceleration_imu_in_imu": [0.0, 0.1, 9.8]}
    rig.steps(10, **frozen)  # 45 ms from the first of them to the last
    assert rig.supervisor.state is State.STAND
    rig.step()
    rig.steps(10, **frozen)
    assert rig.supervisor.state is State.STAND
    rig.step(**frozen)
    assert (rig.supervisor.state, rig.supervisor.reason) == (State.DAMP, "The IMU has said the same for 50 ms.")


def test_joints_that_say_the_same_damp_a_walking_robot_after_100_ms_and_no_other() -> None:
    rig = Rig().to_stand()
    still = {"joint_position": ROBOT.default_pose, "joint_velocity": np.zeros(COUNT)}
    rig.steps(800, **still)
    assert rig.supervisor.state is State.STAND, "a robot that hangs and stands by stiffness may rest"
    assert rig.supervisor.walk(rig.now_s)[0]
    rig.steps(19, **still)  # 95 ms
    assert rig.supervisor.state is State.WALK
    rig.steps(1, **still | {"joint_velocity": still["joint_velocity"] + 1e-9})
    rig.steps(20, **still)
    assert rig.supervisor.state is State.WALK
    rig.step(**still)
    assert (rig.supervisor.state, rig.supervisor.reason) == (State.DAMP, "All joints have said the same for 100 ms.")


@pytest.mark.parametrize(
    "field", ["orientation_base_to_world", "angular_velocity_base_in_base", "linear_acceleration_imu_in_imu"]
)
def test_one_part_of_the_imu_that_lives_is_enough(field: str) -> None:
    rig = Rig().to_stand()
    still = {"linear_acceleration_imu_in_imu": [0.0, 0.1, 9.8]}
    for tick in range(40):
        tiny = 1e-9 * tick
        alive = [tiny, 0.0, 0.0, 1.0] if field == "orientation_base_to_world" else [tiny, 0.0, 9.8]
        rig.step(**{**still, field: alive})
    assert rig.supervisor.state is State.STAND


def test_ten_late_states_within_a_second_damp() -> None:
    rig = Rig(offset_s=5.0).to_stand()
    for _ in range(9):
        rig.tick_count += 4  # 25 ms from state to state
        rig.step()
    assert rig.supervisor.state is State.STAND and rig.supervisor.states.late == 9
    rig.steps(180)  # 0.9 s later the first of them are forgotten
    for _ in range(8):
        rig.tick_count += 4
        rig.step()
    assert rig.supervisor.state is State.STAND
    for _ in range(2):
        rig.tick_count += 4
        rig.step()
    assert rig.supervisor.state is State.DAMP
    assert rig.supervisor.reason == "10 robot states were late within 1 s: the machine is too busy."


@pytest.mark.parametrize("offset_s", [-3.0, 0.0, 1e5])
def test_states_that_come_later_and_later_damp_at_100_ms_whatever_the_clocks_say(offset_s: float) -> None:
    rig = Rig(offset_s=offset_s).to_stand()
    for _ in range(19):
        rig.offset_s += 0.005  # the link holds back 5 ms more each time
        rig.step()
    assert rig.supervisor.state is State.STAND
    assert rig.supervisor.states.delay_s == pytest.approx(0.095, abs=2e-4)  # less what clocks may drift in 0.1 s
    rig.offset_s += 0.006
    rig.step()
    assert rig.supervisor.state is State.DAMP
    assert rig.supervisor.reason == "Robot states come 101 ms late: the link or a machine holds them up."
    assert rig.supervisor.reset(rig.now_s)[0]  # what the way takes from here on is the measure anew
    rig.step()
    assert rig.supervisor.states.delay_s == 0.0
    assert rig.supervisor.arm(rig.now_s)[0] and rig.supervisor.stand(rig.now_s)[0]


def test_clocks_that_drift_apart_and_a_link_that_was_slow_for_a_moment_are_no_delay() -> None:
    rig = Rig(offset_s=2.0).to_stand()
    for _ in range(4000):  # 20 s; 0.0005 s in a second, half of what is allowed for
        rig.offset_s += 0.0005 * 0.005
        rig.step()
    assert rig.supervisor.state is State.STAND and rig.supervisor.states.delay_s < 1e-9
    rig.offset_s += 0.04
    rig.step()
    assert rig.supervisor.states.delay_s == pytest.approx(0.04, abs=1e-4)
    rig.offset_s -= 0.04
    rig.tick_count += 8  # what was held back comes at once; the clock goes on
    rig.step()
    assert rig.supervisor.state is State.STAND and rig.supervisor.states.delay_s == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize(("speed", "state"), [(9.99, State.WALK), (10.01, State.DAMP)])
def test_a_base_that_spins_damps(speed: float, state: State) -> None:
    rig = Rig().to_walk()
    rig.step(angular_velocity_base_in_base=[0.6 * speed, 0.0, -0.8 * speed])
    assert rig.supervisor.state is state


def test_commands_that_are_always_out_of_their_limits_damp_after_a_second() -> None:
    rig = Rig(walk_blend_s=0.0).to_walk()
    rig.step()
    while rig.tick_count % 4:
        rig.step()
    rig.steps(100, offset=knee(9.0))  # far beyond the knee's range
    assert rig.supervisor.state is State.WALK and rig.supervisor.commands.clamped == 25
    rig.steps(80)  # back within its limits, as fast as the slew limit lets it: it counts anew
    rig.steps(200, offset=knee(9.0))  # the 50th has the stamp of the first plus 0.98 s
    assert rig.supervisor.state is State.WALK
    command = rig.steps(4, offset=knee(9.0))
    assert rig.supervisor.state is State.DAMP and not command.kp.any()
    assert rig.supervisor.reason.startswith("Every command for 1 s was out of its limits (left_knee_joint: ")


# ---- heat and charge ----


def motors(temperature_c: float, joint: str = "left_knee_joint", error: int = 0) -> MotorReading:
    """All motors at 40 C, one hotter."""
    names = ROBOT.joint_names[::-1]  # by name, never by place
    values, errors = np.full(COUNT, 40.0), np.zeros(COUNT, np.uint32)
    values[names.index(joint)] = temperature_c
    errors[names.index(joint)] = error
    return MotorReading(names, values, errors)


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


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"angular_velocity_base_in_base": np.array([0.0, 0.0, 50.0])}, "The base turns at 50.0 rad/s"),
        ({"joint_velocity": knee(1e6)}, "Joint 'left_knee_joint' turns at 1000000.0 rad/s"),
    ],
)
def test_what_would_damp_a_robot_that_stands_lets_it_not_stand_up(state: dict[str, np.ndarray], why: str) -> None:
    rig = Rig()
    rig.step()
    assert rig.supervisor.arm(rig.now_s)[0]
    rig.step(**state)
    granted, message = rig.supervisor.stand(rig.now_s)
    assert not granted and message.startswith(why) and message.endswith(": mend that first.")
    rig.step()
    assert rig.supervisor.stand(rig.now_s)[0]


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


def test_a_target_far_away_is_forgotten_with_the_next_command() -> None:
    rig = Rig()
    rig.step()
    rig.supervisor.on_policy_command(policy_command(rig.stamp_s, knee(1e300)))
    rig.steps(8)  # 40 ms, in which the knee's target comes back by 1.3 rad from the end of its range
    assert rig.supervisor.commands.latest is not None
    assert rig.supervisor.commands.latest.position[KNEE] <= ROBOT.position_upper[KNEE]
    assert rig.supervisor.reset(rig.now_s)[0]
    assert rig.supervisor.commands.latest is None


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


def test_a_joint_far_beyond_its_range_is_not_believed() -> None:
    rig = Rig()
    turned = ROBOT.default_pose + knee(2.0 * math.pi)
    rig.supervisor.on_state(state_of(ROBOT, 0.005, joint_position=turned), 0.005)
    ok, why = rig.supervisor.arm(0.005)
    name = ROBOT.joint_names[KNEE]
    assert not ok and f"Joint '{name}' is said to be at {turned[KNEE]:.2f} rad, more than 0.3 beyond its range" in why
    rig = Rig(walk_blend_s=0.0).to_walk()
    rig.steps(9, joint_position=turned)
    assert rig.supervisor.state is State.WALK and rig.supervisor.states.rejected == 9
    rig.step(joint_position=turned)
    assert rig.supervisor.state is State.DAMP
    assert rig.supervisor.reason.startswith(f"No robot state for 50 ms: Joint '{name}' is said to be at")


@pytest.mark.parametrize("beyond", [0.29, -0.29])
def test_a_joint_that_gives_at_its_stop_is_believed_and_stands_up_from_its_range(beyond: float) -> None:
    edge = ROBOT.position_upper if beyond > 0.0 else ROBOT.position_lower
    pose = ROBOT.default_pose.copy()
    pose[KNEE] = edge[KNEE] + beyond
    rig = Rig()
    rig.step(joint_position=pose)
    assert rig.supervisor.arm(rig.now_s)[0] and rig.supervisor.stand(rig.now_s)[0]
    assert rig.supervisor._start_pose[KNEE] == edge[KNEE]
    rig.steps(3, joint_position=pose + np.sign(beyond) * knee(0.02))
    assert rig.supervisor.states.rejected == 3
