# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The gantry holds a robot that cannot stand, and lets go of it."""

from __future__ import annotations

import numpy as np
import pytest

from tarsus_core.robot_model import load_robot
from tarsus_core.state import damping_command
from tarsus_sim.gantry import Gantry
from tarsus_sim.pybullet_world import PyBulletWorld


def test_a_limp_robot_hangs_and_then_falls() -> None:
    robot = load_robot("g1")
    limp = damping_command(robot.joint_names, 0.0, robot.kd, np.zeros(len(robot.joint_names)))
    with PyBulletWorld(robot) as world:
        gantry = Gantry(world)
        assert not gantry.holds
        gantry.hold()
        gantry.hold()  # again is no harm
        assert gantry.holds
        for _ in range(200):
            world.step(limp)
        assert world.ground_truth().position_base_in_world[0] == pytest.approx([0.0, 0.0, 0.77], abs=2e-3)
        gantry.release()
        gantry.release()
        assert not gantry.holds
        for _ in range(200):
            world.step(limp)
        assert world.ground_truth().position_base_in_world[0, 2] < 0.6


def test_it_holds_one_robot_of_several() -> None:
    robot = load_robot("g1")
    limp = damping_command(robot.joint_names, 0.0, robot.kd, np.zeros(len(robot.joint_names)))
    with PyBulletWorld(robot, count=2) as world:
        Gantry(world, 1).hold()
        for _ in range(200):
            world.step(limp)
        height = world.ground_truth().position_base_in_world[:, 2]
        assert height[0] < 0.6
        assert height[1] == pytest.approx(0.77, abs=2e-3)


def test_a_released_robot_moves_as_one_that_never_hung() -> None:
    robot = load_robot("g1")
    limp = damping_command(robot.joint_names, 0.0, robot.kd, np.zeros(len(robot.joint_names)))
    ends = []
    for hangs in (False, True):
        with PyBulletWorld(robot) as world:
            gantry = Gantry(world)
            if hangs:
                gantry.hold()
                gantry.release()
            for _ in range(60):
                world.step(limp)
            ends.append(world.state())
    assert ends[0].joint_position.tobytes() == ends[1].joint_position.tobytes()
