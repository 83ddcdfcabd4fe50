# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Leg odometry against PyBullet: the same feet, and nearly the same velocity while the robot moves over them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tarsus_core.leg_odometry import LegOdometry
from tarsus_core.robot_model import load_robot
from tarsus_core.rotations import quat_rotate_inverse, quat_rotate_yaw_inverse
from tarsus_sim.pybullet_world import PyBulletWorld, WorldConfig
from tarsus_sim.walk_config import WalkConfig
from tarsus_sim.walk_task import WalkTask

ROBOT = load_robot("g1")


def test_feet_are_where_pybullet_has_them() -> None:
    rng = np.random.default_rng(3)
    q = np.clip(ROBOT.default_pose + rng.uniform(-0.5, 0.5, (3, 29)), ROBOT.position_lower, ROBOT.position_upper)
    with PyBulletWorld(ROBOT, WorldConfig(capsules=False, accelerometer=False), 3) as world:
        world.reset(joint_position=q, yaw=rng.uniform(-3.0, 3.0, 3))
        state, truth = world.read()
        position = world.foot_poses()[0]
    foot, _ = LegOdometry(ROBOT, ROBOT.joint_names, 0.02, 3).feet(state.joint_position, state.joint_velocity)
    for k in range(2):
        apart = position[:, k] - truth.position_base_in_world
        np.testing.assert_allclose(foot[k], quat_rotate_inverse(state.orientation_base_to_world, apart), atol=1e-5)


def test_it_follows_the_base_of_a_robot_that_topples_over_its_feet() -> None:
    config = WalkConfig(movable="legs", capsules=False, randomise=False, leg_odometry=True)
    task = WalkTask(replace(config, movable="all"), 1, 0)
    errors, speeds = [], []
    try:
        task.reset()
        task.world.push(0, [60.0, 0.0, 0.0], 0.2)  # 12 N.s: it leans over its toes for a while
        for _ in range(20):
            observation = task.step(np.zeros((1, 12), dtype=np.float32))["observation"]
            true = quat_rotate_yaw_inverse(task._quat, task._linear)[0, :2]
            errors.append(observation[0, -2:] / 2.0 - true)
            speeds.append(true[0])
    finally:
        task.close()
    assert max(speeds) > 0.2
    assert np.abs(errors).max() < 0.15 and np.abs(np.mean(errors)) < 0.05
