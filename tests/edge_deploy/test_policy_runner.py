# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Which states the policy answers, and what it remembers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.policies import make_policy_bytes
from helpers.robots import state_of

from tarsus_core.errors import ConfigError, StateError
from tarsus_core.robot_model import load_robot
from tarsus_edge.policy_file import parse_policy
from tarsus_edge.policy_runner import PolicyRunner, VelocityInput
from tarsus_edge.policy_session import PolicySession
from tarsus_edge.schedule import ControlSchedule
from tarsus_edge.supervisor import State

ROBOT = load_robot("g1")
SESSION = PolicySession(parse_policy(make_policy_bytes(ROBOT)), ROBOT)
FORWARD = np.array([0.5, 0.0, 0.0])


def runner() -> PolicyRunner:
    return PolicyRunner(SESSION, ROBOT.joint_names, 0.005)


def answered(run: PolicyRunner, ticks: list[int], mode: State = State.WALK) -> list[int]:
    """Return those of the states, by number, that get an answer."""
    return [k for k in ticks if run.step(state_of(ROBOT, k * 5 / 1000), mode, FORWARD) is not None]


def test_the_first_state_of_each_control_period_is_answered() -> None:
    assert answered(runner(), list(range(13))) == [0, 4, 8, 12]


def test_it_begins_where_a_control_period_begins() -> None:
    assert answered(runner(), [1, 2, 3, 4, 5]) == [4]


def test_a_lost_state_is_replaced_by_the_next() -> None:
    assert answered(runner(), [0, 1, 2, 3, 5, 6, 7, 8]) == [0, 5, 8]


def test_stamps_need_only_be_near_their_tick() -> None:
    run = runner()
    assert run.step(state_of(ROBOT, 0.0), State.WALK, FORWARD) is not None
    assert run.step(state_of(ROBOT, 0.0178), State.WALK, FORWARD) is not None  # tick 3.56: number 4
    assert run.step(state_of(ROBOT, 0.0222), State.WALK, FORWARD) is None


def test_silent_but_in_stand_and_walk() -> None:
    for mode in (State.PASSIVE, State.DAMP):
        assert answered(runner(), [0, 4], mode) == []
    assert answered(runner(), [0, 4], State.STAND) == [0, 4]


def test_nothing_accumulates_while_standing_and_walking_starts_from_rest() -> None:
    run = runner()
    first = run.step(state_of(ROBOT, 0.0), State.STAND, FORWARD)
    second = run.step(state_of(ROBOT, 0.02), State.STAND, FORWARD)
    assert first is not None and second is not None
    assert first.position.tobytes() == second.position.tobytes()
    assert not run.interface.velocity_command.any()  # FORWARD counts only in WALK
    walking = [run.step(state_of(ROBOT, 0.02 * k), State.WALK, FORWARD) for k in (2, 3)]
    alone = runner()
    fresh = [alone.step(state_of(ROBOT, 0.02 * k), State.WALK, FORWARD) for k in (2, 3)]
    for a, b in zip(walking, fresh, strict=True):
        assert a is not None and b is not None and a.position.tobytes() == b.position.tobytes()
    assert walking[0].position.tobytes() != walking[1].position.tobytes()  # type: ignore[union-attr]


def test_commands_answer_with_stamp_names_and_gains() -> None:
    command = runner().step(state_of(ROBOT, 0.04), State.WALK, FORWARD)
    assert command is not None
    assert command.stamp_s == 0.04 and command.joint_names == ROBOT.joint_names
    assert command.position.shape == (29,)
    np.testing.assert_array_equal(command.kp, ROBOT.kp)


def test_a_broken_state_raises_and_the_next_one_of_its_period_is_tried() -> None:
    run, reference = runner(), runner()
    with pytest.raises(StateError, match="joint_position"):
        run.step(state_of(ROBOT, 0.0, joint_position=math.nan), State.WALK, FORWARD)
    a = run.step(state_of(ROBOT, 0.0), State.WALK, FORWARD)
    b = reference.step(state_of(ROBOT, 0.0), State.WALK, FORWARD)
    assert a is not None and b is not None and a.position.tobytes() == b.position.tobytes()


@pytest.mark.parametrize(("jump", "forgets"), [(0.04, False), (0.1, False), (0.12, True), (-0.04, True)])
def test_a_jump_of_the_stamps_makes_it_forget(jump: float, forgets: bool) -> None:
    run = runner()
    for k in range(3):
        run.step(state_of(ROBOT, 1.0 + 0.02 * k), State.WALK, FORWARD)
    run.step(state_of(ROBOT, 1.04 + jump), State.WALK, FORWARD)
    # After one step from rest the clock has gone on by 0.02 / 0.8; after four by 4 times that.
    assert run.interface.clock.phase[0] == pytest.approx(0.025 if forgets else 0.1)
    assert run.resets == int(forgets)


@pytest.mark.parametrize(("control", "state"), [(0.02, 0.003), (0.02, 0.04), (0.02, 0.0), (0.02, math.nan)])
def test_periods_that_do_not_fit_are_refused(control: float, state: float) -> None:
    with pytest.raises(ConfigError):
        ControlSchedule.of(control, state)


def test_schedule_by_hand() -> None:
    schedule = ControlSchedule.of(0.02, 0.005)
    assert schedule.decimation == 4
    assert [schedule.begins(t) for t in (0.0, 0.005, 0.0175, 0.02, 0.0201)] == [True, False, True, True, True]
    assert [schedule.period(t) for t in (0.0, 0.015, 0.02, 123.46)] == [0, 0, 1, 6173]
    assert ControlSchedule.of(0.02, 0.02).decimation == 1
    assert [schedule.is_late(tick * 0.005) for tick in range(8, 12)] == [False, False, True, True]
    odd = ControlSchedule.of(0.015, 0.005)
    assert [odd.is_late(tick * 0.005) for tick in range(3, 6)] == [False, False, True]
    assert not any(ControlSchedule.of(0.02, 0.02).is_late(tick * 0.02) for tick in range(4))


def test_velocity_grows_stale_and_ignores_what_is_not_finite() -> None:
    velocity = VelocityInput(0.5)
    assert not velocity.value(0.0).any() and math.isinf(velocity.age(0.0))
    velocity.update(FORWARD, 10.0)
    velocity.update(np.array([math.nan, 0.0, 0.0]), 10.4)
    velocity.update(np.array([0.0, math.inf, 0.0]), 10.4)
    assert velocity.rejected == 2
    np.testing.assert_array_equal(velocity.value(10.5), FORWARD)
    assert not velocity.value(10.51).any()
    assert not velocity.value(9.9).any()  # a clock that went back
    assert not velocity.value(10.1).any()  # and comes to the same time again
    assert math.isinf(velocity.age(10.1))
