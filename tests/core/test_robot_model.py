# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The robot file against its URDF, and the derivations that its constants claim."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

from tarsus_core.errors import DependencyError, RobotModelError
from tarsus_core.robot_model import ROBOTS, find_package_file, known_robots, load_robot

ROBOT = load_robot("g1")
SOURCE = (ROBOTS / "g1.yaml").read_text(encoding="utf-8")


def test_gains_follow_from_rotor_inertia_frequency_and_damping_ratio() -> None:
    omega = 2.0 * math.pi * 10.0  # a 10 Hz actuator
    np.testing.assert_allclose(ROBOT.kp, ROBOT.armature * omega**2, rtol=1e-6)
    np.testing.assert_allclose(ROBOT.kd, 2.0 * 2.0 * ROBOT.armature * omega, rtol=1e-6)


@pytest.mark.parametrize(
    ("joint", "kp", "kd", "armature", "effort", "speed"),
    [
        ("left_hip_pitch_joint", 40.1792, 2.55789, 0.010177520, 88.0, 32.0),
        ("right_hip_yaw_joint", 40.1792, 2.55789, 0.010177520, 88.0, 32.0),
        ("waist_yaw_joint", 40.1792, 2.55789, 0.010177520, 88.0, 32.0),
        ("left_hip_roll_joint", 99.0984, 6.30880, 0.025101925, 139.0, 20.0),
        ("right_knee_joint", 99.0984, 6.30880, 0.025101925, 139.0, 20.0),
        ("left_ankle_pitch_joint", 28.5012, 1.81445, 0.00721945, 50.0, 37.0),
        ("waist_roll_joint", 28.5012, 1.81445, 0.00721945, 50.0, 37.0),
        ("left_elbow_joint", 14.2506, 0.90722, 0.003609725, 25.0, 37.0),
        ("right_wrist_roll_joint", 14.2506, 0.90722, 0.003609725, 25.0, 37.0),
        ("right_wrist_yaw_joint", 16.7783, 1.06814, 0.00425, 5.0, 22.0),
    ],
)
def test_published_constants(joint: str, kp: float, kd: float, armature: float, effort: float, speed: float) -> None:
    i = ROBOT.joint_names.index(joint)
    assert ROBOT.kp[i] == pytest.approx(kp, abs=5e-5) and ROBOT.kd[i] == pytest.approx(kd, abs=5e-6)
    assert ROBOT.armature[i] == armature
    assert (ROBOT.effort_limit_nm[i], ROBOT.velocity_limit[i]) == (effort, speed)


def test_explicit_damping_is_stable_at_200_hz() -> None:
    # An explicit damper on an inertia I with step dt is stable below kd = 2 I / dt: here kd dt / I = 0.02 pi 20 = 1.26.
    np.testing.assert_allclose(ROBOT.kd * 0.005 / ROBOT.armature, 2.0 * 2.0 * 2.0 * math.pi * 10.0 * 0.005, rtol=1e-6)
    assert np.all(ROBOT.kd * 0.005 / ROBOT.armature < 2.0)


def test_joints_are_those_of_the_urdf_in_the_order_of_the_robots_interface() -> None:
    tree = ElementTree.parse(ROBOT.urdf_path).getroot()
    moving = [j.get("name") for j in tree.findall("joint") if j.get("type") == "revolute"]
    assert sorted(ROBOT.joint_names) == sorted(str(n) for n in moving) and len(ROBOT.joint_names) == 29
    sides = [n.split("_")[0] for n in ROBOT.joint_names]
    assert sides == ["left"] * 6 + ["right"] * 6 + ["waist"] * 3 + ["left"] * 7 + ["right"] * 7
    limits = {j.get("name"): j.find("limit") for j in tree.findall("joint")}
    for i, name in enumerate(ROBOT.joint_names):
        limit = limits[name]
        assert limit is not None
        assert ROBOT.position_lower[i] == float(limit.get("lower", ""))
        assert ROBOT.position_upper[i] == float(limit.get("upper", ""))
        assert ROBOT.position_lower[i] < ROBOT.position_upper[i]


def test_links_and_frames_exist_in_the_urdf() -> None:
    tree = ElementTree.parse(ROBOT.urdf_path).getroot()
    links = {link.get("name") for link in tree.findall("link")}
    assert {ROBOT.base_link, ROBOT.torso_link, ROBOT.imu_frame, ROBOT.camera_frame} <= links
    assert {*ROBOT.foot_links, *ROBOT.collision_capsules} <= links
    children = {j.find("child").get("link") for j in tree.findall("joint")}  # type: ignore[union-attr]
    assert ROBOT.base_link not in children  # the base is the root


def test_default_pose_is_within_limits_bent_and_symmetric() -> None:
    assert np.all(ROBOT.default_pose > ROBOT.position_lower) and np.all(ROBOT.default_pose < ROBOT.position_upper)
    pose = dict(zip(ROBOT.joint_names, ROBOT.default_pose, strict=True))
    # The soles are level: hip, knee and ankle pitch add up to almost nothing.
    for side in ("left", "right"):
        pitch = sum(pose[f"{side}_{part}_joint"] for part in ("hip_pitch", "knee", "ankle_pitch"))
        assert abs(pitch) < 0.01
    np.testing.assert_array_equal(ROBOT.mirror_sign * ROBOT.default_pose[ROBOT.mirror_index], ROBOT.default_pose)


