# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Who watches the supervisor: a second, smaller state machine, in a process of its own, that can only damp.

It knows no ROS and no clock of its own. Once the supervisor has died or fallen silent it damps, latched, until there is
a supervisor that is passive and disarmed: from there, only an operator leads the robot out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tarsus_core.errors import ConfigError
from tarsus_edge.state_monitor import reached
from tarsus_edge.supervisor import State

AGE_RANGE_S = (0.02, 1.0)
LOOK_GAP_S = 0.05
"""between two looks of a watchdog that was held up itself: commands may wait that it has not read yet"""


@dataclass(frozen=True)
class WatchdogConfig:
    """Thresholds of the watchdog.

    Raises:
        ConfigError: for a value outside its range.
    """

    command_age_damp_s: float = 0.1
    """age of the supervisor's newest command at which the robot is damped, in s: the supervisor itself damps after
    90 ms without a policy, so that this shows a supervisor that does not act"""

    def __post_init__(self) -> None:
        """Check the range."""
        low, high = AGE_RANGE_S
        if not low <= self.command_age_damp_s <= high:
            raise ConfigError(
                f"The watchdog's command_age_damp_s is {self.command_age_damp_s}: it must be in {low:g}..{high:g}."
            )


class Watchdog:
    """Damps when the supervisor does not command."""

    def __init__(self, config: WatchdogConfig, latched: bool = True) -> None:
        """Begin to watch; nobody is there yet.

        Args:
            config: thresholds.
            latched: damp until a passive, disarmed supervisor commands: one that starts anew knows nothing of what its
                predecessor damped for.
        """
        self.config = config
        self.reason = "The watchdog has just started." if latched else ""
        """why the robot is damped, one sentence; else empty"""
        self.trips = 0
        self._command_s = -math.inf
        self._rivals = False
        self._looked_s = -math.inf
        self._held_up = False

    @property
    def damps(self) -> bool:
        """Whether the actuators shall only damp."""
        return bool(self.reason)

    def command_age(self, now_s: float) -> float:
        """Age in s of the supervisor's newest command; infinite before the first."""
        return abs(now_s - self._command_s)  # a clock that was set back cannot tell, and is as bad as silence

    def on_command(self, now_s: float) -> None:
        """Note that the supervisor has sent a command."""
        self._command_s = now_s

    def on_supervisor(self, state: State, armed: bool, now_s: float) -> None:
        """Take what the supervisor says it does. One that is passive, disarmed and commands anew ends the latch."""
        fresh = not reached(self.command_age(now_s), self.config.command_age_damp_s)
        if self.damps and state is State.PASSIVE and not armed and fresh and not self._rivals:
            self.reason = ""

    def lose_supervisor(self) -> None:
        """Take note that the supervisor's process has ended. Before its first command there is nothing to damp."""
        if self._command_s > -math.inf:
            self._trip("The supervisor has ended.")

    def count(self, publishers: int) -> None:
        """Take the number of those who may command the actuators: more than one damps, whatever they say.

        The supervisor damps then, too, but its commands are only some of those that arrive; and the rival's would hide
        from ``check`` that it has fallen silent.
        """
        self._rivals = publishers > 1
        if self._rivals:
            self._trip(f"There are {publishers} publishers of joint commands.")

    def check(self, now_s: float) -> None:
        """Damp if the newest command is too old; call it often.

        The first look after a while in which nobody looked judges nothing: what has come meanwhile is read after it.
        """
        gap_s, self._looked_s = abs(now_s - self._looked_s), now_s
        self._held_up = LOOK_GAP_S < gap_s < math.inf and not self._held_up
        if self._held_up:
            return
        if math.isfinite(self._command_s) and reached(self.command_age(now_s), self.config.command_age_damp_s):
            self._trip(f"No command of the supervisor for {self.config.command_age_damp_s * 1e3:g} ms.")

    def _trip(self, reason: str) -> None:
        if not self.damps:
            self.reason = reason
            self.trips += 1
            self._command_s = -math.inf  # what came before does not end the latch
