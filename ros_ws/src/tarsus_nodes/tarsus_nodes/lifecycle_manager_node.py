# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``lifecycle_manager``: brings the graph up in order, watches it, and starts it anew when a part was lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.msg import State as StateMsg
from lifecycle_msgs.msg import Transition as TransitionMsg
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from tarsus_edge.bringup import Aim, Bringup, Stage, Transition
from tarsus_nodes.diagnostics import Diagnostics, Report
from tarsus_nodes.parameters import declare
from tarsus_nodes.process import Finished, run_process

PERIOD_S = 0.1
"""s between two looks at the graph"""
HEARTBEAT_S = 0.25
"""s between two questions to a node for its state, as nav2's bond"""

_STAGES = {
    StateMsg.PRIMARY_STATE_UNCONFIGURED: Stage.UNCONFIGURED,
    StateMsg.PRIMARY_STATE_INACTIVE: Stage.INACTIVE,
    StateMsg.PRIMARY_STATE_ACTIVE: Stage.ACTIVE,
    StateMsg.PRIMARY_STATE_FINALIZED: Stage.LOST,
}
_TRANSITIONS = {
    "configure": TransitionMsg.TRANSITION_CONFIGURE,
    "activate": TransitionMsg.TRANSITION_ACTIVATE,
    "deactivate": TransitionMsg.TRANSITION_DEACTIVATE,
    "cleanup": TransitionMsg.TRANSITION_CLEANUP,
}
_REACHED = {
    "configure": Stage.INACTIVE,
    "activate": Stage.ACTIVE,
    "deactivate": Stage.INACTIVE,
    "cleanup": Stage.UNCONFIGURED,
}


class Managed:
    """What is known of one lifecycle node."""

    def __init__(self, node: Node, name: str, timeout_s: float) -> None:
        self.name = name
        self.stage = Stage.LOST
        self.heard_s = -1e9
        self.busy = False
        self.guessed = False
        """whether its stage is only what it was before a transition that failed, until it is heard again"""
        self._node = node
        self._timeout_s = timeout_s
        self._asked: Future | None = None
        self._asked_s = -1e9
        self._pending: Future | None = None
        self._settle: Callable[[Stage], None] = lambda stage: None
        self._said: Stage | None = None
        """the primary state that it names while a transition is not answered, and the time since when"""
        self._said_since_s = -1e9
        self._get = node.create_client(GetState, f"{name}/get_state")
        self._change = node.create_client(ChangeState, f"{name}/change_state")

    def pass_over(self, gap_s: float) -> None:
        """Let a time not count in which this process itself was held up, and could hear nobody."""
        self.heard_s += gap_s
        self._asked_s += gap_s
        self._said_since_s += gap_s

    def gone(self) -> bool:
        """Whether it was asked for a transition, and has left the graph since."""
        return self.busy and not self._change.service_is_ready()

    def beat(self, now_s: float) -> None:
        """Ask for its state, and count it as lost when it has not answered for long, unless a transition keeps it."""
        if self._asked is not None and now_s - self._asked_s > self._timeout_s:
            self._get.remove_pending_request(self._asked)
            self._asked = None
        # The two services are found one after the other: a node that is known can then be asked for a transition.
        ready = self._get.service_is_ready() and self._change.service_is_ready()
        if ready and self._asked is None and now_s - self._asked_s >= HEARTBEAT_S:
            self._asked, self._asked_s = self._get.call_async(GetState.Request()), now_s
            self._asked.add_done_callback(self._on_state)
        if not self.busy and now_s - self.heard_s > self._timeout_s:
            self.stage, self.guessed = Stage.LOST, False

    def _on_state(self, future: Future) -> None:
        self._asked = None
        if future.cancelled() or future.result() is None:
            return
        stage, now_s = _STAGES.get(future.result().current_state.id), time.monotonic()
        if not self.busy:
            self.heard_s, self.stage, self.guessed = now_s, stage or self.stage, False
        elif stage is not self._said:
            self._said, self._said_since_s = stage, now_s
        elif stage is not None and now_s - self._said_since_s > self._timeout_s:
            self._settle(stage)

    def ask(self, transition: Transition, then: Callable[[str], None]) -> None:
        """Ask for a transition; ``then`` is told why it did not succeed, or nothing.

        An answer may get lost. A node that then goes on to name one primary state, for as long as would make a silent
        one count as lost, has ended the transition (between two primary states it is in one of its own), or has
        never heard of it: what it names is taken for the answer.
        """
        request = ChangeState.Request(transition=TransitionMsg(id=_TRANSITIONS[transition.name]))
        if self._asked is not None:
            self._get.remove_pending_request(self._asked)
            self._asked = None
        self.busy, self._said = True, None

        def done(future: Future) -> None:
            self.busy = False
            self.heard_s = time.monotonic()
            granted = bool(future.result() is not None and future.result().success)
            if granted:
                self.stage = _REACHED[transition.name]
            self.guessed = not granted
            then("" if granted else "it has said why.")

        def settle(stage: Stage) -> None:
            self.give_up()
            self.heard_s, self.stage = time.monotonic(), stage
            if stage is _REACHED[transition.name]:
                self._node.get_logger().warning(f"'{self.name}' is {stage.value}; its answer was lost.")
                then("")
            else:
                then(f"it does not answer, and is {stage.value}.")

        self._settle = settle
        self._pending = self._change.call_async(request)
        self._pending.add_done_callback(done)

    def give_up(self) -> None:
        """Forget a transition that is not answered."""
        if self._pending is not None:
            self._change.remove_pending_request(self._pending)
        self.busy = self.guessed = False
        self.stage = Stage.LOST


