# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Arms that move on their own: within reach and limits, no faster than told, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from tarsus_sim.arm_motion import ArmMotion
from tarsus_sim.walk_config import RandomConfig

REST = np.array([0.2, 0.6])
CONFIG = RandomConfig(arm_motion_rad=0.5, arm_speed=1.0, arm_hold_s=(0.1, 0.4), arm_rest=0.5)


def motion(count: int = 200, seed: int = 0) -> ArmMotion:
    limits = np.array([-1.0, 0.5]), np.array([1.0, 2.0])
    return ArmMotion(np.random.default_rng(seed), CONFIG, 0.02, [3, 4], REST, limits, count)


def walk(arms: ArmMotion, periods: int) -> np.ndarray:
    return np.array([arms.move().copy() for _ in range(periods)])


def test_reach_limits_and_speed() -> None:
    arms = motion()
    arms.reset(np.arange(200))
    places = walk(arms, 300)
    assert np.abs(places[..., 0] - 0.2).max() == pytest.approx(0.5, abs=0.05)
    assert places[..., 1].min() == pytest.approx(0.5)  # the joint's limit, not 0.6 - 0.5
    assert np.abs(np.diff(places, axis=0)).max() == pytest.approx(0.02)  # 1 rad/s for 20 ms


def test_some_robots_rest_for_the_episode_and_a_reset_goes_home() -> None:
    arms = motion()
    arms.reset(np.arange(200))
    places = walk(arms, 100)
    still = (places == REST).all(axis=(0, 2))
    assert still.mean() == pytest.approx(0.5, abs=0.1)
    arms.reset(np.array([0, 1]))
    np.testing.assert_array_equal(arms._now[:2], [REST, REST])


def test_the_same_seed_moves_the_same_way() -> None:
    one, two, other = motion(seed=1), motion(seed=1), motion(seed=2)
    np.testing.assert_array_equal(walk(one, 50), walk(two, 50))
    assert not np.array_equal(walk(one, 50), walk(other, 50))
