# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Prepares a robot's URDF for the simulator: rotor inertia, contact shapes, frozen joints, varied masses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

from tarsus_core.robot_model import Capsule, RobotModel
from tarsus_core.rotations import quat_from_rpy, quat_multiply, rpy_from_quat
from tarsus_core.urdf_elements import link_name, numbers, required
from tarsus_sim.urdf_merge import merge_fixed_links

LIGHT_LINK_KG = 1e-4
"""Mass of a link that the URDF leaves without inertia; PyBullet would take 1 kg."""


@dataclass(frozen=True)
class BodyVariation:
    """How one robot differs from the nominal one, fixed when it is loaded."""

    mass_scale: float = 1.0
    """factor on the mass and inertia of every link"""
    torso_payload_kg: float = 0.0
    """added to the torso link's mass at its centre of mass"""
    torso_com_offset_m: tuple[float, float, float] = (0.0, 0.0, 0.0)


def prepare_urdf(
    robot: RobotModel,
    movable: tuple[str, ...] | None = None,
    visuals: bool = False,
    capsules: bool = True,
    variation: BodyVariation | None = None,
    rotor_inertia: bool = True,
) -> str:
    """Return the text of a URDF that PyBullet simulates faithfully.

    Each joint's rotor inertia is added isotropically (ixx, iyy and izz) to its child link: PyBullet has no armature,
    and a spherical addition has no gyroscopic coupling and keeps the triangle inequality.

    Args:
        robot: the model; its URDF file is read and left unchanged.
        movable: joints that stay movable; the others are frozen in the default pose. None keeps all of them.
        visuals: keep the meshes, for rendering.
        capsules: give the links the model's capsules; without them only the feet touch the ground.
        variation: masses other than the nominal ones.
        rotor_inertia: False for an engine that has armature of its own.
    """
    root = ElementTree.parse(robot.urdf_path).getroot()
    keep = set(robot.joint_names if movable is None else movable)
    variation = variation or BodyVariation()
    links = {str(link.get("name")): link for link in root.findall("link")}
    armature = dict(zip(robot.joint_names, robot.armature, strict=True))
    pose = dict(zip(robot.joint_names, robot.default_pose, strict=True))

    mesh_root = robot.urdf_path.parents[3].as_posix()
    for name, link in links.items():
        _set_inertial(link, variation, torso=name == robot.torso_link)
        if not visuals:
            _remove(link, "visual")
        if name not in robot.foot_links:
            _remove(link, "collision")
        if capsules and name in robot.collision_capsules:
            link.append(_capsule_element(robot.collision_capsules[name]))
        for mesh in link.iter("mesh"):
            file = str(mesh.get("filename"))
            mesh.set("filename", file.replace("package://example-robot-data", mesh_root))

    for joint in root.findall("joint"):
        name = str(joint.get("name"))
        if name not in armature:
            continue
        if name in keep and not rotor_inertia:
            continue
        if name in keep:
            inertia = links[link_name(joint, "child")].find("inertial/inertia")
            if inertia is None:
                raise AssertionError("every link has an inertia by now")
            for axis in ("ixx", "iyy", "izz"):
                inertia.set(axis, repr(float(inertia.get(axis, "0")) + float(armature[name])))
        else:
            _freeze(joint, float(pose[name]))
    merge_fixed_links(root)
    return ElementTree.tostring(root, encoding="unicode")


def _remove(link: ElementTree.Element, tag: str) -> None:
    for element in link.findall(tag):
        link.remove(element)


def _set_inertial(link: ElementTree.Element, variation: BodyVariation, torso: bool) -> None:
    inertial = link.find("inertial")
    if inertial is None:
        inertial = ElementTree.SubElement(link, "inertial")
        ElementTree.SubElement(inertial, "origin", xyz="0 0 0", rpy="0 0 0")
        ElementTree.SubElement(inertial, "mass", value=repr(LIGHT_LINK_KG))
        tiny = repr(1e-7)
        ElementTree.SubElement(inertial, "inertia", ixx=tiny, iyy=tiny, izz=tiny, ixy="0", ixz="0", iyz="0")
        return
    mass = required(inertial, "mass")
    before = float(mass.get("value", "0"))
    after = before * variation.mass_scale + (variation.torso_payload_kg if torso else 0.0)
    mass.set("value", repr(after))
    inertia = required(inertial, "inertia")
    for key in ("ixx", "iyy", "izz", "ixy", "ixz", "iyz"):
        inertia.set(key, repr(float(inertia.get(key, "0")) * after / before))
    if torso and any(variation.torso_com_offset_m):
        origin = required(inertial, "origin")
        xyz = [float(v) for v in str(origin.get("xyz", "0 0 0")).split()]
        moved = (a + b for a, b in zip(xyz, variation.torso_com_offset_m, strict=True))
        origin.set("xyz", " ".join(repr(float(v)) for v in moved))


def _freeze(joint: ElementTree.Element, angle: float) -> None:
    """Turn a joint into a fixed one at the given angle (rad)."""
    origin = joint.find("origin")
    if origin is None:
        origin = ElementTree.SubElement(joint, "origin", xyz="0 0 0", rpy="0 0 0")
    axis = numbers(required(joint, "axis").get("xyz"))
    axis /= np.linalg.norm(axis)
    rpy = [float(v) for v in str(origin.get("rpy", "0 0 0")).split()]
    turn = np.append(axis * math.sin(angle / 2.0), math.cos(angle / 2.0))
    turned = rpy_from_quat(quat_multiply(quat_from_rpy(*rpy), turn))
    origin.set("rpy", " ".join(repr(float(v)) for v in turned))
    joint.set("type", "fixed")
    for tag in ("axis", "limit", "dynamics"):
        _remove(joint, tag)


def _capsule_element(capsule: Capsule) -> ElementTree.Element:
    """Return a URDF collision with PyBullet's capsule geometry, whose axis is z."""
    start, end = np.array(capsule.start), np.array(capsule.end)
    axis = end - start
    length = float(np.linalg.norm(axis))
    x, y, z = axis / length if length > 0.0 else (0.0, 0.0, 1.0)
    # Rz(yaw) Ry(pitch) turns z onto the axis
    pitch, yaw = math.acos(max(-1.0, min(1.0, z))), math.atan2(y, x)
    collision = ElementTree.Element("collision")
    centre = " ".join(repr(float(v)) for v in (start + end) / 2.0)
    ElementTree.SubElement(collision, "origin", xyz=centre, rpy=f"0 {pitch!r} {yaw!r}")
    geometry = ElementTree.SubElement(collision, "geometry")
    ElementTree.SubElement(geometry, "capsule", radius=repr(capsule.radius), length=repr(length))
    return collision
