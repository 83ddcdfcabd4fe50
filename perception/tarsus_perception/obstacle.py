# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""How far ahead of the robot something stands, from one depth picture."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tarsus_core.errors import ConfigError
from tarsus_core.kinematics import read_chain
from tarsus_core.robot_model import Capsule, RobotModel
from tarsus_core.rotations import matrix_from_quat, quat_rotate_yaw_inverse
from tarsus_perception.collision_config import CollisionConfig

Array = NDArray[np.float64]


class ObstacleFinder:
    """Looks for what is higher than the floor in the corridor that the robot walks along.

    The floor is where the robot's lower sole is, by its joint angles and the direction of gravity: nothing needs to
    know where the robot is, or to find the floor in the picture. What lies on the robot's own limbs is left out.
    """

    def __init__(self, robot: RobotModel, config: CollisionConfig) -> None:
        """Read where camera and feet are mounted.

        Raises:
            ConfigError: for a robot without a camera.
            RobotModelError: for a frame that the robot's URDF does not have.
        """
        if not robot.camera_frame:
            raise ConfigError(f"Robot '{robot.name}' has no camera: name its frame in the robot file (frames: camera).")
        self._config = config
        self._camera = read_chain(robot, robot.camera_frame)
        self._feet = [read_chain(robot, foot) for foot in robot.foot_links]
        self._limbs = [
            *((chain, Capsule((0.0, 0.0, 0.0), (0.0, 0.0, -robot.sole_height_m), 0.0)) for chain in self._feet),
            *((read_chain(robot, link), capsule) for link, capsule in robot.collision_capsules.items()),
        ]
        self._sole_height_m = robot.sole_height_m

    def distance(
        self, depth: NDArray[np.float32], intrinsics: Array, angles: Mapping[str, float], orientation: Array
    ) -> float | None:
        """Return the distance in m from the base to the nearest obstacle ahead, infinite if there is none.

        None means that the picture shows too little to tell (a covered lens).

        Args:
            depth: (height, width) m along the view; what is not above 0 or not finite has none (REP-118).
            intrinsics: (3, 3) camera matrix K of the depth picture, as in ``sensor_msgs/CameraInfo``.
            angles: rad by joint name, of the time of the picture.
            orientation: (4,) xyzw, of the base link in the world; its yaw does not matter.

        Raises:
            KeyError: for a joint that is missing.
        """
        c = self._config
        v, u = np.nonzero(np.isfinite(depth) & (depth > 0.0))
        if len(v) < c.least_valid * depth.size:
            return None
        z = depth[v, u].astype(np.float64)
        right = (u - intrinsics[0, 2]) / intrinsics[0, 0] * z
        down = (v - intrinsics[1, 2]) / intrinsics[1, 1] * z
        position, axes = self._camera.pose(angles)
        seen = np.stack([z, -right, -down], axis=-1) @ axes.T + position  # in the base link's frame
        level = quat_rotate_yaw_inverse(orientation, matrix_from_quat(orientation).T).T  # base to heading frame
        x, y, height = level @ seen.T
        height = height - min((level @ foot.pose(angles)[0])[2] for foot in self._feet) + self._sole_height_m
        inside = (x > c.self_m) & (np.abs(y) < c.half_width_m) & (height > c.least_height_m)
        inside &= height < c.most_height_m
        ahead = np.sort(x[inside][~self._own(seen[inside], angles)])
        # single pixels are noise: the distance is that of the last of the nearest few
        return float(ahead[c.least_points - 1]) if len(ahead) >= c.least_points else np.inf

    def _own(self, points: Array, angles: Mapping[str, float]) -> NDArray[np.bool_]:
        """Which of points (N, 3) in the base link's frame lie on the robot's own limbs."""
        own = np.zeros(len(points), dtype=bool)
        for chain, capsule in self._limbs if len(points) else ():
            position, axes = chain.pose(angles)
            ends = [position + axes @ np.array(end) for end in (capsule.start, capsule.end)]
            for start, end in pairwise([*chain.places(angles), *ends]):
                along = end - start
                share = np.clip((points - start) @ along / max(along @ along, 1e-12), 0.0, 1.0)
                gap = np.linalg.norm(points - start - share[:, None] * along, axis=-1)
                own |= gap < capsule.radius + self._config.self_margin_m
        return own
