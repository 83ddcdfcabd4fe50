# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A robot as a file: joints, groups, pose, gains, limits, frames. A second robot is a second YAML file."""

from __future__ import annotations

import hashlib
import os
import re
import site
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import yaml
from numpy.typing import NDArray

from tarsus_core.errors import DependencyError, RobotModelError, suggest

Array = NDArray[np.float64]
ROBOTS = Path(__file__).parent / "robots"

_UNREADABLE = (OSError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""what a robot file that is no robot file runs into"""


@dataclass(frozen=True)
class Capsule:
    """A capsule between two points (m, link frame) with a radius (m)."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    radius: float


@dataclass(frozen=True)
class RobotModel:
    """Constants of one robot. Arrays are (J,), read-only, in the order of ``joint_names``; SI units and radians."""

    name: str
    joint_names: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    default_pose: Array
    """rad"""
    kp: Array
    """N.m/rad"""
    kd: Array
    """N.m.s/rad"""
    armature: Array
    """kg.m^2, rotor inertia reflected to the joint"""
    effort_limit_nm: Array
    velocity_limit: Array
    """rad/s"""
    position_lower: Array
    """rad, from the URDF"""
    position_upper: Array
    """rad, from the URDF"""
    base_link: str
    torso_link: str
    imu_frame: str
    camera_frame: str
    """of the camera on the robot, x along its view and z up; empty for a robot without one"""
    foot_links: tuple[str, ...]
    sole_height_m: float
    """from a foot frame down to its sole"""
    base_height_m: float
    """base link above flat ground in the default pose"""
    mirror_index: NDArray[np.int64]
    """(J,) for each joint the place of its left-right image"""
    mirror_sign: Array
    """(J,) +1 or -1: the sign that its image's angle takes"""
    collision_capsules: Mapping[str, Capsule]
    urdf_path: Path
    urdf_sha256: str

    def indices(self, joint_names: tuple[str, ...]) -> list[int]:
        """Places of the named joints.

        Raises:
            RobotModelError: for a joint that this robot lacks.
        """
        for name in joint_names:
            if name not in self._places:
                raise RobotModelError(f"Robot '{self.name}' has no joint '{name}'{suggest(name, self.joint_names)}.")
        return [self._places[name] for name in joint_names]

    def group(self, name: str) -> tuple[str, ...]:
        """Joint names of a group such as ``legs``.

        Raises:
            RobotModelError: for an unknown group.
        """
        if name not in self.groups:
            raise RobotModelError(f"Robot '{self.name}' has no joint group '{name}'{suggest(name, self.groups)}.")
        return self.groups[name]

    def match(self, pattern: str) -> tuple[str, ...]:
        """Joint names that a group name or a whole regular expression matches, in order.

        Raises:
            RobotModelError: if it matches none, or is neither.
        """
        if pattern in self.groups:
            return self.groups[pattern]
        try:
            whole = re.compile(pattern)
        except re.error as error:
            raise RobotModelError(
                f"'{pattern}' is neither a joint group of robot '{self.name}' nor a regular expression ({error}): "
                "write .* for any characters."
            ) from None
        found = tuple(n for n in self.joint_names if whole.fullmatch(n))
        if not found:
            known = (*self.groups, *self.joint_names)
            hint = suggest(pattern, known)
            raise RobotModelError(f"No joint or group of robot '{self.name}' matches '{pattern}'{hint}.")
        return found

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.joint_names)}


def known_robots() -> list[str]:
    """Names of the robots that ship."""
    return sorted(p.stem for p in ROBOTS.glob("*.yaml"))


@lru_cache
def load_robot(name_or_path: str) -> RobotModel:
    """Load a robot by the name of a file that ships, or by the path of a YAML file.

    Raises:
        RobotModelError: for an unknown robot, or a file that contradicts itself or its URDF.
        DependencyError: if the package that carries the URDF is absent.
    """
    path = ROBOTS / f"{name_or_path}.yaml"
    if not os.path.isfile(path):
        path = Path(name_or_path)
        if path.suffix not in (".yaml", ".yml"):
            raise RobotModelError(
                f"There is no robot '{name_or_path}'{suggest(name_or_path, known_robots())}: "
                "name one that ships, or give the path of a robot YAML file."
            )
        if not os.path.isfile(path):  # Path.is_file raises where the name is too long for a file
            raise RobotModelError(f"There is no robot file '{name_or_path}': check the path.")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _build(data)
    except RobotModelError as error:
        raise RobotModelError(f"Robot file '{path.name}': {error}") from None
    except (*_UNREADABLE, yaml.YAMLError, re.error) as error:
        reason = " ".join(str(error).split())
        raise RobotModelError(
            f"Robot file '{path.name}' cannot be read ({type(error).__name__}: {reason}): mend the file."
        ) from None


