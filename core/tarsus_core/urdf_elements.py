# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Reads single elements of a URDF; where they are missing, the URDF's defaults hold."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from tarsus_core.errors import RobotModelError
from tarsus_core.rotations import matrix_from_quat, quat_from_rpy

Array = NDArray[np.float64]


def required(element: ElementTree.Element, tag: str) -> ElementTree.Element:
    """Return an element's child of that tag.

    Raises:
        RobotModelError: if there is none.
    """
    found = element.find(tag)
    if found is None:
        raise RobotModelError(f"The URDF's {element.tag} '{element.get('name')}' has no {tag}.")
    return found


def link_name(joint: ElementTree.Element, tag: str) -> str:
    """Name of a joint's parent or child link."""
    return str(required(joint, tag).get("link"))


def numbers(text: str | None) -> Array:
    """Return the numbers of an attribute; three zeros where it is absent."""
    return np.array([float(v) for v in (text or "0 0 0").split()])


def origin_pose(origin: ElementTree.Element | None) -> tuple[Array, Array]:
    """Rotation matrix (3, 3) and offset (3,) in m of an origin element."""
    if origin is None:
        return np.eye(3), np.zeros(3)
    return matrix_from_quat(quat_from_rpy(*numbers(origin.get("rpy")))), numbers(origin.get("xyz"))
