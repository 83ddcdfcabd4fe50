# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``collision_monitor``: stops the robot before what its camera sees, and where its camera sees nothing."""

from __future__ import annotations

import os
import time
from collections import deque
from functools import partial
from typing import Any

import numpy as np
from geometry_msgs.msg import TwistStamped
from numpy.typing import NDArray
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image, Imu, JointState

from tarsus_core.errors import StateError
from tarsus_core.robot_model import load_robot
from tarsus_nodes.age_clock import age_clock
from tarsus_nodes.conversions import (
    nanoseconds_from_stamp,
    robot_state,
    serialized_stamp_ns,
    twist,
    velocity_command,
)
from tarsus_nodes.diagnostics import Diagnostics, Latency, Rate, Report
from tarsus_nodes.pairing import Pairing
from tarsus_nodes.parameters import declare, declare_config
from tarsus_nodes.process import run_process
from tarsus_nodes.qos import COMMAND_QOS, sensor_qos
from tarsus_perception.collision_config import CollisionConfig
from tarsus_perception.collision_monitor import CollisionMonitor
from tarsus_perception.obstacle import ObstacleFinder

CHECK_PERIOD_S = 0.05
"""s between two looks at whether the camera has fallen silent"""
MEMORY = 200
"""states that wait for a picture of their time: one second of them"""
NICE = 5
"""added to the process's niceness: what keeps the robot upright comes first, what stops it before the camera itself"""


