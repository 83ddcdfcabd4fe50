# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor's state machine, with times and numbers worked out by hand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers.policies import make_contract
from helpers.robots import state_of
from helpers.supervisor import COUNT, KNEE, ROBOT, Rig, knee, make, policy_command

from tarsus_edge.supervisor import State, Supervisor
from tarsus_edge.supervisor_config import SupervisorConfig

# ---- the states ----


def test_passive_says_nothing_before_the_first_state_and_then_only_damps() -> None:
    rig = Rig()
    assert rig.supervisor.tick(0.0) is None
    command = rig.step(joint_position=0.1)
    assert rig.supervisor.state is State.PASSIVE and not rig.supervisor.armed
    assert not command.kp.any() and not command.effort.any() and not command.velocity.any()
    np.testing.assert_array_equal(command.kd, ROBOT.kd)
    np.testing.assert_array_equal(command.position, np.full(COUNT, 0.1))
    assert command.stamp_s == 0.005
    np.testing.assert_array_equal(Rig(damping_scale=0.5).step().kd, 0.5 * ROBOT.kd)


def test_stand_ramps_pose_and_stiffness_by_hand() -> None:
    rig = Rig()
    start = ROBOT.default_pose + knee(0.5)
    rig.step(joint_position=start)
    rig.supervisor.arm(rig.now_s)
    rig.supervisor.stand(rig.now_s)
    t0 = rig.now_s
    command = rig.supervisor.tick(t0)
    assert command is not None
    np.testing.assert_allclose(command.position, start)
    assert not command.kp.any()
    np.testing.assert_array_equal(command.kd, ROBOT.kd)
    # The knee hangs where it was. After 0.75 s, a quarter of the ramp: 3/16 - 2/64 = 0.15625 of the way; stiffness
    # at 3/4 of its ramp: 3 * 0.5625 - 2 * 0.421875 = 0.84375.
    rig.steps(150, joint_position=start)
    command = rig.supervisor.tick(t0 + 0.75)
    assert command is not None
    assert command.position[KNEE] == pytest.approx(ROBOT.default_pose[KNEE] + 0.5 * (1.0 - 0.15625))
    np.testing.assert_allclose(command.kp, 0.84375 * ROBOT.kp)
    rig.steps(450, joint_position=start)  # 3 s
    command = rig.supervisor.tick(t0 + 3.0)
    assert command is not None and rig.supervisor.ready
    np.testing.assert_allclose(command.position, ROBOT.default_pose)
    np.testing.assert_array_equal(command.kp, ROBOT.kp)


def test_the_ramp_never_jumps() -> None:
    rig = Rig()
    start = ROBOT.position_lower * 0.5
    rig.step(joint_position=start)
    rig.supervisor.arm(rig.now_s)
    rig.supervisor.stand(rig.now_s)
    commands = [rig.step(joint_position=start) for _ in range(620)]
    moves = np.diff([c.position for c in commands], axis=0)
    # The fastest part of 3 x^2 - 2 x^3 has slope 1.5: 1.5 * distance / 3 s, for 5 ms.
    assert np.all(np.abs(moves) <= 1.5 * np.abs(ROBOT.default_pose - start) / 3.0 * 0.005 + 1e-9)


def test_walk_blends_from_the_standing_pose_by_hand() -> None:
    rig = Rig().to_walk()
    entered = rig.now_s
    rig.steps(4, offset=knee(0.2))  # 20 ms into 0.5 s: share 3 * 0.04^2 - 2 * 0.04^3 = 0.004672
    command = rig.supervisor.tick(rig.now_s)
    assert command is not None
    assert command.position[KNEE] == pytest.approx(ROBOT.default_pose[KNEE] + 0.004672 * 0.2)
    rig.steps(46, offset=knee(0.2))  # 250 ms: half
    command = rig.supervisor.tick(entered + 0.25)
    assert command is not None
    assert command.position[KNEE] == pytest.approx(ROBOT.default_pose[KNEE] + 0.1)
    rig.steps(50, offset=knee(0.2))
    command = rig.supervisor.tick(entered + 0.5)
    assert command is not None
    np.testing.assert_allclose(command.position, ROBOT.default_pose + knee(0.2))


def test_walk_commands_carry_the_stamp_of_the_policys_view() -> None:
    rig = Rig(walk_blend_s=0.0).to_walk()
    command = rig.steps(4, offset=knee(0.1))
    assert command.stamp_s == rig.stamp_s  # a control period begins here
    later = rig.step()
    assert later.stamp_s == command.stamp_s and rig.stamp_s > command.stamp_s
    np.testing.assert_array_equal(later.position, command.position)


