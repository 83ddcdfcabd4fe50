# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Left-right symmetry of observations, privileged states and actions, derived from the contract and the robot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import ConfigError
from tarsus_core.robot_model import RobotModel


@dataclass(frozen=True)
class Mirror:
    """mirrored = sign * values[..., index]."""

    index: NDArray[np.int64]
    sign: NDArray[np.float64]

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mirror values (..., size)."""
        return self.sign * values[..., self.index]


def _joints(robot: RobotModel, names: tuple[str, ...]) -> Mirror:
    places = {n: i for i, n in enumerate(names)}
    index, sign = [], []
    for name in names:
        own = robot.indices((name,))[0]
        image = robot.joint_names[robot.mirror_index[own]]
        if image not in places:
            raise ConfigError(f"Joint '{name}' is driven but its mirror image '{image}' is not: drive both or neither.")
        index.append(places[image])
        sign.append(robot.mirror_sign[own])
    return Mirror(np.array(index), np.array(sign))


def _join(parts: list[Mirror]) -> Mirror:
    starts = np.cumsum([0] + [len(p.index) for p in parts])
    return Mirror(
        np.concatenate([p.index + s for p, s in zip(parts, starts, strict=False)]),
        np.concatenate([p.sign for p in parts]),
    )


def _signs(*sign: float) -> Mirror:
    return Mirror(np.arange(len(sign)), np.array(sign))


def action_mirror(contract: PolicyContract, robot: RobotModel) -> Mirror:
    """Mirror image of an action (..., action_size)."""
    joints = _joints(robot, contract.action_joint_names)
    return _join([joints, _signs(1.0)]) if contract.gait.rate_octaves > 0.0 else joints


def observation_mirror(contract: PolicyContract, robot: RobotModel) -> Mirror:
    """Mirror image of an observation: x and z rotations and y translations turn around, the phase goes on by half."""
    joints = _joints(robot, contract.observed_joint_names)
    kinds = {
        "base_angular_velocity": _signs(-1.0, 1.0, -1.0),
        "projected_gravity": _signs(1.0, -1.0, 1.0),
        "leg_odometry": _signs(1.0, -1.0),
        "velocity_command": _signs(1.0, -1.0, -1.0),
        "joint_position": joints,
        "joint_velocity": joints,
        "last_action": action_mirror(contract, robot),
        "gait_phase": _signs(-1.0, -1.0),
    }
    return _join([kinds[t.name] for t in contract.observation for _ in range(t.history)])


def privileged_mirror() -> Mirror:
    """Mirror image of the privileged state of ``WalkTask.privileged``."""
    swap = Mirror(np.array([1, 0]), np.ones(2))
    same = _signs(*[1.0] * 7)
    return _join([_signs(1.0, -1.0, 1.0), _signs(1.0), _signs(1.0, -1.0, -1.0), swap, swap, same])
