# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The safety supervisor: the one state machine between any policy and any actuator.

PASSIVE --arm, stand--> STAND --walk--> WALK, and from everywhere --damp or a fault--> DAMP --reset--> PASSIVE.

It knows no ROS and no clock of its own: time comes in as ``now_s``, from a steady clock on the robot, and in simulation
from simulated time (``clock``, or the stamps of the states).
"""

from __future__ import annotations

import math
from dataclasses import replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import StateError
from tarsus_core.observation import PolicyInterface
from tarsus_core.robot_model import RobotModel
from tarsus_core.rotations import tilt_angle
from tarsus_core.state import JointCommand, RobotState, damping_command
from tarsus_edge.limits import CommandLimits, limit_slew, smooth_step
from tarsus_edge.supervisor_config import SupervisorConfig

Array = NDArray[np.float64]
Answer = tuple[bool, str]
"""Whether a request was granted, and one sentence about it."""

_TICK = 1e-9
"""s; what sums of float steps may miss an age limit by"""


class State(IntEnum):
    """What the supervisor does; the numbers are those of tarsus_msgs/SupervisorState."""

    PASSIVE = 0
    """No stiffness, only damping. The state after start."""
    STAND = 1
    """Joints go to the standing pose, and hold it."""
    WALK = 2
    """The policy's commands pass, within the limits."""
    DAMP = 3
    """As PASSIVE, but latched with a reason until reset; then it must be armed again."""


