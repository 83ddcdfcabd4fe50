# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``camera``: the camera on the simulated robot, in a process of its own."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Header

from tarsus_core.robot_model import load_robot
from tarsus_nodes.conversions import nanoseconds_from_stamp
from tarsus_nodes.diagnostics import Diagnostics, Latency, Rate, Report
from tarsus_nodes.odometry import pose_of
from tarsus_nodes.pairing import Pairing
from tarsus_nodes.parameters import declare
from tarsus_nodes.process import run_process
from tarsus_nodes.qos import NEWEST_QOS, sensor_qos
from tarsus_sim.mounted_camera import HEIGHT_RANGE_PX, VIEW_RANGE_DEG, WIDTH_RANGE_PX, CameraModel, MountedCamera

OPTICAL_FRAME = "camera_color_optical_frame"
"""x to the right, y down, z along the view (REP-103)"""
NICE = 10
"""added to the process's niceness: what moves the robot comes first"""


class CameraNode(Node):
    """Renders what the robot's camera sees, from ``joint_states`` and ``ground_truth/odom`` of one stamp.

    Publishes ``camera/color/image_raw`` (rgb8), ``camera/depth/image_rect_raw`` (32FC1, m; infinite beyond the range)
    and ``camera/color/camera_info``, all with the stamp of the state that is shown. A picture that would come before
    its time is not made, and states that come while one is made are not shown.
    """

    def __init__(self, **node_arguments: Any) -> None:
        """Declare the parameters, and load the scene."""
        super().__init__("camera", **node_arguments)
        robot = load_robot(declare(self, "robot", "g1", "Robot: a name or a YAML file"))
        self._period_ns = round(
            1e9 / declare(self, "rate_hz", 10.0, "Pictures a second, at most [Hz]", limits=(0.1, 60.0))
        )
        plain = CameraModel()
        self._camera = MountedCamera(
            robot,
            CameraModel(
                width=declare(self, "width", plain.width, "Of the pictures [px]", limits=WIDTH_RANGE_PX),
                height=declare(self, "height", plain.height, "Of the pictures [px]", limits=HEIGHT_RANGE_PX),
                field_of_view_deg=declare(
                    self, "field_of_view_deg", plain.field_of_view_deg, "Horizontal [deg]", limits=VIEW_RANGE_DEG
                ),
            ),
        )
        self._info = camera_info(self._camera.model)
        self._color = self.create_publisher(Image, "camera/color/image_raw", sensor_qos(False))
        self._depth = self.create_publisher(Image, "camera/depth/image_rect_raw", sensor_qos(False))
        self._infos = self.create_publisher(CameraInfo, "camera/color/camera_info", sensor_qos(False))
        self._pairing = Pairing("joint_states", "odom")
        self.create_subscription(JointState, "joint_states", self._on_joints, sensor_qos(False))
        self.create_subscription(Odometry, "ground_truth/odom", self._on_odometry, NEWEST_QOS)
        self._shown_ns = -self._period_ns
        self._rate, self._latency, self._unusable = Rate(time.monotonic()), Latency(), 0
        self._diagnostics = Diagnostics(self, self._report, robot.name)

    def destroy_node(self) -> None:
        """Close the scene, too."""
        self._camera.close()
        super().destroy_node()

    def _on_joints(self, message: JointState) -> None:
        self._take("joint_states", message)

    def _on_odometry(self, message: Odometry) -> None:
        self._take("odom", message)

    def _take(self, topic: str, message: JointState | Odometry) -> None:
        stamp_ns = nanoseconds_from_stamp(message.header.stamp)
        if 0 <= stamp_ns - self._shown_ns < self._period_ns:
            return
        both = self._pairing.add(topic, stamp_ns, message)
        if both is not None:
            self._show(both["joint_states"], both["odom"])
            self._shown_ns = stamp_ns

    def _show(self, joints: JointState, odometry: Odometry) -> None:
        began = time.monotonic()
        position, orientation = pose_of(odometry)
        angles = np.array(joints.position)
        if len(angles) != len(joints.name) or not np.isfinite([*angles, *position, *orientation]).all():
            self._unusable += 1
            return
        try:
            color, depth = self._camera.render(position, orientation, tuple(joints.name), angles)
        except KeyError:  # a joint that the robot does not have
            self._unusable += 1
            return
        header = Header(stamp=odometry.header.stamp, frame_id=OPTICAL_FRAME)
        self._info.header = header
        self._color.publish(image(header, color, "rgb8"))
        self._depth.publish(image(header, depth, "32FC1"))
        self._infos.publish(self._info)
        self._rate.count()
        self._latency.add(time.monotonic() - began)

    def _report(self) -> Report:
        rate = self._rate.look(time.monotonic())
        values: dict[str, object] = {
            "pictures [Hz]": rate,
            "unusable states": self._unusable,
            **self._latency.values("time to render"),
        }
        if rate <= 0.0:
            return "warn", "No state to show has come in the last second.", values
        return "ok", "The camera sees.", values


def camera_info(model: CameraModel) -> CameraInfo:
    """Intrinsics of a camera without distortion."""
    message = CameraInfo(width=model.width, height=model.height, distortion_model="plumb_bob", d=[0.0] * 5)
    k = model.intrinsics()
    message.k = k.ravel().tolist()
    message.r = np.eye(3).ravel().tolist()
    message.p = np.hstack([k, np.zeros((3, 1))]).ravel().tolist()
    return message


def image(header: Header, pixels: NDArray[Any], encoding: str) -> Image:
    """Message of pixels (height, width) or (height, width, channels), row by row."""
    rows = np.ascontiguousarray(pixels)
    message = Image(header=header, height=rows.shape[0], width=rows.shape[1], encoding=encoding, step=rows.strides[0])
    message.data = rows.tobytes()
    return message


def main() -> None:
    """Run the node."""
    os.nice(NICE)
    run_process(CameraNode)


if __name__ == "__main__":
    main()
