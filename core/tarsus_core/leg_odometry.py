# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""How fast the base moves over the foot that stands: leg odometry, from encoders, gyroscope and orientation alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tarsus_core.kinematics import read_chain
from tarsus_core.robot_model import RobotModel
from tarsus_core.rotations import cross, quat_rotate, quat_rotate_yaw_inverse
from tarsus_core.state import RobotState, joint_indices

Array = NDArray[np.float64]

LOW_PASS_S = 0.06
"""time constant: an eighth of a step, to calm the encoders' noise"""
_EYE = np.eye(3)
HEIGHT_SCALE_M = 0.01
"""a foot that is lower by this much than the other counts e times as much"""


class LegOdometry:
    """Estimates the base's horizontal velocity for n robots, in m/s in the heading frame (x ahead, y left)."""

    def __init__(self, robot: RobotModel, joint_names: tuple[str, ...], control_period_s: float, count: int) -> None:
        """Prepare for ``count`` robots whose states list ``joint_names``.

        Raises:
            StateError: if the states lack a joint of a leg.
        """
        chains = [read_chain(robot, foot) for foot in robot.foot_links]
        # (K, F): with it, (n, J)[:, index] is (n, K, F)
        self._index = np.array([joint_indices(joint_names, c.joint_names) for c in chains]).T.copy()
        self._rotation = np.stack([c.rotation for c in chains], axis=1)[:, :, None]  # (K, F, 1, 3, 3)
        self._translation = np.stack([c.translation for c in chains], axis=1)[:, :, None, :, None]
        skew = np.stack([c.skew for c in chains], axis=1)[:, :, None]
        self._skew, self._square = skew, skew @ skew
        self._axis = np.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], axis=-1)[..., None]
        self._end = np.stack([c.end for c in chains])[:, None, :, None]
        self._blend = control_period_s / (control_period_s + LOW_PASS_S)
        self.velocity: Array = np.zeros((count, 2))

    def feet(self, joint_position: Array, joint_velocity: Array) -> tuple[Array, Array]:
        """Positions and velocities (F, n, 3) of the feet in the base frame, for joints (n, J): m and m/s.

        The velocity is that of the joints alone: the sum over the joints of rate * axis x (foot - joint), as in any
        text on robot kinematics (geometric Jacobian).
        """
        q, dq = (a[:, self._index].transpose(1, 2, 0)[..., None] for a in (joint_position, joint_velocity))
        sin, cos = np.sin(q)[..., None], 1.0 - np.cos(q)[..., None]  # (K, F, n, 1, 1)
        turns = self._rotation @ (_EYE + sin * self._skew + cos * self._square)  # Rodrigues' formula
        places, rotations = np.empty((*turns.shape[:-1], 1)), turns  # each turn becomes the rotation up to its joint
        places[0] = self._translation[0]
        for k in range(1, len(turns)):
            before = rotations[k - 1]
            np.add(places[k - 1], before @ self._translation[k], out=places[k])
            rotations[k] = before @ turns[k]
        foot = (places[-1] + rotations[-1] @ self._end)[..., 0]
        axes = (rotations @ self._axis)[..., 0]  # a joint's own turn leaves its axis where it is
        return foot, np.sum(dq * cross(axes, foot - places[..., 0]), axis=0)

    def update(self, state: RobotState, fresh: NDArray[np.bool_]) -> Array:
        """Take a control period's state; return the low-passed velocity (n, 2). It starts anew where ``fresh``."""
        n = len(self.velocity)
        foot, velocity = self.feet(np.reshape(state.joint_position, (n, -1)), np.reshape(state.joint_velocity, (n, -1)))
        quat = np.reshape(state.orientation_base_to_world, (n, 4))
        gyro = np.reshape(state.angular_velocity_base_in_base, (n, 3))
        # a foot that stands still moves as -(omega x foot + what the joints do) over it
        base = -(cross(gyro, foot) + velocity)
        foot, base = quat_rotate(quat, np.stack([foot, base]))  # in the world
        height = foot[..., 2]
        weight = 1.0 / (1.0 + np.exp(np.clip((height - height[::-1]) / HEIGHT_SCALE_M, -50.0, 50.0)))
        level = quat_rotate_yaw_inverse(quat, base)
        now = np.sum(weight[..., None] * level[..., :2], axis=0)
        self.velocity = np.where(fresh[:, None], now, self.velocity + self._blend * (now - self.velocity))
        return self.velocity
