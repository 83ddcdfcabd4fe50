# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""States of a robot at rest, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from tarsus_core.robot_model import RobotModel
from tarsus_core.rotations import quat_from_rpy
from tarsus_core.state import RobotState


def state_of(robot: RobotModel, stamp_s: float, **changes: Any) -> RobotState:
    """State of a robot that rests upright in its default pose; ``changes`` replace fields.

    ``roll`` and ``pitch`` (rad) tilt it; an array field may be given as a scalar for all its elements.
    """
    count = len(robot.joint_names)
    fields: dict[str, Any] = {
        "joint_position": robot.default_pose.copy(),
        "joint_velocity": np.full(count, 1e-12 * stamp_s),  # no sensor repeats itself
        "joint_effort": np.zeros(count),
        "orientation_base_to_world": quat_from_rpy(changes.pop("roll", 0.0), changes.pop("pitch", 0.0), 0.0),
        "angular_velocity_base_in_base": np.zeros(3),
        "linear_acceleration_imu_in_imu": np.array([0.0, 0.0, 9.81 + 1e-6 * stamp_s]),
    }
    for name, value in changes.items():
        fields[name] = np.broadcast_to(np.asarray(value, dtype=np.float64), fields[name].shape).copy()
    return RobotState(stamp_s, robot.joint_names, **fields)
