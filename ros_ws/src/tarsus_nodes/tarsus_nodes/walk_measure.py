# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""How far and how well a robot walked, from where it really was. No ROS: positions and times come in."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tarsus_core.rotations import tilt_angle, yaw_from_quat

Array = NDArray[np.float64]

FALL_TILT_RAD = 1.0
FALL_HEIGHT = 0.5
"""fraction of the standing height of the base below which the robot lies or kneels"""
JUMP_MPS = 10.0
"""speed between two samples beyond which the robot was put elsewhere, and did not walk there"""
SETTLE_S = 1.0
"""s after the start of a command that its velocity error leaves out: the robot has to get up to speed"""
PATH_STEP_S = 1.0
"""s between two points of the path whose length is a distance without direction: a stride, so that sway adds nothing"""


class WalkMeasure:
    """Adds up the motion of the base from samples of its pose.

    Displacements between two samples count in the heading frame (the yaw of the base, midway between the samples).
    """

    def __init__(self, command: Array, base_height_m: float) -> None:
        """Start empty.

        Args:
            command: (3,) vx, vy in m/s, wz in rad/s.
            base_height_m: of the base above the ground when the robot stands.
        """
        self.command = np.asarray(command, dtype=np.float64)
        self._lowest_m = FALL_HEIGHT * base_height_m
        self._last: tuple[float, Array, float] | None = None
        self._moved = np.zeros(3)
        self.duration_s = 0.0
        """time in s for which its motion was counted"""
        self._settled: tuple[float, Array] | None = None
        self._path_from: tuple[float, Array] | None = None
        self._path_m = 0.0
        self._counts = False
        self._down = False
        self.falls = 0
        """how often it went down: tilted or low in a sample, and not in the one before"""

    def add(self, time_s: float, position: Array, orientation: Array, walking: bool = True) -> None:
        """Add a sample: position (3,) in m and orientation (4,) xyzw in the world. Time must go on.

        The motion up to this sample counts if the robot was ``walking`` at both ends and not put elsewhere between.
        """
        if self._last is not None and time_s <= self._last[0]:
            return
        down = float(tilt_angle(orientation)) > FALL_TILT_RAD or float(position[2]) < self._lowest_m
        self.falls += down and not self._down
        self._down = down
        yaw = float(yaw_from_quat(orientation))
        if walking and self._last is not None and self._counts and not self._jumped(time_s, position):
            self._move(time_s, position, yaw)
        else:
            self._path_m += self._open_path_m
            self._path_from = (time_s, position)
        self._last = (time_s, position, yaw)
        self._counts = walking

    def _jumped(self, time_s: float, position: Array) -> bool:
        assert self._last is not None
        return float(np.linalg.norm(position - self._last[1])) > JUMP_MPS * (time_s - self._last[0])

    def _move(self, time_s: float, position: Array, yaw: float) -> None:
        """Count the motion since the last sample."""
        assert self._last is not None and self._path_from is not None
        before_s, before, before_yaw = self._last
        turn = math.remainder(yaw - before_yaw, 2.0 * math.pi)
        heading = before_yaw + turn / 2.0
        x, y = (position - before)[:2]
        c, s = math.cos(heading), math.sin(heading)
        self._moved = self._moved + np.array([c * x + s * y, -s * x + c * y, turn])
        self.duration_s += time_s - before_s
        if self._settled is None and self.duration_s >= SETTLE_S - 1e-9:
            self._settled = (self.duration_s, self._moved)
        if time_s - self._path_from[0] >= PATH_STEP_S - 1e-9:
            self._path_m += float(np.linalg.norm((position - self._path_from[1])[:2]))
            self._path_from = (time_s, position)

    @property
    def _open_path_m(self) -> float:
        """Length of the last piece of path, which is shorter than a step."""
        if self._last is None or self._path_from is None:
            return 0.0
        return float(np.linalg.norm((self._last[1] - self._path_from[1])[:2]))

    @property
    def distance_m(self) -> float:
        """Distance along the commanded direction; the length of the path if no direction is commanded."""
        speed = float(np.linalg.norm(self.command[:2]))
        if speed > 0.0:
            return float(self._moved[:2] @ self.command[:2]) / speed
        return self._path_m + self._open_path_m

    @property
    def mean_velocity(self) -> Array:
        """(3,) vx, vy (m/s), wz (rad/s) in the heading frame, over all samples."""
        return self._moved / self.duration_s if self.duration_s > 0.0 else np.zeros(3)

    @property
    def velocity_error(self) -> Array:
        """(3,) absolute error of the mean velocity once the robot is up to speed, or of all samples if it never was."""
        if self._settled is None or self.duration_s <= self._settled[0]:
            return np.abs(self.mean_velocity - self.command)
        since_s, moved = self._settled
        return np.abs((self._moved - moved) / (self.duration_s - since_s) - self.command)
