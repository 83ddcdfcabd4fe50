# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Which states begin a control period: told from their stamps alone, so that every process agrees."""

from __future__ import annotations

from dataclasses import dataclass

from tarsus_core.errors import ConfigError


@dataclass(frozen=True)
class ControlSchedule:
    """States come every ``state_period_s``; a control period spans ``decimation`` of them and begins at stamp 0."""

    state_period_s: float
    """s, time between two states (the physics step in simulation)"""
    decimation: int
    """states per control period"""

    @staticmethod
    def of(control_period_s: float, state_period_s: float) -> ControlSchedule:
        """Schedule of two periods in s.

        Raises:
            ConfigError: unless the control period is a whole number of state periods.
        """
        if not 1e-4 <= state_period_s <= 1.0:
            raise ConfigError(f"The state period is {state_period_s} s: it must be in 0.0001..1 s.")
        ratio = control_period_s / state_period_s
        decimation = round(ratio)
        if decimation < 1 or abs(ratio - decimation) > 1e-6:
            raise ConfigError(
                f"The state period {state_period_s} s does not divide the control period {control_period_s} s: "
                "set state_period_s to that of the simulator or driver."
            )
        return ControlSchedule(state_period_s, decimation)

    def tick(self, stamp_s: float) -> int:
        """Number of the state of that stamp."""
        return round(stamp_s / self.state_period_s)

    def period(self, stamp_s: float) -> int:
        """Number of the control period that the state of that stamp lies in."""
        return self.tick(stamp_s) // self.decimation

    def begins(self, stamp_s: float) -> bool:
        """Whether the state of that stamp begins a control period."""
        return self.tick(stamp_s) % self.decimation == 0

    def is_late(self, stamp_s: float) -> bool:
        """Whether the state of that stamp lies in the second half of its control period."""
        return 2 * (self.tick(stamp_s) % self.decimation) >= max(2, self.decimation)
