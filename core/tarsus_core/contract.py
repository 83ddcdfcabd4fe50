# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The policy contract, version 1: everything that is needed to run a policy file, at full precision.

The contract travels as one JSON text in the metadata of ``policy.onnx``; Python's JSON writes the shortest text
that reads back as the same double, so nothing is rounded. There is no second file that could drift.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tarsus_core import strict_json
from tarsus_core.errors import PolicyFileError, suggest
from tarsus_core.robot_model import RobotModel

VERSION = 1
MOST_VALUES = 100_000
"""of an observation; the largest of the policies that are known have some 1,500"""

TERM_SIZES: dict[str, int | None] = {
    "base_angular_velocity": 3,
    "projected_gravity": 3,
    "base_linear_velocity": 3,
    "leg_odometry": 2,
    "velocity_command": 3,
    "linear_velocity_command": 2,
    "angular_velocity_command": 1,
    "joint_position": None,
    "joint_velocity": None,
    "last_action": None,
    "gait_phase": 2,
    "feet_phase_sin": 2,
    "feet_phase_cos": 2,
}
"""Known observation terms and their sizes; None means one value a joint or action."""

UNMEASURABLE = ("base_linear_velocity",)
"""Terms that only a simulator knows."""


@dataclass(frozen=True)
class ObservationTerm:
    """One term of the observation, in order; its values are clip(raw, +-clip) * scale, history oldest first."""

    name: str
    size: int
    scale: float = 1.0
    clip: float = 100.0
    """bound on the raw value, in the term's own unit"""
    history: int = 1
    """number of control periods kept, oldest first"""


@dataclass(frozen=True)
class CommandRange:
    """Trained range of the velocity command; what is outside is clamped to it."""

    vx: tuple[float, float]
    """m/s, forward"""
    vy: tuple[float, float]
    """m/s, left"""
    wz: tuple[float, float]
    """rad/s, counter-clockwise"""

    @property
    def lower(self) -> NDArray[np.float64]:
        """(3,) lower bounds."""
        return np.array([self.vx[0], self.vy[0], self.wz[0]])

    @property
    def upper(self) -> NDArray[np.float64]:
        """(3,) upper bounds."""
        return np.array([self.vx[1], self.vy[1], self.wz[1]])


@dataclass(frozen=True)
class Gait:
    """The clock that the observation term gait_phase shows: (sin, cos) of it while walking, (0, 0) while standing."""

    period_s: float
    """time of one left and one right step"""
    stand_below: float
    """commands whose |vx| (m/s), |vy| (m/s) and |wz| (rad/s) are all below this mean standing"""
    recover_s: float = 0.0
    """time for which a standing robot steps after it was disturbed; 0: it never does on its own"""
    recover_rate: float = 0.5
    """roll and pitch rate (rad/s, of both together) of a standing robot that is a disturbance"""
    recover_tilt: float = 0.1
    """tilt (rad) of a standing robot that is a disturbance"""
    finish_step: bool = True
    """whether a command to stand first lets the step be finished; else the clock stops at once, and goes to 0"""
    never_rests: bool = False
    """whether the clock runs even while standing"""
    rate_octaves: float = 0.0
    """above 0: one more action, the last, lets the clock run faster or slower by up to so many octaves"""
    rate_scale: float = 1.0
    """octaves per unit of that action: the clock runs 2^clip(rate_scale * action, +-rate_octaves) times as fast"""


