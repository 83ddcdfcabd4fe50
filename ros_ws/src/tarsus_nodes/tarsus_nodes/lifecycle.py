# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Lifecycle nodes that survive what they are asked, and that activate themselves when a launch file says so."""

from __future__ import annotations

from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from tarsus_core.errors import TarsusError
from tarsus_nodes.parameters import declare
from tarsus_nodes.process import Finished


class RobustLifecycleNode(LifecycleNode):
    """A lifecycle node that refuses a transition it cannot make now, and leaves the graph when it is destroyed.

    rclpy's own ends with an error of its C code, and keeps its lifecycle services until it is collected as garbage:
    others take it for alive, and ask it in vain.
    """

    def __init__(self, name: str, **node_arguments: Any) -> None:
        """Take a node's arguments."""
        super().__init__(name, **node_arguments)
        for service in self.services:
            if service.srv_type is ChangeState:
                self._change_state = service.callback
                service.callback = self._change_state_if_possible

    def _change_state_if_possible(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        wanted = request.transition
        possible = {number: label for number, label, *_ in self._state_machine.available_transitions}
        if wanted.label in possible.values() if wanted.label else wanted.id in possible:
            answer: ChangeState.Response = self._change_state(request, response)
            return answer
        self.get_logger().error(
            f"Transition '{wanted.label or wanted.id}' is not possible in state "
            f"'{self._state_machine.current_state[1]}': it is refused."
        )
        response.success = False
        return response

    def destroy_node(self) -> None:
        """Destroy the node, and the services of its lifecycle with it."""
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()


def sentence(error: Exception) -> str:
    """What to log of an error that fails a transition; one that nobody foresaw is named with its type."""
    return str(error) if isinstance(error, TarsusError) else f"{type(error).__name__}: {error}"


def declare_autostart(node: LifecycleNode) -> None:
    """Declare the parameter ``autostart`` and obey it: configure and activate as soon as the executor runs.

    It is false unless set, so that activation stays explicit: a launch file, or ``ros2 lifecycle set``. A transition
    that fails ends the process with exit code 2; the node has said why.
    """
    if not declare(node, "autostart", False, "Configure and activate at start, without a lifecycle manager"):
        return

    def start() -> None:
        timer.cancel()
        for transition in (node.trigger_configure, node.trigger_activate):
            if transition() != TransitionCallbackReturn.SUCCESS:
                raise Finished(2)

    timer = node.create_timer(0.0, start, clock=Clock(clock_type=ClockType.STEADY_TIME))