def test_for_policy_takes_pose_gains_and_limits_from_the_contract_by_name() -> None:
    contract = make_contract(ROBOT)
    turned = dataclasses.replace(
        contract,
        joint_names=contract.joint_names[::-1],
        default_pose=contract.default_pose[::-1],
        kp=tuple(0.5 * v for v in contract.kp[::-1]),
        kd=contract.kd[::-1],
        effort_limit_nm=tuple(1000.0 for _ in contract.joint_names),
    )
    supervisor = Supervisor.for_policy(SupervisorConfig(), ROBOT, turned)
    np.testing.assert_array_equal(supervisor._pose, ROBOT.default_pose)
    np.testing.assert_array_equal(supervisor._limits.kp, 0.5 * ROBOT.kp)
    np.testing.assert_array_equal(supervisor._limits.effort, ROBOT.effort_limit_nm)  # the lower of the two


# ---- what is not allowed ----


def refused(answer: tuple[bool, str], part: str) -> None:
    ok, message = answer
    assert not ok and part in message and message.endswith(".") and "\n" not in message


def test_arm_needs_a_fresh_state() -> None:
    rig = Rig()
    refused(rig.supervisor.arm(0.0), "No robot state has arrived")
    rig.supervisor.states.reject("The state has no joint 'a'.")
    refused(
        rig.supervisor.arm(0.0), "No good robot state has arrived (what comes is dropped: The state has no joint 'a')"
    )
    rig.step()
    refused(rig.supervisor.arm(rig.now_s + 0.05), "The newest robot state is 50 ms old: start")
    rig.supervisor.states.reject("The state has no joint 'a'.")
    refused(
        rig.supervisor.arm(rig.now_s + 0.05), "is 50 ms old (what comes is dropped: The state has no joint 'a'): start"
    )
    assert rig.supervisor.states.rejected == 2
    assert rig.supervisor.arm(rig.now_s + 0.049) == (True, "Armed: the robot may stand.")
    assert rig.supervisor.state is State.PASSIVE and rig.supervisor.armed


def test_stand_needs_arming_a_fresh_state_and_an_upright_robot() -> None:
    rig = Rig()
    rig.step()
    refused(rig.supervisor.stand(rig.now_s), "not armed")
    rig.supervisor.arm(rig.now_s)
    refused(rig.supervisor.stand(rig.now_s + 0.06), "60 ms old")
    rig.step(pitch=1.1)
    refused(rig.supervisor.stand(rig.now_s), "tilted by 1.10 rad")
    rig.step()
    assert rig.supervisor.stand(rig.now_s)[0]
    assert rig.supervisor.stand(rig.now_s) == (True, "The robot stands already.")


def test_walk_needs_the_finished_ramp_and_a_living_policy() -> None:
    rig = Rig()
    rig.step()
    refused(rig.supervisor.walk(rig.now_s), "in PASSIVE")
    rig.supervisor.arm(rig.now_s)
    refused(rig.supervisor.walk(rig.now_s), "in PASSIVE")
    rig.supervisor.stand(rig.now_s)
    rig.steps(200, policy=False)
    refused(rig.supervisor.walk(rig.now_s), "needs 2.0 s more")
    rig.steps(400, policy=False)
    assert rig.supervisor.ready
    refused(rig.supervisor.walk(rig.now_s), "No policy command has arrived")
    rig.steps(4)
    rig.steps(15, policy=False)
    assert rig.supervisor.command_age(rig.now_s) == pytest.approx(0.08)  # the last was for 3.02 s, it is 3.1 s
    refused(rig.supervisor.walk(rig.now_s), "The newest policy command is 80 ms old")
    rig.steps(4)
    assert rig.supervisor.walk(rig.now_s)[0] and rig.supervisor.state is State.WALK
    assert rig.supervisor.walk(rig.now_s) == (True, "The policy has the robot already.")
    assert rig.supervisor.arm(rig.now_s)[0]
    refused(rig.supervisor.stand(rig.now_s), "command zero velocity")
    refused(rig.supervisor.reset(rig.now_s), "in WALK")


