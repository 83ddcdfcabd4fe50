# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The clock by which a node tells how old something is."""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.node import Node


def age_clock(node: Node) -> Callable[[], float]:
    """Return a function that gives the time in s: of ``clock`` if the node has use_sim_time, else of a steady clock.

    System time, which ROS nodes have by default, may jump. Simulated time stands still when the simulator is held up,
    and so does the robot: nothing has grown old.
    """
    if node.get_parameter("use_sim_time").value:
        clock = node.get_clock()
        return lambda: clock.now().nanoseconds * 1e-9
    return time.monotonic
