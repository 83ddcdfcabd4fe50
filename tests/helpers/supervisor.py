# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A supervisor without ROS, fed by hand."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from helpers.robots import state_of

from tarsus_core.robot_model import load_robot
from tarsus_core.state import JointCommand
from tarsus_edge.health import MotorReading
from tarsus_edge.supervisor import Supervisor
from tarsus_edge.supervisor_config import SupervisorConfig

ROBOT = load_robot("g1")
COUNT = len(ROBOT.joint_names)
KNEE = ROBOT.joint_names.index("left_knee_joint")
ZEROS = np.zeros(COUNT)


def make(**config: Any) -> Supervisor:
    return Supervisor(SupervisorConfig(**config), ROBOT, ROBOT.default_pose, ROBOT.kp, ROBOT.kd)


def policy_command(stamp_s: float, offset: Any = 0.0, **changes: Any) -> JointCommand:
    """Command that holds the default pose plus an offset (rad)."""
    command = JointCommand(stamp_s, ROBOT.joint_names, ROBOT.default_pose + offset, ZEROS, ZEROS, ROBOT.kp, ROBOT.kd)
    return dataclasses.replace(command, **changes)


def knee(value: float) -> np.ndarray:
    """(J,) zero but for the left knee."""
    array = np.zeros(COUNT)
    array[KNEE] = value
    return array


def motors(temperature_c: float, joint: str = "left_knee_joint", error: int = 0) -> MotorReading:
    """All motors at 40 C, one hotter."""
    names = ROBOT.joint_names[::-1]  # by name, never by place
    values, errors = np.full(COUNT, 40.0), np.zeros(COUNT, np.uint32)
    values[names.index(joint)] = temperature_c
    errors[names.index(joint)] = error
    return MotorReading(names, values, errors)


class Rig:
    """A supervisor in a graph whose steady clock runs ``offset_s`` ahead of the stamps (lockstep: 0)."""

    def __init__(self, offset_s: float = 0.0, **config: Any) -> None:
        self.supervisor = make(**config)
        self.offset_s = offset_s
        self.tick_count = 0

    @property
    def stamp_s(self) -> float:
        return self.tick_count * 5 / 1000

    @property
    def now_s(self) -> float:
        return self.stamp_s + self.offset_s

    def step(self, policy: bool = True, offset: Any = 0.0, **state: Any) -> JointCommand:
        """Let 5 ms pass: a new state, each fourth time a policy command for it, and a tick."""
        self.tick_count += 1
        self.supervisor.on_state(state_of(ROBOT, self.stamp_s, **state), self.now_s)
        if policy and self.tick_count % 4 == 0:
            self.supervisor.on_policy_command(policy_command(self.stamp_s, offset))
        command = self.supervisor.tick(self.now_s)
        assert command is not None
        return command

    def steps(self, count: int, **arguments: Any) -> JointCommand:
        for _ in range(count):
            command = self.step(**arguments)
        return command

    def to_stand(self) -> Rig:
        self.step()
        assert self.supervisor.arm(self.now_s)[0]
        assert self.supervisor.stand(self.now_s)[0]
        return self

    def to_walk(self) -> Rig:
        self.to_stand()
        while self.tick_count < 604:  # 3 s of ramp, by control periods
            self.tick_count = self.tick_count // 4 * 4 + 3
            self.step()
        ok, message = self.supervisor.walk(self.now_s)
        assert ok, message
        return self
