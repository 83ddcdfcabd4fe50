# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Robots that share a PyBullet client, and worlds that share a process, do not disturb each other."""

from __future__ import annotations

import numpy as np
import pybullet
import pytest
from helpers.worlds import Make, hold, limp

from tarsus_core.robot_model import RobotModel
from tarsus_sim.urdf import BodyVariation

MASS = 33.34


def test_robots_of_one_client_differ_as_told(make: Make) -> None:
    world = make(3, [BodyVariation(), BodyVariation(1.1, 2.0), BodyVariation(0.9, -1.0)], capsules=False)
    expected = [MASS, 1.1 * MASS + 2.0, 0.9 * MASS - 1.0]
    assert [world.total_mass_kg(i) for i in range(3)] == pytest.approx(expected, abs=0.01)


def test_legs_touch_each_other_only_where_one_robot_has_a_client(make: Make, robot: RobotModel) -> None:
    """Both thighs turned inwards: alone, the legs collide; with company, only the ground is felt."""
    touching = {}
    for count in (1, 2):
        world = make(count)
        names = world.joint_names
        crossed = world.default_pose.copy()
        crossed[names.index("left_hip_roll_joint")] = -0.3
        crossed[names.index("right_hip_roll_joint")] = 0.3
        world.reset(joint_position=np.tile(crossed, (count, 1)), height_m=np.full(count, 3.0))
        world.step(limp(world))
        client, body = world.handle()
        touching[count] = bool(pybullet.getContactPoints(body, body, physicsClientId=client))
    assert touching == {1: True, 2: False}


def test_robots_of_one_client_do_not_feel_each_other(make: Make) -> None:
    """Two robots on the same spot move as one alone does."""
    alone, pair = make(capsules=False), make(2, capsules=False, spacing_m=0.0)
    for _ in range(60):
        alone.step(hold(alone))
        pair.step(hold(pair))
    np.testing.assert_allclose(pair.joint_position[0], alone.joint_position[0], atol=1e-9)
    np.testing.assert_allclose(pair.joint_position[1], alone.joint_position[0], atol=1e-9)


def test_positions_count_from_each_robots_spot(make: Make) -> None:
    world = make(3, capsules=False)
    np.testing.assert_allclose(world.ground_truth().position_base_in_world[:, :2], 0.0, atol=1e-9)
    position, _, _ = world.foot_poses()
    np.testing.assert_allclose(position[1], position[0], atol=1e-6)
    np.testing.assert_allclose(position[2], position[0], atol=1e-6)


def test_worlds_of_one_process_do_not_disturb_each_other(make: Make) -> None:
    alone = make()
    for _ in range(40):
        alone.step(hold(alone))
    first, other = make(), make(friction=0.1)
    other.reset(height_m=np.array([2.0]))
    for k in range(40):
        first.step(hold(first))
        other.step(limp(other))
        if k == 20:
            make().close()
    np.testing.assert_array_equal(first.joint_position, alone.joint_position)
    np.testing.assert_array_equal(first.joint_velocity, alone.joint_velocity)
    assert other.ground_truth().position_base_in_world[0, 2] > 1.7
    other.close()
    first.step(hold(first))  # goes on though the other is gone
