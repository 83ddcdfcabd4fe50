# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Where the robot is, as nav_msgs/Odometry: pose in the parent frame, velocity in the child frame (REP-105)."""

from __future__ import annotations

import numpy as np
from nav_msgs.msg import Odometry
from numpy.typing import NDArray

from tarsus_core.rotations import quat_rotate_inverse
from tarsus_core.state import GroundTruth, RobotState
from tarsus_nodes.conversions import stamp_from_seconds

Array = NDArray[np.float64]


def odometry_message(state: RobotState, truth: GroundTruth, frame_id: str, child_frame_id: str) -> Odometry:
    """Odometry of one robot from what only the simulator knows; covariance 0 means unknown."""
    message = Odometry()
    message.header.stamp = stamp_from_seconds(state.stamp_s)
    message.header.frame_id = frame_id
    message.child_frame_id = child_frame_id
    quat = state.orientation_base_to_world
    linear = quat_rotate_inverse(quat, truth.linear_velocity_base_in_world)
    p, o, twist = message.pose.pose.position, message.pose.pose.orientation, message.twist.twist
    p.x, p.y, p.z = (float(v) for v in truth.position_base_in_world)
    o.x, o.y, o.z, o.w = (float(v) for v in quat)
    twist.linear.x, twist.linear.y, twist.linear.z = (float(v) for v in linear)
    w = twist.angular
    w.x, w.y, w.z = (float(v) for v in state.angular_velocity_base_in_base)
    return message


def pose_of(message: Odometry) -> tuple[Array, Array]:
    """Position (3,) in m and orientation (4,) xyzw of the base in the parent frame."""
    p, o = message.pose.pose.position, message.pose.pose.orientation
    return np.array([p.x, p.y, p.z]), np.array([o.x, o.y, o.z, o.w])
