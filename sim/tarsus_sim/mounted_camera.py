# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What the camera on the robot sees: colour and depth, from a scene of its own that is posed by states.

It is rendered apart from the physics: a picture takes tens of milliseconds, which no physics step may wait for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pybullet
from numpy.typing import NDArray

from tarsus_core.errors import ConfigError
from tarsus_core.kinematics import read_chain
from tarsus_core.robot_model import RobotModel
from tarsus_core.rotations import matrix_from_quat
from tarsus_sim.render import PosedScene

Array = NDArray[np.float64]
WIDTH_RANGE_PX = (16, 1920)
HEIGHT_RANGE_PX = (16, 1080)
VIEW_RANGE_DEG = (10.0, 150.0)


@dataclass(frozen=True)
class CameraModel:
    """A pinhole camera without distortion; by default a quarter of the resolution of a RealSense D435's colour image.

    Field of view and range are those of Intel's data sheet of the D400 series: 69.4 degrees across, 42.5 high.
    """

    width: int = 320
    height: int = 180
    field_of_view_deg: float = 69.4
    """horizontal"""
    near_m: float = 0.1
    far_m: float = 10.0
    """what is farther has no depth"""

    @property
    def focal_px(self) -> float:
        """Focal length in pixels, the same in both directions: (width / 2) / tan(field of view / 2)."""
        return 0.5 * self.width / math.tan(math.radians(self.field_of_view_deg) / 2.0)

    def intrinsics(self) -> Array:
        """(3, 3) camera matrix K of ``sensor_msgs/CameraInfo``; pixels are counted as in OpenCV.

        TinyRenderer looks through a corner of each pixel, not its middle: half a pixel right and above of the middle of
        the picture is where the axis goes (a test finds it so, from the depth of the floor).
        """
        f = self.focal_px
        return np.array([[f, 0.0, 0.5 * self.width], [0.0, f, 0.5 * self.height - 1.0], [0.0, 0.0, 1.0]])

    def check(self) -> None:
        """Refuse a camera that cannot be.

        Raises:
            ConfigError: naming the value.
        """
        for name, value, (least, most) in (
            ("width", self.width, WIDTH_RANGE_PX),
            ("height", self.height, HEIGHT_RANGE_PX),
            ("field of view", self.field_of_view_deg, VIEW_RANGE_DEG),
        ):
            if not least <= value <= most:
                raise ConfigError(f"The camera's {name} is {value:g}: give {least:g} to {most:g}.")


class MountedCamera:
    """Renders what the robot's camera sees of itself and of a chequered floor; headless (TinyRenderer)."""

    def __init__(self, robot: RobotModel, model: CameraModel | None = None) -> None:
        """Load the robot with its meshes in a client of its own.

        Raises:
            ConfigError: for a robot without a camera, or a camera that cannot be.
            RobotModelError: for a camera frame that the URDF does not have.
        """
        self.model = model or CameraModel()
        self.model.check()
        if not robot.camera_frame:
            raise ConfigError(f"Robot '{robot.name}' has no camera: name its frame in the robot file (frames: camera).")
        m = self.model
        self._chain = read_chain(robot, robot.camera_frame)
        self._scene = PosedScene(robot, m.width, m.height)
        high = math.degrees(2.0 * math.atan(0.5 * m.height / m.focal_px))
        self._projection = pybullet.computeProjectionMatrixFOV(high, m.width / m.height, m.near_m, m.far_m)

    def render(
        self, position: Array, orientation: Array, joint_names: tuple[str, ...], joint_position: Array
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return colour (height, width, 3) RGB, and depth (height, width) in m along the view.

        Depth beyond the range is infinite (REP-118).

        Args:
            position: (3,) m, of the base link in the world.
            orientation: (4,) xyzw, of the base link in the world.
            joint_names: of the joints told.
            joint_position: their angles in rad.
        """
        self._scene.set_pose(position, orientation, joint_names, joint_position)
        eye, axes = self.pose(position, orientation, dict(zip(joint_names, joint_position.tolist(), strict=True)))
        view = pybullet.computeViewMatrix(eye.tolist(), (eye + axes[:, 0]).tolist(), axes[:, 2].tolist())
        rgb, share = self._scene.picture(view, self._projection, shadow=False, flags=pybullet.ER_NO_SEGMENTATION_MASK)
        m = self.model  # OpenGL's depth buffer is linear in 1 / depth
        depth = m.far_m * m.near_m / (m.far_m - (m.far_m - m.near_m) * share)
        return rgb, np.where(depth < 0.999 * m.far_m, depth, np.inf).astype(np.float32)

    def pose(self, position: Array, orientation: Array, angles: Mapping[str, float]) -> tuple[Array, Array]:
        """Where the camera is: position (3,) in m, and its axes as columns (3, 3), both in the world.

        Args:
            position: (3,) m, of the base link in the world.
            orientation: (4,) xyzw, of the base link in the world.
            angles: rad by joint name.
        """
        offset, rotation = self._chain.pose(angles)
        base = matrix_from_quat(orientation)
        return position + base @ offset, base @ rotation

    def close(self) -> None:
        """Close the scene."""
        self._scene.close()
