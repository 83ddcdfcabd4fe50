# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A reference gait as a function of the observation: where the legs would go if walking were only kinematics.

The network's output is added to it, so that training starts from stepping feet and learns balance and precision. It
depends on the gait phase and the velocity command alone, both of which are observed, and is exported with the
network: whoever runs the policy need not know of it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tarsus_core.contract import PolicyContract
from tarsus_policies.settings import GaitReference


def _offset(contract: PolicyContract, term: str) -> int:
    start = 0
    for t in contract.observation:
        if t.name == term:
            return start
        start += t.size * t.history
    raise KeyError(term)


class ReferenceGait(nn.Module):
    """Action (n, action_size) of the reference gait for observations (n, observation_size).

    With the gait phase at angle a, the left foot swings while sin a > 0. A swinging leg is shortened by bending the
    knee by ``swing_knee_rad`` sin^2 a, hip and ankle turning back by half of it, which keeps the foot level. Each leg
    sweeps from -1 to 1 in swing (a cosine) and back in stance (a straight line, so that the foot stands still on the
    ground while the body moves at constant speed); the amplitude in rad is v T / 4 over the leg's length, as the foot
    travels v T / 2 under the body in stance. Hip pitch sweeps for vx, hip roll for vy, hip yaw by wz T / 4.
    """

    matrix: Tensor

    def __init__(self, contract: PolicyContract, reference: GaitReference) -> None:
        super().__init__()
        self.command_start = _offset(contract, "velocity_command")
        self.phase_start = _offset(contract, "gait_phase")
        self.knee = reference.swing_knee_rad
        self.sweep = contract.gait.period_s / 4.0 / max(reference.leg_length_m, 1e-6)
        self.yaw_sweep = contract.gait.period_s / 4.0
        self.enabled = reference.swing_knee_rad > 0.0
        names = contract.action_joint_names
        # columns: bend, sweep x, sweep y, sweep yaw of the left leg, then of the right one
        matrix = torch.zeros(8, contract.action_size)  # the gait clock's own rate: zero, where it can be changed
        for side, start in (("left", 0), ("right", 4)):
            for joint, column, value in (
                ("hip_pitch", 0, -0.5),
                ("knee", 0, 1.0),
                ("ankle_pitch", 0, -0.5),
                ("hip_pitch", 1, -1.0),
                ("ankle_pitch", 1, 1.0),
                ("hip_roll", 2, 1.0),
                ("ankle_roll", 2, -1.0),
                ("hip_yaw", 3, 1.0),
            ):
                name = f"{side}_{joint}_joint"
                if name in names:
                    matrix[start + column, names.index(name)] = value
        matrix[:, : len(names)] /= torch.tensor(contract.action_scale, dtype=torch.float32)
        self.register_buffer("matrix", matrix, persistent=False)

    def _leg(self, sin: Tensor, cos: Tensor, command: Tensor) -> list[Tensor]:
        """Bend and sweeps (n, 1) of the leg that swings while ``sin`` is positive."""
        bend = self.knee * torch.relu(sin) ** 2
        line = torch.asin(torch.clamp(cos, -1.0, 1.0)) * (-2.0 / math.pi)
        moving = torch.sign(torch.abs(sin) + torch.abs(cos))
        sweep = torch.where(sin > 0.0, -cos, line) * moving
        x, y, yaw = command[:, 0:1], command[:, 1:2], command[:, 2:3]
        return [bend, self.sweep * x * sweep, self.sweep * y * sweep, self.yaw_sweep * yaw * sweep]

    def forward(self, observation: Tensor) -> Tensor:
        """Return the reference action."""
        command = observation[:, self.command_start : self.command_start + 3]
        sin = observation[:, self.phase_start : self.phase_start + 1]
        cos = observation[:, self.phase_start + 1 : self.phase_start + 2]
        parts = self._leg(sin, cos, command) + self._leg(-sin, -cos, command)
        return torch.cat(parts, dim=1) @ self.matrix
