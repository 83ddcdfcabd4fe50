# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Gives an ONNX policy that was trained elsewhere a contract, so that it runs, scores and deploys like our own.

The contract comes as a YAML file, for ONNX files say little of what they mean. Figures per joint are lists in the
order of ``joints``, or map groups, patterns and names of joints to a value. See docs/adopt.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tarsus_core import __version__
from tarsus_core.contract import TERM_SIZES, CommandRange, Gait, ObservationTerm, PolicyContract
from tarsus_core.errors import ConfigError, RobotModelError, suggest
from tarsus_core.robot_model import RobotModel, load_robot
from tarsus_edge.policy_file import MAX_BYTES, PolicyFile, attach_contract, parse_policy
from tarsus_edge.policy_session import PolicySession
from tarsus_edge.proof import prove
from tarsus_edge.regular_file import read_regular_file
from tarsus_policies.golden import golden_observations, golden_rows, walk_observations

Values = tuple[float, ...]
KEYS = (
    *("robot", "source", "joints", "default_pose", "kp", "kd", "action", "observation", "control_period_s"),
    *("command_range", "gait"),
)
NEEDED = ("joints", "action", "observation", "command_range")


@dataclass(frozen=True)
class Adopted:
    """A policy file that was proven but not yet written."""

    file: PolicyFile
    observations: int
    """that it met while it walked the robot"""


def adopt(model: Path, contract: Path) -> Adopted:
    """Make a policy file of an ONNX model and a contract in YAML.

    Raises:
        ConfigError: for a file that cannot be read, or a contract with a wrong, unknown or missing entry.
        PolicyFileError: if the model cannot be read, does not fit the contract, or is no policy.
        StateError: if the network gives what is no number.
    """
    data = read_regular_file(model, "model", MAX_BYTES)
    described = read_contract(contract)
    robot = load_robot(described.robot)
    unproven = parse_policy(attach_contract(data, described), model.name)  # refuses what no policy file may hold
    prove(unproven, golden=False)
    network = PolicySession(unproven, robot, golden=False)
    seen = walk_observations(network, robot)
    golden = golden_observations(seen)
    described = replace(
        described,
        golden_observations=golden_rows(golden),
        golden_actions=golden_rows(network.run(golden)),
    )
    file = parse_policy(attach_contract(data, described), model.name)
    PolicySession(file, robot)
    return Adopted(file, sum(map(len, seen)))


def read_contract(path: Path) -> PolicyContract:
    """Read a contract in YAML, without golden vectors.

    Raises:
        ConfigError: naming the entry that is wrong, unknown or missing.
        PolicyFileError: if the contract contradicts itself.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The contract '{path}' cannot be read ({error.strerror}): check the path.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"The contract '{path}' is no YAML ({' '.join(str(error).split())}).") from None
    entries = _mapping(data, "the contract", KEYS)
    for key in NEEDED:
        if key not in entries:
            raise ConfigError(f"The contract '{path}' has no '{key}': see docs/adopt.md.")
    robot = load_robot(str(entries.get("robot", "g1")))
    joints = _joints(entries["joints"], robot)
    action = _mapping(entries["action"], "action", ("joints", "scale", "clip"))
    driven = _joints(action.get("joints", list(joints)), robot)
    pose = _per_joint(entries.get("default_pose"), "default_pose", robot, joints, robot.default_pose)
    contract = PolicyContract(
        robot=robot.name,
        urdf_sha256=robot.urdf_sha256,
        joint_names=robot.joint_names,
        default_pose=pose,
        kp=_per_joint(entries.get("kp"), "kp", robot, joints, robot.kp),
        kd=_per_joint(entries.get("kd"), "kd", robot, joints, robot.kd),
        effort_limit_nm=tuple(robot.effort_limit_nm.tolist()),
        action_joint_names=driven,
        action_scale=_scale(action.get("scale", 1.0), robot, driven),
        action_clip=_number(action.get("clip", 100.0), "action.clip"),
        observed_joint_names=joints,
        observation=tuple(_term(item, len(joints), len(driven)) for item in _list(entries["observation"])),
        control_period_s=_number(entries.get("control_period_s", 0.02), "control_period_s"),
        command_range=_range(entries["command_range"]),
        gait=_gait(entries.get("gait", {})),
        provenance={"adopted_from": str(entries.get("source", "unknown")), "versions": {"tarsus": __version__}},
    )
    contract.check()
    return contract


def _mapping(value: Any, where: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"The contract's '{where}' is {value!r}: it must be a mapping.")
    for key in value:
        if key not in known:
            raise ConfigError(f"The contract's '{where}' has an unknown entry '{key}'{suggest(str(key), known)}.")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"The contract's 'observation' is {value!r}: it must be a list of terms.")
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"The contract's '{where}' is {value!r}: it must be a number.")
    return float(value)


def _joints(value: Any, robot: RobotModel) -> tuple[str, ...]:
    """Return joint names, given as a list of them or as a group or pattern of the robot's, or all."""
    if value == "all":
        return robot.joint_names
    if isinstance(value, str):
        return _match(value, robot, "joints")
    if not isinstance(value, list):
        raise ConfigError(f"The contract's 'joints' is {value!r}: it must be a list of names, or a group.")
    for name in value:
        if name not in robot.joint_names:
            raise ConfigError(f"Robot '{robot.name}' has no joint '{name}'{suggest(str(name), robot.joint_names)}.")
    return tuple(value)


