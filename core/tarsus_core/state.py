# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What a robot measures, and what it is told: by joint name, in SI units, for one robot or a batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tarsus_core.errors import StateError

Array = NDArray[np.float64]


def check_stamp(stamp_s: float) -> None:
    """Refuse a time in s that no stamp of a message can hold.

    Raises:
        StateError: with the time.
    """
    if not 0.0 <= stamp_s < 2**31:
        raise StateError(f"The stamp is {stamp_s} s: it must be finite, not negative and below 2^31.")


@dataclass(frozen=True)
class RobotState:
    """One reading of a robot (arrays without the leading n) or of n robots (with it).

    A world, a recording and the robot's driver all produce this; everything that a policy sees is derived from it.
    """

    stamp_s: float
    """Time of the reading on the robot's clock (simulated or real), in s."""
    joint_names: tuple[str, ...]
    """J names, the order of every joint array."""
    joint_position: Array
    """(n, J) rad."""
    joint_velocity: Array
    """(n, J) rad/s."""
    joint_effort: Array
    """(n, J) N.m, as applied by the actuators."""
    orientation_base_to_world: Array
    """(n, 4) unit quaternion xyzw of the base link (IMU)."""
    angular_velocity_base_in_base: Array
    """(n, 3) rad/s (gyroscope)."""
    linear_acceleration_imu_in_imu: Array
    """(n, 3) m/s^2, specific force: +g upward at rest (REP-145)."""
    linear_velocity_base_in_base: Array | None = None
    """(n, 3) m/s; no sensor of a robot measures it: None but in a simulator."""

    def check(self) -> None:
        """Refuse a state that is not finite, whose arrays disagree with the names, or whose stamp no message can hold.

        Raises:
            StateError: naming the first offending field.
        """
        check_stamp(self.stamp_s)
        count = len(self.joint_names)
        values: dict[str, Array] = {}
        for name, width in (
            ("joint_position", count),
            ("joint_velocity", count),
            ("joint_effort", count),
            ("orientation_base_to_world", 4),
            ("angular_velocity_base_in_base", 3),
            ("linear_acceleration_imu_in_imu", 3),
            ("linear_velocity_base_in_base", 3),
        ):
            value = getattr(self, name)
            if value is None:
                continue
            if value.shape[-1:] != (width,):
                raise StateError(f"The state's {name} has shape {value.shape}, but its last size must be {width}.")
            values[name] = value
        for name, value in values.items() if not all_finite(values.values()) else ():
            if not np.isfinite(value).all():
                place = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
                of = f"joint '{self.joint_names[place[-1]]}'" if name.startswith("joint_") else f"place {place[-1]}"
                raise StateError(f"The state's {name} holds a value that is not finite: {value[place]} of {of}.")
        norm = np.linalg.norm(self.orientation_base_to_world, axis=-1)
        if np.any(np.abs(norm - 1.0) > 1e-2):
            norms = np.round(norm, 4).tolist()
            raise StateError(f"The state's orientation is no unit quaternion: its norm is {norms}.")

    def robot(self, index: int) -> RobotState:
        """Return the state of robot ``index`` of a batch, without the leading dimension."""
        return replace(
            self,
            joint_position=self.joint_position[index],
            joint_velocity=self.joint_velocity[index],
            joint_effort=self.joint_effort[index],
            orientation_base_to_world=self.orientation_base_to_world[index],
            angular_velocity_base_in_base=self.angular_velocity_base_in_base[index],
            linear_acceleration_imu_in_imu=self.linear_acceleration_imu_in_imu[index],
            linear_velocity_base_in_base=(
                None if self.linear_velocity_base_in_base is None else self.linear_velocity_base_in_base[index]
            ),
        )

    def select(self, joint_names: tuple[str, ...]) -> tuple[Array, Array]:
        """Return position and velocity (..., len(joint_names)) of the named joints, in that order.

        Raises:
            StateError: if the state lacks one of them.
        """
        index = joint_indices(self.joint_names, joint_names)
        return self.joint_position[..., index], self.joint_velocity[..., index]


