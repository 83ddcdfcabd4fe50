# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The gait clock, counted by hand: period 0.8 s at 20 ms is 40 periods, half of it 20."""

from __future__ import annotations

import numpy as np
import pytest

from tarsus_core.contract import Gait
from tarsus_core.gait import GaitClock

GO = np.array([[0.5, 0.0, 0.0]])
STOP = np.zeros((1, 3))


def clock(count: int = 1) -> GaitClock:
    return GaitClock(Gait(period_s=0.8, stand_below=0.05), 0.02, count)


def run(c: GaitClock, command: np.ndarray, periods: int) -> None:
    for _ in range(periods):
        c.start(command)
        c.advance(command)


def test_rests_until_it_is_told_to_move() -> None:
    c = clock()
    run(c, STOP, 10)
    assert c.phase[0] == 0.0 and not c.moving[0]
    np.testing.assert_array_equal(c.observation(), [[0.0, 0.0]])
    c.start(GO)
    np.testing.assert_array_equal(c.observation(), [[0.0, 1.0]])  # (sin 0, cos 0) from the first moment on


def test_a_quarter_and_a_whole_period() -> None:
    c = clock()
    run(c, GO, 10)
    assert c.phase[0] == pytest.approx(0.25)
    np.testing.assert_allclose(c.observation(), [[1.0, 0.0]], atol=1e-12)
    run(c, GO, 30)
    assert c.phase[0] % 1.0 == pytest.approx(0.0, abs=1e-9) or c.phase[0] == pytest.approx(1.0, abs=1e-9)
    run(c, GO, 4000)
    np.testing.assert_allclose(c.observation(), [[0.0, 1.0]], atol=1e-6)
    assert 0.0 <= c.phase[0] < 1.0


def test_a_clock_that_never_rests_runs_while_standing() -> None:
    c = GaitClock(Gait(period_s=0.8, stand_below=0.05, never_rests=True), 0.02, 1)
    run(c, STOP, 10)
    np.testing.assert_allclose(c.observation(), [[1.0, 0.0]], atol=1e-12)
    run(c, STOP, 4000)
    assert c.moving[0]


@pytest.mark.parametrize(("before", "after", "rest"), [(3, 17, 0.5), (19, 1, 0.5), (25, 15, 0.0), (39, 1, 0.0)])
def test_it_finishes_the_step_and_then_rests(before: int, after: int, rest: float) -> None:
    c = clock()
    run(c, GO, before)
    run(c, STOP, after - 1)
    assert c.moving[0]
    run(c, STOP, 1)
    assert not c.moving[0] and c.phase[0] == rest
    run(c, STOP, 50)
    assert c.phase[0] == rest
    np.testing.assert_array_equal(c.observation(), [[0.0, 0.0]])


def test_it_starts_again_with_the_other_foot() -> None:
    c = clock()
    run(c, GO, 5)
    run(c, STOP, 30)
    c.start(GO)
    np.testing.assert_allclose(c.observation(), [[0.0, -1.0]], atol=1e-12)
    run(c, GO, 10)
    assert c.phase[0] == pytest.approx(0.75)


def test_a_command_that_comes_back_in_time_does_not_stop_it() -> None:
    c = clock()
    run(c, GO, 5)
    run(c, STOP, 10)
    run(c, GO, 15)
    assert c.moving[0] and c.phase[0] == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("command", "moves"),
    [
        ([0.05, 0.0, 0.0], True),
        ([-0.05, 0.0, 0.0], True),
        ([0.049, 0.049, -0.049], False),
        ([0.0, 0.06, 0.0], True),
        ([0.0, 0.0, -0.3], True),
        ([0.0, 0.0, 0.0], False),
    ],
)
def test_which_commands_mean_motion(command: list[float], moves: bool) -> None:
    assert clock().wants_motion(np.array([command]))[0] == moves


def test_zero_means_standing_even_without_a_threshold() -> None:
    c = GaitClock(Gait(period_s=0.8, stand_below=0.0), 0.02)
    assert not c.wants_motion(STOP)[0] and c.wants_motion(np.array([[1e-6, 0.0, 0.0]]))[0]