class Supervisor:
    """State machine, age checks and limits for one robot. Every array is in the order of ``robot.joint_names``."""

    def __init__(
        self,
        config: SupervisorConfig,
        robot: RobotModel,
        default_pose: Array,
        kp: Array,
        kd: Array,
        effort_limit_nm: Array | None = None,
    ) -> None:
        """Start PASSIVE and disarmed.

        Args:
            config: thresholds.
            robot: joint names and limits.
            default_pose: (J,) rad, where STAND goes.
            kp: (J,) N.m/rad of STAND, and the largest that a policy may ask for.
            kd: (J,) N.m.s/rad likewise; scaled, it damps.
            effort_limit_nm: (J,) N.m, where lower than the robot's own.
        """
        effort = robot.effort_limit_nm
        if effort_limit_nm is not None:
            effort = np.minimum(effort, effort_limit_nm)
        self.config = config
        self.joint_names = robot.joint_names
        self.state = State.PASSIVE
        self.armed = False
        self.reason = ""
        """why it is damped, one sentence; else empty"""
        self.commands_rejected = 0
        self.commands_clamped = 0
        self.states_rejected = 0
        self.states_late = 0
        self.last_rejection = ""
        self.last_clamp = ""
        self._limits = CommandLimits(robot.position_lower, robot.position_upper, robot.velocity_limit, effort, kp, kd)
        self._pose = np.clip(default_pose, robot.position_lower, robot.position_upper)
        self._damping = kd * config.damping_scale
        self._speed_damp = robot.velocity_limit * config.joint_speed_factor
        self._target_speed = robot.velocity_limit * config.target_speed_factor
        self._no_state = f"No robot state for {config.state_age_damp_s * 1e3:g} ms."
        self._obstacle = ""
        self._latest: RobotState | None = None
        self._latest_now = -math.inf
        self._policy: JointCommand | None = None
        self._policy_clamp = ""
        self._policy_counted = False
        self._start_pose = self._pose
        self._entered_s = 0.0
        self._ramp_done = False

    @staticmethod
    def for_policy(config: SupervisorConfig, robot: RobotModel, contract: PolicyContract) -> Supervisor:
        """Supervisor that stands with the pose and the gains of a policy's contract."""
        values = PolicyInterface(contract, robot.joint_names)
        return Supervisor(config, robot, values.default_pose, values.kp, values.kd, values.effort_limit_nm)

    @property
    def ready(self) -> bool:
        """Whether the ramp to the standing pose is finished, as of the last tick."""
        return self._ramp_done and self.state in (State.STAND, State.WALK)

    @property
    def state_stamp_s(self) -> float | None:
        """Stamp of the newest good state; None before the first."""
        return self._latest.stamp_s if self._latest is not None else None

    @property
    def command_stamp_s(self) -> float | None:
        """Stamp that the newest accepted policy command answers; None before the first."""
        return self._policy.stamp_s if self._policy is not None else None

    def state_age(self, now_s: float) -> float:
        """Time in s since the newest good state came in; infinite before the first.

        A clock that lags behind (it stands still, or was set back) cannot tell the age, and is as bad as a late state.
        """
        return abs(now_s - self._latest_now) if self._latest is not None else math.inf

    def command_age(self, now_s: float) -> float:
        """Age in s of the view behind the newest policy command: how old the state is that it answers."""
        if self._latest is None or self._policy is None:
            return math.inf
        return max(0.0, self._latest.stamp_s - self._policy.stamp_s) + self.state_age(now_s)

    def holding(self, now_s: float) -> bool:
        """Whether the policy's command is so old that its pose is only held."""
        return self.state is State.WALK and _reached(self.command_age(now_s), self.config.command_age_hold_s)

    # ---- what comes in ----

    def on_state(self, state: RobotState, now_s: float) -> None:
        """Take a new state of the robot. What cannot be true damps a standing or walking robot."""
        try:
            if state.joint_names != self.joint_names:
                raise StateError("The state lists other joints than the robot has.")
            state.check()
        except StateError as error:
            self.states_rejected += 1
            self._fault(str(error))
            return
        if self._latest is not None:
            if state.stamp_s == self._latest.stamp_s:
                return  # a repeated reading is no news: its age goes on growing
            if state.stamp_s < self._latest.stamp_s:
                self._fault(f"The robot's clock went back from {self._latest.stamp_s:.3f} to {state.stamp_s:.3f} s.")
                self._policy = None  # its stamps are of the old time
            elif now_s - self._latest_now > self.config.state_age_warn_s + _TICK:
                self.states_late += 1
                if _reached(now_s - self._latest_now, self.config.state_age_damp_s):  # nobody looked meanwhile
                    self._fault(self._no_state)
        self._latest = state
        self._latest_now = now_s
        tilt = float(tilt_angle(state.orientation_base_to_world))
        if tilt > self.config.tilt_damp_rad:
            self._fault(f"The robot is tilted by {tilt:.2f} rad, more than {self.config.tilt_damp_rad:g}.")
        speed = np.abs(state.joint_velocity)
        if np.any(speed > self._speed_damp):
            joint = int(np.argmax(speed / self._speed_damp))
            self._fault(
                f"Joint '{self.joint_names[joint]}' turns at {speed[joint]:.1f} rad/s, "
                f"more than {self._speed_damp[joint]:.1f}."
            )

    def on_policy_command(self, command: JointCommand, now_s: float) -> bool:
        """Take a command of the policy, or reject and count it: nothing of a rejected command is used.

        Returns:
            whether it was taken.
        """
        try:
            command = self._acceptable(command)
        except StateError as error:
            self.commands_rejected += 1
            self.last_rejection = str(error)
            return False
        self._policy_clamp = ""
        if self._policy is not None:
            elapsed = min(command.stamp_s - self._policy.stamp_s, self.config.command_age_hold_s)
            target = limit_slew(command.position, self._policy.position, self._target_speed, elapsed)
            changed = target != command.position
            if changed.any():
                self._policy_clamp = f"{self.joint_names[int(np.argmax(changed))]}: slew"
                command = replace(command, position=target)
        self._policy = command
        self._policy_counted = False
        return True

    def obstruct(self, obstacle: str) -> None:
        """Take note of what forbids to command the robot, one sentence, or of its end if empty."""
        self._obstacle = obstacle
        if obstacle:
            self._fault(obstacle)

    def lose_policy(self) -> None:
        """Take note that the policy's process has ended: a walking robot is damped without waiting for its silence."""
        if self.state is State.WALK:
            self._fault("The policy has ended.")

    def _acceptable(self, command: JointCommand) -> JointCommand:
        """Return the command in the robot's order; finiteness is judged before anything is limited.

        Raises:
            StateError: saying why it is rejected.
        """
        command = command.ordered(self.joint_names)
        command.check()
        if self._latest is None:
            raise StateError("A policy command came before any state of the robot.")
        if self._policy is not None and command.stamp_s <= self._policy.stamp_s:
            raise StateError(
                f"A policy command for {command.stamp_s:.3f} s came after the one for {self._policy.stamp_s:.3f} s."
            )
        view = self._latest.stamp_s - command.stamp_s
        if not abs(view) <= self.config.command_age_hold_s + _TICK:
            raise StateError(
                f"A policy command answers the state of {command.stamp_s:.3f} s at {self._latest.stamp_s:.3f} s."
            )
        return command

    # ---- what goes out ----

    def tick(self, now_s: float) -> JointCommand | None:
        """Check the ages and return the command for the newest state; None before the first state.

        In WALK the command carries the stamp of the state that the policy saw, else that of the newest state.
        """
        self.check(now_s)
        if self._latest is None:
            return None
        if self.state is State.STAND:
            return self._stand_command(self._latest, now_s)
        if self.state is State.WALK and self._policy is not None:
            return self._walk_command(self._latest, self._policy, now_s)
        return damping_command(self.joint_names, self._latest.stamp_s, self._damping, self._latest.joint_position)

    def check(self, now_s: float) -> None:
        """Damp a standing or walking robot whose state or command has grown too old."""
        if _reached(self.state_age(now_s), self.config.state_age_damp_s):
            self._fault(self._no_state)
        if self.state is State.WALK and _reached(self.command_age(now_s), self.config.command_age_damp_s):
            self._fault(f"No policy command for {self.config.command_age_damp_s * 1e3:g} ms.")

    def _stand_command(self, state: RobotState, now_s: float) -> JointCommand:
        elapsed = now_s - self._entered_s
        if _reached(elapsed, self.config.stand_duration_s):
            self._ramp_done = True
        progress = smooth_step(elapsed / self.config.stand_duration_s)
        stiffness = smooth_step(elapsed / self.config.stand_gain_ramp_s) if self.config.stand_gain_ramp_s else 1.0
        zeros = np.zeros(len(self.joint_names))
        target = self._start_pose + progress * (self._pose - self._start_pose)
        wanted = JointCommand(
            state.stamp_s, self.joint_names, target, zeros, zeros, stiffness * self._limits.kp, self._limits.kd
        )
        return self._limits.apply(wanted, state.joint_position, state.joint_velocity)[0]

    def _walk_command(self, state: RobotState, policy: JointCommand, now_s: float) -> JointCommand:
        share = smooth_step((now_s - self._entered_s) / self.config.walk_blend_s) if self.config.walk_blend_s else 1.0
        wanted = policy
        if share < 1.0:
            wanted = replace(
                policy,
                position=self._pose + share * (policy.position - self._pose),
                velocity=share * policy.velocity,
                effort=share * policy.effort,
            )
        if self.holding(now_s):
            zeros = np.zeros(len(self.joint_names))
            wanted = replace(wanted, velocity=zeros, effort=zeros)
        command, clamp = self._limits.apply(wanted, state.joint_position, state.joint_velocity)
        clamp = clamp or self._policy_clamp
        if clamp:
            self.last_clamp = clamp
            if not self._policy_counted:
                self._policy_counted = True
                self.commands_clamped += 1
        return command

    # ---- what the operator asks for ----

    def arm(self, now_s: float) -> Answer:
        """Allow the robot to leave PASSIVE; needs a fresh state."""
        if self.state is State.DAMP:
            return False, f"The robot is damped ({self.reason}): reset the supervisor before arming."
        if self.state is not State.PASSIVE:
            return True, "The supervisor is armed already."
        if self._obstacle:
            return False, self._obstacle
        stale = self._stale(now_s)
        if stale:
            return False, f"{stale}: start the simulator or the driver, then arm again."
        self.armed = True
        return True, "Armed: the robot may stand."

    def stand(self, now_s: float) -> Answer:
        """Ramp from the measured pose to the standing pose; needs an armed, upright robot."""
        if self.state is State.STAND:
            return True, "The robot stands already."
        if self.state is State.WALK:
            return False, "The robot walks: command zero velocity to stop it, or damp it."
        if self.state is State.DAMP:
            return False, f"The robot is damped ({self.reason}): reset and arm the supervisor first."
        if not self.armed:
            return False, "The supervisor is not armed: arm it first."
        stale = self._stale(now_s)
        if stale or self._latest is None:
            return False, f"{stale}: start the simulator or the driver, then try again."
        tilt = float(tilt_angle(self._latest.orientation_base_to_world))
        if tilt > self.config.tilt_damp_rad:
            return False, f"The robot is tilted by {tilt:.2f} rad: set it upright first."
        self.state = State.STAND
        self._start_pose = self._latest.joint_position
        self._entered_s = now_s
        self._ramp_done = False
        return True, f"The robot goes to its standing pose in {self.config.stand_duration_s:g} s."

    def walk(self, now_s: float) -> Answer:
        """Let the policy's commands pass; needs a finished ramp and a fresh policy command."""
        if self.state is State.WALK:
            return True, "The policy has the robot already."
        if self.state is not State.STAND:
            return False, f"The robot is in {self.state.name}: let it stand before it walks."
        if not self._ramp_done:
            left = max(0.0, self.config.stand_duration_s - (now_s - self._entered_s))
            return False, f"The ramp to the standing pose needs {left:.1f} s more: wait, then walk."
        age = self.command_age(now_s)
        if math.isinf(age):
            return False, "No policy command has arrived: activate the policy node, then walk."
        if _reached(age, self.config.command_age_hold_s):
            return False, f"The newest policy command is {age * 1e3:.0f} ms old: activate the policy node, then walk."
        self.state = State.WALK
        self._entered_s = now_s
        return True, "The policy has the robot."

    def damp(self, now_s: float, reason: str = "Damped by the operator.") -> Answer:
        """Brake every joint, in any state, latched."""
        if self.state is not State.DAMP:
            self._enter_damp(reason)
        return True, f"The robot is damped: {self.reason}"

    def reset(self, now_s: float) -> Answer:
        """Leave DAMP for PASSIVE, disarmed."""
        if self.state in (State.STAND, State.WALK):
            return False, f"The robot is in {self.state.name}: only a damped robot can be reset."
        self.state = State.PASSIVE
        self.armed = False
        self.reason = ""
        return True, "The robot is passive: arm the supervisor to go on."

    def _stale(self, now_s: float) -> str:
        age = self.state_age(now_s)
        if math.isinf(age):
            return "No robot state has arrived"
        if _reached(age, self.config.state_age_damp_s):
            return f"The newest robot state is {age * 1e3:.0f} ms old"
        return ""

    def _fault(self, reason: str) -> None:
        """Damp a robot that stands or walks."""
        if self.state in (State.STAND, State.WALK):
            self._enter_damp(reason)

    def _enter_damp(self, reason: str) -> None:
        self.state = State.DAMP
        self.armed = False
        self.reason = reason


def _reached(age_s: float, limit_s: float) -> bool:
    return age_s >= limit_s - _TICK
