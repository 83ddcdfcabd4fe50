# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""How fast the robot may walk by what its camera sees, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tarsus_perception.collision_config import CollisionConfig
from tarsus_perception.collision_monitor import CollisionMonitor

CONFIG = CollisionConfig(stop_distance_m=0.8, slow_time_s=1.5, picture_timeout_s=0.5)
COMMAND = np.array([1.0, 0.3, -0.4])


def seen(distance_m: float, now_s: float = 10.0) -> CollisionMonitor:
    monitor = CollisionMonitor(CONFIG)
    monitor.see(distance_m, now_s)
    return monitor


@pytest.mark.parametrize(
    ("distance_m", "forwards"),
    [(math.inf, 1.0), (2.3, 1.0), (1.7, 0.6), (1.1, 0.2), (0.8, 0.0), (0.3, 0.0)],  # (distance - 0.8) / 1.5
)
def test_it_slows_down_towards_an_obstacle_and_leaves_the_rest(distance_m: float, forwards: float) -> None:
    np.testing.assert_allclose(seen(distance_m).limit(COMMAND, 10.1), [forwards, 0.3, -0.4], atol=1e-12)


def test_away_from_an_obstacle_is_free() -> None:
    np.testing.assert_array_equal(seen(0.5).limit(np.array([-0.5, 0.0, 0.0]), 10.0), [-0.5, 0.0, 0.0])


def test_a_blind_robot_stands_still() -> None:
    np.testing.assert_array_equal(CollisionMonitor(CONFIG).limit(COMMAND, 0.0), np.zeros(3))
    monitor = seen(math.inf)
    assert monitor.limit(COMMAND, 10.499).any()
    assert not monitor.limit(COMMAND, 10.5).any() and monitor.blind(10.5)
    monitor.see(math.inf, 11.0)
    assert monitor.limit(COMMAND, 11.0).any()


def test_a_clock_that_goes_back_blinds_until_the_next_picture() -> None:
    monitor = seen(math.inf)
    assert monitor.blind(9.0)
    assert monitor.blind(10.1)
    monitor.see(math.inf, 9.5)
    assert not monitor.blind(9.5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_command(value: float) -> None:
    np.testing.assert_array_equal(seen(math.inf).limit(np.array([0.1, value, 0.0]), 10.0), np.zeros(3))
