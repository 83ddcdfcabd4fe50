# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The gantry: holds a simulated robot's base where it is, as the crane in the laboratory does before the policy acts.

A humanoid that holds its standing pose with stiffness alone falls over, and one that is passive collapses. So it hangs
until a policy balances it.
"""

from __future__ import annotations

import pybullet

from tarsus_sim.pybullet_world import PyBulletWorld


class Gantry:
    """Fixes the base of one robot of a world to the world, or lets go of it."""

    def __init__(self, world: PyBulletWorld, index: int = 0) -> None:
        """Prepare for robot ``index``; nothing is held yet."""
        self._client, self._body = world.handle(index)
        self._constraint: int | None = None

    @property
    def holds(self) -> bool:
        """Whether the robot hangs."""
        return self._constraint is not None

    def hold(self) -> None:
        """Hold the base in its present pose."""
        self.release()
        at, orientation = pybullet.getBasePositionAndOrientation(self._body, physicsClientId=self._client)
        self._constraint = pybullet.createConstraint(
            self._body,
            -1,
            -1,
            -1,
            pybullet.JOINT_FIXED,
            [0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0],
            at,
            [0.0, 0.0, 0.0, 1.0],
            orientation,
            physicsClientId=self._client,
        )

    def release(self) -> None:
        """Let go; a robot that does not hang stays as it is."""
        if self._constraint is not None:
            pybullet.removeConstraint(self._constraint, physicsClientId=self._client)
            self._constraint = None
