# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Rough ground: what the formula says lies there is what PyBullet has there, and robots stand on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pybullet
import pytest

from tarsus_core.robot_model import load_robot
from tarsus_sim.pybullet_world import PyBulletWorld, WorldConfig
from tarsus_sim.terrain import GroundConfig, HeightField, draw_field, load_field
from tarsus_sim.walk_config import WalkConfig
from tarsus_sim.walk_task import WalkTask

BUMPS = GroundConfig(bump_m=0.1, cell_m=0.5, size_m=8.0)


def test_heights_between_four_points_by_hand() -> None:
    # x grows along columns, y along rows: 0 0.1 / 0.2 0.5 around the middle of the world
    field = HeightField(np.array([[0.0, 0.1], [0.2, 0.5]]), 2.0, (0.0, 0.0))
    x, y = np.array([-1.0, 1.0, -1.0, 1.0, 0.0, 0.5, 9.0]), np.array([-1.0, -1.0, 1.0, 1.0, 0.0, -1.0, 9.0])
    # centre: mean of the four; (0.5, -1): three quarters from 0 to 0.1; beyond the corner: the corner's height
    np.testing.assert_allclose(field.at(x, y), [0.0, 0.1, 0.2, 0.5, 0.2, 0.075, 0.5])


def test_the_engine_has_the_same_ground() -> None:
    field = draw_field(BUMPS, np.random.default_rng(0), (3.0, -2.0))
    client = pybullet.connect(pybullet.DIRECT)
    try:
        load_field(client, field)
        grid = np.arange(-7, 8) * 0.5
        points = np.array([[3.0 + x, -2.0 + y] for x in grid for y in grid])
        rays = pybullet.rayTestBatch(
            [[*p, 1.0] for p in (points + 1e-4).tolist()],
            [[*p, -1.0] for p in (points + 1e-4).tolist()],
            physicsClientId=client,
        )
    finally:
        pybullet.disconnect(client)
    found = np.array([r[3][2] for r in rays])
    np.testing.assert_allclose(found, field.at(points[:, 0], points[:, 1]), atol=2e-4)
    assert found.max() - found.min() > 0.09


def test_the_same_seed_gives_the_same_bumps_and_clients_differ() -> None:
    robot = load_robot("g1")
    config = WorldConfig(capsules=False, ground=BUMPS, robots_a_client=1)
    where = np.zeros((2, 1, 2)) + np.array([0.3, 0.1])
    heights = []
    for _ in range(2):
        with PyBulletWorld(robot, config, 2) as world:
            heights.append(world.ground_height(where))
    np.testing.assert_array_equal(heights[0], heights[1])
    assert heights[0].shape == (2, 1) and heights[0][0] != heights[0][1]


def test_bumps_of_another_seed_are_others() -> None:
    config = WalkConfig(ground=BUMPS, capsules=False)
    where = np.zeros((1, 1, 2)) + np.array([0.3, 0.1])
    heights = []
    for seed in (1, 1, 2):
        task = WalkTask(config, 1, seed)
        heights.append(float(task.world.ground_height(where)[0, 0]))
        task.close()
    assert heights[0] == heights[1] != heights[2]


def test_flat_ground_is_at_zero() -> None:
    with PyBulletWorld(load_robot("g1"), WorldConfig(capsules=False), 1) as world:
        assert not world.ground_height(np.ones((1, 2, 3))).any()


@pytest.mark.parametrize("bump_m", [0.0, 0.06])
def test_robots_start_on_top_of_the_ground_and_are_measured_from_it(bump_m: float) -> None:
    ground = replace(BUMPS, bump_m=bump_m, cell_m=0.25)
    config = WalkConfig(movable="legs", capsules=False, randomise=False, ground=ground)
    task = WalkTask(config, 9, 0)
    try:
        task.reset()
        under = task.world.ground_height(task._position)
        assert (under.max() > 0.0) == (bump_m > 0.0)
        clearance = task._foot_height()
        assert clearance.min() > -0.03, "no sole starts deep in a bump"
        for _ in range(10):
            result = task.step(np.zeros((9, task.contract.action_size), dtype=np.float32))
        assert not result["terminated"].any()
        assert (task._force.sum(axis=1) > 100.0).all(), "they stand on it"
        heights = task._position[:, 2] - task.world.ground_height(task._position)
        np.testing.assert_allclose(task._height(), heights)
    finally:
        task.close()
