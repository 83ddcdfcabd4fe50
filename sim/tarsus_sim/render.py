# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a robot from outside: a scene of its own, posed from recorded or present states."""

from __future__ import annotations

import numpy as np
import pybullet
import pybullet_data
from numpy.typing import NDArray

from tarsus_core.robot_model import RobotModel
from tarsus_sim.pybullet_world import PyBulletWorld, WorldConfig

Array = NDArray[np.float64]


class TrackingCamera:
    """A camera that follows the robot's base from the side, over a chequered floor; headless (TinyRenderer)."""

    def __init__(self, robot: RobotModel, width: int = 640, height: int = 480) -> None:
        """Load the robot with its meshes in a client of its own, for pictures of ``width`` x ``height`` pixels."""
        self._size = width, height
        self._world = PyBulletWorld(robot, WorldConfig(visuals=True, accelerometer=False))
        self._client, _ = self._world.handle()
        pybullet.loadURDF(pybullet_data.getDataPath() + "/plane.urdf", physicsClientId=self._client)
        self._projection = pybullet.computeProjectionMatrixFOV(45.0, width / height, 0.1, 30.0)

    def render(
        self,
        position: Array,
        orientation: Array,
        joint_names: tuple[str, ...],
        joint_position: Array,
        yaw_deg: float = 60.0,
    ) -> NDArray[np.uint8]:
        """Return an RGB picture (height, width, 3) of the robot in the given pose (m, xyzw, rad)."""
        self._world.set_pose(position, orientation, joint_names, joint_position)
        width, height = self._size
        view = pybullet.computeViewMatrixFromYawPitchRoll(
            [float(position[0]), float(position[1]), 0.65], 2.6, yaw_deg, -15.0, 0.0, 2
        )
        picture = pybullet.getCameraImage(
            width,
            height,
            view,
            self._projection,
            lightDirection=[2.0, 2.0, 5.0],
            shadow=1,
            renderer=pybullet.ER_TINY_RENDERER,
            physicsClientId=self._client,
        )
        return np.reshape(np.asarray(picture[2], dtype=np.uint8), (height, width, 4))[..., :3]

    def close(self) -> None:
        """Close the scene."""
        self._world.close()
