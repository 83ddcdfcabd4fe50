# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Commands through the collision monitor: with pictures, without, and with pictures that do not count."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from helpers.robots import state_of
from helpers.ros import Ros
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, Imu, JointState
from std_msgs.msg import Header

from tarsus_core.errors import StateError
from tarsus_core.robot_model import load_robot
from tarsus_nodes.camera_node import camera_info, image
from tarsus_nodes.collision_monitor_node import CollisionMonitorNode, depth_picture
from tarsus_nodes.conversions import imu_message, joint_state_message, stamp_from_seconds, twist
from tarsus_nodes.qos import COMMAND_QOS, sensor_qos
from tarsus_perception.collision_config import CollisionConfig
from tarsus_sim.mounted_camera import CameraModel

ROBOT = load_robot("g1")
MODEL = CameraModel(width=32, height=18)
_DOWN = math.sin(0.8307767) + math.cos(0.8307767) * (np.arange(18) - 8.0) / MODEL.focal_px
FREE = np.tile((1.2439 / _DOWN).astype(np.float32)[:, None], (1, 32))
"""m: the floor, from an eye at 0.77 + 0.4739 m that looks down by 0.8308 rad"""


class Bench:
    """A monitor, a robot with a camera, who commands it, and who listens."""

    def __init__(self, session: Ros, **parameters: Any) -> None:
        self.monitor = session.node(CollisionMonitorNode, parameters=parameters)
        self.session = session
        node = session.node(Node, "world")
        qos = sensor_qos(False)
        self.joints = node.create_publisher(JointState, "joint_states", qos)
        self.imu = node.create_publisher(Imu, "imu/data", qos)
        self.info = node.create_publisher(CameraInfo, "camera/color/camera_info", qos)
        self.depth = node.create_publisher(Image, "camera/depth/image_rect_raw", qos)
        self.command = node.create_publisher(TwistStamped, "cmd_vel", COMMAND_QOS)
        self.heard: list[list[float]] = []
        self.noise_m = 0.0
        node.create_subscription(TwistStamped, "cmd_vel_checked", self.hear, COMMAND_QOS)
        publishers = (self.joints, self.imu, self.info, self.depth, self.command)
        session.spin_until(
            lambda: (
                all(p.get_subscription_count() == 1 for p in publishers)
                and node.count_publishers("cmd_vel_checked") == 1
            ),
            what="the monitor's topics",
        )

    def hear(self, message: TwistStamped) -> None:
        self.heard.append([message.twist.linear.x, message.twist.linear.y, message.twist.angular.z])

    def state(self, stamp_s: float, **changes: Any) -> None:
        state = state_of(ROBOT, stamp_s, **changes)
        self.joints.publish(joint_state_message(state))
        self.imu.publish(imu_message(state, "imu"))

    def picture(self, stamp_s: float, depth: np.ndarray, encoding: str = "32FC1", frozen: bool = False) -> None:
        if not frozen:
            self.noise_m += 1e-5
            depth = np.where(depth > 0.0, depth + np.float32(self.noise_m), depth)
        header = Header(stamp=stamp_from_seconds(stamp_s), frame_id="camera_color_optical_frame")
        info = camera_info(MODEL)
        info.header = header
        self.info.publish(info)
        self.session.spin_for(0.05)  # the topics arrive in any order
        self.depth.publish(image(header, depth, encoding))
        self.session.spin_for(0.05)

    def ask(self, vx: float) -> list[float]:
        before = len(self.heard)
        message = TwistStamped()
        message.twist = twist(np.array([vx, 0.1, 0.2]))
        self.command.publish(message)
        self.session.spin_until(lambda: len(self.heard) > before, what="a command")
        return self.heard[-1]

    def values(self) -> tuple[str, str, dict[str, object]]:
        level, text, values = self.monitor._report()
        return level, text, dict(values)


def test_a_free_way_lets_the_command_through_and_a_silent_camera_stops_the_robot_at_once(session: Ros) -> None:
    bench = Bench(session)
    assert bench.ask(0.5) == [0.0, 0.0, 0.0]  # nothing has been seen yet
    bench.state(1.0)
    bench.picture(1.02, FREE)  # a state of 20 ms before goes with it
    assert bench.ask(0.5) == [0.5, 0.1, 0.2]
    assert bench.values()[0] == "ok"
    count = len(bench.heard)
    session.spin_until(lambda: len(bench.heard) > count, 2.0, "the stop")  # which nobody asked for
    assert bench.heard[-1] == [0.0, 0.0, 0.0]
    assert bench.values()[:2] == ("error", "No depth picture to walk by for 0.5 s: the robot is stopped.")
    session.spin_for(0.3)
    assert len(bench.heard) == count + 1  # said once
    assert bench.ask(0.5) == [0.0, 0.0, 0.0]
    bench.state(3.0)
    bench.picture(3.0, FREE)
    assert bench.ask(0.5) == [0.5, 0.1, 0.2]


