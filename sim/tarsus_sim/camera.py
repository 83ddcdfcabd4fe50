# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Where the camera that looks at a walking robot from outside stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pybullet
from numpy.typing import NDArray

from tarsus_sim.pybullet_world import PyBulletWorld

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FollowingCamera:
    """Looks at the robot from a fixed direction, at a fixed distance."""

    distance_m: float = 2.1
    yaw_deg: float = 40.0
    """direction of view about the vertical, as PyBullet counts it"""
    pitch_deg: float = -14.0
    height_m: float = 0.62
    """of the point looked at, above the ground"""
    field_of_view_deg: float = 45.0


def follow_in_window(world: PyBulletWorld, position: Array, camera: FollowingCamera | None = None) -> None:
    """Point the camera of the world's window at a position (3,) in m."""
    camera = camera or FollowingCamera()
    x, y, _ = position
    pybullet.resetDebugVisualizerCamera(
        camera.distance_m,
        camera.yaw_deg,
        camera.pitch_deg,
        [float(x), float(y), camera.height_m],
        physicsClientId=world.handle()[0],
    )
