# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The quality of service of every topic of the graph, so that publisher and subscriber always match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy


def _profile(depth: int, reliability: ReliabilityPolicy, durability: DurabilityPolicy) -> QoSProfile:
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)


COMMAND_QOS = _profile(1, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""Commands (cmd_vel, and in real time joint_command and policy/command): the newest counts, and it must arrive."""


def command_qos(lockstep: bool) -> QoSProfile:
    """Commands, with room for a few in lockstep, where none may be overtaken by the next."""
    return _profile(10, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE) if lockstep else COMMAND_QOS


ANSWER_QOS = _profile(10, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
"""The supervisor's answers (joint_command) in lockstep: who joins while the simulator holds hears the last one, since
there is none to come."""


STATUS_QOS = _profile(10, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)
"""Status that a late subscriber must see at once, in order (supervisor/state)."""


OPEN_QOS = _profile(10, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
"""A subscription that hears every publisher."""


EVENT_QOS = _profile(10, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""ROS's default: what is said once must arrive."""


def subscribe_to_any(
    node: Node, kind: type, topic: str, callback: Callable[[Any], None], said_once: bool = False
) -> None:
    """Hear a status that other people's nodes publish, whatever their quality of service, perhaps several times.

    A subscription with ``STATUS_QOS`` alone would not hear a publisher with ROS's default, and one with ``OPEN_QOS``
    alone not what was said before it was there, nor again what was lost on the way. What is ``said_once``, not again
    and again, must not be lost: ``EVENT_QOS`` hears it for sure from a publisher with ROS's default.
    """
    for qos in (STATUS_QOS, EVENT_QOS, OPEN_QOS) if said_once else (STATUS_QOS, OPEN_QOS):
        node.create_subscription(kind, topic, callback, qos)


NEWEST_QOS = _profile(1, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
"""The newest counts (clock), or is enough (ground truth, for who shows it)."""


TRUTH_QOS = _profile(2000, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
"""Ground truth: what is measured from it must not depend on how busy the one is that measures; 40 s of it wait."""


def sensor_qos(lockstep: bool) -> QoSProfile:
    """Sensors (joint_states, imu/data).

    In real time best effort with a short queue: a late reading is worth nothing. In lockstep each reading counts, so
    both ends are reliable with room for every physics step of a control period; a best-effort subscriber (a viewer)
    still matches.
    """
    if lockstep:
        return _profile(50, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)
    return _profile(5, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)
