# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A supervisor node in this process, and what surrounds it: a robot, a policy, an operator."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from helpers.robots import state_of
from helpers.ros import Ros
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import Trigger
from tarsus_msgs.msg import JointCommand as JointCommandMsg
from tarsus_msgs.msg import SupervisorState

from tarsus_core.robot_model import RobotModel, load_robot
from tarsus_core.state import JointCommand
from tarsus_edge.supervisor import State
from tarsus_nodes.conversions import imu_message, joint_command_message, joint_state_message, seconds_from_stamp
from tarsus_nodes.qos import STATUS_QOS, command_qos, sensor_qos
from tarsus_nodes.supervisor_node import SupervisorNode


class Robot(Node):
    """What surrounds the supervisor: a robot that rests, a policy that repeats one pose, an operator."""

    def __init__(self, lockstep: bool, model: RobotModel, **node_arguments: Any) -> None:
        super().__init__("robot", **node_arguments)
        self.model = model
        self.commands: list[JointCommandMsg] = []
        self.status: list[SupervisorState] = []
        self.diagnostics: list[DiagnosticArray] = []
        qos = sensor_qos(lockstep)
        self.joints = self.create_publisher(JointState, "joint_states", qos)
        self.imu = self.create_publisher(Imu, "imu/data", qos)
        self.clock_publisher = self.create_publisher(Clock, "clock", 1)
        self.policy = self.create_publisher(JointCommandMsg, "policy/command", command_qos(lockstep))
        self.create_subscription(JointCommandMsg, "joint_command", self.commands.append, command_qos(True))
        self.create_subscription(SupervisorState, "supervisor/state", self.status.append, STATUS_QOS)
        self.create_subscription(DiagnosticArray, "diagnostics", self.diagnostics.append, 10)
        names = ("arm", "stand", "walk", "damp", "reset")
        self.requests = {name: self.create_client(Trigger, f"supervisor/{name}") for name in names}
        self.tick = 0

    def send_state(self, **changes: Any) -> float:
        """Publish the next state, 5 ms on, and return its stamp."""
        stamp = self.tick * 5 / 1000  # the double nearest to it, as read from a message
        self.tick += 1
        state = state_of(self.model, stamp, **changes)
        self.joints.publish(joint_state_message(state))
        self.imu.publish(imu_message(state, "imu_in_pelvis"))
        return stamp

    def send_policy(self, stamp: float, offset: float = 0.0) -> None:
        """Publish a policy command that holds the default pose plus an offset (rad)."""
        zeros = np.zeros(len(self.model.joint_names))
        position = self.model.default_pose + offset
        command = JointCommand(stamp, self.model.joint_names, position, zeros, zeros, self.model.kp, self.model.kd)
        self.policy.publish(joint_command_message(command, 1))


class Bench:
    """One supervisor node and its surroundings."""

    def __init__(self, ros: Ros, policy: Path, lockstep: bool, **parameters: Any) -> None:
        self.ros = ros
        self.lockstep = lockstep
        self.started_s: float | None = None
        self.supervisor = ros.node(
            SupervisorNode,
            parameters={
                **{"policy": str(policy), "allow_unsigned": True, "lockstep": lockstep, "watchdog": False},
                **parameters,
            },
        )
        self.robot = ros.node(lambda **k: Robot(lockstep, load_robot("g1"), **k))
        ros.spin_until(self._connected, what="discovery")

    def _connected(self) -> bool:
        r = self.robot
        publishers = (r.joints, r.imu, r.policy)
        return (
            all(p.get_subscription_count() for p in publishers)
            and bool(r.status)
            and all(s.service_is_ready() for s in r.requests.values())
            and r.count_publishers("joint_command") == 1
        )

    def ask(self, name: str) -> tuple[bool, str]:
        future = self.robot.requests[name].call_async(Trigger.Request())
        self.ros.spin_until(future.done, what=f"supervisor/{name}")
        return future.result().success, future.result().message

    def state(self) -> State:
        return State(self.robot.status[-1].state)

    def pace(self, condition: Any, timeout_s: float = 40.0, what: str = "the condition", policy: bool = False) -> None:
        """Send states (and policy commands for each fourth) until the condition holds.

        They come at 200 Hz of the steady clock, or as fast as a busy machine takes them in; their stamps follow the
        clock, as those of a robot's driver do.
        """
        end = time.monotonic() + timeout_s
        answered = -1
        while not condition():
            assert time.monotonic() < end, f"waited {timeout_s:g} s for {what}"
            sent = time.monotonic()
            if self.started_s is None:
                self.started_s = sent - self.robot.tick * 0.005
            self.robot.tick = max(self.robot.tick, int((sent - self.started_s) / 0.005))
            stamp = self.robot.send_state()
            if policy and self.robot.tick // 4 != answered:
                answered = self.robot.tick // 4
                self.robot.send_policy(stamp)
            while time.monotonic() < sent + 0.005 or self.supervisor.supervisor.states.stamp_s != stamp:
                self.ros.executor.spin_once(timeout_sec=0.001)
                assert time.monotonic() < sent + timeout_s, "the supervisor got no state"

    def lockstep_period(self, policy: bool = True, offset: float = 0.0) -> JointCommandMsg:
        """Send the four states of a control period and return its one command; policy: answer in WALK."""
        count = len(self.robot.commands)
        seen = len(self.robot.status)
        stamp = self.robot.send_state()
        status = self.robot.status
        self.ros.spin_until(
            lambda: any(seconds_from_stamp(s.header.stamp) == stamp for s in status[seen:]), what="the status"
        )
        if policy:
            self.robot.send_policy(stamp, offset)
        self.ros.spin_until(lambda: len(self.robot.commands) > count, what="the command")
        assert len(self.robot.commands) == count + 1
        assert seconds_from_stamp(self.robot.commands[-1].header.stamp) == stamp
        for _ in range(3):
            self.robot.send_state()
        return self.robot.commands[-1]

    def lockstep_to_walk(self) -> None:
        self.lockstep_period()
        assert self.ask("arm")[0] and self.ask("stand")[0]
        for _ in range(151):  # 3 s
            self.lockstep_period()
        self.ros.spin_until(lambda: self.supervisor.supervisor.command_age(self.supervisor._now()) < 0.06)
        assert self.ask("walk") == (True, "The policy has the robot.")
