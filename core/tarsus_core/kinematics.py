# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Where a frame of the robot is: the joints between it and the base, from the robot's URDF."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from tarsus_core.errors import RobotModelError
from tarsus_core.robot_model import RobotModel
from tarsus_core.urdf_elements import link_name, numbers, origin_pose, required

Array = NDArray[np.float64]
_EYE = np.eye(3)


@dataclass(frozen=True)
class Chain:
    """The joints from the base to one frame; fixed ones are part of the next link's place."""

    joint_names: tuple[str, ...]
    rotation: Array
    """(K, 3, 3) of each joint's frame at angle 0, in the frame before it"""
    translation: Array
    """(K, 3) m"""
    skew: Array
    """(K, 3, 3) cross-product matrix of each joint's axis"""
    end: Array
    """(3,) m, the frame in the last joint's frame"""
    end_rotation: Array
    """(3, 3) likewise"""

    def pose(self, angles: Mapping[str, float]) -> tuple[Array, Array]:
        """Where the frame is: position (3,) in m, and its axes as columns (3, 3), both in the base link's frame.

        Args:
            angles: rad by joint name, at least of ``joint_names``.

        Raises:
            KeyError: for a joint that is missing.
        """
        place, axes = list(self._walk(angles))[-1]
        return place, axes

    def places(self, angles: Mapping[str, float]) -> Array:
        """(K + 1, 3) m, where the joints and then the frame are, in the base link's frame: see ``pose``."""
        return np.array([place for place, _ in self._walk(angles)])

    def _walk(self, angles: Mapping[str, float]) -> Iterator[tuple[Array, Array]]:
        """Position and axes of each joint, turned, and of the frame."""
        position, axes = np.zeros(3), _EYE
        for name, rotation, translation, skew in zip(
            self.joint_names, self.rotation, self.translation, self.skew, strict=True
        ):
            sin, cos = math.sin(angles[name]), math.cos(angles[name])
            position = position + axes @ translation
            axes = axes @ rotation @ (_EYE + sin * skew + (1.0 - cos) * skew @ skew)  # Rodrigues' formula
            yield position, axes
        yield position + axes @ self.end, axes @ self.end_rotation


def read_chain(robot: RobotModel, frame: str) -> Chain:
    """Read the chain of joints from the robot's base to a frame (a link) out of its URDF.

    Raises:
        RobotModelError: if the frame does not hang on the base, or a joint on the way is not one of the robot's.
    """
    joints = {link_name(j, "child"): j for j in ElementTree.parse(robot.urdf_path).getroot().iter("joint")}
    names: list[str] = []
    rotations: list[Array] = []
    translations: list[Array] = []
    axes: list[Array] = []
    link, way = frame, []
    while link != robot.base_link:
        if link not in joints:
            raise RobotModelError(
                f"The frame '{frame}' of robot '{robot.name}' does not hang on '{robot.base_link}': "
                "mend the robot file (frames)."
            )
        way.append(joints[link])
        link = link_name(joints[link], "parent")
    rotation, translation = np.eye(3), np.zeros(3)
    for joint in reversed(way):
        turn, offset = origin_pose(joint.find("origin"))
        translation = translation + rotation @ offset
        rotation = rotation @ turn
        if joint.get("type") == "fixed":
            continue
        if joint.get("name") not in robot.joint_names:
            raise RobotModelError(f"The URDF's joint '{joint.get('name')}' is none of robot '{robot.name}'.")
        names.append(str(joint.get("name")))
        rotations.append(rotation)
        translations.append(translation)
        x, y, z = numbers(required(joint, "axis").get("xyz"))
        axes.append(np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]))
        rotation, translation = np.eye(3), np.zeros(3)
    return Chain(
        tuple(names),
        np.reshape(rotations, (-1, 3, 3)),
        np.reshape(translations, (-1, 3)),
        np.reshape(axes, (-1, 3, 3)),
        translation,
        rotation,
    )
