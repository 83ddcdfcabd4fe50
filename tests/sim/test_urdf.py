# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The prepared URDF: rotor inertia, frozen joints, merged links, varied masses; checked against PyBullet itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pybullet
import pytest

from tarsus_core.robot_model import RobotModel
from tarsus_sim import urdf
from tarsus_sim.urdf import BodyVariation, prepare_urdf

G1_MASS_KG = 33.34


@pytest.fixture
def client() -> Iterator[int]:
    number = pybullet.connect(pybullet.DIRECT)
    pybullet.setPhysicsEngineParameter(enableFileCaching=0, physicsClientId=number)
    yield number
    pybullet.disconnect(physicsClientId=number)


def load(client: int, text: str, folder: Path, fixed: bool = False) -> int:
    """Load a URDF; a fixed base would have no mass."""
    path = folder / "robot.urdf"
    path.write_text(text)
    return int(
        pybullet.loadURDF(
            str(path), flags=pybullet.URDF_USE_INERTIA_FROM_FILE, useFixedBase=fixed, physicsClientId=client
        )
    )


def unmerged(robot: RobotModel, movable: tuple[str, ...] | None, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same URDF with its fixed joints left in."""
    with monkeypatch.context() as patch:
        patch.setattr(urdf, "merge_fixed_links", lambda root: None)
        return prepare_urdf(robot, movable)


def joints(client: int, body: int) -> dict[str, int]:
    """Movable joints by name."""
    found = {}
    for i in range(pybullet.getNumJoints(body, physicsClientId=client)):
        info = pybullet.getJointInfo(body, i, physicsClientId=client)
        if info[2] == pybullet.JOINT_REVOLUTE:
            found[info[1].decode()] = i
    return found


def mass_matrix(client: int, body: int, names: tuple[str, ...], angles: np.ndarray) -> np.ndarray:
    """Joint-space inertia in the order of ``names``."""
    place = joints(client, body)
    given = dict(zip(names, angles.tolist(), strict=True))
    order = sorted(place, key=lambda n: place[n])
    matrix = np.array(pybullet.calculateMassMatrix(body, [given[n] for n in order], physicsClientId=client))
    index = [order.index(n) for n in names]
    return matrix[np.ix_(index, index)]


def masses(client: int, body: int) -> list[float]:
    links = range(-1, pybullet.getNumJoints(body, physicsClientId=client))
    return [pybullet.getDynamicsInfo(body, link, physicsClientId=client)[0] for link in links]


def composite(
    client: int, body: int, names: tuple[str, ...], angles: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mass, centre of mass and inertia about it of the whole robot, its base link frame at the world's origin."""
    place = joints(client, body)
    inertial = pybullet.getDynamicsInfo(body, -1, physicsClientId=client)[3:5]
    pybullet.resetBasePositionAndOrientation(body, *inertial, physicsClientId=client)
    for name, angle in zip(names, angles.tolist(), strict=True):
        pybullet.resetJointState(body, place[name], angle, physicsClientId=client)
    mass, centre, parts = 0.0, np.zeros(3), []
    for link in range(-1, pybullet.getNumJoints(body, physicsClientId=client)):
        info = pybullet.getDynamicsInfo(body, link, physicsClientId=client)
        if link < 0:
            at, quat = inertial
        else:
            at, quat = pybullet.getLinkState(body, link, computeForwardKinematics=1, physicsClientId=client)[:2]
        rotation = np.reshape(pybullet.getMatrixFromQuaternion(quat), (3, 3))
        mass += info[0]
        centre += info[0] * np.array(at)
        parts.append((info[0], np.array(at), rotation @ np.diag(info[2]) @ rotation.T))
    centre /= mass
    tensor = np.zeros((3, 3))
    for m, at, own in parts:
        arm = at - centre
        tensor += own + m * (arm @ arm * np.eye(3) - np.outer(arm, arm))
    return mass, centre, tensor


@pytest.mark.parametrize("movable", ["all", "legs"])
def test_merging_changes_no_dynamics(
    robot: RobotModel, client: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, movable: str
) -> None:
    """Compare with the same URDF whose fixed joints PyBullet simulates as joints, not with PyBullet's own merge."""
    names = robot.joint_names if movable == "all" else robot.group("legs")
    texts = [prepare_urdf(robot, names), unmerged(robot, names, monkeypatch)]
    held = [load(client, text, tmp_path, fixed=True) for text in texts]
    free = [load(client, text, tmp_path) for text in texts]
    assert set(joints(client, held[0])) == set(names)
    count = [pybullet.getNumJoints(body, physicsClientId=client) for body in held]
    assert count[0] == len(names) < count[1]

    angles = np.random.default_rng(0).uniform(-0.5, 0.5, len(names))
    merged, expected = (mass_matrix(client, body, names, angles) for body in held)
    np.testing.assert_allclose(merged, expected, rtol=0.0, atol=1e-6)
    (mass, centre, tensor), (mass2, centre2, tensor2) = (composite(client, body, names, angles) for body in free)
    assert mass == pytest.approx(mass2, abs=1e-9)
    np.testing.assert_allclose(centre, centre2, atol=1e-7)
    np.testing.assert_allclose(tensor, tensor2, atol=1e-6)

    # frames: each foot is where it was
    for foot in robot.foot_links:
        at, turned = [], []
        for body in free:
            link = joints(client, body)[foot.replace("_link", "_joint")]
            state = pybullet.getLinkState(body, link, computeForwardKinematics=1, physicsClientId=client)
            at.append(state[4])
            turned.append(state[5])
        np.testing.assert_allclose(at[0], at[1], atol=1e-7)
        assert abs(np.dot(turned[0], turned[1])) == pytest.approx(1.0, abs=1e-6)


def test_contact_shapes_move_with_merged_links(robot: RobotModel) -> None:
    """With the arms frozen, the wrist's capsule hangs at the torso, where forward kinematics puts it."""
    text = prepare_urdf(robot, robot.group("legs"))
    pelvis = next(e for e in ElementTree.fromstring(text).findall("link") if e.get("name") == robot.base_link)
    capsules = [c for c in pelvis.findall("collision") if c.find("geometry/capsule") is not None]
    # pelvis, torso and two wrists are one link now
    assert len(capsules) == 4
    centres = []
    for capsule in capsules:
        origin = capsule.find("origin")
        assert origin is not None
        centres.append([float(v) for v in str(origin.get("xyz")).split()])
    left, right = max(centres, key=lambda c: c[1]), min(centres, key=lambda c: c[1])
    # the default pose is symmetric, the hands hang beside the body
    assert left[1] > 0.15
    np.testing.assert_allclose(left, np.array(right) * [1.0, -1.0, 1.0], atol=2e-3)


def test_mass_is_the_robots(robot: RobotModel, client: int, tmp_path: Path) -> None:
    body = load(client, prepare_urdf(robot), tmp_path)
    assert sum(masses(client, body)) == pytest.approx(G1_MASS_KG, abs=0.005)
    assert all(m > 0.0 for m in masses(client, body))


def test_rotor_inertia_is_added_once_to_every_axis(robot: RobotModel) -> None:
    before = {e.get("name"): e for e in ElementTree.parse(robot.urdf_path).getroot().findall("link")}
    after = {e.get("name"): e for e in ElementTree.fromstring(prepare_urdf(robot)).findall("link")}
    armature = dict(zip(robot.joint_names, robot.armature.tolist(), strict=True))
    # no link is merged into the shin or the thigh's roll link of the G1
    for link, joint in (("left_knee_link", "left_knee_joint"), ("right_hip_roll_link", "right_hip_roll_joint")):
        old, new = (e[link].find("inertial/inertia") for e in (before, after))
        assert old is not None and new is not None
        for axis in ("ixx", "iyy", "izz"):
            assert float(new.get(axis, "0")) == pytest.approx(float(old.get(axis, "0")) + armature[joint], abs=1e-12)
        assert float(new.get("ixz", "0")) == pytest.approx(float(old.get("ixz", "0")), abs=1e-12)


def test_variation_scales_masses_and_loads_the_torso(robot: RobotModel, client: int, tmp_path: Path) -> None:
    nominal = load(client, prepare_urdf(robot), tmp_path)
    variation = BodyVariation(mass_scale=1.1, torso_payload_kg=2.0, torso_com_offset_m=(0.0, 0.03, 0.0))
    varied = load(client, prepare_urdf(robot, variation=variation), tmp_path)
    light = 1e-4 * 20  # links without inertia keep their own mass
    assert sum(masses(client, varied)) == pytest.approx(1.1 * sum(masses(client, nominal)) + 2.0, abs=light)
    torso = joints(client, nominal)["waist_pitch_joint"]
    com = [pybullet.getDynamicsInfo(body, torso, physicsClientId=client)[3][1] for body in (nominal, varied)]
    assert com[1] - com[0] == pytest.approx(0.03, abs=0.01)  # the head, merged into the torso, does not move


def test_frozen_joint_keeps_the_default_pose(robot: RobotModel, client: int, tmp_path: Path) -> None:
    """Freeze the right leg: its foot lies where the moving leg's mirror image lies in the default pose."""
    movable = tuple(n for n in robot.joint_names if not n.startswith("right_"))
    body = load(client, prepare_urdf(robot, movable), tmp_path, fixed=True)
    place = joints(client, body)
    assert "right_knee_joint" not in place
    shapes = pybullet.getCollisionShapeData(body, -1, physicsClientId=client)
    # the right foot's four spheres belong to the base now; their centres, in the base link frame
    info = pybullet.getDynamicsInfo(body, -1, physicsClientId=client)
    spheres = []
    for shape in shapes:
        if shape[2] == pybullet.GEOM_SPHERE:
            spheres.append(pybullet.multiplyTransforms(info[3], info[4], shape[5], shape[6])[0])
    assert len(spheres) == 4
    for name in robot.group("left_leg"):
        angle = float(robot.default_pose[robot.indices((name,))[0]])
        pybullet.resetJointState(body, place[name], angle, physicsClientId=client)
    foot = place["left_ankle_roll_joint"]
    at, turned = pybullet.getLinkState(body, foot, computeForwardKinematics=1, physicsClientId=client)[4:6]
    com = pybullet.getDynamicsInfo(body, foot, physicsClientId=client)[3:5]
    left = []
    for shape in pybullet.getCollisionShapeData(body, foot, physicsClientId=client):
        in_link = pybullet.multiplyTransforms(*com, shape[5], shape[6])
        left.append(pybullet.multiplyTransforms(at, turned, *in_link)[0])
    # the left foot's spheres are in the world, whose origin is the base's centre of mass: bring them into the base link
    base = pybullet.getBasePositionAndOrientation(body, physicsClientId=client)
    to_link = pybullet.multiplyTransforms(*pybullet.invertTransform(info[3], info[4]), [0, 0, 0], [0, 0, 0, 1])
    frame = pybullet.multiplyTransforms(*base, *to_link)
    inverse = pybullet.invertTransform(*frame)
    mirrored = [np.array(pybullet.multiplyTransforms(*inverse, p, [0, 0, 0, 1])[0]) * [1.0, -1.0, 1.0] for p in left]
    key = lambda p: (round(p[0], 3), round(p[1], 3))  # noqa: E731
    np.testing.assert_allclose(sorted(mirrored, key=key), sorted(spheres, key=key), atol=2e-3)


def test_capsule_lies_between_its_ends(robot: RobotModel, client: int, tmp_path: Path) -> None:
    body = load(client, prepare_urdf(robot), tmp_path)
    knee = joints(client, body)["left_knee_joint"]
    (shape,) = pybullet.getCollisionShapeData(body, knee, physicsClientId=client)
    model = robot.collision_capsules["left_knee_link"]
    com = pybullet.getDynamicsInfo(body, knee, physicsClientId=client)[3:5]
    at, turned = pybullet.multiplyTransforms(*com, shape[5], shape[6])
    np.testing.assert_allclose(at, (np.array(model.start) + np.array(model.end)) / 2.0, atol=1e-6)
    axis = pybullet.multiplyTransforms([0, 0, 0], turned, [0, 0, 1], [0, 0, 0, 1])[0]
    np.testing.assert_allclose(np.abs(axis), [0.0, 0.0, 1.0], atol=1e-6)
    length = math.dist(model.start, model.end)
    assert shape[3][0] == pytest.approx(length)
    assert shape[3][1] == pytest.approx(model.radius)
