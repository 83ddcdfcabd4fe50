# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A line of faults passes for what it says, and for nothing else."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers.policies import make_contract

from tarsus_core.robot_model import load_robot
from tarsus_edge.supervisor import State
from tarsus_nodes.faults.bench import FaultBench
from tarsus_nodes.faults.judge import arming_refused, comes_to_rest, damped
from tarsus_nodes.faults.process_lines import WINDOW_S, _burst
from tarsus_nodes.faults.witness import Heard, Witness

ROBOT = load_robot("g1")


class Bench(FaultBench):
    """What a witness has heard, and a supervisor that has said why; time does not pass."""

    def __init__(self, session: Any, state: State, reason: str = "", latched: str = "", granted: bool = False) -> None:
        self.witness = Witness(ROBOT, make_contract(ROBOT), session.domain_id)
        self.operator = SimpleNamespace(reason=reason)  # type: ignore[assignment]
        self.client = SimpleNamespace(state=state, press=lambda _: (granted, "Because."))  # type: ignore[assignment]
        self.latched = lambda: latched  # type: ignore[method-assign]

    def until(self, condition: Callable[[], object], timeout_s: float = 0.0) -> bool:
        return bool(condition())

    def hear(self, *times_s: float, damps: bool = True) -> None:
        self.witness.commands += [Heard(t, t, t, damps) for t in times_s]


@pytest.mark.parametrize(
    ("at_s", "reason", "latched", "least_ms", "passed"),
    [
        (10.05, "No robot state for 50 ms.", "", 0.0, True),
        (10.05, "10 robot states were late within 1 s.", "", 0.0, False),  # not what was done to it
        (10.09, "No robot state for 50 ms.", "", 0.0, False),  # 90 ms are too late
        (10.05, "No robot state for 50 ms.", "", 60.0, False),  # too early
        (9.99, "No robot state for 50 ms.", "", 0.0, False),  # before the fault
        (10.05, "No robot state for 50 ms.", "supervisor/arm was granted", 0.0, False),
    ],
)
def test_damped_means_in_time_and_for_that_reason(
    session: Any, at_s: float, reason: str, latched: str, least_ms: float, passed: bool
) -> None:
    bench = Bench(session, State.DAMP, reason, latched)
    try:
        bench.hear(9.9, damps=False)
        bench.hear(at_s, 10.07)
        assert damped(bench, 10.0, 75.0, "No robot state", least_ms).passed is passed
    finally:
        bench.witness.close()


def walk_and_stop(witness: Witness, stop_s: float) -> None:
    """0.5 m/s from 9 s until a time, then nothing, until 15 s."""
    x = 0.0
    for t in np.arange(9.0, 15.0, 0.02):
        v = 0.5 if t < stop_s else 0.0
        x += 0.02 * v
        witness.speed.append((float(t), np.array([v, 0.0, 0.0])))
        witness.track.append((float(t), np.array([x, 0.0, 0.7])))


@pytest.mark.parametrize(
    ("stop_s", "damped_s", "passed"),
    [(11.0, None, True), (12.5, None, False), (11.0, 10.6, False), (99.0, None, False)],
)
def test_coming_to_rest_means_to_stay_up(session: Any, stop_s: float, damped_s: float | None, passed: bool) -> None:
    bench = Bench(session, State.WALK)
    try:
        walk_and_stop(bench.witness, stop_s)
        if damped_s is not None:
            bench.hear(damped_s)
        seen = comes_to_rest(bench, 10.0, 2000.0)
        assert seen.passed is passed
        assert (
            stop_s == 99.0 or damped_s is not None or seen.reaction_ms == pytest.approx((stop_s - 10.0) * 1e3, abs=21)
        )
    finally:
        bench.witness.close()


@pytest.mark.parametrize(
    ("granted", "because", "passed"), [(False, "Because", True), (True, "", False), (False, "x", False)]
)
def test_arming_is_refused_for_that_reason(session: Any, granted: bool, because: str, passed: bool) -> None:
    bench = Bench(session, State.PASSIVE, granted=granted)
    try:
        assert arming_refused(bench, because).passed is passed
    finally:
        bench.witness.close()


def test_a_burst_is_told_by_the_time_of_sending(session: Any) -> None:
    bench = Bench(session, State.WALK)
    try:
        late = [Heard(11.0, 10.0 + 0.02 * k, 11.0 + 0.0001 * k, False) for k in range(60)]  # of 1.2 s, all at once
        bench.witness.commands += late
        assert _burst(bench, 10.0) == 60
        bench.witness.commands.clear()
        bench.hear(*(10.0 + 0.02 * k for k in range(100)), damps=False)
        assert _burst(bench, 10.0) == pytest.approx(WINDOW_S / 0.02, abs=1)
    finally:
        bench.witness.close()


def test_what_was_unsafe_is_told_whenever_it_came(session: Any) -> None:
    bench = Bench(session, State.WALK)
    try:
        bench.witness.check.unsafe = 2
        bench.witness.begin()
        assert bench.witness.check.take_unsafe() == 2 and bench.witness.check.take_unsafe() == 0
    finally:
        bench.witness.close()