@dataclass(frozen=True)
class PolicyContract:
    """Everything needed to run a policy. Lists per joint follow ``joint_names``; SI units and radians."""

    robot: str
    urdf_sha256: str
    joint_names: tuple[str, ...]
    """all joints that are commanded"""
    default_pose: tuple[float, ...]
    kp: tuple[float, ...]
    kd: tuple[float, ...]
    effort_limit_nm: tuple[float, ...]
    action_joint_names: tuple[str, ...]
    """the joints that the action drives, in the order of the action; the others hold the default pose"""
    action_scale: tuple[float, ...]
    """rad per unit of action: target = default pose + scale * clip(action)"""
    action_clip: float
    observed_joint_names: tuple[str, ...]
    """the joints of the terms joint_position and joint_velocity, in order"""
    observation: tuple[ObservationTerm, ...]
    control_period_s: float
    command_range: CommandRange
    gait: Gait
    actuator: dict[str, Any] = field(default_factory=dict)
    """what training assumed: physics step, rotor inertia, delays, friction"""
    provenance: dict[str, Any] = field(default_factory=dict)
    """git revision, seed, steps, settings"""
    scorecard: dict[str, Any] = field(default_factory=dict)
    graph_sha256: str = ""
    """digest of the file without its metadata"""
    golden_observations: tuple[tuple[float, ...], ...] = ()
    golden_actions: tuple[tuple[float, ...], ...] = ()
    version: int = VERSION

    @property
    def observation_size(self) -> int:
        """Width of the policy's input."""
        return sum(t.size * t.history for t in self.observation)

    def place(self, term: str) -> tuple[int, ObservationTerm]:
        """Index at which a term's values begin in the observation, and the term.

        Raises:
            KeyError: if the observation lacks it.
        """
        start = 0
        for found in self.observation:
            if found.name == term:
                return start, found
            start += found.size * found.history
        raise KeyError(term)

    @property
    def action_size(self) -> int:
        """Width of the policy's output."""
        return len(self.action_joint_names) + (self.gait.rate_octaves > 0.0)

    def to_json(self) -> str:
        """Serialise; reading it back gives an equal contract, bit for bit."""
        return json.dumps(dataclasses.asdict(self), allow_nan=False, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> PolicyContract:
        """Parse and check.

        Raises:
            PolicyFileError: for what is missing, unknown, of another version, or inconsistent.
        """
        try:
            data = strict_json.parse(text)
        except ValueError as error:
            raise PolicyFileError(f"The policy's contract cannot be read ({error}): export the policy again.") from None
        if not isinstance(data, dict):
            raise PolicyFileError("The policy's contract is no JSON object: export the policy again.")
        if type(data.get("version")) is not int or data["version"] != VERSION:
            raise PolicyFileError(
                f"The policy's contract has version {data.get('version')!r}, but this Tarsus reads version {VERSION}: "
                "export the policy with this version."
            )
        known = {f.name for f in dataclasses.fields(PolicyContract)}
        for key in data:
            if key not in known:
                raise PolicyFileError(f"The policy's contract has an unknown field '{key}'{suggest(key, known)}.")
        try:
            data["observation"] = tuple(
                ObservationTerm(**{k: v if k in _COUNTS else _floats(v) for k, v in term.items()})
                for term in data["observation"]
            )
            data["command_range"] = CommandRange(**{k: _floats(v) for k, v in data["command_range"].items()})
            data["gait"] = Gait(**{k: _floats(v) for k, v in data["gait"].items()})
            contract = PolicyContract(**{k: v if k in (*_DICTS, "version") else _floats(v) for k, v in data.items()})
            contract.check()
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise PolicyFileError(f"The policy's contract is wrong ({reason}): export the policy again.") from None
        return contract

    def check(self) -> None:
        """Refuse a contract that contradicts itself.

        Raises:
            PolicyFileError: naming the field and its value.
        """
        for kind, what, fields in (
            (str, "text", ("robot", "urdf_sha256", "graph_sha256")),
            (dict, "object", _DICTS),
        ):
            for field_name in fields:
                if not isinstance(getattr(self, field_name), kind):
                    raise PolicyFileError(f"The contract's {field_name} is no {what}: export the policy again.")
        if not _ROBOT.fullmatch(self.robot):
            raise PolicyFileError(f"The contract's robot is '{self.robot}', which is no name: export the policy again.")
        known = set(self.joint_names) if isinstance(self.joint_names, tuple) else set()
        for field_name in ("joint_names", "action_joint_names", "observed_joint_names"):
            names = getattr(self, field_name)
            if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
                raise PolicyFileError(f"The contract's {field_name} is no list of names: export the policy again.")
            if len(set(names)) != len(names) or not names:
                raise PolicyFileError(f"The contract's {field_name} is empty or names a joint twice.")
            for joint in (name for name in names if name not in known):
                raise PolicyFileError(f"The contract's {field_name} has joint '{joint}', which joint_names lacks.")
        joints = len(self.joint_names)
        for name in ("default_pose", "kp", "kd", "effort_limit_nm"):
            _check_numbers(name, getattr(self, name), joints)
        _check_numbers("action_scale", self.action_scale, len(self.action_joint_names))
        for name in ("kp", "kd", "effort_limit_nm", "action_scale"):
            lowest = min(getattr(self, name))
            if lowest < 0.0:
                raise PolicyFileError(f"The contract's {name} holds {lowest}: it must not be negative.")
        for name, value in (
            ("control_period_s", self.control_period_s),
            ("action_clip", self.action_clip),
            ("gait.period_s", self.gait.period_s),
            ("gait.stand_below", self.gait.stand_below),
            ("gait.recover_s", self.gait.recover_s),
            ("gait.recover_rate", self.gait.recover_rate),
            ("gait.recover_tilt", self.gait.recover_tilt),
            ("gait.rate_octaves", self.gait.rate_octaves),
            ("gait.rate_scale", self.gait.rate_scale),
        ):
            _check_numbers(name, (value,), 1)
        if not 0.001 <= self.control_period_s <= 0.1:
            raise PolicyFileError(
                f"The contract's control_period_s is {self.control_period_s}: it must be in 0.001..0.1 s."
            )
        for name, value in (("action_clip", self.action_clip), ("gait.period_s", self.gait.period_s)):
            if value <= 0.0:
                raise PolicyFileError(f"The contract's {name} is {value}: it must be positive.")
        for name in ("stand_below", "recover_s", "recover_rate", "recover_tilt", "rate_octaves", "rate_scale"):
            value = getattr(self.gait, name)
            if value < 0.0:
                raise PolicyFileError(f"The contract's gait.{name} is {value}: it must not be negative.")
        for axis in ("vx", "vy", "wz"):
            low, high = getattr(self.command_range, axis)
            _check_numbers(f"command range of {axis}", (low, high), 2)
            if not low <= 0.0 <= high:
                raise PolicyFileError(f"The contract's command range of {axis} is [{low}, {high}]: it must contain 0.")
        for name in ("finish_step", "never_rests"):
            value = getattr(self.gait, name)
            if not isinstance(value, bool):
                raise PolicyFileError(f"The contract's gait.{name} is {value!r}, not true or false.")
        self._check_terms()
        self._check_golden()

    def _check_terms(self) -> None:
        sizes = {
            "joint_position": len(self.observed_joint_names),
            "joint_velocity": len(self.observed_joint_names),
            "last_action": self.action_size,
        }
        if not self.observation:
            raise PolicyFileError("The contract's observation has no term.")
        for term in self.observation:
            if term.name not in TERM_SIZES:
                raise PolicyFileError(
                    f"The contract has an unknown observation term '{term.name}'{suggest(term.name, TERM_SIZES)}."
                )
            expected = TERM_SIZES[term.name] or sizes[term.name]
            if type(term.size) is not int or term.size != expected:
                raise PolicyFileError(
                    f"The observation term '{term.name}' has size {term.size}, but it must be {expected}."
                )
            _check_numbers(f"scale and clip of '{term.name}'", (term.scale, term.clip), 2)
            if type(term.history) is not int or term.history < 1 or not term.clip > 0.0:
                raise PolicyFileError(f"The observation term '{term.name}' has an unusable history, scale or clip.")
        names = [t.name for t in self.observation]
        if len(set(names)) != len(names):
            raise PolicyFileError(f"The contract repeats an observation term: {names}.")
        if self.observation_size > MOST_VALUES:
            raise PolicyFileError(
                f"The contract's observation has {self.observation_size} values, more than {MOST_VALUES}: keep less "
                "history."
            )

    def _check_golden(self) -> None:
        if len(self.golden_observations) != len(self.golden_actions):
            raise PolicyFileError(
                f"The contract has {len(self.golden_observations)} golden observations "
                f"but {len(self.golden_actions)} golden actions."
            )
        for vector in self.golden_observations:
            _check_numbers("golden_observations", vector, self.observation_size)
        for vector in self.golden_actions:
            _check_numbers("golden_actions", vector, self.action_size)

    def check_measurable(self) -> None:
        """Refuse to run where a term of the observation cannot be measured: on a robot, and in the graph.

        Raises:
            PolicyFileError: naming the term.
        """
        for term in self.observation:
            if term.name in UNMEASURABLE:
                raise PolicyFileError(
                    f"The policy observes '{term.name}', which no sensor of a robot measures: it runs in "
                    "'tarsus score' alone; train one without it."
                )

    def check_robot(self, robot: RobotModel) -> None:
        """Refuse to run on another robot than the one the policy was trained for.

        Raises:
            PolicyFileError: naming what differs.
        """
        if self.robot != robot.name:
            raise PolicyFileError(
                f"The policy is for robot '{self.robot}', not '{robot.name}': give a policy for '{robot.name}'."
            )
        for joint in self.joint_names:
            if joint not in robot.joint_names:
                hint = suggest(joint, robot.joint_names)
                raise PolicyFileError(f"The policy drives joint '{joint}', which robot '{robot.name}' lacks{hint}.")
        if set(self.joint_names) != set(robot.joint_names):
            missing = next(n for n in robot.joint_names if n not in self.joint_names)
            raise PolicyFileError(
                f"The policy says nothing of joint '{missing}' of robot '{robot.name}': export it again."
            )
        if self.urdf_sha256 != robot.urdf_sha256:
            raise PolicyFileError(
                f"The policy was trained on another URDF (SHA-256 {self.urdf_sha256[:12]}...) than the robot's "
                f"({robot.urdf_sha256[:12]}...): train again, or install the pinned example-robot-data."
            )


_DICTS = ("actuator", "provenance", "scorecard")
_COUNTS = ("size", "history")
_ROBOT = re.compile(r"\w[\w-]{0,63}", re.ASCII)


def _floats(value: Any) -> Any:
    """Lists as tuples, and whole numbers, which JSON may write without a point, as the floats that they are."""
    if isinstance(value, list):
        return tuple(_floats(v) for v in value)
    return float(value) if type(value) is int else value


def _check_numbers(name: str, values: tuple[float, ...], count: int) -> None:
    if len(values) != count:
        raise PolicyFileError(f"The contract's {name} has {len(values)} values, but there must be {count}.")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise PolicyFileError(f"The contract's {name} holds {value!r}, which is no finite number.")
