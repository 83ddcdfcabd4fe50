# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Which commands the supervisor rejects and which it limits, with numbers worked out by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from helpers.supervisor import COUNT, KNEE, ROBOT, ZEROS, Rig, knee, make, policy_command

from tarsus_core.state import JointCommand
from tarsus_edge.supervisor import State

# ---- commands that are rejected ----


@pytest.mark.parametrize("field", ["position", "velocity", "effort", "kp", "kd"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_command_that_is_not_finite_is_rejected_before_any_clamp(field: str, value: float) -> None:
    rig = Rig(walk_blend_s=0.0).to_walk()
    good = rig.steps(4)
    bad = dataclasses.replace(policy_command(rig.stamp_s + 0.02), **{field: knee(value)})
    rig.steps(4, policy=False)
    assert not rig.supervisor.on_policy_command(bad)
    command = rig.supervisor.tick(rig.now_s)
    assert command is not None
    np.testing.assert_array_equal(command.position, good.position)
    assert rig.supervisor.commands.rejected == 1 and rig.supervisor.commands.clamped == 0
    assert "left_knee_joint" in rig.supervisor.commands.last_rejection


def test_a_policy_that_says_only_nan_is_damped_by_age() -> None:
    rig = Rig().to_walk()
    while rig.supervisor.state is State.WALK:
        rig.step(policy=False)
        rig.supervisor.on_policy_command(policy_command(rig.stamp_s, math.nan))
    assert rig.supervisor.reason == "No policy command for 90 ms."
    assert rig.supervisor.commands.rejected == 18  # 5, 10, ... 90 ms


def test_commands_out_of_order_or_of_another_time_are_rejected() -> None:
    rig = Rig().to_walk()
    rig.steps(4)
    take = rig.supervisor.on_policy_command
    assert not take(policy_command(rig.stamp_s))  # the same again
    assert "came after the one" in rig.supervisor.commands.last_rejection
    assert not take(policy_command(rig.stamp_s - 0.02))
    assert not take(policy_command(rig.stamp_s + 0.065))  # of a state that is not there yet
    assert "answers the state of" in rig.supervisor.commands.last_rejection
    rig.steps(14, policy=False)
    assert not take(policy_command(rig.stamp_s - 0.065))  # late: dropped, not queued
    assert take(policy_command(rig.stamp_s - 0.06))
    assert rig.supervisor.commands.rejected == 4


def test_a_command_may_overtake_its_state_by_one_message() -> None:
    rig = Rig(walk_blend_s=0.0).to_walk()
    assert rig.supervisor.on_policy_command(policy_command(rig.stamp_s + 0.02, knee(0.01)))
    assert rig.supervisor.command_age(rig.now_s) == 0.0


def test_commands_for_other_joints_are_rejected() -> None:
    rig = Rig().to_walk()
    rig.steps(3, policy=False)
    names = ROBOT.joint_names
    arrays = (ROBOT.default_pose, ZEROS, ZEROS, ROBOT.kp, ROBOT.kd)
    fewer = JointCommand(rig.stamp_s, names[1:], *(array[1:] for array in arrays))
    twice = policy_command(rig.stamp_s, joint_names=(names[1], *names[1:]))
    other = policy_command(rig.stamp_s, joint_names=("tail_joint", *names[1:]))
    negative = policy_command(rig.stamp_s, kp=-ROBOT.kp)
    for command in (fewer, twice, other, negative):
        assert not rig.supervisor.on_policy_command(command)
    assert rig.supervisor.commands.rejected == 4
    turned = policy_command(
        rig.stamp_s, joint_names=names[::-1], position=ROBOT.default_pose[::-1], kp=ROBOT.kp[::-1], kd=ROBOT.kd[::-1]
    )
    assert rig.supervisor.on_policy_command(turned)  # another order is no other command
    taken = rig.supervisor.commands.latest
    assert taken is not None
    np.testing.assert_array_equal(taken.position, ROBOT.default_pose)


def test_a_command_before_any_state_is_rejected() -> None:
    supervisor = make()
    assert not supervisor.on_policy_command(policy_command(0.0))
    assert supervisor.commands.rejected == 1


# ---- commands that are limited ----


def test_out_of_range_targets_are_clamped_counted_once_and_named() -> None:
    rig = Rig(walk_blend_s=0.0, target_speed_factor=100.0).to_walk()
    upper = ROBOT.position_upper[KNEE]
    near = ROBOT.default_pose + knee(upper - ROBOT.default_pose[KNEE] - 0.1)  # 0.1 rad below the limit
    rig.steps(3, policy=False, joint_position=near)
    before = rig.supervisor.commands.clamped
    command = rig.step(offset=knee(10.0), joint_position=near)
    assert command.position[KNEE] == upper
    assert rig.supervisor.commands.clamped == before + 1
    assert rig.supervisor.commands.last_clamp == "left_knee_joint: position"
    rig.steps(3, joint_position=near)  # the same command again at the following states
    assert rig.supervisor.commands.clamped == before + 1
    rig.steps(8, offset=knee(10.0), joint_position=near)
    assert rig.supervisor.commands.clamped == before + 3
    assert rig.supervisor.state is State.WALK


def test_torque_is_limited_by_moving_the_target_by_hand() -> None:
    rig = Rig(walk_blend_s=0.0, target_speed_factor=100.0).to_walk()
    # Knee: kp 99.09842778, kd 6.30880185, limit 139 N.m. q = 0.669 rad, dq = 2 rad/s, target q + 2 rad:
    # 99.098 * 2 - 6.309 * 2 = 185.6 N.m is too much; the target may be (139 + 12.6176) / 99.098 = 1.52997 rad ahead.
    command = rig.steps(4, offset=knee(2.0), joint_velocity=knee(2.0))
    ahead = command.position[KNEE] - ROBOT.default_pose[KNEE]
    assert ahead == pytest.approx(1.52997, abs=1e-5)
    assert command.kp[KNEE] * ahead - command.kd[KNEE] * 2.0 == pytest.approx(139.0)
    assert rig.supervisor.commands.last_clamp == "left_knee_joint: torque"


def test_gains_and_feed_forward_are_limited() -> None:
    rig = Rig(walk_blend_s=0.0).to_walk()
    rig.steps(4, policy=False)
    wild = policy_command(rig.stamp_s, kp=ROBOT.kp * 3.0, kd=ROBOT.kd * 3.0, effort=knee(500.0), velocity=knee(-90.0))
    assert rig.supervisor.on_policy_command(wild)
    command = rig.supervisor.tick(rig.now_s)
    assert command is not None
    np.testing.assert_array_equal(command.kp, ROBOT.kp)
    np.testing.assert_array_equal(command.kd, ROBOT.kd)
    assert command.effort[KNEE] == 139.0 and command.velocity[KNEE] == -20.0
    assert rig.supervisor.commands.clamped == 1


def test_targets_that_jump_are_slewed_by_hand() -> None:
    rig = Rig(walk_blend_s=0.0).to_walk()
    # Knee: 2 * 20 rad/s * 20 ms = 0.8 rad a control period.
    command = rig.steps(4, offset=knee(1.0))
    assert command.position[KNEE] == pytest.approx(ROBOT.default_pose[KNEE] + 0.8)
    assert rig.supervisor.commands.last_clamp == "left_knee_joint: slew" and rig.supervisor.commands.clamped == 1
    command = rig.steps(4, offset=knee(1.0))
    assert command.position[KNEE] == pytest.approx(ROBOT.default_pose[KNEE] + 1.0)
    assert rig.supervisor.commands.clamped == 1


def test_a_good_command_passes_bit_for_bit() -> None:
    rig = Rig(walk_blend_s=0.0).to_walk()
    offset = 0.01 * np.sin(np.arange(COUNT))
    command = rig.steps(4, offset=offset)
    expected = policy_command(rig.stamp_s, offset)
    for field in ("position", "velocity", "effort", "kp", "kd"):
        assert getattr(command, field).tobytes() == getattr(expected, field).tobytes()
    assert rig.supervisor.commands.clamped == 0 and rig.supervisor.commands.rejected == 0
