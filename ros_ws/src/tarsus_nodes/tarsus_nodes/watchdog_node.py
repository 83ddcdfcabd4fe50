# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``watchdog``: tells the actuators to damp when the supervisor has died or stalled."""

from __future__ import annotations

import time
from typing import Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from tarsus_msgs.msg import JointCommand as JointCommandMsg
from tarsus_msgs.msg import SupervisorState, WatchdogState

from tarsus_edge.supervisor import State
from tarsus_edge.watchdog import AGE_RANGE_S, Watchdog, WatchdogConfig
from tarsus_nodes.age_clock import age_clock
from tarsus_nodes.diagnostics import Diagnostics, Rate, Report
from tarsus_nodes.lifeline import SUPERVISOR, WATCHDOG, Lifeline, LifelineWatch
from tarsus_nodes.parameters import declare
from tarsus_nodes.process import run_process
from tarsus_nodes.qos import STATUS_QOS, command_qos
from tarsus_nodes.realtime import Realtime

CHECK_PERIOD_S = 0.01
"""s between two looks at the age of the newest command"""
HEARTBEAT_S = 0.1
"""s between two messages of ``watchdog/state`` when nothing changes: the supervisor damps without them"""


class WatchdogNode(Node):
    """Watches ``joint_command`` and the supervisor's process; publishes ``watchdog/state``.

    In lockstep simulated time waits for the supervisor, so that silence says nothing: only its end counts.
    """

    def __init__(self, **node_arguments: Any) -> None:
        """Declare the parameters and begin to watch."""
        super().__init__("watchdog", **node_arguments)
        self._lockstep = declare(self, "lockstep", False, "Only the end of the supervisor counts, not its silence")
        self.watchdog = Watchdog(
            WatchdogConfig(
                declare(
                    self,
                    "command_age_damp_s",
                    WatchdogConfig().command_age_damp_s,
                    "Age of the supervisor's newest command at which the robot is damped [s]",
                    limits=AGE_RANGE_S,
                )
            ),
            latched=not self._lockstep,  # there time may stand still, and no supervisor commands
        )
        self.realtime = Realtime.declare(self)
        self._time = age_clock(self)
        self._shown: str | None = None
        self._supervisor = State.PASSIVE
        self._rate = Rate(time.monotonic())
        self._publisher = self.create_publisher(WatchdogState, "watchdog/state", STATUS_QOS)
        commands = self.create_subscription(
            JointCommandMsg, "joint_command", self._on_command, command_qos(self._lockstep)
        )
        self._commands = commands.topic_name  # resolved: counting publishers follows no remapping
        self.create_subscription(SupervisorState, "supervisor/state", self._on_supervisor, STATUS_QOS)
        self._watch = LifelineWatch(self, SUPERVISOR, self._on_supervisor_lost)
        self._lifeline = Lifeline(self, WATCHDOG)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(CHECK_PERIOD_S, self._on_timer, clock=steady)
        self.create_timer(HEARTBEAT_S, self._beat, clock=steady)
        self._diagnostics = Diagnostics(self, self._report)
        self._publish()

    def destroy_node(self) -> None:
        """Let go of the lifelines with the rest."""
        self._lifeline.close()
        self._watch.close()
        super().destroy_node()

    def _on_command(self, _: JointCommandMsg) -> None:
        self.watchdog.on_command(self._time())
        self._rate.count()

    def _on_supervisor(self, message: SupervisorState) -> None:
        if message.state not in iter(State):
            return  # of another version: it is neither passive nor anything that is known here
        self._supervisor = State(message.state)
        self.watchdog.on_supervisor(self._supervisor, message.armed, self._time())
        self._show()

    def _on_supervisor_lost(self) -> None:
        self.watchdog.lose_supervisor()
        self._show()

    def _on_timer(self) -> None:
        if not self._lockstep:
            self.watchdog.check(self._time())
            self._show()

    def _beat(self) -> None:
        self.watchdog.count(self.count_publishers(self._commands))
        self._publish()

    def _show(self) -> None:
        """Publish what is news."""
        if self.watchdog.reason != self._shown:
            self._publish()

    def _publish(self) -> None:
        if self.watchdog.reason != self._shown and self.watchdog.damps and self.watchdog.trips:
            sentence = f"Damped: {self.watchdog.reason}"
            if self._supervisor is State.DAMP:  # as it is when it is stopped in order
                self.get_logger().info(sentence)
            else:  # on a line of its own: rclpy refuses a line that logs with another severity than before
                self.get_logger().error(sentence)
        self._shown = self.watchdog.reason
        message = WatchdogState(damp=self.watchdog.damps, reason=self.watchdog.reason)
        message.header.stamp = self.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _report(self) -> Report:
        values: dict[str, object] = {
            "damps": self.watchdog.damps,
            "trips": self.watchdog.trips,
            "commands [Hz]": self._rate.look(time.monotonic()),
            "command age [ms]": self.watchdog.command_age(self._time()) * 1e3,
            "supervisor tied": self._watch.tied > 0,
        }
        if self.watchdog.damps:
            return "error", self.watchdog.reason, values
        return "ok", "The supervisor is watched.", values


def main() -> None:
    """Run the node."""
    run_process(WatchdogNode)


if __name__ == "__main__":
    main()