class CollisionMonitorNode(Node):
    """Passes ``cmd_vel`` on as ``cmd_vel_checked``, as far as ``camera/depth/image_rect_raw`` allows.

    A picture counts once it comes with intrinsics (``camera/color/camera_info``: depth is aligned to colour) and with
    the robot's state of its time. Where none comes for ``picture_timeout_s``, zero velocity is published at once.
    """

    def __init__(self, **node_arguments: Any) -> None:
        """Declare the parameters, and begin blind."""
        super().__init__("collision_monitor", **node_arguments)
        robot = load_robot(declare(self, "robot", "g1", "Robot: a name or a YAML file"))
        config = declare_config(self, CollisionConfig)
        self._finder = ObstacleFinder(robot, config)
        self.monitor = CollisionMonitor(config)
        self._names = robot.joint_names
        self._time = age_clock(self)
        self._pairing = Pairing("joint_states", "imu/data")
        self._states: deque[tuple[int, dict[str, bytes]]] = deque(maxlen=MEMORY)
        self._intrinsics: NDArray[np.float64] | None = None
        self._shape = (0, 0)
        self._shown_ns = -1
        self._shown: Image | None = None
        self._moved = False  # since that picture was shown first
        self._unusable, self._reason = 0, ""
        self._moves = False
        self._was_blind = True
        self._rate, self._latency = Rate(time.monotonic()), Latency()
        self._publisher = self.create_publisher(TwistStamped, "cmd_vel_checked", COMMAND_QOS)
        self.create_subscription(TwistStamped, "cmd_vel", self._on_velocity, COMMAND_QOS)
        qos = sensor_qos(False)
        for kind, topic in ((JointState, "joint_states"), (Imu, "imu/data")):
            self.create_subscription(kind, topic, partial(self._on_sensor, topic), qos, raw=True)
        self.create_subscription(CameraInfo, "camera/color/camera_info", self._on_info, qos)
        self.create_subscription(Image, "camera/depth/image_rect_raw", self._on_depth, qos)
        self.create_timer(CHECK_PERIOD_S, self._check, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._diagnostics = Diagnostics(self, self._report, robot.name)

    # ---- what the robot sees ----

    def _on_sensor(self, topic: str, data: bytes) -> None:
        try:
            stamp_ns = serialized_stamp_ns(data)
        except StateError:
            return  # the policy and the supervisor say so
        both = self._pairing.add(topic, stamp_ns, data)
        if both is not None:
            if self._states and stamp_ns < self._states[-1][0]:  # the clock was set back
                self._states.clear()
            self._states.append((stamp_ns, both))

    def _on_info(self, message: CameraInfo) -> None:
        k = np.reshape(message.k, (3, 3))
        if np.isfinite(k).all() and k[0, 0] > 0.0 and k[1, 1] > 0.0:
            self._intrinsics, self._shape = k, (message.height, message.width)

    def _on_depth(self, message: Image) -> None:
        began = time.monotonic()
        stamp_ns = nanoseconds_from_stamp(message.header.stamp)
        if stamp_ns == self._shown_ns:  # a camera that repeats itself sees nothing
            return
        try:
            distance_m = self._look(stamp_ns, message)
        except StateError as error:
            self._unusable += 1
            self._reason = str(error)
            return
        if self._shown is None or self._shown.data != message.data:
            self._moved = self._moves
        self._shown, self._shown_ns, self._reason = message, stamp_ns, ""
        late_s = max(0, self._states[-1][0] - stamp_ns) * 1e-9  # what is old when it comes is as old as it is
        self.monitor.see(distance_m, self._time() - late_s)
        self._rate.count()
        self._latency.add(time.monotonic() - began)

    def _look(self, stamp_ns: int, message: Image) -> float:
        if self._intrinsics is None:
            raise StateError("No 'camera/color/camera_info' has come yet.")
        if self._moved and self._shown is not None and self._shown.data == message.data:
            raise StateError("The camera repeats itself: the robot was told to move, and no pixel has changed.")
        pixels = depth_picture(message)
        if pixels.shape != self._shape:
            (rows, columns), (high, wide) = pixels.shape, self._shape
            raise StateError(
                f"The depth has {columns} x {rows} pixels, but 'camera/color/camera_info' is of {wide} x {high}: "
                "align depth to colour."
            )
        found = min(self._states, key=lambda state: abs(state[0] - stamp_ns), default=None)
        if found is None or abs(found[0] - stamp_ns) > 1e9 * self.monitor.config.state_gap_s:
            raise StateError("A picture is of a time of which no state is known.")
        try:
            joints = deserialize_message(found[1]["joint_states"], JointState)
            imu = deserialize_message(found[1]["imu/data"], Imu)
        except RuntimeError:  # RMWError, which has no public name
            raise StateError("A message on 'joint_states' or 'imu/data' is cut short.") from None
        state = robot_state(joints, imu, self._names)
        state.check()
        angles = dict(zip(state.joint_names, state.joint_position.tolist(), strict=True))
        distance_m = self._finder.distance(pixels, self._intrinsics, angles, state.orientation_base_to_world)
        if distance_m is None:
            raise StateError("Too few pixels have a depth: is the lens covered?")
        return distance_m

    # ---- what it may do ----

    def _on_velocity(self, message: TwistStamped) -> None:
        allowed = self.monitor.limit(velocity_command(message.twist), self._time())
        message.twist = twist(allowed)
        self._publisher.publish(message)
        self._moves = bool(allowed.any())
        self._moved = self._moved or self._moves

    def _check(self) -> None:
        """Stop a robot whose camera has fallen silent, without waiting for the next command."""
        blind = self.monitor.blind(self._time())
        if blind and self._moves:
            message = TwistStamped()
            message.header.stamp = self.get_clock().now().to_msg()
            message.header.frame_id = "base_link"
            self._publisher.publish(message)
            self._moves = False
        if blind and not self._was_blind:
            self.get_logger().warning(self._blindness())
        self._was_blind = blind

    def _blindness(self) -> str:
        timeout_s = self.monitor.config.picture_timeout_s
        why = f" ({self._reason})" if self._reason else ""
        return f"No depth picture to walk by for {timeout_s:g} s{why}: the robot is stopped."

    def _report(self) -> Report:
        monitor, now = self.monitor, self._time()
        values: dict[str, object] = {
            "pictures [Hz]": self._rate.look(time.monotonic()),
            "picture age [s]": monitor.age(now),
            "pictures not used": self._unusable,
            "last reason": self._reason,
            "obstacle [m]": monitor.distance_m,
            "forwards at most [m/s]": monitor.most_forward(now),
            **self._latency.values("time to look"),
        }
        if monitor.blind(now):
            return "error", self._blindness(), values
        if monitor.most_forward(now) <= 0.0:
            return "warn", f"Something is {monitor.distance_m:.2f} m ahead: the robot does not go forwards.", values
        return "ok", "The way is judged.", values


def depth_picture(message: Image) -> NDArray[np.float32]:
    """Depth (height, width) in m of a picture in either encoding of REP-118: 32FC1 in m, 16UC1 in mm.

    Raises:
        StateError: for another encoding, byte order or length.
    """
    kinds: dict[str, tuple[np.dtype[Any], float]] = {
        "32FC1": (np.dtype(np.float32), 1.0),
        "16UC1": (np.dtype(np.uint16), 1e-3),
    }
    if message.encoding not in kinds:
        raise StateError(f"The encoding of the depth is '{message.encoding}': it must be 32FC1 or 16UC1.")
    kind, scale = kinds[message.encoding]
    row = message.width * kind.itemsize
    if not message.height or not row or message.step < row or len(message.data) != message.step * message.height:
        raise StateError(f"The depth of {message.width} x {message.height} pixels holds {len(message.data)} bytes.")
    rows = np.frombuffer(message.data, dtype=np.uint8).reshape(message.height, message.step)[:, :row]
    pixels = np.ascontiguousarray(rows).view(kind.newbyteorder(">" if message.is_bigendian else "<"))
    return (pixels * scale).astype(np.float32)


def main() -> None:
    """Run the node."""
    os.nice(NICE)
    run_process(CollisionMonitorNode)


if __name__ == "__main__":
    main()
