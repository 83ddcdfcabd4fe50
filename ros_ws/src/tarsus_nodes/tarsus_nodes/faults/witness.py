# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Sees what the graph does, and when: a node in a thread of its own, which nothing else holds up."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.node import Node
from std_msgs.msg import String
from tarsus_msgs.msg import JointCommand as JointCommandMsg
from tarsus_msgs.msg import SupervisorState, WatchdogState

from tarsus_core.contract import PolicyContract
from tarsus_core.robot_model import RobotModel
from tarsus_edge.supervisor import State
from tarsus_nodes.command_check import CommandCheck
from tarsus_nodes.conversions import seconds_from_stamp
from tarsus_nodes.executor import FastExecutor
from tarsus_nodes.graph_view import GraphView
from tarsus_nodes.odometry import pose_of
from tarsus_nodes.qos import STATUS_QOS, TRUTH_QOS, command_qos

RIVAL = "rival"
"""frame of the commands of a fault that are not the supervisor's: they are no part of what is judged"""


@dataclass(frozen=True)
class Heard:
    """A command, in short."""

    time_s: float
    """steady time at which it was heard"""
    stamp_s: float
    """of the state that it answers"""
    sent_s: float
    """wall time at which it was sent, by the middleware"""
    damps: bool
    """whether it has no stiffness"""


class Witness:
    """Keeps what was heard since ``begin``, and judges every command; times are of the steady clock if not said."""

    def __init__(self, robot: RobotModel, contract: PolicyContract, domain: int) -> None:
        """Begin to listen."""
        self.check = CommandCheck(robot, contract)
        self.view = GraphView()
        self.commands: list[Heard] = []
        self.states: list[tuple[float, State]] = []
        self.watchdog: list[tuple[float, WatchdogState]] = []
        self.track: list[tuple[float, np.ndarray]] = []
        """(time, position of the base in m)"""
        self.speed: list[tuple[float, np.ndarray]] = []
        """(time, velocity of the base in its own frame in m/s)"""
        self.clock_ahead_s = 0.0
        """of the wall clock by which a node last stamped its report, before that of this process"""
        self.halted = False
        """whether the supervisor has let the robot halt"""
        self.injected: dict[int, float] = {}
        self._context = Context()
        self._context.init(domain_id=domain)
        self.node = node = Node("witness", context=self._context, start_parameter_services=False, enable_rosout=False)
        node.create_subscription(JointCommandMsg, "joint_command", self._on_command, command_qos(lockstep=True))
        node.create_subscription(SupervisorState, "supervisor/state", self._on_supervisor, STATUS_QOS)
        node.create_subscription(WatchdogState, "watchdog/state", self._on_watchdog, STATUS_QOS)
        node.create_subscription(DiagnosticArray, "diagnostics", self._on_diagnostics, 50)
        node.create_subscription(Odometry, "ground_truth/odom", self._on_odometry, TRUTH_QOS)
        node.create_subscription(String, "faults/injected", self._on_injected, STATUS_QOS)
        self._executor = FastExecutor(context=self._context)
        self._closed = False
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, name="witness", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop to listen."""
        self._closed = True
        self._executor.wake()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def begin(self) -> None:
        """Forget what was heard; what was unsafe stays counted."""
        for heard in (self.commands, self.states, self.watchdog, self.track, self.speed):
            heard.clear()
        self.view.faults.clear()
        self.halted = False

    # ---- what was seen ----

    def damped_at(self, since_s: float) -> float | None:
        """When the first command without stiffness was heard after a time; None before."""
        return next((c.time_s for c in list(self.commands) if c.damps and c.time_s >= since_s), None)

    def watchdog_at(self, since_s: float) -> float | None:
        """When the watchdog first said, after a time, that the actuators damp; None before."""
        return next((t for t, message in list(self.watchdog) if message.damp and t >= since_s), None)

    def in_state(self, state: State, since_s: float) -> float | None:
        """When the supervisor was first in a state after a time; None before."""
        return next((t for t, found in list(self.states) if found is state and t >= since_s), None)

    def moved(self, since_s: float) -> float:
        """Distance in m between the robot's place at a time and now."""
        track = [p for t, p in list(self.track) if t >= since_s]
        return float(np.hypot(*(track[-1] - track[0])[:2])) if track else 0.0

    def mean_speed(self, since_s: float) -> float:
        """Mean forward speed in m/s since a time; NaN if nothing was heard."""
        speeds = [v[0] for t, v in list(self.speed) if t >= since_s]
        return float(np.mean(speeds)) if speeds else float("nan")

    def slow_at(self, since_s: float, speed_mps: float, for_s: float = 0.3) -> float | None:
        """When the base began, after a time, to be slower than a speed for some time; None before."""
        start = None
        for t, v in list(self.speed):
            if t < since_s:
                continue
            if np.hypot(*v[:2]) > speed_mps:
                start = None
            elif start is None:
                start = t
            elif t - start >= for_s:
                return start
        return None

    def value(self, node: str, name: str) -> str:
        """What a node last said in ``diagnostics``; empty if it did not."""
        return self.view.nodes[node].values.get(name, "") if node in self.view.nodes else ""

    # ---- what comes in ----

    def _spin(self) -> None:
        self._executor.spin_while(lambda: not self._closed)

    def _on_command(self, message: JointCommandMsg, info: dict[str, int]) -> None:
        if message.header.frame_id == RIVAL:
            return
        stamp_s = seconds_from_stamp(message.header.stamp)
        sent_s = info["source_timestamp"] / 1_000_000_000
        self.commands.append(Heard(time.monotonic(), stamp_s, sent_s, not any(message.kp)))
        self.check.take(message)

    def _on_supervisor(self, message: SupervisorState) -> None:
        now_s = time.monotonic()
        self.states.append((now_s, State(message.state)))
        self.halted = self.halted or message.halt
        self.view.on_supervisor(message, now_s)

    def _on_watchdog(self, message: WatchdogState) -> None:
        now_s = time.monotonic()
        self.watchdog.append((now_s, message))
        self.view.on_watchdog(message, now_s)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.clock_ahead_s = seconds_from_stamp(message.header.stamp) - time.time()
        self.view.on_diagnostics(message, time.monotonic())

    def _on_odometry(self, message: Odometry) -> None:
        now_s = time.monotonic()
        v = message.twist.twist.linear
        self.track.append((now_s, pose_of(message)[0]))
        self.speed.append((now_s, np.array([v.x, v.y, v.z])))

    def _on_injected(self, message: String) -> None:
        said = json.loads(message.data)
        self.injected[said["id"]] = said["time_s"]