@dataclass(frozen=True)
class GroundTruth:
    """What only a simulator knows, for scoring, rewards and tests; no policy sees it. Leading n as in RobotState."""

    position_base_in_world: Array
    """(n, 3) m."""
    linear_velocity_base_in_world: Array
    """(n, 3) m/s, of the base link's origin."""
    foot_contact: NDArray[np.bool_]
    """(n, F) whether each foot touches the ground."""
    foot_contact_force_n: Array
    """(n, F) N, normal force."""


@dataclass(frozen=True)
class JointCommand:
    """What each joint's actuator is told: torque = effort + kp (position - q) + kd (velocity - dq), then limited.

    Arrays are (J,) or (n, J), in the order of ``joint_names``.
    """

    stamp_s: float
    """Stamp of the state that the command answers, in s."""
    joint_names: tuple[str, ...]
    position: Array
    """rad."""
    velocity: Array
    """rad/s."""
    effort: Array
    """N.m, feed-forward."""
    kp: Array
    """N.m/rad."""
    kd: Array
    """N.m.s/rad."""

    def check(self) -> None:
        """Refuse a command that is not finite, has a negative gain or wrong sizes.

        Raises:
            StateError: naming the first offending field and joint.
        """
        count = len(self.joint_names)
        values = {name: getattr(self, name) for name in ("position", "velocity", "effort", "kp", "kd")}
        for name, value in values.items():
            if value.shape[-1:] != (count,):
                raise StateError(f"The command's {name} has shape {value.shape} for {count} joints.")
        if all_finite(values.values()) and not (self.kp < 0.0).any() and not (self.kd < 0.0).any():
            return
        for name, value in values.items():
            bad = ~np.isfinite(value)
            if name in ("kp", "kd"):
                bad |= value < 0.0
            if bad.any():
                joint = self.joint_names[int(np.argwhere(bad)[0][-1])]
                raise StateError(
                    f"The command's {name} of joint '{joint}' is {value[bad][0]}, which no actuator may get."
                )

    def torque(self, position: Array, velocity: Array) -> Array:
        """Return the torque that the actuators are asked for at these joint positions and velocities, unlimited."""
        return self.effort + self.kp * (self.position - position) + self.kd * (self.velocity - velocity)

    def ordered(self, joint_names: tuple[str, ...]) -> JointCommand:
        """Return the same command with its joints in another order.

        Raises:
            StateError: unless both hold the same names.
        """
        if joint_names == self.joint_names:
            return self
        if len(joint_names) != len(self.joint_names):
            raise StateError(
                f"The command has {len(self.joint_names)} joints but the robot has {len(joint_names)}: "
                "send each joint once."
            )
        index = joint_indices(self.joint_names, joint_names)
        return JointCommand(
            self.stamp_s,
            joint_names,
            *(getattr(self, f)[..., index] for f in ("position", "velocity", "effort", "kp", "kd")),
        )


def all_finite(arrays: Iterable[Array]) -> bool:
    """Whether every number of all arrays is finite, at the price of one look."""
    return bool(np.isfinite(np.concatenate([array.ravel() for array in arrays])).all())


def damping_command(joint_names: tuple[str, ...], stamp_s: float, kd: Array, position: Array) -> JointCommand:
    """Command that only brakes: kp 0, velocity 0, the given kd (J,); position is carried for the record."""
    zeros = np.zeros(len(joint_names))
    return JointCommand(stamp_s, joint_names, np.asarray(position, dtype=np.float64), zeros, zeros, zeros, kd)


def joint_indices(have: tuple[str, ...], want: tuple[str, ...]) -> list[int]:
    """Return for each wanted joint its place among those present.

    Raises:
        StateError: naming the first joint that is absent or present twice.
    """
    place = {name: i for i, name in enumerate(have)}
    if len(place) != len(have):
        twice = next(name for name in have if have.count(name) > 1)
        raise StateError(f"Joint '{twice}' appears twice: give each joint once.")
    try:
        return [place[name] for name in want]
    except KeyError as error:
        raise StateError(f"Joint {error} is missing: only {len(have)} joints were given, first '{have[:1]}'.") from None
