# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A reference gait as a function of the observation: a walk of simple rules, which the network makes a good one.

The network's output is added to it, so that training starts from robots that step and nearly balance, and learns
precision and recovery. The rules are those of Raibert (Legged Robots That Balance, 1986: step farther by the error of
the velocity) and of SIMBICON (Yin, Loken, van de Panne, 2007: the standing hip turns the trunk upright, the swinging
leg goes by the vertical and not by the trunk). It depends on observed values alone and is exported with the network:
whoever runs the policy need not know of it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tarsus_core.contract import PolicyContract
from tarsus_policies.settings import GaitReference

SWITCH = 3.0
"""the legs change between standing and swinging while sin a is below a third"""
MOST_ERROR = 2.0
"""m/s: what leg odometry tells beyond is no velocity"""


class ReferenceGait(nn.Module):
    """Action (n, action_size) of the reference gait for observations (n, observation_size).

    With the gait phase at angle a, the left foot swings while sin a > 0. A swinging leg is shortened by bending the
    knee by ``swing_knee_rad`` sin^2 a, hip and ankle turning back by half of it, which keeps the foot level. Each leg
    sweeps from -1 to 1 in swing (a cosine) and back in stance (a straight line, so that the foot stands still on the
    ground while the body moves at constant speed); the amplitude in rad is v T / 4 over the leg's length, as the foot
    travels v T / 2 under the body in stance. Hip pitch sweeps for vx, hip roll for vy, hip yaw by wz T / 4.

    Balance is feedback on top: by (1 - cos a) / 2, from 0 at lift-off to 1 at touch-down and back, the leg reaches
    farther by ``step_time_s`` times the velocity error; the swinging hip takes back the base's tilt, the standing hip
    turns the base upright. At rest there is none.
    """

    matrix: Tensor

    def __init__(self, contract: PolicyContract, reference: GaitReference) -> None:
        super().__init__()
        self.command_start = contract.place("velocity_command")[0]
        self.phase_start = contract.place("gait_phase")[0]
        self.gravity_start = contract.place("projected_gravity")[0]
        self.rate_start, rate = contract.place("base_angular_velocity")
        self.rate_scale = rate.scale
        odometry = [t for t in contract.observation if t.name == "leg_odometry"]
        self.odometry_start = contract.place("leg_odometry")[0] if odometry else -1
        self.odometry_scale = odometry[0].scale if odometry else 1.0
        self.reference = reference
        self.length = max(reference.leg_length_m, 1e-6)
        self.sweep = contract.gait.period_s / 4.0 / self.length
        self.yaw_sweep = contract.gait.period_s / 4.0
        names = contract.action_joint_names
        # columns: bend, reach x, reach y, yaw, turn of pitch, turn of roll; of the left leg, then of the right one
        matrix = torch.zeros(12, contract.action_size)  # the gait clock's own rate: zero, where it can be changed
        for side, start in (("left", 0), ("right", 6)):
            for joint, column, value in (
                ("hip_pitch", 0, -0.5),
                ("knee", 0, 1.0),
                ("ankle_pitch", 0, -0.5),
                ("hip_pitch", 1, -1.0),
                ("ankle_pitch", 1, 1.0),
                ("hip_roll", 2, 1.0),
                ("ankle_roll", 2, -1.0),
                ("hip_yaw", 3, 1.0),
                ("hip_pitch", 4, 1.0),
                ("hip_roll", 5, 1.0),
            ):
                name = f"{side}_{joint}_joint"
                if name in names:
                    matrix[start + column, names.index(name)] = value
        scale = torch.ones(contract.action_size)
        scale[: len(names)] = torch.tensor(contract.action_scale, dtype=torch.float32)
        self.register_buffer("matrix", matrix / scale, persistent=False)

    def _leg(
        self, sin: Tensor, cos: Tensor, command: Tensor, error: Tensor, tilt: Tensor, rate: Tensor, out: float
    ) -> list[Tensor]:
        """Columns (n, 1) of the leg that swings while ``sin`` is positive; ``out``: 1 for the left one, or -1."""
        r = self.reference
        bend = r.swing_knee_rad * torch.relu(sin) ** 2
        line = torch.asin(torch.clamp(cos, -1.0, 1.0)) * (-2.0 / math.pi)
        moving = torch.sign(torch.abs(sin) + torch.abs(cos))
        sweep = torch.where(sin > 0.0, -cos, line) * moving
        reached = (1.0 - cos) * 0.5 * moving
        reached = torch.where(sin > 0.0, torch.clamp(reached * r.step_lead, max=1.0), reached)
        swings = torch.clamp(SWITCH * sin, 0.0, 1.0)
        stands = torch.clamp(-SWITCH * sin, 0.0, 1.0)
        x, y, yaw = command[:, 0:1], command[:, 1:2], command[:, 2:3]
        turns = [
            stands * (r.stance_upright[i] * tilt[:, i : i + 1] + r.stance_upright_s[i] * rate[:, i : i + 1])
            - r.swing_upright * swings * tilt[:, i : i + 1]
            for i in (0, 1)
        ]
        return [
            bend,
            self.sweep * x * sweep + r.step_time_s[0] / self.length * error[:, 0:1] * reached,
            out * r.stance_width_rad
            + self.sweep * y * sweep
            + r.step_time_s[1] / self.length * error[:, 1:2] * reached,
            self.yaw_sweep * yaw * sweep,
            *turns,
        ]

    def forward(self, observation: Tensor) -> Tensor:
        """Return the reference action."""
        command = observation[:, self.command_start : self.command_start + 3]
        sin = observation[:, self.phase_start : self.phase_start + 1]
        cos = observation[:, self.phase_start + 1 : self.phase_start + 2]
        gravity = torch.clamp(observation[:, self.gravity_start : self.gravity_start + 2], -1.0, 1.0)
        # pitch forwards and roll to the right, and their rates
        tilt = torch.asin(gravity) * torch.tensor([[1.0, -1.0]])
        rate = observation[:, self.rate_start : self.rate_start + 2].flip(1) / self.rate_scale
        if self.odometry_start >= 0:
            velocity = observation[:, self.odometry_start : self.odometry_start + 2] / self.odometry_scale
            error = torch.clamp(velocity - command[:, :2], -MOST_ERROR, MOST_ERROR)
        else:
            error = torch.zeros_like(command[:, :2])
        seen = command, error, tilt, rate
        parts = self._leg(sin, cos, *seen, 1.0) + self._leg(-sin, -cos, *seen, -1.0)
        return torch.cat(parts, dim=1) @ self.matrix
