# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What a robot's states say against going on: holes, frozen sensors, impossible values, falls, runaways."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from tarsus_core.errors import StateError
from tarsus_core.rotations import tilt_angle
from tarsus_core.state import RobotState
from tarsus_edge.supervisor_config import SupervisorConfig

Array = NDArray[np.float64]

_TICK = 1e-9
"""s; what sums of float steps may miss an age limit by"""


CLOCK_DRIFT = 1e-3
"""s per s; ten times what the clocks of two computers drift apart: what comes later than that by and by is delayed"""


def reached(age_s: float, limit_s: float) -> bool:
    """Whether an age is at its limit, or beyond."""
    return age_s >= limit_s - _TICK


class StateMonitor:
    """Keeps the newest good state of one robot, its age, and why a moving robot must be damped."""

    def __init__(
        self,
        config: SupervisorConfig,
        joint_names: tuple[str, ...],
        velocity_limit: Array,
        position_lower: Array,
        position_upper: Array,
    ) -> None:
        """Watch the states of a robot.

        Args:
            config: thresholds.
            joint_names: J names that each state must list, in this order.
            velocity_limit: (J,) rad/s.
            position_lower: (J,) rad.
            position_upper: (J,) rad.
        """
        self.config = config
        self.latest: RobotState | None = None
        """the newest good state"""
        self.rejected = 0
        self.last_rejection = ""
        """why the newest state was dropped; empty if it was good"""
        self.late = 0
        self._joint_names = joint_names
        self._lowest = position_lower - config.joint_range_margin_rad
        self._highest = position_upper + config.joint_range_margin_rad
        self._speed_damp = velocity_limit * config.joint_speed_factor
        self._latest_now = -math.inf
        self._late_s: deque[float] = deque()
        self._imu_since_s = self._joints_since_s = -math.inf
        self._least_transit_s = math.inf
        self.delay_s = 0.0
        """how much later the newest good state came than the promptest one"""
        self.trouble = ""
        """what the newest good state says against moving, one sentence; empty if nothing: not that it came late"""

    @property
    def no_state(self) -> str:
        """What to say when the newest good state is too old."""
        why = f": {self.last_rejection}" if self.last_rejection else "."
        return f"No robot state for {self.config.state_age_damp_s * 1e3:g} ms{why}"

    @property
    def stamp_s(self) -> float | None:
        """Stamp of the newest good state; None before the first."""
        return self.latest.stamp_s if self.latest is not None else None

    def age(self, now_s: float) -> float:
        """Time in s since the newest good state came in; infinite before the first.

        A clock that lags behind (it stands still, or was set back) cannot tell the age, and is as bad as a late state.
        """
        return abs(now_s - self._latest_now) if self.latest is not None else math.inf

    def stale(self, now_s: float) -> str:
        """Say why there is no fresh state, as the start of a sentence; empty if there is one."""
        age = self.age(now_s)
        why = f" (what comes is dropped: {self.last_rejection.rstrip('.')})" if self.last_rejection else ""
        if math.isinf(age):
            return f"No good robot state has arrived{why}" if why else "No robot state has arrived"
        if not reached(age, self.config.state_age_damp_s):
            return ""
        return f"The newest robot state is {age * 1e3:.0f} ms old{why}"

    def forget_delay(self) -> None:
        """Take the next state's way as the measure of those to come."""
        self._least_transit_s = math.inf
        self.delay_s = 0.0

    def take(self, state: RobotState, now_s: float, walks: bool = False) -> str:
        """Take a state; return why it damps a moving robot, or nothing.

        What cannot be a state is counted and dropped, whatever is wrong with it: one spoiled message is no reason to
        let a robot fall, and where all are spoiled the age of the newest good one says so.

        Args:
            state: what came.
            now_s: when it came.
            walks: whether a policy moves the robot, so that its joints cannot rest.
        """
        try:
            if state.joint_names != self._joint_names:
                raise StateError("The state lists other joints than the robot has.")
            state.check()
            self._in_range(state.joint_position)
        except StateError as error:
            self.reject(str(error))
            return ""
        before = self.latest
        if before is not None and state.stamp_s == before.stamp_s:
            return ""  # a repeated reading is no news: its age goes on growing
        late = self._in_time(state, before, now_s)
        if before is None or not _same_imu(state, before):
            self._imu_since_s = state.stamp_s
        if before is None or not walks or not _same_joints(state, before):
            self._joints_since_s = state.stamp_s
        self.latest, self._latest_now, self.last_rejection = state, now_s, ""
        reasons = (
            self._delayed(state.stamp_s, before, now_s),
            self._frozen(state),
            self._falls(state),
            self._runs_away(state),
        )
        self.trouble = next(filter(None, reasons), "")
        return late or self.trouble

    def reject(self, reason: str) -> None:
        """Count something that came and is no state, with the reason, one sentence."""
        self.rejected += 1
        self.last_rejection = reason

    def _in_range(self, position: Array) -> None:
        beyond = (position < self._lowest) | (position > self._highest)
        if beyond.any():
            joint = int(np.argmax(beyond))
            raise StateError(
                f"Joint '{self._joint_names[joint]}' is said to be at {position[joint]:.2f} rad, more than "
                f"{self.config.joint_range_margin_rad:g} beyond its range: calibrate it."
            )

    def _in_time(self, state: RobotState, before: RobotState | None, now_s: float) -> str:
        if before is None:
            return ""
        if state.stamp_s < before.stamp_s:
            self._imu_since_s = self._joints_since_s = state.stamp_s
            self._late_s.clear()
            self.forget_delay()
            return f"The robot's clock went back from {before.stamp_s:.3f} to {state.stamp_s:.3f} s."
        gap_s = now_s - self._latest_now
        if gap_s <= self.config.state_age_warn_s + _TICK:
            return ""
        self.late += 1
        if reached(gap_s, self.config.state_age_damp_s):  # nobody looked meanwhile
            return self.no_state
        self._late_s.append(now_s)
        while self._late_s[0] < now_s - 1.0:
            self._late_s.popleft()
        if len(self._late_s) >= self.config.states_late_damp:
            return f"{len(self._late_s)} robot states were late within 1 s: the machine is too busy."
        return ""

    def _delayed(self, stamp_s: float, before: RobotState | None, now_s: float) -> str:
        """Compare the time from stamp to arrival, the clocks' offset included, with the least there was.

        That least one grows by ``CLOCK_DRIFT``, so that clocks may drift apart.
        """
        transit_s = now_s - stamp_s
        drift_s = CLOCK_DRIFT * max(0.0, stamp_s - before.stamp_s) if before is not None else 0.0
        self._least_transit_s = min(self._least_transit_s + drift_s, transit_s)
        self.delay_s = transit_s - self._least_transit_s
        if reached(self.delay_s, self.config.state_delay_damp_s):
            return f"Robot states come {self.delay_s * 1e3:.0f} ms late: the link or a machine holds them up."
        return ""

    def _frozen(self, state: RobotState) -> str:
        if reached(state.stamp_s - self._imu_since_s, self.config.imu_frozen_damp_s):
            return f"The IMU has said the same for {self.config.imu_frozen_damp_s * 1e3:g} ms."
        if reached(state.stamp_s - self._joints_since_s, self.config.joints_frozen_damp_s):
            return f"All joints have said the same for {self.config.joints_frozen_damp_s * 1e3:g} ms."
        return ""

    def _falls(self, state: RobotState) -> str:
        tilt = float(tilt_angle(state.orientation_base_to_world))
        if tilt > self.config.tilt_damp_rad:
            return f"The robot is tilted by {tilt:.2f} rad, more than {self.config.tilt_damp_rad:g}."
        speed = float(np.linalg.norm(state.angular_velocity_base_in_base))
        if speed > self.config.base_speed_damp_rad_s:
            return f"The base turns at {speed:.1f} rad/s, more than {self.config.base_speed_damp_rad_s:g}."
        return ""

    def _runs_away(self, state: RobotState) -> str:
        speed = np.abs(state.joint_velocity)
        if np.any(speed > self._speed_damp):
            joint = int(np.argmax(speed / self._speed_damp))
            return (
                f"Joint '{self._joint_names[joint]}' turns at {speed[joint]:.1f} rad/s, "
                f"more than {self._speed_damp[joint]:.1f}."
            )
        return ""


def _same_imu(a: RobotState, b: RobotState) -> bool:
    """Whether two readings agree in every bit: with a sensor's noise they never do."""
    return (
        np.array_equal(a.angular_velocity_base_in_base, b.angular_velocity_base_in_base)
        and np.array_equal(a.linear_acceleration_imu_in_imu, b.linear_acceleration_imu_in_imu)
        and np.array_equal(a.orientation_base_to_world, b.orientation_base_to_world)
    )


def _same_joints(a: RobotState, b: RobotState) -> bool:
    """Whether two readings of all joints agree in every bit."""
    return np.array_equal(a.joint_position, b.joint_position) and np.array_equal(a.joint_velocity, b.joint_velocity)
