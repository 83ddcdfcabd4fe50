# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The camera on the robot: where it is, what it sees of the floor, and that its intrinsics say so to the millimetre."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tarsus_core.errors import ConfigError, RobotModelError
from tarsus_core.robot_model import load_robot
from tarsus_core.rotations import quat_from_rpy
from tarsus_sim.mounted_camera import CameraModel, MountedCamera

ROBOT = load_robot("g1")
HEIGHT_M = 1.0
"""of the base above the floor"""
BASE = np.array([0.0, 0.0, HEIGHT_M])
LEVEL = quat_from_rpy(0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def camera() -> Iterator[MountedCamera]:
    made = MountedCamera(ROBOT, CameraModel(width=160, height=90))
    yield made
    made.close()


def see(camera: MountedCamera, roll: float = 0.0, pitch: float = 0.0, **joints: float) -> tuple[np.ndarray, np.ndarray]:
    angles = pose_with(**joints)
    return camera.render(BASE, quat_from_rpy(roll, pitch, 0.0), tuple(angles), np.array(list(angles.values())))


def pose_with(**joints: float) -> dict[str, float]:
    return dict(zip(ROBOT.joint_names, ROBOT.default_pose.tolist(), strict=True)) | joints


def test_intrinsics_of_the_data_sheet() -> None:
    model = CameraModel()
    assert model.focal_px == pytest.approx(160.0 / math.tan(math.radians(34.7)))  # 231.07
    assert 2.0 * math.degrees(math.atan(90.0 / model.focal_px)) == pytest.approx(42.5, abs=0.1)  # high
    np.testing.assert_allclose(model.intrinsics()[:2, 2], [160.0, 89.0])


def test_it_sits_in_the_head_and_looks_down(camera: MountedCamera) -> None:
    eye, axes = camera.pose(BASE, LEVEL, pose_with())
    # torso_link is 0.0039635 m behind and 0.044 m above the base; d435_joint adds 0.0576, 0.0175, 0.4299 and 0.8308 rad
    np.testing.assert_allclose(eye, [0.05366, 0.01753, HEIGHT_M + 0.47387], atol=1e-4)
    np.testing.assert_allclose(axes[:, 0], [math.cos(0.8307767), 0.0, -math.sin(0.8307767)], atol=1e-6)
    _, axes = camera.pose(BASE, LEVEL, pose_with(waist_yaw_joint=math.pi / 2.0))
    np.testing.assert_allclose(axes[:, 0], [0.0, math.cos(0.8307767), -math.sin(0.8307767)], atol=1e-6)


@pytest.mark.parametrize(("roll", "pitch"), [(0.0, 0.0), (0.3, -0.2), (-0.4, 0.1)])
def test_every_pixel_of_the_floor_lies_on_the_floor(camera: MountedCamera, roll: float, pitch: float) -> None:
    """By depth and intrinsics alone, whichever way the camera leans: principal point and focal length are right."""
    _, depth = see(camera, roll, pitch)
    eye, axes = camera.pose(BASE, quat_from_rpy(roll, pitch, 0.0), pose_with())
    k = camera.model.intrinsics()
    v, u = np.mgrid[0 : depth.shape[0], 0 : depth.shape[1]]
    right, down = (u - k[0, 2]) / k[0, 0], (v - k[1, 2]) / k[1, 1]
    rays = axes[:, 0] - right[..., None] * axes[:, 1] - down[..., None] * axes[:, 2]
    height = eye[2] + depth * rays[..., 2]
    floor = np.abs(height) < 0.1
    assert floor.mean() > 0.9
    assert np.abs(height[floor]).max() < 1e-3


def test_what_is_far_away_has_no_depth(camera: MountedCamera) -> None:
    _, depth = see(camera, pitch=-1.4)  # over the horizon
    assert np.isinf(depth).all() and (depth > 0.0).all()


def test_it_sees_colours_and_the_robots_own_hand(camera: MountedCamera) -> None:
    colour, depth = see(camera)
    assert (colour.shape, colour.dtype, depth.dtype) == ((90, 160, 3), np.uint8, np.float32)
    assert len(np.unique(colour.reshape(-1, 3), axis=0)) >= 2  # the squares of the floor
    raised = {"left_shoulder_pitch_joint": -0.8, "left_elbow_joint": 0.2}
    _, with_hand = see(camera, **raised)
    assert np.nanmin(with_hand) < 0.6 < np.nanmin(depth)


def test_bad_cameras_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"The camera's width is 5: give 16 to 1920\."):
        MountedCamera(ROBOT, CameraModel(width=5))
    with pytest.raises(ConfigError, match=r"Robot 'g1' has no camera: name its frame in the robot file"):
        MountedCamera(replace(ROBOT, camera_frame=""))
    with pytest.raises(RobotModelError, match="The frame 'nose' of robot 'g1' does not hang on 'pelvis': mend"):
        MountedCamera(replace(ROBOT, camera_frame="nose"))
