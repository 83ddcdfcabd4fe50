# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The contract of the walking task: what the environments and the exported policy share."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from tarsus_core.contract import CommandRange, Gait, ObservationTerm, PolicyContract
from tarsus_core.robot_model import RobotModel, load_robot
from tarsus_sim.walk_config import WalkConfig

Array = NDArray[np.float64]


def walk_contract(config: WalkConfig, joint_names: tuple[str, ...] | None = None) -> PolicyContract:
    """Contract of the walking task, without weights: what the environment and the exported policy share.

    Args:
        config: the task.
        joint_names: joints that are commanded; None means all of the robot's.
    """
    robot = load_robot(config.robot)
    names = joint_names or robot.joint_names
    index = robot.indices(names)
    kp, kd = gains(robot, config)
    driven = robot.match(config.driven)
    count = len(driven)
    c, g = config.command, config.gait
    reach = max(abs(v) for pair in (c.vx, c.vy, c.wz) for v in pair)
    return PolicyContract(
        robot=robot.name,
        urdf_sha256=robot.urdf_sha256,
        joint_names=names,
        default_pose=tuple(robot.default_pose[index].tolist()),
        kp=tuple(kp[index].tolist()),
        kd=tuple(kd[index].tolist()),
        effort_limit_nm=tuple(robot.effort_limit_nm[index].tolist()),
        action_joint_names=driven,
        action_scale=(config.action_scale,) * count,
        action_clip=config.action_clip,
        observed_joint_names=driven,
        observation=(
            ObservationTerm("base_angular_velocity", 3, scale=0.25, clip=20.0),
            ObservationTerm("projected_gravity", 3, clip=1.0),
            ObservationTerm("velocity_command", 3, clip=reach),
            ObservationTerm("joint_position", count, clip=4.0),
            ObservationTerm("joint_velocity", count, scale=0.05, clip=60.0),
            ObservationTerm("last_action", count + (g.rate_octaves > 0.0), clip=config.action_clip),
            ObservationTerm("gait_phase", 2, clip=1.0),
            *((ObservationTerm("leg_odometry", 2, scale=2.0, clip=3.0),) if config.leg_odometry else ()),
        ),
        control_period_s=config.control_period_s,
        command_range=CommandRange(c.vx, c.vy, c.wz),
        gait=Gait(
            g.period_s,
            g.stand_below,
            g.recover_s,
            g.recover_rate,
            g.recover_tilt,
            rate_octaves=g.rate_octaves,
            rate_scale=g.rate_scale,
        ),
        actuator={
            "physics_dt_s": config.physics_dt_s,
            "model": "explicit PD with reflected rotor inertia, torque limited",
            "armature": robot.armature[index].tolist(),
            "random": asdict(config.random),
        },
    )


def gains(robot: RobotModel, config: WalkConfig) -> tuple[Array, Array]:
    """Gains kp, kd (J,) of all joints: the robot's own, except where the settings name others."""
    kp, kd = robot.kp.copy(), robot.kd.copy()
    for pattern, (p, d) in config.gains.items():
        index = robot.indices(robot.match(pattern))
        kp[index], kd[index] = p, d
    return kp, kd


def nominal(config: WalkConfig) -> WalkConfig:
    """Return the same task on the full, nominal robot: no noise, no pushes, no delay."""
    return replace(config, randomise=False, movable="all", capsules=True)
