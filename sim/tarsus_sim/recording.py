# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What a simulated robot did, one row a control period: written by the simulator, read by the video and by tests."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tarsus_core.errors import ConfigError
from tarsus_core.state import GroundTruth, JointCommand, RobotState

Array = NDArray[np.float64]

_MEASURED = (
    *("joint_position", "joint_velocity", "joint_effort", "orientation_base_to_world"),
    *("angular_velocity_base_in_base", "linear_acceleration_imu_in_imu"),
)
"""What sensors measure, of a state, in order."""


@dataclass(frozen=True)
class Recording:
    """T rows, one for each control period; joint arrays are (T, J) in the order of ``joint_names``."""

    robot: str
    joint_names: tuple[str, ...]
    stamp_s: Array
    """(T,) s of simulated time, of the state"""
    joint_position: Array
    joint_velocity: Array
    joint_effort: Array
    orientation_base_to_world: Array
    """(T, 4) xyzw"""
    angular_velocity_base_in_base: Array
    """(T, 3) rad/s"""
    linear_acceleration_imu_in_imu: Array
    """(T, 3) m/s^2"""
    position_base_in_world: Array
    """(T, 3) m"""
    command_stamp_s: Array
    """(T,) stamp of the command in force at the end of the period; NaN where the actuators damped without one"""
    command_position: Array
    command_kp: Array
    command_kd: Array

    def __len__(self) -> int:
        """Rows."""
        return len(self.stamp_s)

    def state(self, row: int) -> RobotState:
        """State of one row, as the sensors gave it."""
        return RobotState(
            float(self.stamp_s[row]),
            self.joint_names,
            *(getattr(self, name)[row] for name in _MEASURED),
        )

    def save(self, path: Path) -> None:
        """Write an .npz file, whole or not at all."""
        temporary = path.with_name(f".{path.name}.part")
        try:
            with open(temporary, "wb") as file:
                np.savez(file, **dataclasses.asdict(self))
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    @staticmethod
    def load(path: Path) -> Recording:
        """Read what ``save`` wrote.

        Raises:
            ConfigError: for a file that is no recording.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
                values = {f.name: data[f.name] for f in dataclasses.fields(Recording)}
        except (KeyError, ValueError, zipfile.BadZipFile, EOFError) as error:
            raise ConfigError(f"'{path}' is no recording of the simulator ({error}): record again.") from None
        values["robot"] = str(values["robot"])
        values["joint_names"] = tuple(str(n) for n in values["joint_names"])
        return Recording(**values)


class Recorder:
    """Collects rows in memory, at most ``limit_s`` of them."""

    def __init__(self, robot: str, joint_names: tuple[str, ...], limit_s: float = 1800.0) -> None:
        """Start empty."""
        self._robot = robot
        self._joint_names = joint_names
        self._limit_s = limit_s
        self._rows: list[tuple[Array | float, ...]] = []

    def add(self, state: RobotState, truth: GroundTruth, command: JointCommand | None) -> None:
        """Add the state of one robot at the begin of a control period, and the command in force at its end."""
        if self._rows and state.stamp_s - float(self._rows[0][0]) > self._limit_s:
            return
        nothing = np.full(len(self._joint_names), np.nan)
        self._rows.append(
            (
                state.stamp_s,
                *(getattr(state, name) for name in _MEASURED),
                truth.position_base_in_world,
                np.nan if command is None else command.stamp_s,
                *((nothing,) * 3 if command is None else (command.position, command.kp, command.kd)),
            )
        )

    def __len__(self) -> int:
        """Rows so far."""
        return len(self._rows)

    def recording(self) -> Recording:
        """All rows so far; at least one."""
        names = [f.name for f in dataclasses.fields(Recording)[2:]]
        columns = {name: np.array(column) for name, column in zip(names, zip(*self._rows, strict=True), strict=True)}
        return Recording(robot=self._robot, joint_names=self._joint_names, **columns)
