# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The simulator's deadlines and its loop statistics, on hand-made clocks."""

import pytest

from tarsus_nodes.sim_timing import LoopStatistics, Pacer


def test_deadlines_lie_on_a_grid_whatever_a_cycle_takes() -> None:
    pacer = Pacer(0.005, 10.0)
    due = [pacer.next(now) for now in (10.0, 10.0061, 10.0114, 10.0151)]
    assert due == pytest.approx([10.005, 10.010, 10.015, 10.020])
    assert pacer.skipped == 0


def test_a_delay_is_made_up_for_at_a_tenth_more_than_real_time() -> None:
    pacer = Pacer(0.005, 10.0)
    assert pacer.next(10.0) == pytest.approx(10.005)
    # the deadline 10.010 is missed by 13 ms: each cycle takes 5 / 1.1 ms now, and so makes up for 5 / 11 ms
    now, due = 10.023, []
    for _ in range(31):
        now = pacer.next(now)
        due.append(now)
    assert due == pytest.approx([10.023 + 0.005 / 1.1 * k for k in range(29)] + [10.155, 10.160])
    assert pacer.skipped == 0


def test_of_a_long_delay_whole_cycles_are_lost() -> None:
    pacer = Pacer(0.005, 0.0)
    assert pacer.next(0.0) == pytest.approx(0.005)
    # the deadline 0.010 is missed by 990 ms, of which 500 can be made up for: 98 cycles are lost
    assert pacer.next(1.0) == pytest.approx(1.0)
    assert pacer.skipped == 98
    assert pacer.next(1.001) == pytest.approx(1.0 + 0.005 / 1.1)
    assert pacer.skipped == 98


def play(statistics: LoopStatistics, ticks: range, answer_after: int | None, start_s: float = 0.0) -> None:
    """States each 5 ms; the first of each 4 is answered 2 ms later, and applied ``answer_after`` ticks later."""
    pending: dict[int, int] = {}
    for tick in ticks:
        now = start_s + tick * 0.005
        if tick in pending:
            statistics.on_applied(pending.pop(tick), now - 0.003, now)
        statistics.on_step()
        statistics.on_state(tick, now)
        if tick % 4 == 0 and answer_after is not None:
            pending[tick + answer_after] = tick


def test_latency_is_from_state_to_the_step_that_applies_its_answer() -> None:
    statistics = LoopStatistics(0.02, 4, 0.0)
    play(statistics, range(0, 41), answer_after=1)
    summary = statistics.summary(0.2)
    assert summary["answers"] == 10
    assert summary["loop_latency_ms"] == {"p50": 5.0, "p99": 5.0, "max": 5.0}
    assert summary["answer_latency_ms"] == {"p50": 2.0, "p99": 2.0, "max": 2.0}
    assert summary["deadline_misses"] == 0
    assert summary["simulated_s"] == pytest.approx(0.205)
    assert summary["real_time_factor"] == pytest.approx(1.025)


def test_percentiles_tell_the_slow_from_the_usual() -> None:
    statistics = LoopStatistics(0.02, 4, 0.0)
    for period in range(100):
        now = period * 0.02
        statistics.on_state(4 * period, now)
        late = 0.015 if period == 50 else 0.005
        statistics.on_applied(4 * period, now, now + late)
    latency = statistics.summary(2.0)["loop_latency_ms"]
    assert latency == {"p50": 5.0, "p99": pytest.approx(5.1, abs=0.01), "max": 15.0}
    assert statistics.summary(2.0, newest=49)["loop_latency_ms"] == {"p50": 5.0, "p99": 5.0, "max": 5.0}
    assert statistics.summary(2.0, newest=50)["loop_latency_ms"]["max"] == 15.0


