# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures on the wire: of which state, how often, in which shape; and what is no state to show."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers.robots import state_of
from helpers.ros import Ros
from nav_msgs.msg import Odometry
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, JointState

from tarsus_core.errors import RobotModelError
from tarsus_core.robot_model import load_robot
from tarsus_nodes.camera_node import CameraNode
from tarsus_nodes.conversions import joint_state_message, nanoseconds_from_stamp, stamp_from_seconds
from tarsus_nodes.qos import TRUTH_QOS, sensor_qos

ROBOT = load_robot("g1")
SMALL = {"width": 32, "height": 18}


class Bench:
    """A camera, somebody who tells states, and somebody who looks at pictures."""

    def __init__(self, session: Ros, **parameters: Any) -> None:
        self.camera = session.node(CameraNode, parameters={**SMALL, **parameters})
        self.session = session
        node = session.node(Node, "world")
        self.joints = node.create_publisher(JointState, "joint_states", sensor_qos(False))
        self.odometry = node.create_publisher(Odometry, "ground_truth/odom", TRUTH_QOS)
        self.heard: dict[str, list[Any]] = {"color": [], "depth": [], "info": []}
        for name, kind, topic in (
            ("color", Image, "camera/color/image_raw"),
            ("depth", Image, "camera/depth/image_rect_raw"),
            ("info", CameraInfo, "camera/color/camera_info"),
        ):
            node.create_subscription(kind, topic, self.heard[name].append, sensor_qos(False))
        session.spin_until(
            lambda: (
                self.joints.get_subscription_count() == self.odometry.get_subscription_count() == 1
                and node.count_publishers("camera/color/camera_info") == 1
            ),
            what="the camera's topics",
        )

    def tell(self, stamp_s: float, change: Callable[[JointState], None] = lambda message: None) -> None:
        joints = joint_state_message(state_of(ROBOT, stamp_s))
        change(joints)
        self.joints.publish(joints)
        odometry = Odometry()
        odometry.header.stamp = stamp_from_seconds(stamp_s)
        odometry.pose.pose.position.z = ROBOT.base_height_m
        odometry.pose.pose.orientation.w = 1.0
        self.odometry.publish(odometry)

    def shown(self) -> list[float]:
        """Stamps in s of what came on all three topics."""
        stamps = [[nanoseconds_from_stamp(m.header.stamp) / 1e9 for m in heard] for heard in self.heard.values()]
        assert all(heard == stamps[0] for heard in stamps)
        return stamps[0]

    def wait(self, pictures: int) -> None:
        self.session.spin_until(
            lambda: all(len(heard) >= pictures for heard in self.heard.values()), what=f"{pictures} pictures"
        )


def test_colour_depth_and_intrinsics_come_with_the_stamp_of_the_state(session: Ros) -> None:
    bench = Bench(session)
    bench.tell(1.5)
    bench.wait(1)
    assert bench.shown() == [1.5]
    color, depth, info = (bench.heard[name][0] for name in ("color", "depth", "info"))
    assert (color.encoding, color.width, color.height, color.step, len(color.data)) == ("rgb8", 32, 18, 96, 1728)
    assert (depth.encoding, depth.width, depth.height, depth.step) == ("32FC1", 32, 18, 128)
    assert {m.header.frame_id for m in (color, depth, info)} == {"camera_color_optical_frame"}
    metres = np.frombuffer(bytes(depth.data), dtype=np.float32).reshape(18, 32)
    # half a pixel above the middle row the axis meets the floor: eye at 0.77 + 0.4739 m, looking down by 0.8308 rad
    assert metres[8, 16] == pytest.approx((ROBOT.base_height_m + 0.47387) / math.sin(0.8307767), rel=1e-3)
    f = 16.0 / math.tan(math.radians(34.7))
    assert list(info.k) == pytest.approx([f, 0.0, 16.0, 0.0, f, 8.0, 0.0, 0.0, 1.0])
    assert list(info.p) == pytest.approx([f, 0.0, 16.0, 0.0, 0.0, f, 8.0, 0.0, 0.0, 0.0, 1.0, 0.0])
    assert (info.distortion_model, list(info.d)) == ("plumb_bob", [0.0] * 5)


def test_no_more_pictures_than_were_asked_for_and_none_of_two_states(session: Ros) -> None:
    bench = Bench(session, rate_hz=10.0)
    for stamp_s in (1.0, 1.05, 1.09, 1.1):
        bench.tell(stamp_s)
        session.spin_for(0.05)
    bench.wait(2)
    assert bench.shown() == [1.0, 1.1]
    bench.joints.publish(joint_state_message(state_of(ROBOT, 1.3)))  # nobody says where the robot is then
    session.spin_for(0.1)
    bench.tell(1.31)
    bench.wait(3)
    assert bench.shown() == [1.0, 1.1, 1.31]
    bench.tell(0.2)  # the simulator began anew
    bench.wait(4)
    assert bench.shown()[-1] == 0.2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m.position.__setitem__(3, math.nan),
        lambda m: m.position.pop(),
        lambda m: m.name.__setitem__(3, "tail_joint"),
    ],
    ids=["not a number", "cut short", "of another robot"],
)
def test_what_is_no_state_is_not_shown_and_the_next_one_is(session: Ros, spoil: Callable[[JointState], Any]) -> None:
    bench = Bench(session)
    bench.tell(1.0, spoil)
    session.spin_for(0.1)
    assert bench.camera._report()[2]["unusable states"] == 1
    bench.tell(2.0)
    bench.wait(1)
    assert bench.shown() == [2.0]


def test_it_says_how_often_it_sees(session: Ros) -> None:
    bench = Bench(session)
    assert bench.camera._report()[:2] == ("warn", "No state to show has come in the last second.")
    bench.tell(1.0)
    bench.wait(1)
    level, _, values = bench.camera._report()
    assert level == "ok" and float(str(values["pictures [Hz]"])) > 0.0


def test_a_robot_that_is_not_known_is_one_sentence(session: Ros) -> None:
    with pytest.raises(RobotModelError, match="nobody"):
        session.node(CameraNode, parameters={"robot": "nobody"})
