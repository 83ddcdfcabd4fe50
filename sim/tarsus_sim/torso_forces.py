# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What pulls at the torsos of PyBullet's robots from outside: pushes that last a while, and torques that hold."""

from __future__ import annotations

import numpy as np
import pybullet
from numpy.typing import NDArray

Array = NDArray[np.float64]


class TorsoForces:
    """External forces and torques on n torsos, in the world frame."""

    def __init__(self, robots: list[tuple[int, int]], torso: int, physics_dt_s: float) -> None:
        """Start with none.

        Args:
            robots: PyBullet's client and body of each robot.
            torso: PyBullet's index of the torso link; -1 where it is merged into the base.
            physics_dt_s: time between two calls of ``apply``.
        """
        self._robots, self._torso, self._dt_s = robots, torso, physics_dt_s
        self._pushes: dict[int, tuple[Array, int]] = {}
        self._torque = np.zeros((len(robots), 3))
        self._holds = False

    def push(self, index: int, force_n: Array, duration_s: float) -> None:
        """Push one torso's centre of mass with a force (3,) in N for a time."""
        self._pushes[index] = np.asarray(force_n, dtype=np.float64), max(1, round(duration_s / self._dt_s))

    def hold(self, torque_nm: Array, part: slice) -> None:
        """Apply torques (k, 3) in N.m to some torsos in every step from now on."""
        self._torque[part] = torque_nm
        self._holds = bool(self._torque.any())

    def stop_push(self, index: int) -> None:
        """End a push."""
        self._pushes.pop(index, None)

    def apply(self, part: slice) -> None:
        """Apply what is due in the next physics step of some robots."""
        if self._holds:
            rows = self._torque[part]
            for i in np.flatnonzero(rows.any(axis=1)).tolist():
                client, body = self._robots[part.start + i]
                pybullet.applyExternalTorque(
                    body, self._torso, rows[i].tolist(), pybullet.WORLD_FRAME, physicsClientId=client
                )
        for i, (force, left) in list(self._pushes.items()):
            if not part.start <= i < part.stop:
                continue
            client, body = self._robots[i]
            if self._torso >= 0:
                at = pybullet.getLinkState(body, self._torso, physicsClientId=client)[0]
            else:
                at = pybullet.getBasePositionAndOrientation(body, physicsClientId=client)[0]
            pybullet.applyExternalForce(
                body, self._torso, force.tolist(), at, pybullet.WORLD_FRAME, physicsClientId=client
            )
            if left <= 1:
                del self._pushes[i]
            else:
                self._pushes[i] = force, left - 1
