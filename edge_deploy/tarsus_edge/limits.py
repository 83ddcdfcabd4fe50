# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Limits on the final command: what no actuator may be told, whoever asks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tarsus_core.state import JointCommand

Array = NDArray[np.float64]

ROUNDING_NM = 1e-9
"""N.m; what a target that was moved to the effort limit may miss it by"""


@dataclass(frozen=True)
class CommandLimits:
    """Limits per joint; arrays (J,)."""

    position_lower: Array
    """rad"""
    position_upper: Array
    """rad"""
    velocity: Array
    """rad/s"""
    effort: Array
    """N.m"""
    kp: Array
    """N.m/rad, largest stiffness"""
    kd: Array
    """N.m.s/rad, largest damping"""

    def apply(self, command: JointCommand, position: Array, velocity: Array) -> tuple[JointCommand, str]:
        """Bring a finite command within the limits at the measured ``position`` (J,) rad and ``velocity`` (J,) rad/s.

        The torque that the command implies, effort + kp (q* - q) + kd (dq* - dq), is limited by moving the target q*,
        so that the actuator and every record see the same command. Where the target cannot move so far (the joint has
        no stiffness, or is beyond its range), both gains are scaled down: an opposing feed-forward torque would go on
        to push when the joint has slowed down.

        Returns:
            the command, and what was changed, as ``"joint: field"``; empty if nothing was.
        """
        kp = np.clip(command.kp, 0.0, self.kp)
        kd = np.clip(command.kd, 0.0, self.kd)
        effort = np.clip(command.effort, -self.effort, self.effort)
        speed = np.clip(command.velocity, -self.velocity, self.velocity)
        target = np.clip(command.position, self.position_lower, self.position_upper)
        torque = effort + kp * (target - position) + kd * (speed - velocity)
        excess = torque - np.clip(torque, -self.effort, self.effort)
        moved = target - np.divide(excess, kp, out=np.zeros_like(excess), where=kp > 0.0)
        final = np.clip(moved, self.position_lower, self.position_upper)
        kp, kd, scaled = self._scaled(kp, kd, effort, final - position, speed - velocity)
        limited = replace(command, position=final, velocity=speed, effort=effort, kp=kp, kd=kd)
        changes = (
            ("position", command.position != target),
            ("torque", (moved != target) | scaled),
            ("velocity", command.velocity != speed),
            ("effort", command.effort != effort),
            ("kp", (command.kp != kp) & ~scaled),
            ("kd", (command.kd != kd) & ~scaled),
        )
        for field, changed in changes:
            if changed.any():
                return limited, f"{command.joint_names[int(np.argmax(changed))]}: {field}"
        return limited, ""

    def _scaled(
        self, kp: Array, kd: Array, effort: Array, error: Array, speed_error: Array
    ) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Gains that keep to the effort limit at these errors, and which were changed."""
        pull = kp * error + kd * speed_error
        torque = effort + pull
        over = np.abs(torque) > self.effort + ROUNDING_NM
        if over.any():
            share = np.divide(np.copysign(self.effort, torque) - effort, pull, out=np.ones_like(pull), where=over)
            kp, kd = share * kp, share * kd
        return kp, kd, over


def limit_slew(target: Array, previous: Array, speed: Array, elapsed_s: float) -> Array:
    """Keep a target (J,) rad within ``speed`` (J,) rad/s times ``elapsed_s`` of the previous one (J,) rad."""
    step = speed * elapsed_s
    limited: Array = np.clip(target, previous - step, previous + step)
    return limited


def smooth_step(x: float) -> float:
    """Rise from 0 at x <= 0 to 1 at x >= 1 with zero slope at both ends: 3 x^2 - 2 x^3."""
    x = min(1.0, max(0.0, x))
    return x * x * (3.0 - 2.0 * x)
