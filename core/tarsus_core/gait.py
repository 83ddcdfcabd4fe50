# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The gait clock: a phase that runs while the robot is told to move, and rests while it is told to stand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tarsus_core.contract import Gait

Array = NDArray[np.float64]


class GaitClock:
    """Phase in [0, 1) for n robots. In the first half of the phase the left foot swings, in the second the right one.

    When the command falls below the threshold the clock goes on to the next half, so that a step is finished, and
    then rests; it starts again from there, with the other foot.
    """

    def __init__(self, gait: Gait, control_period_s: float, count: int = 1) -> None:
        """Start ``count`` clocks at rest at phase 0."""
        self._step = control_period_s / gait.period_s
        self._stand_below = gait.stand_below
        self.phase: Array = np.zeros(count)
        self.moving: NDArray[np.bool_] = np.zeros(count, dtype=bool)

    def reset(self, index: NDArray[np.int64] | slice, phase: Array | float = 0.0) -> None:
        """Put clocks to rest at the given phase (0 or 0.5: which foot swings first)."""
        self.phase[index] = phase
        self.moving[index] = False

    def wants_motion(self, command: Array) -> NDArray[np.bool_]:
        """(n,) whether each command (n, 3) asks for motion."""
        return np.any(np.abs(command) >= self._stand_below, axis=-1) & np.any(command != 0.0, axis=-1)

    def start(self, command: Array) -> None:
        """Let resting clocks run whose command (n, 3) asks for motion; call before the phase is read."""
        self.moving |= self.wants_motion(command)

    def advance(self, command: Array) -> None:
        """Let one control period pass under the command (n, 3)."""
        new = self.phase + np.where(self.moving, self._step, 0.0)
        half = np.floor(new * 2.0 + 1e-9)
        crossed = half > np.floor(self.phase * 2.0 + 1e-9)
        stop = self.moving & crossed & ~self.wants_motion(command)
        self.phase = np.where(stop, half * 0.5, new) % 1.0
        self.moving = self.moving & ~stop

    def observation(self) -> Array:
        """(n, 2) sin and cos of 2 pi phase while moving, zeros at rest."""
        angle = 2.0 * np.pi * self.phase
        return np.stack([np.sin(angle), np.cos(angle)], axis=-1) * self.moving[:, None]