def test_a_period_without_a_new_answer_is_a_missed_deadline() -> None:
    statistics = LoopStatistics(0.02, 4, 0.0)
    play(statistics, range(0, 17), answer_after=1)
    play(statistics, range(17, 33), answer_after=None)
    # the periods 0 to 3 were answered; 4 (its state at tick 16), 5 and 6 were not, 7 is still open at tick 31
    assert statistics.deadline_misses == 4 - 1 + (32 // 4 - 7)
    assert statistics.summary(1.0)["answers"] == 4


def test_waiting_for_an_answer_misses_a_deadline_whether_it_comes_or_not() -> None:
    statistics = LoopStatistics(0.02, 4, 0.0)
    assert not statistics.answered(-1)
    assert not statistics.answered(3)
    statistics.on_wait(0.1, True)  # nothing is counted before the first whole period
    for tick in range(4):
        statistics.on_state(tick, tick * 0.005)
    statistics.on_wait(0.03, True)
    statistics.on_applied(0, 0.045, 0.045)
    assert statistics.answered(3)
    assert not statistics.answered(4)
    for tick in range(4, 8):
        statistics.on_state(tick, 0.03 + tick * 0.005)
    statistics.on_wait(0.5, False)
    statistics.on_state(8, 0.57)
    summary = statistics.summary(1.0)
    assert summary["deadline_misses"] == 2
    assert summary["waited_s"] == pytest.approx(0.63)
    assert summary["loop_latency_ms"] == {"p50": 45.0, "p99": 45.0, "max": 45.0}
    statistics.reset(1.0)
    assert statistics.summary(1.0)["waited_s"] == 0.0


@pytest.mark.parametrize(("lockstep", "missed"), [(False, 1), (True, 0)])
def test_a_computer_that_is_held_up_misses_a_deadline_though_simulated_time_stood_still(
    lockstep: bool, missed: int
) -> None:
    statistics = LoopStatistics(0.02, 4, 0.0, lockstep)
    statistics.on_state(0, 0.0)
    statistics.on_applied(0, 0.002, 0.019)
    for tick in range(1, 5):
        statistics.on_state(tick, tick * 0.005)
    statistics.on_applied(4, 0.06, 0.063)  # 43 ms after its state, and yet before the next one
    statistics.on_state(8, 0.08)
    statistics.on_applied(8, 0.083, 0.085)
    statistics.on_state(12, 0.1)
    summary = statistics.summary(0.1)
    assert (summary["answers"], summary["deadline_misses"]) == (3, missed)
    assert summary["loop_latency_ms"]["max"] == 43.0


def test_an_answer_of_the_period_before_is_one_missed_deadline() -> None:
    statistics = LoopStatistics(0.02, 4, 0.0)
    for tick in range(5):
        statistics.on_state(tick, tick * 0.005)
    statistics.on_applied(0, 0.021, 0.025)  # counted when tick 4 was published, 20 ms after tick 0
    assert statistics.deadline_misses == 1
    statistics.on_applied(4, 0.026, 0.030)
    statistics.on_state(8, 0.04)
    assert statistics.deadline_misses == 1


def test_an_answer_counts_once_and_an_old_one_not_at_all() -> None:
    statistics = LoopStatistics(0.02, 4, 0.0)
    for tick in range(9):
        statistics.on_state(tick, tick * 0.005)
    statistics.on_applied(4, 0.03, 0.03)
    statistics.on_applied(4, 0.035, 0.035)
    statistics.on_applied(0, 0.036, 0.036)
    summary = statistics.summary(1.0)
    assert summary["answers"] == 1
    assert summary["loop_latency_ms"] == {"p50": 10.0, "p99": 10.0, "max": 10.0}


def test_a_reset_forgets_and_leaves_out_the_period_under_way() -> None:
    statistics = LoopStatistics(0.02, 4, 0.0)
    play(statistics, range(0, 10), answer_after=None)
    assert statistics.deadline_misses == 2
    statistics.reset(1.0)
    assert statistics.summary(1.0)["real_time_factor"] is None
    assert statistics.summary(2.0)["loop_latency_ms"] == {"p50": None, "p99": None, "max": None}
    statistics.on_applied(8, 1.0, 1.0)  # the answer to a state from before the reset
    play(statistics, range(10, 13), answer_after=None)
    summary = statistics.summary(2.0)
    assert (summary["answers"], summary["deadline_misses"]) == (0, 0)
