# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Merges links behind fixed joints into their parents, exactly: masses, centres, inertias, shapes and frames.

PyBullet can do it too (URDF_MERGE_FIXED_LINKS), but misplaces the centre of mass of what it merges (the G1's pelvis by
7.6 cm), and prints its whole progress on standard output.
"""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from tarsus_core.urdf_elements import link_name, origin_pose

Array = NDArray[np.float64]


def merge_fixed_links(root: ElementTree.Element) -> None:
    """Merge every link behind a fixed joint into that joint's parent, in place; all links must have an inertial."""
    links = {str(link.get("name")): link for link in root.findall("link")}
    while True:
        fixed = [j for j in root.findall("joint") if j.get("type") == "fixed"]
        if not fixed:
            return
        parents = {link_name(j, "parent") for j in fixed}
        # a leaf of the fixed tree: its child link is no parent of another fixed joint
        joint = next(j for j in fixed if link_name(j, "child") not in parents)
        child, parent = links[link_name(joint, "child")], links[link_name(joint, "parent")]
        rotation, offset = origin_pose(joint.find("origin"))
        _merge_inertia(parent, child, rotation, offset)
        for tag in ("visual", "collision"):
            for shape in child.findall(tag):
                _move(shape, rotation, offset)
                parent.append(shape)
        for other in root.findall("joint"):
            if other is not joint and link_name(other, "parent") == child.get("name"):
                _move(other, rotation, offset)
                other.find("parent").set("link", str(parent.get("name")))  # type: ignore[union-attr]
        root.remove(joint)
        root.remove(child)


def _text(values: Array) -> str:
    return " ".join(repr(float(v)) for v in values)


def _rpy(rotation: Array) -> Array:
    return np.array(
        [
            np.arctan2(rotation[2, 1], rotation[2, 2]),
            np.arcsin(np.clip(-rotation[2, 0], -1.0, 1.0)),
            np.arctan2(rotation[1, 0], rotation[0, 0]),
        ]
    )


def _move(element: ElementTree.Element, rotation: Array, offset: Array) -> None:
    origin = element.find("origin")
    if origin is None:
        origin = ElementTree.SubElement(element, "origin")
    own_rotation, own_offset = origin_pose(origin)
    origin.set("xyz", _text(rotation @ own_offset + offset))
    origin.set("rpy", _text(_rpy(rotation @ own_rotation)))


def _inertia(link: ElementTree.Element) -> tuple[float, Array, Array]:
    """Mass, centre of mass (3,) and inertia about it (3, 3), in the link frame."""
    inertial = link.find("inertial")
    assert inertial is not None, "the caller gives every link an inertial"
    rotation, centre = origin_pose(inertial.find("origin"))
    mass = float(inertial.find("mass").get("value"))  # type: ignore[union-attr, arg-type]
    i = {k: float(v) for k, v in inertial.find("inertia").attrib.items()}  # type: ignore[union-attr]
    tensor = np.array([[i["ixx"], i["ixy"], i["ixz"]], [i["ixy"], i["iyy"], i["iyz"]], [i["ixz"], i["iyz"], i["izz"]]])
    return mass, centre, rotation @ tensor @ rotation.T


def _shifted(mass: float, arm: Array) -> Array:
    """Steiner's term of a mass at the given arm (3,)."""
    return mass * (float(arm @ arm) * np.eye(3) - np.outer(arm, arm))


def _merge_inertia(parent: ElementTree.Element, child: ElementTree.Element, rotation: Array, offset: Array) -> None:
    m1, c1, i1 = _inertia(parent)
    m2, c2, i2 = _inertia(child)
    c2 = rotation @ c2 + offset
    i2 = rotation @ i2 @ rotation.T
    mass = m1 + m2
    centre = (m1 * c1 + m2 * c2) / mass
    tensor = i1 + _shifted(m1, c1 - centre) + i2 + _shifted(m2, c2 - centre)
    parent.remove(parent.find("inertial"))  # type: ignore[arg-type]
    inertial = ElementTree.SubElement(parent, "inertial")
    ElementTree.SubElement(inertial, "origin", xyz=_text(centre), rpy="0 0 0")
    ElementTree.SubElement(inertial, "mass", value=repr(mass))
    names = {"ixx": (0, 0), "iyy": (1, 1), "izz": (2, 2), "ixy": (0, 1), "ixz": (0, 2), "iyz": (1, 2)}
    ElementTree.SubElement(inertial, "inertia", {k: repr(float(tensor[p])) for k, p in names.items()})