def test_many_clocks_run_apart_and_reset_apart() -> None:
    c = clock(3)
    commands = np.array([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    for _ in range(10):
        c.start(commands)
        c.advance(commands)
    np.testing.assert_allclose(c.phase, [0.25, 0.0, 0.25])
    c.reset(np.array([2]), 0.5)
    np.testing.assert_allclose(c.phase, [0.25, 0.0, 0.5])
    np.testing.assert_array_equal(c.moving, [True, False, False])


def recovering(recover_s: float = 0.4) -> GaitClock:
    """Half a period is 0.4 s, 20 control periods."""
    return GaitClock(Gait(0.8, 0.05, recover_s=recover_s, recover_rate=0.5, recover_tilt=0.1), 0.02)


def pitching(rate: float) -> np.ndarray:
    """Roll and pitch rate (1, 2) in rad/s of a robot that turns over forwards."""
    return np.array([[0.0, rate]])


@pytest.mark.parametrize(("rate", "tilt", "starts"), [(0.4, 0.05, False), (0.6, 0.0, True), (0.0, 0.11, True)])
def test_a_disturbed_robot_steps_though_it_is_told_to_stand(rate: float, tilt: float, starts: bool) -> None:
    c, never = recovering(), clock()
    for _ in range(5):  # the low-pass of 0.6 rad/s is 0.6 (1 - (2/3)^5) = 0.52 after five periods
        for robot in (c, never):
            robot.start(STOP, pitching(rate), tilt)
            robot.advance(STOP)
    assert c.moving[0] == starts
    assert not never.moving[0]


def test_the_rate_is_low_passed_by_hand() -> None:
    c = recovering()  # 20 ms of 40 + 20 ms: a third of what is new
    c.start(STOP, pitching(1.4), 0.0)
    assert not c.moving[0], "1.4 / 3 = 0.467"
    c.start(STOP, pitching(0.0), 0.0)
    c.start(STOP, pitching(0.0), 0.0)
    kept = c.state()
    c.start(STOP, pitching(1.0), 0.0)  # 1.4 / 3 * (2/3)^3 + 1/3 = 0.472
    assert not c.moving[0]
    c.restore(kept)
    c.start(STOP, pitching(1.2), 0.0)  # 0.138 + 0.4 = 0.538
    assert c.moving[0]
    c.reset(slice(None))
    c.start(STOP, pitching(1.2), 0.0)
    assert not c.moving[0], "what was before a reset is forgotten"


def test_it_steps_for_a_while_and_to_the_end_of_the_step() -> None:
    c = recovering(0.5)
    c.start(STOP, pitching(2.0), 0.0)
    c.advance(STOP)
    run(c, STOP, 38)  # 0.5 s are over after 25 periods, the second step after 40
    assert c.moving[0]
    run(c, STOP, 1)
    assert not c.moving[0] and c.phase[0] == pytest.approx(0.0)


def test_after_it_stopped_it_takes_more_disturbance_for_half_a_second() -> None:
    c = recovering()
    c.start(STOP, pitching(2.0), 0.0)
    run(c, STOP, 20)
    assert not c.moving[0]
    kept = c.state()
    c.start(STOP, pitching(0.0), 0.129)  # 1.3 times 0.1 rad
    assert not c.moving[0]
    c.start(STOP, pitching(0.0), 0.131)
    assert c.moving[0]
    c.restore(kept)
    run(c, STOP, 25)  # 0.5 s
    c.start(STOP, pitching(0.0), 0.11)
    assert c.moving[0]


def test_it_runs_faster_and_slower_by_octaves() -> None:
    c = clock(3)
    go = np.tile(GO, (3, 1))
    for _ in range(10):
        c.start(go)
        c.advance(go, np.array([0.0, 1.0, -1.0]))
    np.testing.assert_allclose(c.phase, [0.25, 0.5, 0.125])  # 10 of 40 periods, of 20, of 80


@pytest.mark.parametrize(
    ("roll", "rest", "phase"), [(2.0, 0.0, 0.5), (-2.0, 0.5, 0.0), (0.8, 0.0, 0.0), (-0.8, 0.5, 0.5)]
)
def test_the_foot_on_the_side_of_the_fall_steps_first(roll: float, rest: float, phase: float) -> None:
    """Low-passed, 2 rad/s are 0.67 at once, beyond half of 0.5; 0.8 are 0.27 there, and too slow to start the clock."""
    c = recovering()
    c.reset(slice(None), rest)
    c.start(STOP, np.array([[roll, 0.0]]))
    assert c.moving[0] == (abs(roll) > 1.5)
    assert c.phase[0] == phase, "the right foot swings in the second half of the phase"


def test_a_fall_forwards_starts_with_the_foot_whose_turn_it_is() -> None:
    c = recovering()
    c.reset(slice(None), 0.5)
    c.start(STOP, np.array([[0.7, 2.0]]))  # 0.23 of roll is below half of 0.5
    assert c.moving[0] and c.phase[0] == 0.5


def test_what_is_remembered_can_be_restored_and_shares_no_memory() -> None:
    c = recovering()
    c.start(STOP, np.array([[2.0, 0.0]]))
    kept = c.state()
    c.advance(STOP)
    c.restore(kept)
    assert c.phase[0] == 0.5 and c.moving[0]
    c.advance(STOP)
    assert c.phase[0] > 0.5 and kept[0][0] == 0.5