def test_reset_is_refused_while_standing_and_needed_after_damping() -> None:
    rig = Rig().to_stand()
    refused(rig.supervisor.reset(rig.now_s), "in STAND")
    assert rig.supervisor.damp(rig.now_s) == (True, "The robot is damped: Damped by the operator.")
    for request in (rig.supervisor.arm, rig.supervisor.stand):
        refused(request(rig.now_s), "is damped (Damped by the operator.)")
    refused(rig.supervisor.walk(rig.now_s), "in DAMP")
    assert rig.supervisor.reset(rig.now_s)[0]
    assert rig.supervisor.state is State.PASSIVE and not rig.supervisor.armed and rig.supervisor.reason == ""
    refused(rig.supervisor.stand(rig.now_s), "not armed")


@pytest.mark.parametrize("prepare", [Rig, lambda: Rig().to_stand(), lambda: Rig().to_walk()])
def test_damp_works_in_every_state_and_keeps_the_first_reason(prepare: Callable[[], Rig]) -> None:
    rig = prepare()
    rig.step()
    rig.supervisor.damp(rig.now_s, "First.")
    rig.supervisor.damp(rig.now_s, "Second.")
    command = rig.step()
    assert rig.supervisor.state is State.DAMP and rig.supervisor.reason == "First."
    assert not command.kp.any() and not rig.supervisor.armed


# ---- ages ----


@pytest.mark.parametrize("offset_s", [0.0, 1234.5])
def test_the_policy_that_falls_silent_is_held_then_damped_within_100_ms(offset_s: float) -> None:
    rig = Rig(offset_s, walk_blend_s=0.0).to_walk()
    last = rig.steps(4, offset=knee(0.1), joint_velocity=0.0)
    silent_at = rig.stamp_s
    for tick in range(1, 18):  # 5 to 85 ms
        command = rig.step(policy=False)
        assert rig.supervisor.state is State.WALK, tick
        assert rig.supervisor.holding(rig.now_s) == (tick >= 12)
        np.testing.assert_array_equal(command.position, last.position)
    command = rig.step(policy=False)
    assert rig.stamp_s - silent_at == pytest.approx(0.09)
    assert rig.supervisor.state is State.DAMP and not command.kp.any()
    assert rig.supervisor.reason == "No policy command for 90 ms."


def test_holding_drops_feed_forward() -> None:
    rig = Rig(walk_blend_s=0.0).to_walk()
    rig.steps(3, policy=False)
    rig.step(policy=False)
    fed = policy_command(rig.stamp_s, effort=knee(3.0), velocity=knee(1.0))
    assert rig.supervisor.on_policy_command(fed)
    command = rig.step(policy=False)
    assert command.effort[KNEE] == 3.0 and command.velocity[KNEE] == 1.0
    command = rig.steps(11, policy=False)
    assert rig.supervisor.holding(rig.now_s)
    assert not command.effort.any() and not command.velocity.any() and command.kp.any()


@pytest.mark.parametrize("prepare", [lambda: Rig().to_stand(), lambda: Rig().to_walk()])
def test_states_that_stop_damp_after_50_ms(prepare: Callable[[], Rig]) -> None:
    rig = prepare()
    rig.step()
    state = rig.supervisor.state
    rig.supervisor.check(rig.now_s + 0.0499)
    assert rig.supervisor.state is state
    rig.supervisor.check(rig.now_s + 0.05)
    assert rig.supervisor.state is State.DAMP and rig.supervisor.reason == "No robot state for 50 ms."


def test_passive_does_not_damp_by_age() -> None:
    rig = Rig()
    rig.step()
    rig.supervisor.arm(rig.now_s)
    command = rig.supervisor.tick(rig.now_s + 10.0)
    assert rig.supervisor.state is State.PASSIVE and command is not None and not command.kp.any()


def test_a_frozen_state_with_one_stamp_ages() -> None:
    rig = Rig().to_stand()
    frozen = state_of(ROBOT, rig.stamp_s)
    for tick in range(1, 11):
        rig.supervisor.on_state(frozen, rig.now_s + tick * 0.005)
        rig.supervisor.check(rig.now_s + tick * 0.005)
    assert rig.supervisor.reason == "No robot state for 50 ms."


def test_late_states_are_counted() -> None:
    rig = Rig(offset_s=10.0)
    rig.steps(3)
    assert rig.supervisor.states.late == 0
    rig.tick_count += 4  # the next comes after 25 ms
    rig.step()
    assert rig.supervisor.states.late == 1


def test_ages_before_anything_came_are_infinite() -> None:
    supervisor = make()
    assert math.isinf(supervisor.states.age(1.0)) and math.isinf(supervisor.command_age(1.0))
    assert supervisor.states.stamp_s is None and supervisor.commands.latest is None


