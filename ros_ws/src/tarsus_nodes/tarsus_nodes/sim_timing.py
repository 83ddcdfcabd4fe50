# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Real time in the simulator: when the next step is due, and how well the loop through the graph keeps up.

Times are of a steady clock and come in as arguments.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import islice

import numpy as np

MEMORY = 180_000
"""latencies kept: one hour of control periods at 50 Hz"""


CATCH_UP = 1.1
"""how much faster than real time the simulator runs while it makes up for a delay"""
MEMORY_OF_DELAY_S = 0.5
"""s of delay that are made up for; what is more is lost"""


class Pacer:
    """When cycles are due: on a fixed grid, so that they do not drift.

    A delay is made up for a little faster than real time, never in a burst that would leave no time for answers; of a
    long one, whole cycles are skipped.
    """

    def __init__(self, period_s: float, now_s: float) -> None:
        """Start the grid now."""
        self._period_s = period_s
        self._deadline_s = now_s
        self._started_s = -np.inf
        self.skipped = 0
        """cycles left out so far"""

    def next(self, now_s: float) -> float:
        """Time at which the next cycle shall start: later than ``now_s``, or at once."""
        self._deadline_s += self._period_s
        lost = math.ceil((now_s - self._deadline_s - MEMORY_OF_DELAY_S) / self._period_s - 1e-6)
        if lost > 0:
            self._deadline_s += lost * self._period_s
            self.skipped += lost
        self._started_s = max(self._deadline_s, self._started_s + self._period_s / CATCH_UP, now_s)
        return self._started_s


class LoopStatistics:
    """Latency from the publication of a state to the physics step that first applies its answer; missed deadlines.

    A deadline is missed when a control period goes by without a new answer being applied, or would have if simulated
    time had not waited for it, or had not stood still itself: a real robot's does not, when its computer is held up.
    Each period is missed once at most, and each latency counted once a control period: the first answer counts.
    """

    def __init__(self, control_period_s: float, decimation: int, now_s: float, lockstep: bool = False) -> None:
        """Count from now; a control period spans ``decimation`` physics steps. In lockstep no answer is late."""
        self._decimation = decimation
        self._physics_dt_s = control_period_s / decimation
        self._deadline_s = math.inf if lockstep else control_period_s
        self._published: deque[tuple[int, float]] = deque(maxlen=8 * decimation)
        self._answered = -1
        self.reset(now_s)

    def reset(self, now_s: float) -> None:
        """Forget what was counted. The control period under way is not counted."""
        self._since_s = now_s
        self._first_period: int | None = None
        self._steps = 0
        self._latencies_s: deque[float] = deque(maxlen=MEMORY)
        self._arrivals_s: deque[float] = deque(maxlen=MEMORY)
        self._missed = -1
        self.deadline_misses = 0
        self.waited_s = 0.0
        self.skipped_cycles = 0
        self.commands_rejected = 0

    def on_state(self, tick: int, now_s: float) -> None:
        """Note that the state of a physics tick was published."""
        self._published.append((tick, now_s))
        period, place = divmod(tick, self._decimation)
        if place != 0:
            return
        if self._first_period is None:
            self._first_period = period
        elif self._answered < period - 1:
            self._miss(period - 1)

    def answered(self, tick: int) -> bool:
        """Whether an answer to a state of that tick's control period, or of a later one, was applied."""
        return self._answered >= max(0, tick // self._decimation)

    def on_wait(self, duration_s: float, came: bool) -> None:
        """Note that simulated time stood still for an answer that was not there when it was due, and if it came."""
        self.waited_s += duration_s
        if came and self._first_period is not None:  # one that did not come is missed when the period is over
            self._miss(self._published[-1][0] // self._decimation)

    def on_step(self) -> None:
        """Note a physics step."""
        self._steps += 1

    def on_applied(self, tick: int, arrived_s: float, now_s: float) -> None:
        """Note that a step begins now under the answer to the state of ``tick``, which came in at ``arrived_s``."""
        period = tick // self._decimation
        if period <= self._answered:
            return
        self._answered = period
        if self._first_period is None or period < self._first_period:
            return
        for published_tick, published_s in reversed(self._published):
            if published_tick == tick:
                self._latencies_s.append(now_s - published_s)
                self._arrivals_s.append(arrived_s - published_s)
                if now_s - published_s > self._deadline_s:
                    self._miss(period)
                return

    def _miss(self, period: int) -> None:
        if period > self._missed:
            self._missed = period
            self.deadline_misses += 1

    def summary(self, now_s: float, newest: int = MEMORY) -> dict[str, float | int | dict[str, float | None] | None]:
        """What was counted since the last reset, ready for JSON; None where there is nothing to tell.

        Args:
            now_s: the time of the steady clock.
            newest: latencies that the percentiles are taken of, counted from the newest back.
        """
        elapsed = now_s - self._since_s
        simulated = self._steps * self._physics_dt_s
        return {
            "simulated_s": round(simulated, 6),
            "elapsed_s": round(elapsed, 6),
            "real_time_factor": round(simulated / elapsed, 4) if elapsed > 0.0 else None,
            "loop_latency_ms": percentiles_ms(self._latencies_s, newest),
            "answer_latency_ms": percentiles_ms(self._arrivals_s, newest),
            "answers": len(self._latencies_s),
            "deadline_misses": self.deadline_misses,
            "waited_s": round(self.waited_s, 3),
            "skipped_cycles": self.skipped_cycles,
            "commands_rejected": self.commands_rejected,
        }


def percentiles_ms(values_s: deque[float], newest: int) -> dict[str, float | None]:
    """p50, p99 and max in ms of the newest values in s; None each if there are none."""
    if not values_s:
        return {"p50": None, "p99": None, "max": None}
    taken_s = np.fromiter(islice(reversed(values_s), newest), dtype=np.float64)
    p50, p99, most = np.percentile(taken_s * 1e3, [50.0, 99.0, 100.0])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3), "max": round(float(most), 3)}
