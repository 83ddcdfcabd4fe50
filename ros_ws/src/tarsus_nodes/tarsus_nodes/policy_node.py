# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``policy``: robot states and a velocity in, joint commands out. A lifecycle node, since it owns a model."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Imu, JointState
from tarsus_msgs.msg import JointCommand as JointCommandMsg
from tarsus_msgs.msg import SupervisorState

from tarsus_core.errors import StateError
from tarsus_core.robot_model import load_robot
from tarsus_edge.policy_runner import PolicyRunner, VelocityInput
from tarsus_edge.proof import load_proven
from tarsus_edge.supervisor import State
from tarsus_nodes.age_clock import age_clock
from tarsus_nodes.conversions import (
    joint_command_message,
    nanoseconds_from_stamp,
    robot_state,
    serialized_stamp_ns,
    velocity_command,
)
from tarsus_nodes.diagnostics import Diagnostics, Latency, Rate, Report
from tarsus_nodes.lifecycle import RobustLifecycleNode, declare_autostart, sentence
from tarsus_nodes.lifeline import POLICY, Lifeline
from tarsus_nodes.pairing import Pairing
from tarsus_nodes.parameters import declare
from tarsus_nodes.policy_source import PolicySource
from tarsus_nodes.process import run_process
from tarsus_nodes.qos import COMMAND_QOS, STATUS_QOS, command_qos, sensor_qos
from tarsus_nodes.realtime import Realtime


