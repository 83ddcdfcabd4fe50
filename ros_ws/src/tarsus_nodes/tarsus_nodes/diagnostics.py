# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What every node says of itself once a second on ``diagnostics``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

from tarsus_nodes.sim_timing import percentiles_ms

Report = tuple[str, str, Mapping[str, object]]
"""Level (``ok``, ``warn`` or ``error``), one sentence, and values by name."""

_LEVELS = {"ok": DiagnosticStatus.OK, "warn": DiagnosticStatus.WARN, "error": DiagnosticStatus.ERROR}


WINDOW = 3000
"""values that a ``Latency`` keeps: of the last minute at 50 Hz, whatever the robot did in it"""


class Diagnostics:
    """Publishes a report of the node at 1 Hz of the steady clock, whatever happens to simulated or wall time."""

    def __init__(self, node: Node, report: Callable[[], Report], hardware_id: str = "") -> None:
        """Ask ``report`` once a second and publish what it says."""
        self._node = node
        self._report = report
        self._hardware_id = hardware_id
        self._publisher = node.create_publisher(DiagnosticArray, "diagnostics", 10)
        self._timer = node.create_timer(1.0, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def publish(self) -> None:
        """Publish a report now."""
        level, text, values = self._report()
        status = DiagnosticStatus(
            level=_LEVELS[level],
            name=self._node.get_fully_qualified_name().lstrip("/"),
            message=text,
            hardware_id=self._hardware_id,
            values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)


class Rate:
    """How often something happens, between two looks at it."""

    def __init__(self, now_s: float) -> None:
        """Start to count at ``now_s``."""
        self._count = 0
        self._since_s = now_s

    def count(self) -> None:
        """Note that it happened."""
        self._count += 1

    def look(self, now_s: float) -> float:
        """Return events per second since the last look, in Hz."""
        elapsed, count = now_s - self._since_s, self._count
        self._count, self._since_s = 0, now_s
        return count / elapsed if elapsed > 0.0 else 0.0


class Latency:
    """How long something took, over the last ``WINDOW`` values."""

    def __init__(self, memory: int = WINDOW) -> None:
        """Keep so many values."""
        self._values_s: deque[float] = deque(maxlen=memory)

    def add(self, duration_s: float) -> None:
        """Take a duration."""
        self._values_s.append(duration_s)

    def values(self, name: str) -> dict[str, object]:
        """Median, 99th percentile and largest, for a report."""
        found = percentiles_ms(self._values_s, len(self._values_s))
        return {f"{name} {key} [ms]": value for key, value in found.items()}


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
