# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Limits on the final command: what no actuator may be told, whoever asks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tarsus_core.state import JointCommand

Array = NDArray[np.float64]


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
        so that the actuator and every record see the same command. Where a fast joint's damping alone exceeds the
        effort limit, the position limits win.

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
        limited = replace(command, position=final, velocity=speed, effort=effort, kp=kp, kd=kd)
        changes = (
            ("position", command.position != target),
            ("torque", moved != target),
            ("velocity", command.velocity != speed),
            ("effort", command.effort != effort),
            ("kp", command.kp != kp),
            ("kd", command.kd != kd),
        )
        for field, changed in changes:
            if changed.any():
                return limited, f"{command.joint_names[int(np.argmax(changed))]}: {field}"
        return limited, ""


def limit_slew(target: Array, previous: Array, speed: Array, elapsed_s: float) -> Array:
    """Keep a target (J,) rad within ``speed`` (J,) rad/s times ``elapsed_s`` of the previous one (J,) rad."""
    step = speed * elapsed_s
    limited: Array = np.clip(target, previous - step, previous + step)
    return limited


def smooth_step(x: float) -> float:
    """Rise from 0 at x <= 0 to 1 at x >= 1 with zero slope at both ends: 3 x^2 - 2 x^3."""
    x = min(1.0, max(0.0, x))
    return x * x * (3.0 - 2.0 * x)
