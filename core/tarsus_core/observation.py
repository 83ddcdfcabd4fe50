# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The one observation builder: gym, scorecard, policy node and robot all call this, driven by the contract."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import StateError
from tarsus_core.gait import GaitClock
from tarsus_core.leg_odometry import LegOdometry
from tarsus_core.robot_model import load_robot
from tarsus_core.rotations import projected_gravity, tilt_angle
from tarsus_core.state import JointCommand, RobotState, joint_indices

Array = NDArray[np.float64]


class PolicyInterface:
    """Between robot states and a policy: observations in, joint commands out, for n robots at once.

    It holds what a policy remembers from one control period to the next: the last action, the gait clock and the
    observation history. A control period is ``observe`` and then ``command``.
    """

    def __init__(self, contract: PolicyContract, joint_names: tuple[str, ...], count: int = 1) -> None:
        """Prepare for ``count`` robots whose states list ``joint_names``.

        Raises:
            StateError: if the states lack a joint that the contract names.
        """
        self.contract = contract
        self.count = count
        self.joint_names = joint_names
        place = joint_indices(joint_names, contract.joint_names)
        order = np.argsort(place) if sorted(place) == list(range(len(joint_names))) else None
        if order is None:
            raise StateError(
                f"The robot has {len(joint_names)} joints but the policy commands {len(place)}: they must be the same."
            )
        self._observed = np.array(joint_indices(joint_names, contract.observed_joint_names))
        self._driven = np.array(joint_indices(joint_names, contract.action_joint_names))
        self.default_pose = np.array(contract.default_pose)[order]
        self._observed_pose = self.default_pose[self._observed]
        self.kp = np.array(contract.kp)[order]
        self.kd = np.array(contract.kd)[order]
        # every command's, and read only, as they are shared
        self._zeros, self._kp, self._kd = (
            np.broadcast_to(values, (count, len(joint_names))) for values in (0.0, self.kp, self.kd)
        )
        self.effort_limit_nm = np.array(contract.effort_limit_nm)[order]
        self._action_scale = np.array(contract.action_scale)
        self._low, self._high = contract.command_range.lower, contract.command_range.upper
        self.last_action: Array = np.zeros((count, contract.action_size))
        self.clock = GaitClock(contract.gait, contract.control_period_s, count)
        self.velocity_command: Array = np.zeros((count, 3))
        self._history = [np.zeros((count, t.history, t.size)) if t.history > 1 else None for t in contract.observation]
        self._fresh = np.ones(count, dtype=bool)
        sizes = [term.size for term in contract.observation]
        self._clip = np.repeat([term.clip for term in contract.observation], sizes)
        self._scale = np.repeat([term.scale for term in contract.observation], sizes)
        self._ends = np.cumsum(sizes)
        self._odometry: LegOdometry | None = None
        if any(t.name == "leg_odometry" for t in contract.observation):
            robot = load_robot(contract.robot)
            self._odometry = LegOdometry(robot, joint_names, contract.control_period_s, count)

    def reset(self, index: NDArray[np.int64] | slice = slice(None), phase: Array | float = 0.0) -> None:
        """Forget the past of the given robots; ``phase`` 0 or 0.5 says which foot swings first."""
        self.last_action[index] = 0.0
        self.clock.reset(index, phase)
        self._fresh[index] = True

    @property
    def gait_octaves(self) -> Array:
        """(n,) how much faster than its own rate the last action lets the gait clock run, in octaves."""
        most = self.contract.gait.rate_octaves
        if most <= 0.0:
            return np.zeros(self.count)
        return _limited(self.last_action[:, -1] * self.contract.gait.rate_scale, most)

    def clamp_command(self, velocity_command: Array) -> Array:
        """Limit (n, 3) commands to the trained range; one that is not finite becomes zero."""
        command = np.asarray(velocity_command, dtype=np.float64)
        finite = np.isfinite(command)
        if not finite.all():
            command = np.where(finite.all(axis=-1, keepdims=True), command, 0.0)
        return np.minimum(np.maximum(command, self._low), self._high)

    def observe(self, state: RobotState, velocity_command: Array) -> NDArray[np.float32]:
        """Build the observation (n, observation_size) of a state for a command (n, 3) of vx, vy (m/s), wz (rad/s).

        A state of one robot may come without the leading dimension.
        """
        self.velocity_command = self.clamp_command(np.reshape(velocity_command, (self.count, 3)))
        self.clock.start(
            self.velocity_command,
            np.reshape(state.angular_velocity_base_in_base, (self.count, 3))[:, :2],
            np.reshape(tilt_angle(state.orientation_base_to_world), self.count),
        )
        raw = np.concatenate([self._raw(term.name, state) for term in self.contract.observation], axis=-1)
        now: Array = _limited(raw, self._clip) * self._scale
        observation = now if all(history is None for history in self._history) else self._with_history(now)
        self._fresh[:] = False
        return observation.astype(np.float32)

    def _with_history(self, now: Array) -> Array:
        """Remember the terms (n, ...) of this control period where a history is kept, and put it in their place."""
        parts: list[Array] = []
        for value, history in zip(np.split(now, self._ends[:-1], axis=-1), self._history, strict=True):
            if history is None:
                parts.append(value)
                continue
            history[:, :-1] = history[:, 1:]
            history[:, -1] = value
            history[self._fresh] = value[self._fresh, None, :]
            parts.append(history.reshape(self.count, -1))
        return np.concatenate(parts, axis=-1)

    def peek(self, state: RobotState) -> NDArray[np.float32]:
        """Build the observation that ``observe`` would give for the present command, remembering nothing."""
        saved = [None if h is None else h.copy() for h in self._history], self._fresh.copy()
        clock, velocity = self.clock.state(), None if self._odometry is None else self._odometry.velocity
        observation = self.observe(state, self.velocity_command)
        if self._odometry is not None and velocity is not None:
            self._odometry.velocity = velocity
        self._history, self._fresh = saved
        self.clock.restore(clock)
        return observation

    def command(self, action: NDArray[np.float32], stamp_s: float) -> JointCommand:
        """Turn an action (n, action_size) into a joint command for the state of ``stamp_s``, and let a period pass.

        Raises:
            StateError: if the action is not finite; nothing is remembered of it.
        """
        wanted: Array = np.asarray(action, dtype=np.float64).reshape(self.count, -1)
        if not np.isfinite(wanted).all():
            raise StateError("The policy's action is not finite: it is not used.")
        clipped = _limited(wanted, self.contract.action_clip)
        self.last_action = clipped
        target = np.repeat(self.default_pose[None], self.count, axis=0)
        target[:, self._driven] += self._action_scale * clipped[:, : len(self._driven)]
        self.clock.advance(self.velocity_command, self.gait_octaves)
        return JointCommand(stamp_s, self.joint_names, target, self._zeros, self._zeros, self._kp, self._kd)

    def _raw(self, name: str, state: RobotState) -> Array:
        if name == "base_angular_velocity":
            value = state.angular_velocity_base_in_base
        elif name == "projected_gravity":
            value = projected_gravity(state.orientation_base_to_world)
        elif name == "base_linear_velocity":
            if state.linear_velocity_base_in_base is None:
                raise StateError("The policy observes the base's linear velocity, which this robot does not measure.")
            value = state.linear_velocity_base_in_base
        elif name == "leg_odometry" and self._odometry is not None:
            value = self._odometry.update(state, self._fresh)
        elif name == "velocity_command":
            value = self.velocity_command
        elif name == "linear_velocity_command":
            value = self.velocity_command[:, :2]
        elif name == "angular_velocity_command":
            value = self.velocity_command[:, 2:]
        elif name == "joint_position":
            value = state.joint_position[..., self._observed] - self._observed_pose
        elif name == "joint_velocity":
            value = state.joint_velocity[..., self._observed]
        elif name == "last_action":
            value = self.last_action
        elif name == "gait_phase":
            value = self.clock.observation()
        elif name in ("feet_phase_sin", "feet_phase_cos"):
            value = self.clock.feet()[name == "feet_phase_cos"]
        else:  # the contract's check refuses others
            raise StateError(f"There is no observation term '{name}'.")
        return value.reshape(self.count, -1)


def _limited(values: Array, most: Array | float) -> Array:
    """Limit values to +-most, NaN staying NaN: as ``np.clip``, at half of its time for small arrays."""
    return np.minimum(np.maximum(values, -most), most)
