# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Commands for robots in PyBullet worlds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tarsus_core.state import JointCommand
from tarsus_sim.pybullet_world import PyBulletWorld

Make = Callable[..., PyBulletWorld]
"""Makes a world of so many robots; tests get it as a fixture of this name."""


def hold(world: PyBulletWorld, stiffness: float = 1.0) -> JointCommand:
    """Hold the default pose with the robot's gains, times ``stiffness`` on kp."""
    index = world.robot.indices(world.joint_names)
    zeros = np.zeros(len(world.joint_names))
    kp, kd = world.robot.kp[index] * stiffness, world.robot.kd[index]
    return JointCommand(0.0, world.joint_names, world.default_pose, zeros, zeros, kp, kd)


def limp(world: PyBulletWorld) -> JointCommand:
    zeros = np.zeros(len(world.joint_names))
    return JointCommand(0.0, world.joint_names, zeros, zeros, zeros, zeros, zeros)