# ---- states that cannot be, falls and runaways ----


@pytest.mark.parametrize("prepare", [lambda: Rig().to_stand(), lambda: Rig().to_walk()])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"joint_position": math.nan}, "joint_position holds a value that is not finite"),
        ({"joint_velocity": math.inf}, "joint_velocity holds a value that is not finite"),
        ({"angular_velocity_base_in_base": math.nan}, "angular_velocity_base_in_base"),
        ({"linear_acceleration_imu_in_imu": math.nan}, "linear_acceleration_imu_in_imu"),
        ({"orientation_base_to_world": [0.0, 0.0, 0.0, 0.0]}, "no unit quaternion"),
        ({"orientation_base_to_world": [0.0, 0.0, 0.0, 1.1]}, "no unit quaternion"),
    ],
)
def test_a_state_that_cannot_be_is_dropped_and_many_of_them_damp(
    prepare: Callable[[], Rig], change: dict[str, Any], reason: str
) -> None:
    """Eight of them are lived with, since a good state comes 45 ms after the last; with the tenth it is 50 ms old."""
    rig = prepare()
    before = rig.supervisor.state
    rig.step()
    command = rig.steps(8, policy=False, **change)
    assert rig.supervisor.state is before
    assert np.isfinite(command.position).all() and command.kp.any()
    rig.steps(4)
    assert (rig.supervisor.state, rig.supervisor.states.rejected) == (before, 8)
    command = rig.steps(10, policy=False, **change)
    assert rig.supervisor.state is State.DAMP
    assert rig.supervisor.reason.startswith("No robot state for 50 ms: ") and reason in rig.supervisor.reason
    assert not command.kp.any() and np.isfinite(command.position).all()


@pytest.mark.parametrize("prepare", [lambda: Rig().to_stand(), lambda: Rig().to_walk()])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"roll": 1.01}, "tilted by 1.01 rad, more than 1."),
        ({"pitch": -1.5}, "tilted by 1.50 rad"),
        ({"joint_velocity": knee(30.5)}, "Joint 'left_knee_joint' turns at 30.5 rad/s, more than 30.0."),
        ({"joint_velocity": knee(-30.5)}, "turns at 30.5 rad/s"),
    ],
)
def test_faults_damp_at_once(prepare: Callable[[], Rig], change: dict[str, Any], reason: str) -> None:
    rig = prepare()
    command = rig.step(**change)
    assert rig.supervisor.state is State.DAMP and reason in rig.supervisor.reason
    assert not command.kp.any() and np.isfinite(command.position).all()
    command = rig.steps(10)  # the next states are fine: it stays damped
    assert rig.supervisor.state is State.DAMP and not command.kp.any()


@pytest.mark.parametrize("change", [{"roll": 0.99}, {"joint_velocity": knee(29.9)}])
def test_what_is_just_within_the_limits_goes_on(change: dict[str, Any]) -> None:
    rig = Rig().to_walk()
    rig.step(**change)
    assert rig.supervisor.state is State.WALK


def test_bad_states_in_passive_are_counted_and_unused() -> None:
    rig = Rig()
    rig.step()
    command = rig.step(joint_position=math.nan)
    assert rig.supervisor.state is State.PASSIVE and rig.supervisor.states.rejected == 1
    np.testing.assert_array_equal(command.position, ROBOT.default_pose)
    assert command.stamp_s == 0.005


def test_a_state_of_other_joints_is_rejected() -> None:
    rig = Rig().to_stand()
    state = dataclasses.replace(state_of(ROBOT, 1.0), joint_names=ROBOT.joint_names[::-1])
    rig.supervisor.on_state(state, rig.now_s)
    assert rig.supervisor.state is State.STAND and rig.supervisor.states.rejected == 1
    rig.supervisor.check(rig.now_s + 0.05)
    assert rig.supervisor.state is State.DAMP and "other joints" in rig.supervisor.reason


def test_a_clock_that_goes_back_damps_while_standing_and_is_followed_while_passive() -> None:
    rig = Rig().to_stand()
    rig.steps(20)
    rig.tick_count = 3
    rig.step()
    assert rig.supervisor.state is State.DAMP
    assert rig.supervisor.reason == "The robot's clock went back from 0.105 to 0.020 s."
    assert rig.supervisor.states.stamp_s == 0.02
    rig.supervisor.reset(rig.now_s)
    rig.tick_count = 0
    rig.to_walk()  # commands of the new time are taken
    assert rig.supervisor.state is State.WALK
