# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A wire between the nodes that can be damaged: a process that passes messages on, as they are or spoiled.

It stands where the robot's bus and the network are: between the simulator and everybody, and behind the policy. A topic
of the graph is published as ``wire/TOPIC`` by its node and passed on here; commands go the other way.
"""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from rosgraph_msgs.msg import Clock as ClockMsg
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import String
from tarsus_msgs.msg import JointCommand

from tarsus_nodes.faults.damage import Damage
from tarsus_nodes.process import run_process
from tarsus_nodes.qos import COMMAND_QOS, NEWEST_QOS, STATUS_QOS, sensor_qos
from tarsus_nodes.realtime import Realtime

WIRE = "wire/"
SENSORS = ("joint_states", "imu/data")
ALL = (*SENSORS, "clock", "policy/command", "joint_command")
"""topics that pass through; ``joint_command`` towards the simulator"""
TICK_S = 0.002
"""steady time between two looks at what is delivered late"""

_TYPES = {"joint_states": JointState, "imu/data": Imu, "clock": ClockMsg}
_QOS = {"joint_states": sensor_qos(False), "imu/data": sensor_qos(False), "clock": NEWEST_QOS}


def remappings(node: str) -> tuple[str, ...]:
    """ROS arguments that lead a node's topics over the wire."""
    topics = {"sim": ("joint_states", "imu/data", "clock", "joint_command"), "policy": ("policy/command",)}
    return tuple(word for topic in topics.get(node, ()) for word in ("-r", f"{topic}:={WIRE}{topic}"))


class FaultRelay(Node):
    """Node ``fault_relay``.

    Subscribes ``faults/inject`` (JSON: id, topics, kind, value; an empty kind mends all); publishes ``faults/injected``
    (JSON: id and the steady time at which the first message was spoiled), which every process of this machine can
    compare with its own.
    """

    def __init__(self, **node_arguments: Any) -> None:
        """Begin to pass messages on."""
        super().__init__("fault_relay", start_parameter_services=False, **node_arguments)
        self.realtime = Realtime.declare(self)
        self._damages: dict[str, Damage] = {}
        self._asked: int | None = None
        self._late: list[tuple[float, int, str, bytes]] = []
        self._count = 0
        self._told = self.create_publisher(String, "faults/injected", STATUS_QOS)
        self.create_subscription(String, "faults/inject", self._on_inject, STATUS_QOS)
        self._outlets: dict[str, Publisher] = {}
        for topic in ALL:
            kind, qos = _TYPES.get(topic, JointCommand), _QOS.get(topic, COMMAND_QOS)
            inward, outward = (topic, WIRE + topic) if topic == "joint_command" else (WIRE + topic, topic)
            self._outlets[topic] = self.create_publisher(kind, outward, qos)
            self.create_subscription(kind, inward, self._passing(topic), qos, raw=True)
        self.create_timer(TICK_S, self._deliver_late, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _on_inject(self, message: String) -> None:
        asked: dict[str, Any] = json.loads(message.data)
        self._damages.clear()
        self._asked = None
        if asked["kind"]:
            for topic in asked["topics"]:
                sensed = topic in SENSORS  # angles and IMU of one moment are one packet of a robot's bus
                seed = 1000 * asked["id"] + (0 if sensed else 1 + ALL.index(topic))
                kind = _TYPES.get(topic, JointCommand)
                self._damages[topic] = Damage(asked["kind"], asked["value"], kind, seed, by_stamp=sensed)
            self._asked = asked["id"]
        else:
            self._late.clear()
            self._tell(asked["id"])

    def _passing(self, topic: str) -> Callable[[bytes], None]:
        def on_message(data: bytes) -> None:
            damage = self._damages.get(topic)
            if damage is None:
                self._outlets[topic].publish(data)
                return
            now_s = time.monotonic()
            if self._asked is not None:
                self._tell(self._asked)
                self._asked = None
            for at_s, one in damage.apply(data, now_s):
                if at_s <= now_s:
                    self._outlets[topic].publish(one)
                else:
                    self._count += 1
                    heapq.heappush(self._late, (at_s, self._count, topic, one))

        return on_message

    def _deliver_late(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic():
            _, _, topic, data = heapq.heappop(self._late)
            self._outlets[topic].publish(data)

    def _tell(self, number: int) -> None:
        self._told.publish(String(data=json.dumps({"id": number, "time_s": time.monotonic()})))


def main() -> None:
    """Run the node."""
    run_process(FaultRelay)


if __name__ == "__main__":
    main()
