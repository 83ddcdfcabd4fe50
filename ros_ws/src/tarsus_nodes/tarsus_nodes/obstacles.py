# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What forbids a supervisor to command the robot: a rival, a pressed emergency stop, a watchdog that is not there."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from rclpy.node import Node
from std_msgs.msg import Bool
from tarsus_msgs.msg import WatchdogState

from tarsus_nodes.conversions import damping_reason
from tarsus_nodes.lifeline import WATCHDOG, LifelineWatch
from tarsus_nodes.qos import STATUS_QOS, subscribe_to_any

WATCHDOG_SILENT_S = 0.5
"""s without a word of the watchdog, which speaks each 0.1 s, at which the robot is damped"""
EMERGENCY_STOP = "The emergency stop is pressed: release it, then reset and arm the supervisor."


class Obstacles:
    """Looks for what forbids to command, and says it in one sentence each time it may have changed."""

    def __init__(
        self,
        node: Node,
        sole: Mapping[str, str],
        needs_watchdog: bool,
        clock: Callable[[], float],
        tell: Callable[[str, bool], None],
    ) -> None:
        """Begin to look.

        Args:
            node: of the supervisor.
            sole: topics that may have one publisher each, resolved (counting publishers follows no remapping), and the
                name of the node that is to be the one.
            needs_watchdog: whether the watchdog process must be there.
            clock: gives the time in s by which the watchdog's silence is told: simulated where all ages are, so that a
                simulator that is held up is no fault of the watchdog.
            tell: called in the node's executor with the obstacle, empty if there is none, and whether it is the
                emergency stop, which damps in any state.
        """
        self._node = node
        self._sole = sole
        self._needs_watchdog = needs_watchdog
        self._tell = tell
        self._clock = clock
        self._pressed = False
        self._watchdog_reason = ""
        self._watchdog_s = -math.inf
        self._line = LifelineWatch(node, WATCHDOG, self.look)
        node.create_subscription(WatchdogState, "watchdog/state", self._on_watchdog, STATUS_QOS)
        subscribe_to_any(node, Bool, "emergency_stop", self._on_emergency_stop, said_once=True)

    @property
    def watched(self) -> bool:
        """Whether the process of a watchdog is there."""
        return self._line.tied > 0

    def close(self) -> None:
        """Stop to look."""
        self._line.close()

    def look(self) -> None:
        """Look now, and tell."""
        self._tell(self._sentence(), self._pressed)

    def _on_watchdog(self, message: WatchdogState) -> None:
        self._watchdog_s = self._clock()
        self._watchdog_reason = damping_reason(message)
        self.look()

    def _on_emergency_stop(self, message: Bool) -> None:
        """The button of a remote or on a wall."""
        self._pressed = message.data
        self.look()

    def _sentence(self) -> str:
        return EMERGENCY_STOP if self._pressed else self._rivals() or self._watchdog()

    def _rivals(self) -> str:
        """Two that command one robot are one too many, whichever is right."""
        for topic, name in self._sole.items():
            count = self._node.count_publishers(topic)
            if count > 1:
                return (
                    f"There are {count} publishers of '{topic.lstrip('/')}' on ROS domain "
                    f"{self._node.context.get_domain_id()}: end all but one {name} (one that was killed counts for "
                    "about 10 s)."
                )
        return ""

    def _watchdog(self) -> str:
        if not self._needs_watchdog:
            return ""
        if self._watchdog_reason:
            return f"The watchdog damps the robot: {self._watchdog_reason}"
        if self._line.refusal:
            return (
                f"Another supervisor of ROS domain {self._node.context.get_domain_id()} holds the line to the watchdog "
                f"({self._line.refusal}): end it."
            )
        if not self.watched:
            return "There is no watchdog: start the node 'watchdog', as the launch files do."
        if abs(self._clock() - self._watchdog_s) > WATCHDOG_SILENT_S:  # a clock that was set back tells nothing
            return f"The watchdog has been silent for {WATCHDOG_SILENT_S * 1e3:g} ms: start it anew."
        return ""
