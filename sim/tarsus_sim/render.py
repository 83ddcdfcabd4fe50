# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of a robot, in a scene of its own that is posed from recorded or present states; headless (TinyRenderer)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pybullet
import pybullet_data
from numpy.typing import NDArray

from tarsus_core.robot_model import RobotModel
from tarsus_sim.pybullet_world import PyBulletWorld, WorldConfig

Array = NDArray[np.float64]


class PosedScene:
    """A robot with its meshes over a chequered floor, in a client of its own."""

    def __init__(self, robot: RobotModel, width: int, height: int) -> None:
        """Load it, for pictures of ``width`` x ``height`` pixels."""
        self._size = width, height
        self._world = PyBulletWorld(robot, WorldConfig(visuals=True, accelerometer=False))
        self.client, self.body = self._world.handle()
        self.set_pose = self._world.set_pose
        pybullet.loadURDF(pybullet_data.getDataPath() + "/plane.urdf", physicsClientId=self.client)

    def picture(
        self, view: Sequence[float], projection: Sequence[float], shadow: bool, flags: int = 0
    ) -> tuple[NDArray[np.uint8], Array]:
        """Return RGB (height, width, 3) and OpenGL's depth buffer (height, width), 0 at near and 1 at far.

        Args:
            view: PyBullet's matrix of where the camera is.
            projection: PyBullet's matrix of how it looks.
            shadow: whether things cast shadows.
            flags: of ``getCameraImage``.
        """
        width, height = self._size
        _, _, colour, depth, _ = pybullet.getCameraImage(
            width,
            height,
            view,
            projection,
            lightDirection=[2.0, 2.0, 5.0],
            shadow=int(shadow),
            flags=flags,
            renderer=pybullet.ER_TINY_RENDERER,
            physicsClientId=self.client,
        )
        rgb = np.reshape(np.asarray(colour, dtype=np.uint8), (height, width, 4))[..., :3]
        return rgb, np.reshape(np.asarray(depth, dtype=np.float64), (height, width))

    def close(self) -> None:
        """Close the scene."""
        self._world.close()


class TrackingCamera:
    """A camera that follows the robot's base from the side."""

    def __init__(self, robot: RobotModel, width: int = 640, height: int = 480) -> None:
        """Load the scene, for pictures of ``width`` x ``height`` pixels."""
        self._scene = PosedScene(robot, width, height)
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
        self._scene.set_pose(position, orientation, joint_names, joint_position)
        view = pybullet.computeViewMatrixFromYawPitchRoll(
            [float(position[0]), float(position[1]), 0.65], 2.6, yaw_deg, -15.0, 0.0, 2
        )
        return self._scene.picture(view, self._projection, shadow=True)[0]

    def close(self) -> None:
        """Close the scene."""
        self._scene.close()
