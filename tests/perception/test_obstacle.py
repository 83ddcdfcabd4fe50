# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What stands in the way: boxes of known places in rendered pictures, and floors that must never count."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pybullet
import pytest

from tarsus_core.errors import ConfigError
from tarsus_core.kinematics import read_chain
from tarsus_core.robot_model import load_robot
from tarsus_core.rotations import matrix_from_quat, quat_from_rpy
from tarsus_perception.collision_config import CollisionConfig
from tarsus_perception.obstacle import ObstacleFinder
from tarsus_sim.mounted_camera import CameraModel, MountedCamera

ROBOT = load_robot("g1")
CONFIG = CollisionConfig()
POSE = dict(zip(ROBOT.joint_names, ROBOT.default_pose.tolist(), strict=True))


class View:
    """A rendered view of a robot that stands on the floor, whichever way it leans."""

    def __init__(self) -> None:
        self.camera = MountedCamera(ROBOT, CameraModel(width=160, height=90))
        self.finder = ObstacleFinder(ROBOT, CONFIG)
        self.client = self.camera._scene.client
        self.boxes: list[int] = []

    def box(self, ahead: float, left: float, size: float, bottom: float = 0.0) -> None:
        """Put a cube of an edge in m with its near face ``ahead`` m ahead of the base."""
        half = [0.5 * size] * 3
        shape = pybullet.createVisualShape(pybullet.GEOM_BOX, halfExtents=half, physicsClientId=self.client)
        centre = [ahead + 0.5 * size, left, bottom + 0.5 * size]
        body = pybullet.createMultiBody(0.0, -1, shape, centre, physicsClientId=self.client)
        self.boxes.append(body)

    def clear(self) -> None:
        for body in self.boxes:
            pybullet.removeBody(body, physicsClientId=self.client)
        self.boxes.clear()

    def distance(self, roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.0, **joints: float) -> float | None:
        angles = POSE | joints
        lean = quat_from_rpy(roll, pitch, 0.0)
        feet = [matrix_from_quat(lean) @ read_chain(ROBOT, foot).pose(angles)[0] for foot in ROBOT.foot_links]
        height = ROBOT.sole_height_m - min(foot[2] for foot in feet)
        base = np.array([0.0, 0.0, height])
        _, depth = self.camera.render(base, lean, tuple(angles), np.array(list(angles.values())))
        # whichever way the robot is turned in the world: the picture is the same
        return self.finder.distance(depth, self.camera.model.intrinsics(), angles, quat_from_rpy(roll, pitch, yaw))


@pytest.fixture(scope="module")
def scene() -> Iterator[View]:
    made = View()
    yield made
    made.camera.close()


@pytest.fixture
def view(scene: View) -> Iterator[View]:
    yield scene
    scene.clear()


def test_an_empty_floor_is_free_however_the_robot_leans_and_holds_its_joints(view: View) -> None:
    rng = np.random.default_rng(0)
    assert view.distance() == np.inf
    for _ in range(20):
        roll, pitch = rng.uniform(-0.15, 0.15, 2)
        joints = {n: POSE[n] + rng.uniform(-0.3, 0.3) for n in (*ROBOT.group("legs"), *ROBOT.group("waist"))}
        assert view.distance(roll, pitch, **joints) == np.inf


def test_its_own_limbs_are_not_in_the_way_and_what_they_reach_for_is(view: View) -> None:
    rng = np.random.default_rng(1)
    seen = 0
    for _ in range(20):
        joints = {n: POSE[n] + rng.uniform(-0.5, 0.5) for n in ROBOT.group("arms")}
        joints["left_shoulder_pitch_joint"] = rng.uniform(-1.2, -0.3)  # forwards
        assert view.distance(**joints) == np.inf
        view.finder = ObstacleFinder(ROBOT, replace(CONFIG, self_margin_m=0.0, self_m=0.0))
        seen += view.distance(**joints) != np.inf  # the hands are in the picture
        view.finder = ObstacleFinder(ROBOT, CONFIG)
    assert seen > 10
    view.box(0.9, 0.0, 0.5)
    assert view.distance(left_shoulder_pitch_joint=-0.8) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("yaw", [0.0, 2.0])
@pytest.mark.parametrize(("roll", "pitch", "waist"), [(0.0, 0.0, 0.0), (0.1, -0.1, 0.2), (-0.1, 0.15, -0.1)])
def test_a_box_is_as_far_as_it_is(view: View, roll: float, pitch: float, waist: float, yaw: float) -> None:
    view.box(1.1, 0.0, 0.4)
    assert view.distance(roll, pitch, yaw, waist_pitch_joint=waist) == pytest.approx(1.1, abs=0.02)
    view.box(0.7, 0.2, 0.3)
    assert view.distance(roll, pitch, yaw, waist_pitch_joint=waist) == pytest.approx(0.7, abs=0.02)