class PolicyNode(RobustLifecycleNode):
    """Runs a policy file. Configure loads and proves it, activate lets it answer states.

    Subscribes ``joint_states``, ``imu/data``, ``cmd_vel``, ``supervisor/state``; publishes ``policy/command``. In
    lockstep it also waits for the supervisor's state of the same stamp, so that an answer follows from what the
    messages say and not from when they come. In real time each command is sent twice, half a control period apart: a
    message that is lost on the way then costs nothing.
    """

    def __init__(self, **node_arguments: Any) -> None:
        """Declare the parameters; nothing is loaded yet."""
        super().__init__("policy", **node_arguments)
        self._robot_name = declare(self, "robot", "g1", "Robot that the policy must fit: a name or a YAML file")
        self._time = age_clock(self)
        self._lockstep = declare(self, "lockstep", False, "Answer by stamps alone, as the lockstep simulator needs")
        self._source = PolicySource(self, self._lockstep)
        self._state_period_s = declare(self, "state_period_s", 0.005, "Time between two states [s]", limits=(1e-4, 1.0))
        timeout_s = declare(self, "cmd_vel_timeout_s", 0.5, "Age at which cmd_vel is zero [s]", limits=(0.02, 60.0))
        stamped = declare(self, "cmd_vel_stamped", True, "Whether cmd_vel is a TwistStamped, else a Twist")

        self.realtime = Realtime.declare(self)
        self._runner: PolicyRunner | None = None
        self._active = False
        self._lifeline: Lifeline | None = None
        self._supervisor = SupervisorState()
        self._velocity = VelocityInput(timeout_s)
        self._stamp_s = 0.0
        self._sequence = 0
        self._repeat: JointCommandMsg | None = None
        """the answer of this control period, until it is sent again"""
        self._errors = 0
        self._reported_errors = 0
        self._last_error = ""
        self._latency = Latency()
        topics = ("joint_states", "imu/data", *(["supervisor/state"] if self._lockstep else []))
        self._pairing = Pairing(*topics)
        self._rate = Rate(time.monotonic())
        self._states = Rate(time.monotonic())

        qos = sensor_qos(self._lockstep)
        commands_qos = command_qos(self._lockstep)
        self._publisher = self.create_lifecycle_publisher(JointCommandMsg, "policy/command", commands_qos)
        # three of four states are not answered: they are not even read
        for kind, topic in ((JointState, "joint_states"), (Imu, "imu/data")):
            self.create_subscription(kind, topic, partial(self._on_sensor, topic), qos, raw=True)
        self.create_subscription(SupervisorState, "supervisor/state", self._on_supervisor, STATUS_QOS)
        if stamped:
            self.create_subscription(TwistStamped, "cmd_vel", lambda m: self._on_velocity(m.twist), COMMAND_QOS)
        else:
            self.create_subscription(Twist, "cmd_vel", self._on_velocity, COMMAND_QOS)
        self._diagnostics = Diagnostics(self, self._report, self._robot_name)
        declare_autostart(self)

    # ---- lifecycle ----

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the policy and prove it; a refusal is logged as one sentence and fails the transition."""
        try:
            robot = load_robot(self._robot_name)
            path, trusted = self._source.find(robot.name)
            session = load_proven(path, robot, trusted)
            self._runner = PolicyRunner(session, robot.joint_names, self._state_period_s)
        except Exception as error:  # rclpy would swallow it
            self.get_logger().error(sentence(error))
            return TransitionCallbackReturn.FAILURE
        self.get_logger().info(f"Loaded '{path}' (SHA-256 {session.policy_sha256[:12]}...).")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to answer states, from rest."""
        assert self._runner is not None
        self._runner = PolicyRunner(self._runner.session, self._runner.interface.joint_names, self._state_period_s)
        self._active = True
        self._lifeline = Lifeline(self, POLICY)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Fall silent; the supervisor damps a walking robot."""
        self._fall_silent()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of the policy."""
        self._runner = None
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Fall silent for good."""
        self._fall_silent()
        self._runner = None
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        """Let go of the lifeline with the rest."""
        self._fall_silent()
        super().destroy_node()

    def _fall_silent(self) -> None:
        self._active = False
        self._repeat = None
        if self._lifeline is not None:
            self._lifeline.close()
            self._lifeline = None

    # ---- messages ----

    def _on_sensor(self, topic: str, data: bytes) -> None:
        try:
            stamp_ns = serialized_stamp_ns(data)
        except StateError as error:
            self._refuse(str(error))
            return
        if topic == "joint_states":
            self._stamp_s = stamp_ns / 1_000_000_000
        self._add(topic, stamp_ns, data)

    def _add(self, topic: str, stamp_ns: int, message: Any) -> None:
        if not self._active:
            return
        messages = self._pairing.add(topic, stamp_ns, message)
        if messages is None or self._runner is None:
            return
        self._states.count()
        stamp_s = stamp_ns / 1_000_000_000
        if self._runner.due(stamp_s):
            supervisor = messages["supervisor/state"] if self._lockstep else self._supervisor
            try:
                joints = deserialize_message(messages["joint_states"], JointState)
                imu = deserialize_message(messages["imu/data"], Imu)
            except RuntimeError:  # RMWError, which has no public name
                self._refuse("A message on 'joint_states' or 'imu/data' is cut short.")
                return
            self._answer(joints, imu, supervisor)
        elif self._repeat is not None and self._runner.schedule.is_late(stamp_s):
            self._publisher.publish(self._repeat)
            self._repeat = None

    def _refuse(self, reason: str) -> None:
        """Count a state that is not answered, with the reason, one sentence."""
        self._errors += 1
        self._last_error = reason
        self.get_logger().error(reason, throttle_duration_sec=1.0)

    def _on_supervisor(self, message: SupervisorState) -> None:
        if message.state not in iter(State):
            self._refuse(f"The supervisor says state {message.state}, which is none: it is of another version.")
            return
        self._supervisor = message
        if self._lockstep:
            self._add("supervisor/state", nanoseconds_from_stamp(message.header.stamp), message)

    def _on_velocity(self, twist: Twist) -> None:
        self._velocity.update(velocity_command(twist), self._now())

    def _answer(self, joints: JointState, imu: Imu, supervisor: SupervisorState) -> None:
        assert self._runner is not None
        start = time.perf_counter()
        self._repeat = None
        try:
            state = robot_state(joints, imu, self._runner.interface.joint_names)
            velocity = np.zeros(3) if supervisor.halt else self._velocity.value(self._now())
            command = self._runner.step(state, State(supervisor.state), velocity)
        except StateError as error:
            self._refuse(str(error))
            return
        if command is not None:
            self._sequence += 1
            message = joint_command_message(command, self._sequence)
            self._publisher.publish(message)
            self._repeat = None if self._lockstep else message
            self._rate.count()
            self._latency.add(time.perf_counter() - start)

    def _now(self) -> float:
        """Time that ages the velocity command: the states' in lockstep, else the node's."""
        return self._stamp_s if self._lockstep else self._time()

    def _report(self) -> Report:
        states_hz = self._states.look(time.monotonic())
        values: dict[str, object] = {
            "active": self._active,
            "states [Hz]": states_hz,
            "supervisor": State(self._supervisor.state).name,
            "rate [Hz]": self._rate.look(time.monotonic()),
            **self._latency.values("time to answer"),
            "cmd_vel age [s]": self._velocity.age(self._now()),
            "cmd_vel rejected": self._velocity.rejected,
            "states not answered": self._errors,
            "last reason": self._last_error,
        }
        if self._runner is not None:
            values["policy sha256"] = self._runner.session.policy_sha256
            values["resets while walking"] = self._runner.resets
        news, self._reported_errors = self._errors > self._reported_errors, self._errors
        if news:
            return "warn", self._last_error, values
        if self._active and not states_hz and not self._lockstep:  # in lockstep time may stand still
            return "warn", "No robot state arrives.", values
        return "ok", "The policy answers." if self._active else "The policy is not active.", values


def main() -> None:
    """Run the node."""
    run_process(PolicyNode)


if __name__ == "__main__":
    main()
