# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What an operator sees of the graph, and the buttons to press: one node, spun by the caller."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.subscription import Subscription
from std_srvs.srv import Trigger
from tarsus_msgs.msg import JointCommand, SupervisorState

from tarsus_core.errors import TarsusError
from tarsus_edge.supervisor import State
from tarsus_nodes.conversions import seconds_from_stamp, twist
from tarsus_nodes.executor import FastExecutor
from tarsus_nodes.qos import ANSWER_QOS, COMMAND_QOS, STATUS_QOS, TRUTH_QOS

Array = NDArray[np.float64]

SERVICES = (
    *("supervisor/arm", "supervisor/stand", "supervisor/walk", "supervisor/damp", "supervisor/reset"),
    *("sim/release", "sim/reset_statistics"),
)
SILENCE_S = 10.0
"""steady time without anything from the simulator after which it counts as stuck"""
ANSWER_S = 10.0
"""steady time for the answer of a service"""
AGAIN_S = 1.0
"""after which a request that may be made twice is made again: an answer is lost if the server, which the client has
found, has not found the client yet"""


class OperatorError(TarsusError):
    """The graph does not do what the operator asks for."""

    exit_code = 1


class OperatorClient:
    """Sees the graph through its topics, and acts through its services. Blocking calls spin the node meanwhile."""

    def __init__(self, context: Context | None = None, check: Callable[[], None] = lambda: None) -> None:
        """Join the graph.

        Args:
            context: of rclpy; the default one if None.
            check: called again and again while waiting; what it raises ends the wait.
        """
        self.node = Node("operator", context=context, enable_rosout=False)
        self._executor = FastExecutor(context=context)
        self._executor.add_node(self.node)
        self._check = check
        self.supervisor: SupervisorState | None = None
        self.policy_values: dict[str, str] = {}
        self.on_odometry: Callable[[Odometry], None] | None = None
        self._time_s = -math.inf
        self._answers: Subscription | None = None
        self._heard_s = time.monotonic()
        node = self.node
        self._cmd_vel = node.create_publisher(TwistStamped, "cmd_vel", COMMAND_QOS)
        node.create_subscription(SupervisorState, "supervisor/state", self._on_supervisor, STATUS_QOS)
        node.create_subscription(Odometry, "ground_truth/odom", self._on_odometry, TRUTH_QOS)
        node.create_subscription(DiagnosticArray, "diagnostics", self._on_diagnostics, 10)
        self._triggers = {name: node.create_client(Trigger, name) for name in SERVICES}
        self._get = {n: node.create_client(GetParameters, f"{n}/get_parameters") for n in ("sim", "supervisor")}
        self._set = node.create_client(SetParameters, "sim/set_parameters")

    def close(self) -> None:
        """Leave the graph."""
        self._executor.remove_node(self.node)
        self._executor.shutdown()
        self.node.destroy_node()

    # ---- what is seen ----

    @property
    def time_s(self) -> float:
        """Simulated time in s of the newest ground truth, or of the newest answer; minus infinity before the first."""
        return self._time_s

    @property
    def state(self) -> State | None:
        """What the supervisor does; None before it said so."""
        return State(self.supervisor.state) if self.supervisor is not None else None

    @property
    def policy_active(self) -> bool:
        """Whether the policy node said that it is active."""
        return self.policy_values.get("active") == "True"

    def policy_value(self, name: str) -> float:
        """A number from the policy's diagnostics, which come once a second; infinite if it is not there."""
        return float(self.policy_values.get(name, "inf"))

    def _has_state(self) -> bool:
        return self.supervisor is not None and math.isfinite(self.supervisor.state_age)

    def _on_supervisor(self, message: SupervisorState) -> None:
        self.supervisor = message

    def follow_answers(self) -> None:
        """Let time be what the supervisor has answered (in lockstep): all that came before, it has seen."""
        if self._answers is None:
            self._time_s = -math.inf
            self._answers = self.node.create_subscription(JointCommand, "joint_command", self._on_answer, ANSWER_QOS)

    def _on_answer(self, message: JointCommand) -> None:
        self._time_s = seconds_from_stamp(message.header.stamp)

    def _on_odometry(self, message: Odometry) -> None:
        if self._answers is None:
            self._time_s = seconds_from_stamp(message.header.stamp)
        self._heard_s = time.monotonic()
        if self.on_odometry is not None:
            self.on_odometry(message)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.rpartition("/")[2] == "policy":
                self.policy_values = {pair.key: pair.value for pair in status.values}

    # ---- waiting ----

    def spin(self, duration_s: float = 0.05) -> None:
        """Let messages in for at most this long."""
        self._check()
        self._executor.spin_once(timeout_sec=duration_s)

    def wait(self, condition: Callable[[], bool], timeout_s: float, failure: str | Callable[[], str]) -> None:
        """Spin until the condition holds.

        Raises:
            OperatorError: with the text of ``failure`` after ``timeout_s`` of steady time.
        """
        end = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > end:
                raise OperatorError(failure if isinstance(failure, str) else failure())
            self.spin()

    def wait_for_graph(self, timeout_s: float) -> None:
        """Wait until every node is there, the simulator runs and the policy is active."""
        needs: list[tuple[str, Callable[[], bool]]] = [
            *((f"service '{n}'", c.service_is_ready) for n, c in self._triggers.items()),
            ("robot state at the supervisor", self._has_state),
            ("active policy", lambda: self.policy_active),
        ]
        for what, ready in needs:
            self.wait(ready, timeout_s, f"There was no {what} within {timeout_s:g} s: see what the nodes say above.")

    def wait_until(self, time_s: float, tell: Callable[[], None] = lambda: None) -> None:
        """Wait until simulated time is there, calling ``tell`` meanwhile; only a silent simulator is given up."""
        self.expect_news()
        while self._time_s < time_s - 1e-9:
            self.spin()
            self.refuse_silence("waiting")
            tell()

    def expect_news(self) -> None:
        """Begin to wait: silence counts from now."""
        self._heard_s = time.monotonic()

    def refuse_silence(self, what: str) -> None:
        """Give up a simulator that has been silent for long while the operator was doing ``what``."""
        if time.monotonic() - self._heard_s > SILENCE_S:
            raise OperatorError(
                f"The simulator has been silent for {SILENCE_S:g} s at {self._time_s:.2f} s ({what}): start it anew."
            )

    # ---- buttons ----

    def press(self, name: str, timeout_s: float = ANSWER_S, again_s: float = math.inf) -> tuple[bool, str]:
        """Call a Trigger service, once more each ``again_s``; return whether it was granted, and what it said."""
        answer = self._call(self._triggers[name], Trigger.Request(), name, timeout_s, again_s)
        return answer.success, answer.message

    def demand(self, name: str) -> str:
        """Call a Trigger service that must be granted; return what it said."""
        granted, said = self.press(name)
        if not granted:
            raise OperatorError(f"'{name}' was refused: {said}")
        return said

    @property
    def drives_alone(self) -> bool:
        """Whether nobody else publishes velocity commands."""
        return self.node.count_publishers(self._cmd_vel.topic_name) <= 1

    def parameters(self, node: str, *names: str) -> list[Any]:
        """Values of parameters of the node ``sim`` or ``supervisor``."""
        request = GetParameters.Request(names=list(names))
        answer = self._call(self._get[node], request, f"{node}/get_parameters", again_s=AGAIN_S)
        return [parameter_value_to_python(value) for value in answer.values]

    def set_simulator_parameter(self, name: str, value: float) -> None:
        """Set a parameter of the simulator."""
        message: ParameterMsg = Parameter(name, value=value).to_parameter_msg()
        request = SetParameters.Request(parameters=[message])
        result = self._call(self._set, request, f"parameter {name}", again_s=AGAIN_S).results[0]
        if not result.successful:
            raise OperatorError(f"The simulator refused {name}={value}: {result.reason}.")

    def drive(self, command: Array) -> None:
        """Publish a velocity command (3,): vx, vy in m/s, wz in rad/s."""
        message = TwistStamped()
        message.header.stamp = self.node.get_clock().now().to_msg()
        message.header.frame_id = "base_link"
        message.twist = twist(command)
        self._cmd_vel.publish(message)

    def _call(
        self, client: Any, request: Any, what: str, timeout_s: float = ANSWER_S, again_s: float = math.inf
    ) -> Any:
        """Ask, and wait for the answer; a request that may be made twice is made once more each ``again_s``."""
        self.wait(client.service_is_ready, timeout_s, f"Nobody offers '{what}': start the simulator's launch file.")
        asked = [client.call_async(request)]
        start = time.monotonic()

        def answered() -> bool:
            done = any(future.done() for future in asked)
            if not done and time.monotonic() - start > again_s * len(asked):
                asked.append(client.call_async(request))
            return done

        try:
            self.wait(answered, timeout_s, f"'{what}' was not answered within {timeout_s:g} s.")
        finally:
            for future in asked:
                if not future.done():
                    client.remove_pending_request(future)
        return next(future for future in asked if future.done()).result()
