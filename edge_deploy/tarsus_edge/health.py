# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What motors and battery say against going on: heat takes torque, then damps; a low battery lets the robot sit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tarsus_core.errors import StateError
from tarsus_core.state import joint_indices
from tarsus_edge.supervisor_config import SupervisorConfig

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MotorReading:
    """What the motors of one robot report beside position and torque."""

    joint_names: tuple[str, ...]
    temperature_c: Array
    """(J,) of the windings, degrees Celsius"""
    error: NDArray[np.uint32]
    """(J,) the drives' own codes; 0: none"""


class HealthMonitor:
    """Keeps the newest reading of motors and battery. What never reports is not judged: a simulator has neither.

    What has reported once must go on.
    """

    def __init__(self, config: SupervisorConfig, joint_names: tuple[str, ...]) -> None:
        """Watch the motors of these joints, and one battery."""
        self.config = config
        self.effort_scale: Array = np.ones(len(joint_names))
        """(J,) share of the effort limit that heat leaves"""
        self.battery_share = math.nan
        """0 to 1; NaN before the first reading"""
        self.must_sit = False
        """whether the battery is so low that a standing or walking robot has to sit down"""
        self.hottest = ""
        """the hottest joint and its temperature; empty before the first reading"""
        self.rejected = 0
        self._joint_names = joint_names
        self._motor_fault = ""
        self._motors_s = self._battery_s = math.nan  # whose distance to any time is beyond no limit
        self._motors_silent = self._battery_silent = ""

    def look(self, now_s: float) -> str:
        """Note who has fallen silent; return why it damps a moving robot, or nothing."""
        limit_s = self.config.motor_age_damp_s
        silent = abs(now_s - self._motors_s) > limit_s  # a clock that was set back tells nothing
        self._motors_silent = f"The motors have not reported for {limit_s:g} s." if silent else ""
        limit_s = self.config.battery_age_arm_s
        silent = abs(now_s - self._battery_s) > limit_s
        self._battery_silent = f"The battery has not reported for {limit_s:g} s." if silent else ""
        return self._motors_silent

    def on_motors(self, reading: MotorReading, now_s: float) -> str:
        """Take a reading of the motors; return why it damps a moving robot, or nothing.

        Between ``motor_derate_c`` and ``motor_damp_c`` the effort limit of a joint falls linearly to a half.
        """
        try:
            temperature, error = self._ordered(reading)
        except StateError as failure:
            self.rejected += 1
            self._motor_fault = str(failure)
            return self._motor_fault
        low, high = self.config.motor_derate_c, self.config.motor_damp_c
        self.effort_scale = 1.0 - 0.5 * np.clip((temperature - low) / max(high - low, 1e-6), 0.0, 1.0)
        hottest = int(np.argmax(temperature))
        self.hottest = f"{self._joint_names[hottest]} {temperature[hottest]:.0f} C"
        self._motor_fault = self._motors_silent = ""
        self._motors_s = now_s
        if error.any():
            joint = int(np.argmax(error != 0))
            self._motor_fault = f"The motor of joint '{self._joint_names[joint]}' reports error {int(error[joint])}."
        elif temperature[hottest] >= high:
            self._motor_fault = (
                f"The motor of joint '{self._joint_names[hottest]}' is at {temperature[hottest]:.0f} C, the limit "
                f"is {high:g}."
            )
        return self._motor_fault

    def _ordered(self, reading: MotorReading) -> tuple[Array, NDArray[np.uint32]]:
        """Temperature and error code (J,) of each joint.

        Raises:
            StateError: for a joint that is missing, or a temperature that is no number.
        """
        index = joint_indices(reading.joint_names, self._joint_names)
        if not len(reading.temperature_c) == len(reading.error) == len(reading.joint_names):
            raise StateError(
                f"The motors report {len(reading.temperature_c)} temperatures and {len(reading.error)} errors of "
                f"{len(reading.joint_names)} joints."
            )
        temperature, error = reading.temperature_c[index], reading.error[index]
        if not np.isfinite(temperature).all():
            joint = self._joint_names[int(np.argmax(~np.isfinite(temperature)))]
            raise StateError(f"The motor of joint '{joint}' reports no temperature that is a number.")
        return temperature, error

    def on_battery(self, share: float, now_s: float) -> bool:
        """Take a reading of the battery, 0 to 1; return whether it was one."""
        if not 0.0 <= share <= 1.0:
            self.rejected += 1
            return False
        self.battery_share = share
        self._battery_s, self._battery_silent = now_s, ""
        enough = self.config.battery_sit_share + (self.config.battery_sit_margin if self.must_sit else 0.0)
        self.must_sit = share < enough
        return True

    @property
    def _silence(self) -> str:
        """Who has fallen silent, one sentence; empty if nobody."""
        return self._motors_silent or self._battery_silent

    @property
    def obstacle(self) -> str:
        """Why the robot may not be armed, one sentence; empty if it may."""
        if self._motor_fault or self._silence:
            return self._motor_fault or self._silence
        if self.battery_share < self.config.battery_arm_share:
            return (
                f"The battery is at {self.battery_share:.0%}, below {self.config.battery_arm_share:.0%}: "
                "charge it before arming."
            )
        return ""

    @property
    def warning(self) -> str:
        """What the operator should know, one sentence; empty if nothing."""
        if self._silence:
            return self._silence
        if self.battery_share < self.config.battery_arm_share:
            return f"The battery is at {self.battery_share:.0%}: the robot sits at {self.config.battery_sit_share:.0%}."
        if (self.effort_scale < 1.0).any():
            return f"A motor is hot ({self.hottest}): its torque is limited to {self.effort_scale.min():.0%}."
        return ""
