# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The gait clock: a phase that runs while the robot moves, and rests while it stands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tarsus_core.contract import Gait

Array = NDArray[np.float64]

RATE_S = 0.04
"""Time constant of the low-pass on the rate that disturbs a standing robot."""
SETTLE_S = 0.5
"""s after it stopped in which a robot still sways, and more disturbance is needed to start its clock again"""
SETTLE_FACTOR = 1.3
"""so many times as much: without it who stands steps now and then, with twice as much he catches himself late"""


class GaitClock:
    """Phase in [0, 1) for n robots. In the first half of the phase the left foot swings, in the second the right one.

    When the command falls below the threshold the clock goes on to the next half, so that a step is finished, and
    then rests; it starts again from there, with the other foot. Where the contract says so, it also starts when a
    standing robot is disturbed (it tilts, or begins to turn over), and runs for a while: who is pushed has to step,
    first with the foot on the side to which he falls.
    """

    def __init__(self, gait: Gait, control_period_s: float, count: int = 1) -> None:
        """Start ``count`` clocks at rest at phase 0."""
        self._step = control_period_s / gait.period_s
        self._period_s = control_period_s
        self._gait = gait
        self._recover_s: Array = np.zeros(count)
        self._settle_s: Array = np.zeros(count)
        self._rate: Array = np.zeros(count)
        self._roll: Array = np.zeros(count)
        self._blend = control_period_s / (control_period_s + RATE_S)
        self.phase: Array = np.zeros(count)
        self.moving: NDArray[np.bool_] = np.zeros(count, dtype=bool)

    def reset(self, index: NDArray[np.int64] | slice, phase: Array | float = 0.0) -> None:
        """Put clocks to rest at the given phase (0 or 0.5: which foot swings first)."""
        self.phase[index] = phase
        self.moving[index] = False
        self._recover_s[index] = 0.0
        self._settle_s[index] = 0.0
        self._rate[index] = 0.0
        self._roll[index] = 0.0

    def wants_motion(self, command: Array) -> NDArray[np.bool_]:
        """(n,) whether each command (n, 3) asks for motion."""
        if self._gait.never_rests:
            return np.ones(len(command), dtype=bool)
        size = np.abs(command).max(axis=-1)
        return (size >= self._gait.stand_below) & (size > 0.0)

    def start(self, command: Array, rate: Array | None = None, tilt: Array | float = 0.0) -> None:
        """Let resting clocks run whose command (n, 3) asks for motion or whose robot is disturbed.

        Call it before the phase is read. ``rate`` (n, 2) is the roll and pitch rate of the base in rad/s, ``tilt`` (n,)
        its tilt in rad. The rates are low-passed, as a single noisy reading is no push.
        """
        g = self._gait
        if g.recover_s > 0.0:
            rate = np.zeros((len(self.phase), 2)) if rate is None else rate
            self._rate = self._rate + self._blend * (np.sqrt((rate * rate).sum(axis=1)) - self._rate)
            self._roll = self._roll + self._blend * (rate[:, 0] - self._roll)
            most = np.where(self._settle_s > 1e-9, SETTLE_FACTOR, 1.0)
            disturbed = ~self.moving & ((self._rate > most * g.recover_rate) | (np.abs(tilt) > most * g.recover_tilt))
            self._recover_s = np.where(disturbed, g.recover_s, self._recover_s)
            # a positive roll rate is a fall to the right, and the right foot swings in the second half of the phase
            aside = disturbed & (np.abs(self._roll) > 0.5 * g.recover_rate)
            self.phase = np.where(aside, np.where(self._roll > 0.0, 0.5, 0.0), self.phase)
            self.moving = self.moving | disturbed
        self.moving = self.moving | self.wants_motion(command)

    def advance(self, command: Array, octaves: Array | float = 0.0) -> None:
        """Let one control period pass under the command (n, 3), at 2^octaves (n,) times the clock's own rate."""
        new = self.phase + np.where(self.moving, self._step * np.exp2(octaves), 0.0)
        half = np.floor(new * 2.0 + 1e-9)
        crossed = half > np.floor(self.phase * 2.0 + 1e-9)
        self._recover_s = np.maximum(self._recover_s - self._period_s, 0.0)
        free = crossed if self._gait.finish_step else np.ones_like(crossed)
        stop = self.moving & free & ~self.wants_motion(command) & (self._recover_s < 1e-9)
        if not self._gait.finish_step:
            half = np.zeros_like(half)
        self.phase = np.where(stop, half * 0.5, new) % 1.0
        self._settle_s = np.where(stop, SETTLE_S, np.maximum(self._settle_s - self._period_s, 0.0))
        self.moving = self.moving & ~stop

    def state(self) -> tuple[NDArray[Any], ...]:
        """Return what the clocks remember, for ``restore``."""
        return tuple(value.copy() for value in self._memory())

    def restore(self, state: tuple[NDArray[Any], ...]) -> None:
        """Go back to what ``state`` returned."""
        for value, saved in zip(self._memory(), state, strict=True):
            value[...] = saved

    def _memory(self) -> tuple[NDArray[Any], ...]:
        return self.phase, self.moving, self._recover_s, self._settle_s, self._rate, self._roll

    def feet(self) -> tuple[Array, Array]:
        """Return sin and cos (n, 2) of the phases of the left and the right foot, which are half a period apart.

        At rest both are at half a period: sin 0, cos -1 (as in holosoma).
        """
        angle = 2.0 * np.pi * (self.phase[:, None] + np.array([0.0, 0.5]))
        moving = self.moving[:, None]
        return np.where(moving, np.sin(angle), 0.0), np.where(moving, np.cos(angle), -1.0)

    def observation(self) -> Array:
        """(n, 2) sin and cos of 2 pi phase while moving, zeros at rest."""
        angle = 2.0 * np.pi * self.phase
        return np.stack([np.sin(angle), np.cos(angle)], axis=-1) * self.moving[:, None]
