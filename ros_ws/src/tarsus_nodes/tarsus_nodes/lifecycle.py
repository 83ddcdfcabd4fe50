# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Activation without a manager: a lifecycle node that configures and activates itself, when a launch file says so."""

from __future__ import annotations

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn

from tarsus_core.errors import TarsusError
from tarsus_nodes.parameters import declare
from tarsus_nodes.process import Finished


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
