# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The safety supervisor: the one state machine between any policy and any actuator.

PASSIVE --arm, stand--> STAND --walk--> WALK, and from everywhere --damp or a fault--> DAMP --reset--> PASSIVE.
A battery that runs low lets a walking robot halt, then SIT, which ends in DAMP.

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
from tarsus_core.observation import PolicyInterface
from tarsus_core.robot_model import RobotModel
from tarsus_core.rotations import tilt_angle
from tarsus_core.state import JointCommand, RobotState, damping_command
from tarsus_edge.command_monitor import CommandMonitor
from tarsus_edge.health import HealthMonitor, MotorReading
from tarsus_edge.limits import CommandLimits, smooth_step
from tarsus_edge.state_monitor import StateMonitor, reached
from tarsus_edge.supervisor_config import SupervisorConfig

Array = NDArray[np.float64]
Answer = tuple[bool, str]
"""Whether a request was granted, and one sentence about it."""


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
    SIT = 4
    """The pose is held with stiffness that fades, until DAMP. Nobody balances meanwhile: a free robot topples."""


MOVING = (State.STAND, State.WALK, State.SIT)
"""states in which a fault damps"""


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
        self._limits = CommandLimits(robot.position_lower, robot.position_upper, robot.velocity_limit, effort, kp, kd)
        self._cool_limits = self._limits
        """without what heat takes"""
        self._pose = np.clip(default_pose, robot.position_lower, robot.position_upper)
        self._damping = kd * config.damping_scale
        self.states = StateMonitor(
            config, robot.joint_names, robot.velocity_limit, robot.position_lower, robot.position_upper
        )
        self.commands = CommandMonitor(
            config, robot.joint_names, robot.velocity_limit, robot.position_lower, robot.position_upper
        )
        self.health = HealthMonitor(config, robot.joint_names)
        self._obstacle = ""
        self._sent: JointCommand | None = None
        self._start_pose = self._pose
        self._start_kp = kp
        self._entered_s = 0.0
        self._halt_since_s: float | None = None
        self._sat_down = ""
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
    def halting(self) -> bool:
        """Whether the policy has to stop the robot: it takes zero velocity."""
        return self._halt_since_s is not None

    def command_age(self, now_s: float) -> float:
        """Age in s of the view behind the newest policy command: how old the state is that it answers."""
        if self.states.latest is None or self.commands.latest is None:
            return math.inf
        return max(0.0, self.states.latest.stamp_s - self.commands.latest.stamp_s) + self.states.age(now_s)

    def holding(self, now_s: float) -> bool:
        """Whether the policy's command is so old that its pose is only held."""
        return self.state is State.WALK and reached(self.command_age(now_s), self.config.command_age_hold_s)

    # ---- what comes in ----

    def on_state(self, state: RobotState, now_s: float) -> None:
        """Take a new state of the robot. What cannot be true damps a standing or walking robot."""
        before = self.states.stamp_s
        reason = self.states.take(state, now_s, walks=self.state is State.WALK)
        if before is not None and (self.states.stamp_s or 0.0) < before:
            self.commands.forget()
        if reason:
            self._fault(reason)

    def on_motors(self, reading: MotorReading, now_s: float) -> None:
        """Take what the motors report; heat takes torque away, too much of it or an error damps."""
        fault = self.health.on_motors(reading, now_s)
        self._limits = replace(self._cool_limits, effort=self._cool_limits.effort * self.health.effort_scale)
        if fault:
            self._object(fault)

    def on_battery(self, share: float, now_s: float) -> bool:
        """Take the charge of the battery, 0 to 1; return whether it was a number in that range."""
        return self.health.on_battery(share, now_s)

    def on_policy_command(self, command: JointCommand) -> bool:
        """Take a command of the policy, or reject and count it; return whether it was taken."""
        return self.commands.take(command, self.states.stamp_s)

    def obstruct(self, obstacle: str) -> None:
        """Take note of what forbids to command the robot, one sentence, or of its end if empty."""
        self._obstacle = obstacle
        if obstacle:
            self._object(obstacle)

    def lose_policy(self) -> None:
        """Take note that the policy's process has ended: a walking robot is damped without waiting for its silence."""
        if self.state is State.WALK:
            self._fault("The policy has ended.")

    # ---- what goes out ----

    def tick(self, now_s: float) -> JointCommand | None:
        """Check the ages and return the command for the newest state; None before the first state.

        In WALK the command carries the stamp of the state that the policy saw, else that of the newest state.
        """
        self.check(now_s)
        latest = self.states.latest
        if latest is None:
            return None
        command = None
        if self.state is State.STAND:
            command = self._stand_command(latest, now_s)
        elif self.state is State.SIT:
            command = self._sit_command(latest, now_s)
        elif self.state is State.WALK and self.commands.latest is not None:
            command = self._walk_command(latest, self.commands.latest, now_s)
        if command is None or self.state is State.DAMP:
            command = damping_command(self.joint_names, latest.stamp_s, self._damping, latest.joint_position)
        self._sent = command
        return command

    def check(self, now_s: float) -> None:
        """Damp a moving robot of which something has grown too old; let one with a low battery sit."""
        silent = self.health.look(now_s)
        if silent:
            self._object(silent)
        if self.state is State.PASSIVE and self.hindrance:
            self.armed = False  # what forbids arming takes it back, too
        if reached(self.states.age(now_s), self.config.state_age_damp_s):
            self._fault(self.states.no_state)
        if self.state is State.WALK and reached(self.command_age(now_s), self.config.command_age_damp_s):
            self._fault(f"No policy command for {self.config.command_age_damp_s * 1e3:g} ms.")
        if not self.health.must_sit:
            self._halt_since_s = None
            return
        if self.state in (State.STAND, State.WALK):
            self._halt_since_s = now_s if self._halt_since_s is None else self._halt_since_s
            if reached(now_s - self._halt_since_s, self.config.halt_duration_s):
                self._sit(now_s)

    def _sit(self, now_s: float) -> None:
        command, latest = self._sent, self.states.latest
        if command is None or latest is None:
            self._fault(self.health.warning)
            return
        self.state = State.SIT
        self._entered_s = now_s
        self._start_pose, self._start_kp = command.position, command.kp
        self._sat_down = f"The battery was at {self.health.battery_share:.0%}: the robot has sat down."
        self._halt_since_s = None

    def _sit_command(self, state: RobotState, now_s: float) -> JointCommand:
        elapsed = now_s - self._entered_s
        if reached(elapsed, self.config.sit_duration_s):
            self._enter_damp(self._sat_down)
        zeros = np.zeros(len(self.joint_names))
        left = 1.0 - smooth_step(elapsed / self.config.sit_duration_s)
        wanted = JointCommand(
            state.stamp_s, self.joint_names, self._start_pose, zeros, zeros, left * self._start_kp, self._damping
        )
        return self._limits.apply(wanted, state.joint_position, state.joint_velocity)[0]

    def _stand_command(self, state: RobotState, now_s: float) -> JointCommand:
        elapsed = now_s - self._entered_s
        if reached(elapsed, self.config.stand_duration_s):
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
        if clamp and (self.health.effort_scale < 1.0).any():  # that a motor is hot is no fault of the policy
            clamp = self._cool_limits.apply(wanted, state.joint_position, state.joint_velocity)[1]
        fault = self.commands.note(clamp)
        if fault:
            self._fault(fault)
        return command

    # ---- what the operator asks for ----

    def arm(self, now_s: float) -> Answer:
        """Allow the robot to leave PASSIVE; needs a fresh state."""
        if self.state is State.DAMP:
            return False, f"The robot is damped ({self.reason}): reset the supervisor before arming."
        if self.state is not State.PASSIVE:
            return True, "The supervisor is armed already."
        stale = self.states.stale(now_s)  # first: without states the watchdog damps, too, and knows less of why
        if stale:
            return False, f"{stale}: start the simulator or the driver, then arm again."
        if self.hindrance:
            self.armed = False
            return False, self.hindrance
        self.armed = True
        return True, "Armed: the robot may stand."

    def stand(self, now_s: float) -> Answer:
        """Ramp from the measured pose to the standing pose; needs an armed, upright robot with nothing amiss."""
        if self.state is State.STAND:
            return True, "The robot stands already."
        if self.state is State.WALK:
            return False, "The robot walks: command zero velocity to stop it, or damp it."
        if self.state is State.SIT:
            return False, "The robot sits down: wait until it is damped."
        if self.state is State.DAMP:
            return False, f"The robot is damped ({self.reason}): reset and arm the supervisor first."
        if not self.armed:
            return False, "The supervisor is not armed: arm it first."
        if self.hindrance:
            self.armed = False
            return False, self.hindrance
        stale, latest = self.states.stale(now_s), self.states.latest
        if stale or latest is None:
            return False, f"{stale}: start the simulator or the driver, then try again."
        tilt = float(tilt_angle(latest.orientation_base_to_world))
        if tilt > self.config.tilt_damp_rad:
            return False, f"The robot is tilted by {tilt:.2f} rad: set it upright first."
        if self.states.trouble:
            return False, f"{self.states.trouble.rstrip('.')}: mend that first."
        self.state = State.STAND
        self._start_pose = np.clip(latest.joint_position, self._limits.position_lower, self._limits.position_upper)
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
        if reached(age, self.config.command_age_hold_s):
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
        if self.state in MOVING:
            return False, f"The robot is in {self.state.name}: only a damped robot can be reset."
        self.state = State.PASSIVE
        self.armed = False
        self.reason = ""
        self.commands.forget()
        self.states.forget_delay()
        return True, "The robot is passive: arm the supervisor to go on."

    @property
    def hindrance(self) -> str:
        """Why the robot may neither be armed nor stand up, one sentence; empty if it may."""
        return self._obstacle or self.health.obstacle

    def _object(self, reason: str) -> None:
        """Damp a moving robot, and disarm one that was armed to move: when the reason has gone, it is armed anew."""
        self.armed = self.armed and self.state is not State.PASSIVE
        self._fault(reason)

    def _fault(self, reason: str) -> None:
        """Damp a robot that stands, walks or sits down."""
        if self.state in MOVING:
            self._enter_damp(reason)

    def _enter_damp(self, reason: str) -> None:
        self.state = State.DAMP
        self.armed = False
        self.reason = reason
        self._halt_since_s = None
        self.commands.calm()