class LifecycleManagerNode(Node):
    """Configures and activates the nodes of ``nodes`` in order, and takes them down in reversed order.

    Each node is asked for its state four times a second. When one that was active has gone, started anew, or does not
    answer, the robot is damped; once all are there again, everything is taken down and brought up, and the supervisor
    waits, damped, for the operator's reset and arm. Services: ``lifecycle_manager/startup``,
    ``lifecycle_manager/shutdown``.
    """

    def __init__(self, **node_arguments: Any) -> None:
        """Declare the parameters, and begin with ``autostart``."""
        super().__init__("lifecycle_manager", **node_arguments)
        names = declare(self, "nodes", ["sim", "policy"], "Lifecycle nodes in the order of their start")
        self._timeout_s = declare(
            self, "heartbeat_timeout_s", 4.0, "Silence of a node after which it counts as lost [s]", limits=(0.5, 60.0)
        )
        self._transition_s = declare(
            self, "transition_timeout_s", 60.0, "Time that one transition may take [s]", limits=(1.0, 600.0)
        )
        self._exit_on_failure = declare(
            self, "exit_on_failure", True, "End with exit code 2 when the first start fails, after taking all down"
        )
        self.bringup = Bringup(names)
        self._managed = {name: Managed(self, name, self._timeout_s) for name in self.bringup.nodes}
        self._damp = self.create_client(Trigger, "supervisor/damp")
        self._under_way: tuple[Transition, float] | None = None
        self._was_up = False
        self._looked_s = time.monotonic()
        for name in ("startup", "shutdown"):
            self.create_service(Trigger, f"lifecycle_manager/{name}", getattr(self, f"_on_{name}"))
        self.create_timer(PERIOD_S, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._diagnostics = Diagnostics(self, self._report)
        if declare(self, "autostart", True, "Bring the graph up at start"):
            self.bringup.start()

    @property
    def stages(self) -> dict[str, Stage]:
        """Stage of each node."""
        return {name: managed.stage for name, managed in self._managed.items()}

    def _on_timer(self) -> None:
        now_s = time.monotonic()
        self._pass_over_own_gap(now_s)
        for managed in self._managed.values():
            managed.beat(now_s)
        if self._under_way is not None:
            transition, since_s = self._under_way
            if self._managed[transition.node].gone():  # it waits for one that comes, as for any that is lost
                self._managed[transition.node].give_up()
                self._under_way = None
                self.get_logger().error(f"The node '{transition.node}' ended while it was to {transition.name}.")
            elif now_s - since_s > self._transition_s:
                self._managed[transition.node].give_up()
                self._on_done(transition, f"no answer for {self._transition_s:g} s.")
            return
        lost = self.bringup.look(self.stages)
        if lost:
            self.get_logger().error(lost)
            if self._damp.service_is_ready():  # a supervisor that is gone is the watchdog's matter
                self._damp.call_async(Trigger.Request())
        up = self.bringup.up(self.stages)
        if up and not self._was_up:
            self.get_logger().info("All nodes are active.")
            self.bringup.fault = ""
        self._was_up = self._was_up or up
        if any(managed.guessed for managed in self._managed.values()):
            return
        following = self.bringup.next(self.stages)
        if following is not None:
            self._under_way = following, now_s
            self._managed[following.node].ask(following, lambda why: self._on_done(following, why))
        elif self._ended():
            raise Finished(2)

    def _pass_over_own_gap(self, now_s: float) -> None:
        """Blame nobody for a time in which this process stood still: what the others said waits to be read."""
        gap_s, self._looked_s = now_s - self._looked_s - PERIOD_S, now_s
        if gap_s > 0.0:
            for managed in self._managed.values():
                managed.pass_over(gap_s)
            if self._under_way is not None:
                self._under_way = self._under_way[0], self._under_way[1] + gap_s

    def _on_done(self, transition: Transition, why: str) -> None:
        self._under_way = None
        if why:
            self.bringup.failed(transition, why)
            self.get_logger().error(self.bringup.fault or f"'{transition.node}' could not {transition.name}: {why}")

    def _ended(self) -> bool:
        """Whether the first start has failed and everything is down again."""
        failed = bool(self.bringup.fault) and self.bringup.aim is Aim.DOWN
        return self._exit_on_failure and failed and not self._was_up

    def _on_startup(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.bringup.start()
        response.success, response.message = True, f"The nodes {', '.join(self.bringup.nodes)} are brought up."
        return response

    def _on_shutdown(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.bringup.stop()
        self.bringup.fault = ""
        names = ", ".join(reversed(self.bringup.nodes))
        response.success, response.message = True, f"The nodes {names} are taken down."
        return response

    def _report(self) -> Report:
        values: dict[str, object] = {name: stage.value for name, stage in self.stages.items()}
        values |= {"aim": self.bringup.aim.value, "recoveries": self.bringup.recoveries}
        if self.bringup.fault:
            mend = " Ask 'lifecycle_manager/startup' to try again." if self.bringup.aim is Aim.DOWN else ""
            return "error", self.bringup.fault + mend, values
        if self.bringup.up(self.stages):
            return "ok", "All nodes are active.", values
        return "ok", "The nodes are on their way.", values


def main() -> None:
    """Run the node."""
    run_process(LifecycleManagerNode)


if __name__ == "__main__":
    main()
