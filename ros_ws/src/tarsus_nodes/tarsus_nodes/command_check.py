# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Judges commands from outside, by the limits of robot and policy alone: what no actuator may get."""

from __future__ import annotations

import numpy as np
from tarsus_msgs.msg import JointCommand as JointCommandMsg

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import StateError
from tarsus_core.observation import PolicyInterface
from tarsus_core.robot_model import RobotModel
from tarsus_nodes.conversions import joint_command


class CommandCheck:
    """Counts commands, and those that no actuator may get, whatever the supervisor thinks of them.

    Judged are finiteness, position, velocity and torque by the robot's range and limits, and stiffness and damping by
    those of the policy's contract. The torque that gains and error make together takes the state that the supervisor
    saw: that is for the tests of the supervisor.
    """

    def __init__(self, robot: RobotModel, contract: PolicyContract) -> None:
        """Check against the limits of a robot and of its policy."""
        self._robot = robot
        gains = PolicyInterface(contract, robot.joint_names)
        self._kp, self._kd = gains.kp, gains.kd
        self.heard = 0
        self.unsafe = 0

    def take_unsafe(self) -> int:
        """Return how many were unsafe since this was last called."""
        unsafe, self.unsafe = self.unsafe, 0
        return unsafe

    def take(self, message: JointCommandMsg) -> None:
        """Look at a command."""
        self.heard += 1
        try:
            command = joint_command(message, self._robot.joint_names)
            command.check()
        except StateError:
            self.unsafe += 1
            return
        r = self._robot
        within = np.all(command.position >= r.position_lower) and np.all(command.position <= r.position_upper)
        holds = not command.kp.any() or within  # a damping command carries the measured position
        moderate = np.all(np.abs(command.effort) <= r.effort_limit_nm) and np.all(
            np.abs(command.velocity) <= r.velocity_limit
        )
        soft = np.all(command.kp <= self._kp) and np.all(command.kd <= self._kd)
        self.unsafe += not (holds and moderate and soft)