def test_what_is_beside_low_or_overhead_is_not_in_the_way(view: View) -> None:
    view.box(0.8, CONFIG.half_width_m + 0.2, 0.3)
    view.box(0.8, -CONFIG.half_width_m - 0.2, 0.3)
    view.box(0.7, 0.0, 0.5 * CONFIG.least_height_m)
    assert view.distance() == np.inf
    view.box(0.9, 0.0, 1.5 * CONFIG.least_height_m)
    assert view.distance() == pytest.approx(0.9, abs=0.03)
    view.clear()
    view.box(0.8, CONFIG.half_width_m + 0.17, 0.3)  # its near side is 2 cm out of the corridor
    assert view.distance() == np.inf
    view.clear()
    view.box(0.8, -CONFIG.half_width_m - 0.13, 0.3)  # 2 cm within
    assert view.distance() == pytest.approx(0.8, abs=0.03)


def points_at(finder: ObstacleFinder, ahead: float, height: float) -> float | None:
    """Distance in a picture of a camera with a wider view: floor, and a bar of 20 cm across the way, a pixel high."""
    focal, u, v = 200.0, *np.meshgrid(np.arange(800), np.arange(900))
    k = np.array([[focal, 0.0, 400.0], [0.0, focal, 450.0], [0.0, 0.0, 1.0]])
    position, axes = read_chain(ROBOT, ROBOT.camera_frame).pose(POSE)
    soles = min(read_chain(ROBOT, foot).pose(POSE)[0][2] for foot in ROBOT.foot_links) - ROBOT.sole_height_m
    falls = (axes @ np.stack([np.ones(u.size), (400 - u.ravel()) / focal, (450 - v.ravel()) / focal]))[2]
    depth = np.where(falls < -0.1, (position[2] - soles) / np.maximum(-falls, 0.1), 0.0).reshape(u.shape)
    for left in np.linspace(-0.1, 0.1, 100):
        forward, sideways, up = axes.T @ (np.array([ahead, left, height + soles]) - position)
        depth[round(450 - focal * up / forward), round(400 - focal * sideways / forward)] = forward
    return finder.distance(depth.astype(np.float32), k, POSE, np.array([0.0, 0.0, 0.0, 1.0]))


def test_what_is_higher_than_the_robot_is_overhead() -> None:
    finder = ObstacleFinder(ROBOT, CONFIG)
    assert points_at(finder, 1.0, CONFIG.most_height_m - 0.03) == pytest.approx(1.0, abs=0.02)
    assert points_at(finder, 1.0, CONFIG.most_height_m + 0.03) == np.inf
    higher = ObstacleFinder(ROBOT, replace(CONFIG, most_height_m=1.5))
    assert points_at(higher, 1.0, CONFIG.most_height_m + 0.03) == pytest.approx(1.0, abs=0.02)


def test_what_is_nearer_than_its_own_skin_is_the_robot() -> None:
    finder = ObstacleFinder(ROBOT, CONFIG)
    assert points_at(finder, CONFIG.self_m + 0.02, 0.9) == pytest.approx(CONFIG.self_m + 0.02, abs=0.01)
    assert points_at(finder, CONFIG.self_m - 0.02, 0.9) == np.inf
    nearer = ObstacleFinder(ROBOT, replace(CONFIG, self_m=0.2))
    assert points_at(nearer, CONFIG.self_m - 0.02, 0.9) == pytest.approx(CONFIG.self_m - 0.02, abs=0.01)


def test_single_pixels_are_noise_and_bad_ones_no_depth(view: View) -> None:
    k = view.camera.model.intrinsics()
    level = np.array([0.0, 0.0, 0.0, 1.0])
    _, depth = view.camera.render(
        np.array([0.0, 0.0, ROBOT.base_height_m]), level, tuple(POSE), np.array(list(POSE.values()))
    )
    noisy = depth.copy()
    noisy[0, 80 : 80 + CONFIG.least_points - 1] = 0.9  # a row of them, high before the robot
    assert view.finder.distance(noisy, k, POSE, level) == np.inf
    noisy[0, 80 + CONFIG.least_points - 1] = 0.9
    found = view.finder.distance(noisy, k, POSE, level)
    assert found is not None and found < 1.0
    bad = depth.copy()
    bad[::2] = np.nan
    bad[1::4] = -np.inf
    assert view.finder.distance(bad, k, POSE, level) == np.inf


def test_a_covered_lens_shows_nothing(view: View) -> None:
    k, level = view.camera.model.intrinsics(), np.array([0.0, 0.0, 0.0, 1.0])
    for nothing in (0.0, np.nan, np.inf):
        assert view.finder.distance(np.full((90, 160), nothing, dtype=np.float32), k, POSE, level) is None
    _, floor = view.camera.render(
        np.array([0.0, 0.0, ROBOT.base_height_m]), level, tuple(POSE), np.array(list(POSE.values()))
    )
    for share, free in ((0.19, None), (0.21, np.inf)):
        part = np.where(np.arange(floor.size).reshape(floor.shape) < share * floor.size, floor, 0.0)
        assert view.finder.distance(part.astype(np.float32), k, POSE, level) == free


def test_a_robot_without_a_camera_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Robot 'g1' has no camera: name its frame in the robot file"):
        ObstacleFinder(replace(ROBOT, camera_frame=""), CONFIG)
