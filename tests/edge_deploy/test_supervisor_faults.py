# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What damps the supervisor beside age and limits: holes, rivals, frozen sensors, busy machines, unlikely states."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.robots import state_of
from helpers.supervisor import COUNT, KNEE, ROBOT, Rig, knee, motors, policy_command

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


def test_a_target_far_away_is_forgotten_with_the_next_command() -> None:
    rig = Rig()
    rig.step()
    rig.supervisor.on_policy_command(policy_command(rig.stamp_s, knee(1e300)))
    rig.steps(8)  # 40 ms, in which the knee's target comes back by 1.3 rad from the end of its range
    assert rig.supervisor.commands.latest is not None
    assert rig.supervisor.commands.latest.position[KNEE] <= ROBOT.position_upper[KNEE]
    assert rig.supervisor.reset(rig.now_s)[0]
    assert rig.supervisor.commands.latest is None


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
