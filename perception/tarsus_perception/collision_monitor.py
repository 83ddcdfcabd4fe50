# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What a camera's view allows of a velocity command: less ahead of an obstacle, nothing without a view."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tarsus_perception.collision_config import CollisionConfig

Array = NDArray[np.float64]


class CollisionMonitor:
    """Limits velocity commands; time is passed in, in s, of any clock."""

    def __init__(self, config: CollisionConfig) -> None:
        """Begin blind: nothing has been seen yet."""
        self.config = config
        self.distance_m = math.inf
        """to the nearest obstacle ahead, as last seen; infinite for none"""
        self._seen_s = -math.inf

    def see(self, distance_m: float, now_s: float) -> None:
        """Take the distance in m to the nearest obstacle ahead (infinite for none), of a picture that came now."""
        self.distance_m, self._seen_s = distance_m, now_s

    def age(self, now_s: float) -> float:
        """Age in s of the newest picture; infinite before the first, and for good once the clock has gone back."""
        if now_s < self._seen_s:
            self._seen_s = -math.inf
        return now_s - self._seen_s

    def blind(self, now_s: float) -> bool:
        """Whether the newest picture is too old to walk by."""
        return self.age(now_s) >= self.config.picture_timeout_s

    def most_forward(self, now_s: float) -> float:
        """Return the largest forward speed in m/s that is allowed now; infinite for any."""
        if self.blind(now_s):
            return 0.0
        return max(0.0, (self.distance_m - self.config.stop_distance_m) / self.config.slow_time_s)

    def limit(self, command: Array, now_s: float) -> Array:
        """Return what may be commanded instead of (3,) vx, vy in m/s, wz in rad/s.

        The camera looks ahead: it judges the way forwards. Backwards, sideways and turning on the spot are as free as
        they are without it, but for a blind robot, which stands still.
        """
        if self.blind(now_s) or not np.isfinite(command).all():
            return np.zeros(3)
        return np.array([min(command[0], self.most_forward(now_s)), command[1], command[2]])
