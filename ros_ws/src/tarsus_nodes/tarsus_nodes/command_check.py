# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Judges commands from outside, by the robot's limits alone: what no actuator may get."""

from __future__ import annotations

import numpy as np
from tarsus_msgs.msg import JointCommand as JointCommandMsg

from tarsus_core.errors import StateError
from tarsus_core.robot_model import RobotModel
from tarsus_nodes.conversions import joint_command


class CommandCheck:
    """Counts commands, and those that no actuator may get, whatever the supervisor thinks of them."""

    def __init__(self, robot: RobotModel) -> None:
        """Check against a robot's limits."""
        self._robot = robot
        self.heard = 0
        self.unsafe = 0

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
        self.unsafe += not (holds and np.all(np.abs(command.effort) <= r.effort_limit_nm))
