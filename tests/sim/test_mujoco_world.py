# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The second engine: the same robot, the same units and frames, checked against mechanics and against PyBullet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tarsus_core.errors import SimulationError
from tarsus_core.robot_model import RobotModel
from tarsus_core.state import JointCommand
from tarsus_sim import mujoco_world
from tarsus_sim.mujoco_world import MujocoWorld
from tarsus_sim.pybullet_world import PyBulletWorld, WorldConfig
from tarsus_sim.urdf import BodyVariation


def hold(world: MujocoWorld | PyBulletWorld, robot: RobotModel, factor: float = 1.0) -> JointCommand:
    """Hold the default pose with gains that carry the robot."""
    zeros = np.zeros((1, len(world.joint_names)))
    gains = np.full_like(zeros, 150.0 * factor), np.full_like(zeros, 4.0 * factor)
    return JointCommand(0.0, world.joint_names, world.default_pose + zeros, zeros, zeros, *gains)


def test_mass_joints_and_payload_are_those_of_the_first_engine(robot: RobotModel) -> None:
    with PyBulletWorld(robot) as first:
        second = MujocoWorld(robot)
        assert second.joint_names == first.joint_names
        assert second.total_mass_kg() == pytest.approx(first.total_mass_kg(), abs=1e-3)
        loaded = MujocoWorld(robot, variation=BodyVariation(torso_payload_kg=3.0))
        assert loaded.total_mass_kg() == pytest.approx(second.total_mass_kg() + 3.0, abs=1e-6)


def test_free_fall(robot: RobotModel) -> None:
    """g t^2 / 2 after 0.1 s is 0.049 m (semi-implicit Euler: 20 steps of 5 ms, g dt^2 20 21 / 2 = 0.0515 m)."""
    world = MujocoWorld(robot)
    world._data.qpos[2] = 5.0
    limp = hold(world, robot, 0.0)
    for _ in range(20):
        world.step(limp)
    state, truth = world.read()
    assert 5.0 - truth.position_base_in_world[0, 2] == pytest.approx(9.81 * 0.005**2 * 20 * 21 / 2, rel=2e-3)
    assert truth.linear_velocity_base_in_world[0, 2] == pytest.approx(-0.981, rel=2e-3)
    assert not truth.foot_contact.any()
    assert state.stamp_s == pytest.approx(0.1)


def test_standing_feet_carry_the_weight_and_both_engines_agree(robot: RobotModel) -> None:
    forces, heights = [], []
    for world in (MujocoWorld(robot), PyBulletWorld(robot)):
        command = hold(world, robot)
        for _ in range(100):
            applied = world.step(command)
        assert np.abs(applied.effort).max() > 1.0
        forces.append(world.foot_contact_force().sum())
        heights.append(world.foot_poses()[0][0, :, 2])
        world.close()
    weight = 33.34 * 9.81
    assert forces == pytest.approx([weight, weight], rel=0.2)  # it still sways
    np.testing.assert_allclose(heights[0], heights[1], atol=0.004)


def test_torque_is_explicit_pd_within_its_limit(robot: RobotModel) -> None:
    world = MujocoWorld(robot)
    command = hold(world, robot)
    offset = np.zeros_like(command.position)
    offset[0, 0], offset[0, 1] = 0.1, 5.0
    applied = world.step(replace(command, position=command.position + offset))
    assert applied.effort[0, 0] == pytest.approx(15.0)
    assert applied.effort[0, 1] == robot.effort_limit_nm[1]


def test_push_gives_its_impulse(robot: RobotModel) -> None:
    """In the air, 50 N for 0.1 s change the momentum by 5 N.s."""
    world = MujocoWorld(robot)
    world._data.qpos[2] = 5.0
    world.push(0, np.array([50.0, 0.0, 0.0]), 0.1)
    limp = hold(world, robot, 0.0)
    for _ in range(40):
        world.step(limp)
    mujoco_world.mujoco.mj_subtreeVel(world._model, world._data)
    momentum = world._data.subtree_linvel[world._base] * world.total_mass_kg()
    assert momentum[0] == pytest.approx(5.0, rel=0.01)
    assert momentum[1] == pytest.approx(0.0, abs=0.02)


def test_rotated_base_reports_its_rates_in_its_own_frame(robot: RobotModel) -> None:
    world = MujocoWorld(robot)
    half = np.sqrt(0.5)
    world._data.qpos[:7] = [0.0, 0.0, 5.0, half, 0.0, 0.0, half]  # w first: a quarter turn to the left
    world._data.qvel[:6] = [0.0, 1.0, 0.0, 0.3, 0.0, 0.0]
    state, truth = world.read()
    np.testing.assert_allclose(state.orientation_base_to_world[0], [0.0, 0.0, half, half])
    np.testing.assert_allclose(state.angular_velocity_base_in_base[0], [0.3, 0.0, 0.0])
    np.testing.assert_allclose(truth.linear_velocity_base_in_world[0], [0.0, 1.0, 0.0])


def test_what_is_not_finite_is_told(robot: RobotModel) -> None:
    world = MujocoWorld(robot)
    command = hold(world, robot)
    with pytest.raises(SimulationError, match="no longer finite"):
        world._data.qvel[0] = np.nan
        world.step(command)


def test_friction_is_the_soles(robot: RobotModel) -> None:
    """On a floor of friction 0.05, a standing robot that is given 0.5 m/s slides on; on 1.0 it does not."""
    slid = []
    for friction in (0.05, 1.0):
        world = MujocoWorld(robot, WorldConfig(friction=friction))
        command = hold(world, robot)
        for _ in range(40):
            world.step(command)
        world._data.qvel[0] = 0.5
        for _ in range(20):
            world.step(command)
        slid.append(abs(world.foot_poses()[2][0, :, 0]).mean())
    assert slid[0] > 3.0 * slid[1]