def _match(pattern: str, robot: RobotModel, where: str) -> tuple[str, ...]:
    try:
        return robot.match(pattern)
    except RobotModelError as error:
        raise ConfigError(f"The contract's '{where}' names joints that are not there: {error}") from None


def _per_joint(value: Any, where: str, robot: RobotModel, joints: tuple[str, ...], default: Any) -> Values:
    """Values of all the robot's joints: given ones, and the robot's own for the rest."""
    found = dict(zip(robot.joint_names, np.asarray(default, dtype=np.float64).tolist(), strict=True))
    found |= _values(value, where, robot, joints) if value is not None else {}
    return tuple(found[name] for name in robot.joint_names)


def _values(value: Any, where: str, robot: RobotModel, joints: tuple[str, ...]) -> dict[str, float]:
    if isinstance(value, list):
        if len(value) != len(joints):
            raise ConfigError(f"The contract's '{where}' has {len(value)} values for {len(joints)} joints.")
        return {name: _number(v, f"{where}.{name}") for name, v in zip(joints, value, strict=True)}
    if isinstance(value, Mapping):
        found: dict[str, float] = {}
        for pattern, number in value.items():
            for name in _match(str(pattern), robot, where):
                found[name] = _number(number, f"{where}.{pattern}")
        return found
    return dict.fromkeys(joints, _number(value, where))


def _scale(value: Any, robot: RobotModel, driven: tuple[str, ...]) -> Values:
    found = _values(value, "action.scale", robot, driven)
    for name in driven:
        if name not in found:
            raise ConfigError(f"The contract's 'action.scale' says nothing of joint '{name}'.")
    return tuple(found[name] for name in driven)


def _term(value: Any, joints: int, actions: int) -> ObservationTerm:
    entries = _mapping({"name": value} if isinstance(value, str) else value, "observation", _TERM_KEYS)
    name = entries.get("name")
    if name not in TERM_SIZES:
        raise ConfigError(f"There is no observation term '{name}'{suggest(str(name), TERM_SIZES)}.")
    size = TERM_SIZES[name] or (actions if name == "last_action" else joints)
    history = entries.get("history", 1)
    if isinstance(history, bool) or not isinstance(history, int):
        raise ConfigError(f"The history of the observation term '{name}' is {history!r}: it must be a whole number.")
    scale, clip = (_number(entries.get(k, d), f"{name}.{k}") for k, d in (("scale", 1.0), ("clip", 100.0)))
    return ObservationTerm(name, size, scale, clip, history)


_TERM_KEYS = ("name", "scale", "clip", "history")


def _range(value: Any) -> CommandRange:
    entries = _mapping(value, "command_range", ("vx", "vy", "wz"))
    pairs = {}
    for axis in ("vx", "vy", "wz"):
        pair = entries.get(axis)
        if not isinstance(pair, list) or len(pair) != 2:
            raise ConfigError(f"The contract's 'command_range.{axis}' is {pair!r}: it must be a list of two numbers.")
        pairs[axis] = (_number(pair[0], axis), _number(pair[1], axis))
    return CommandRange(**pairs)


def _gait(value: Any) -> Gait:
    entries = _mapping(value, "gait", tuple(f.name for f in fields(Gait)))
    return Gait(**{"period_s": 1.0, "stand_below": 0.01, **entries})