def find_package_file(package: str, relative: str) -> Path:
    """Path of a file that a data package installs below ``share/<package>``, wherever pip or ROS put it.

    Raises:
        DependencyError: if it is absent.
    """
    roots = [Path(p) / "cmeel.prefix" for p in (*site.getsitepackages(), site.getusersitepackages(), *sys.path) if p]
    roots += [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    for root in roots:
        candidate = root / "share" / package / relative
        if candidate.is_file():
            return candidate
    raise DependencyError(f"'{relative}' of package '{package}' is not installed: run 'pip install {package}'.")


def _build(data: dict[str, Any]) -> RobotModel:
    names = tuple(str(n) for n in data["joints"])
    if len(set(names)) != len(names):
        raise RobotModelError("a joint is listed twice.")
    urdf = find_package_file(data["urdf"]["package"], data["urdf"]["path"])
    digest = hashlib.sha256(urdf.read_bytes()).hexdigest()
    if digest != data["urdf"]["sha256"]:
        raise RobotModelError(
            f"the URDF {urdf.name} has SHA-256 {digest[:12]}..., not {data['urdf']['sha256'][:12]}...: "
            f"install the pinned version of {data['urdf']['package']}."
        )
    lower, upper = _urdf_limits(urdf, names)

    actuator = {}
    for entry in data["actuators"]:
        for name in _matches(names, entry["joints"]):
            if name in actuator:
                raise RobotModelError(f"joint '{name}' has two actuators.")
            actuator[name] = entry
    for name in names:
        if name not in actuator:
            raise RobotModelError(f"joint '{name}' has no actuator.")

    pose = dict.fromkeys(names, 0.0)
    for pattern, value in data["default_pose"].items():
        for name in _matches(names, pattern):
            pose[name] = float(value)

    left, right = data["mirror"]["swap"]
    images = [_swap(name, left, right) for name in names]
    negate = set(_matches(names, data["mirror"]["negate"]))
    frames = data["frames"]

    def column(key: str) -> Array:
        return _frozen([float(actuator[n][key]) for n in names])

    return RobotModel(
        name=data["name"],
        joint_names=names,
        groups={key: tuple(_matches(names, pattern)) for key, pattern in data["groups"].items()},
        default_pose=_frozen([pose[n] for n in names]),
        kp=column("kp"),
        kd=column("kd"),
        armature=column("armature"),
        effort_limit_nm=column("effort_limit"),
        velocity_limit=column("velocity_limit"),
        position_lower=_frozen(lower),
        position_upper=_frozen(upper),
        base_link=frames["base"],
        torso_link=frames["torso"],
        imu_frame=frames["imu"],
        camera_frame=str(frames.get("camera", "")),
        foot_links=tuple(frames["feet"]),
        sole_height_m=float(frames["sole_height"]),
        base_height_m=float(frames["base_height"]),
        mirror_index=np.array([names.index(i) for i in images], dtype=np.int64),
        mirror_sign=_frozen([-1.0 if n in negate else 1.0 for n in names]),
        collision_capsules={
            link: Capsule(tuple(c["from"]), tuple(c["to"]), float(c["radius"]))
            for link, c in data.get("collision_capsules", {}).items()
        },
        urdf_path=urdf,
        urdf_sha256=digest,
    )


def _matches(names: tuple[str, ...], pattern: str) -> list[str]:
    found = [n for n in names if re.fullmatch(pattern, n)]
    if not found:
        raise RobotModelError(f"'{pattern}' matches no joint{suggest(pattern, names)}.")
    return found


def _swap(name: str, left: str, right: str) -> str:
    if name.startswith(left):
        return right + name[len(left) :]
    return left + name[len(right) :] if name.startswith(right) else name


def _frozen(values: list[float]) -> Array:
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array


def _urdf_limits(urdf: Path, names: tuple[str, ...]) -> tuple[list[float], list[float]]:
    joints = {j.get("name"): j for j in ElementTree.parse(urdf).getroot().findall("joint")}
    lower, upper = [], []
    for name in names:
        limit = joints[name].find("limit") if name in joints else None
        if limit is None:
            raise RobotModelError(f"the URDF has no limited joint '{name}'{suggest(name, [str(k) for k in joints])}.")
        lower.append(float(limit.get("lower", "nan")))
        upper.append(float(limit.get("upper", "nan")))
    return lower, upper