def test_something_near_ahead_stops_the_way_forwards_alone(session: Ros) -> None:
    bench = Bench(session)
    near = FREE.copy()
    near[:6] = 0.8  # the upper third of the view: 0.7 m ahead, about, well above the floor
    bench.state(1.0)
    bench.picture(1.0, near)
    assert bench.ask(0.5) == [0.0, 0.1, 0.2]
    assert bench.ask(-0.5) == [-0.5, 0.1, 0.2]
    level, text, values = bench.values()
    assert level == "warn" and text.endswith("m ahead: the robot does not go forwards.")
    assert 0.45 < float(str(values["obstacle [m]"])) < 0.8


def test_a_picture_is_as_old_as_its_stamp_says(session: Ros) -> None:
    bench = Bench(session)
    bench.state(1.0)
    bench.state(1.55)  # the robot is there by now
    session.spin_for(0.05)
    bench.picture(1.0, FREE)
    assert bench.ask(0.5) == [0.0, 0.0, 0.0]
    assert float(str(bench.values()[2]["picture age [s]"])) >= 0.55
    bench.state(1.6)
    bench.picture(1.56, FREE)
    assert bench.ask(0.5) == [0.5, 0.1, 0.2]


@pytest.mark.parametrize("what", ["the same again", "frozen", "no state", "NaN", "covered", "colours", "small"])
def test_pictures_that_show_nothing_new_do_not_count(session: Ros, what: str) -> None:
    bench = Bench(session)
    bench.state(1.0)
    bench.picture(1.0, FREE, frozen=what == "frozen")
    assert bench.ask(0.5)[0] == 0.5
    for k in range(1, 7):  # 0.6 s and more
        stamp_s = 1.0 + 0.1 * k
        if what == "NaN":
            bench.state(stamp_s, joint_position=math.nan)
        elif what != "no state":
            bench.state(stamp_s)
        bench.picture(
            1.0 if what == "the same again" else stamp_s,
            {"covered": np.zeros_like(FREE), "small": FREE[::2, ::2]}.get(what, FREE),
            "rgb8" if what == "colours" else "32FC1",
            frozen=what == "frozen",
        )
    assert bench.ask(0.5) == [0.0, 0.0, 0.0]
    level, text, values = bench.values()
    reasons = {
        "the same again": "",
        "frozen": " (The camera repeats itself: the robot was told to move, and no pixel has changed.)",
        "no state": " (A picture is of a time of which no state is known.)",
        "covered": " (Too few pixels have a depth: is the lens covered?)",
        "small": " (The depth has 16 x 9 pixels, but 'camera/color/camera_info' is of 32 x 18: align depth to colour.)",
        "colours": " (The encoding of the depth is 'rgb8': it must be 32FC1 or 16UC1.)",
    }
    assert level == "error"
    if what in reasons:
        assert text == f"No depth picture to walk by for 0.5 s{reasons[what]}: the robot is stopped."
    assert (values["pictures not used"] == 0) is (what == "the same again")


def test_a_robot_that_stands_may_see_the_same_until_it_is_told_to_move(session: Ros) -> None:
    bench = Bench(session)
    for k in range(8):  # 0.8 s
        bench.state(1.0 + 0.1 * k)
        bench.picture(1.0 + 0.1 * k, FREE, frozen=True)
    assert bench.ask(0.0) == [0.0, 0.1, 0.2]
    assert bench.values()[2]["pictures not used"] == 0
    bench.state(1.8)
    bench.picture(1.8, FREE, frozen=True)
    assert bench.values()[2]["pictures not used"] == 1
    bench.state(1.9)
    bench.picture(1.9, FREE)
    assert bench.ask(0.5) == [0.5, 0.1, 0.2]
    assert bench.values()[2]["pictures not used"] == 1


def test_both_encodings_of_depth(session: Ros) -> None:
    metres = np.array([[0.5, np.inf, 2.0], [1.0, 0.25, np.nan]], dtype=np.float32)
    np.testing.assert_array_equal(depth_picture(image(Header(), metres, "32FC1")), metres)
    millimetres = np.array([[500, 0, 2000], [1000, 250, 65535]], dtype=np.uint16)
    found = depth_picture(image(Header(), millimetres, "16UC1"))
    np.testing.assert_allclose(found, [[0.5, 0.0, 2.0], [1.0, 0.25, 65.535]], rtol=1e-6)
    big = image(Header(), millimetres.astype(">u2"), "16UC1")
    big.is_bigendian = 1
    np.testing.assert_array_equal(depth_picture(big), found)
    padded = image(Header(), np.pad(metres, ((0, 0), (0, 2))), "32FC1")
    padded.width = 3
    np.testing.assert_array_equal(depth_picture(padded), metres)
    short = image(Header(), metres, "32FC1")
    short.height = 3
    with pytest.raises(StateError, match="The depth of 3 x 3 pixels holds 24 bytes"):
        depth_picture(short)


def test_every_threshold_is_a_parameter(session: Ros) -> None:
    node = session.node(CollisionMonitorNode, parameters={"stop_distance_m": 1.5, "least_points": 3})
    assert node.monitor.config == CollisionConfig(stop_distance_m=1.5, least_points=3)
    for field in dataclasses.fields(CollisionConfig):
        descriptor = node.describe_parameter(field.name)
        assert descriptor.description == field.metadata["description"] and descriptor.read_only