def test_mirror_is_its_own_inverse_and_swaps_sides_by_name() -> None:
    np.testing.assert_array_equal(ROBOT.mirror_index[ROBOT.mirror_index], np.arange(29))
    np.testing.assert_array_equal(ROBOT.mirror_sign[ROBOT.mirror_index], ROBOT.mirror_sign)
    for i, name in enumerate(ROBOT.joint_names):
        image = ROBOT.joint_names[ROBOT.mirror_index[i]]
        expected = name.replace("left_", "@").replace("right_", "left_").replace("@", "right_")
        assert image == expected
        assert ROBOT.mirror_sign[i] == (-1.0 if "roll" in name or "yaw" in name else 1.0)
    # The limits mirror too: what one leg can do, the other can.
    low, high = ROBOT.position_lower, ROBOT.position_upper
    mirrored_low = np.where(ROBOT.mirror_sign > 0.0, low[ROBOT.mirror_index], -high[ROBOT.mirror_index])
    np.testing.assert_allclose(mirrored_low, low, atol=1e-4)


def test_groups_partition_the_joints() -> None:
    parts = ("left_leg", "right_leg", "waist", "left_arm", "right_arm")
    members = [n for part in parts for n in ROBOT.group(part)]
    assert sorted(members) == sorted(ROBOT.joint_names)
    assert [len(ROBOT.group(p)) for p in (*parts, "legs", "arms")] == [6, 6, 3, 7, 7, 12, 14]
    assert ROBOT.match("legs") == ROBOT.group("legs")
    assert ROBOT.match(".*_knee_joint") == ("left_knee_joint", "right_knee_joint")
    assert ROBOT.indices(("waist_yaw_joint", "left_hip_pitch_joint")) == [12, 0]


def test_arrays_cannot_be_changed() -> None:
    for array in (ROBOT.kp, ROBOT.default_pose, ROBOT.position_lower):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_unknown_names_are_refused_with_the_nearest() -> None:
    assert known_robots() == ["g1"]
    with pytest.raises(RobotModelError, match=r"no robot 'g2'.*known: g1|did you mean 'g1'"):
        load_robot("g2")
    with pytest.raises(RobotModelError, match=r"There is no robot file 'nowhere\.yaml'"):
        load_robot("nowhere.yaml")
    with pytest.raises(RobotModelError, match="did you mean 'left_knee_joint'"):
        ROBOT.indices(("left_nee_joint",))
    with pytest.raises(RobotModelError, match="did you mean 'legs'"):
        ROBOT.group("leg")
    with pytest.raises(RobotModelError, match=r"matches 'tail_\.\*'"):
        ROBOT.match("tail_.*")
    with pytest.raises(RobotModelError, match=r"'\*_knee' is neither a joint group .* write \.\* for any characters"):
        ROBOT.match("*_knee")


def edited(tmp_path: Path, old: str, new: str) -> str:
    """Write the robot file with one thing changed and return the path."""
    assert old in SOURCE
    path = tmp_path / "robot.yaml"
    path.write_text(SOURCE.replace(old, new, 1), encoding="utf-8")
    return str(path)


def test_a_second_robot_is_a_file(tmp_path: Path) -> None:
    robot = load_robot(edited(tmp_path, "name: g1", "name: my_g1"))
    assert robot.name == "my_g1" and robot.joint_names == ROBOT.joint_names


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("  - left_knee_joint\n", "  - left_knee_joint\n  - left_knee_joint\n", "listed twice"),
        ("  - left_knee_joint\n", "  - left_nee_joint\n", "'left_nee_joint'"),
        ("joints: .*_wrist_(pitch|yaw)_joint", "joints: .*_wrist_(pitch|yaw|roll)_joint", "two actuators"),
        ("joints: .*_wrist_(pitch|yaw)_joint", "joints: .*_wrist_pitch_joint", "has no actuator"),
        ("  waist: waist_.*", "  waist: waste_.*", "'waste_.\\*' matches no joint"),
        ("sha256: 0e", "sha256: 1e", "install the pinned version"),
        ("    kp: 40.17923847\n", "", "kp"),
        ("name: g1", "nam: g1", "name"),
        ("name: g1", "name: [", "cannot be read"),
        ("name: g1", "name: g1\ndeep: " + "[" * 5_000, "cannot be read"),
        ("kp: 99.09842778", f"kp: {10**400}", "cannot be read"),
        ("joints: .*_wrist_(pitch|yaw)_joint", "joints: '('", "cannot be read"),
        ("armature: 0.00425", "armature: heavy", "heavy"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    path = edited(tmp_path, old, new)
    with pytest.raises(RobotModelError, match=reason) as caught:
        load_robot(path)
    assert "robot.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_an_absent_data_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="pip install no-such-data"):
        find_package_file("no-such-data", "robot.urdf")
    path = edited(tmp_path, "package: example-robot-data", "package: no-such-data")
    with pytest.raises(DependencyError, match="no-such-data"):
        load_robot(path)


def test_every_shipped_robot_loads() -> None:
    for name in known_robots():
        robot = load_robot(name)
        assert robot.name == name
        source = yaml.safe_load((ROBOTS / f"{name}.yaml").read_text(encoding="utf-8"))
        assert source["joints"] == list(robot.joint_names)
