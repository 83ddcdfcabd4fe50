# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The policy's loop without ROS: which states it answers, with what memory, and what it is told to do."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tarsus_core.observation import PolicyInterface
from tarsus_core.state import JointCommand, RobotState
from tarsus_edge.policy_session import PolicySession
from tarsus_edge.schedule import ControlSchedule
from tarsus_edge.supervisor import State

Array = NDArray[np.float64]

MAX_GAP_S = 0.1
"""s without states after which the policy starts anew; by then the supervisor has damped the robot, and over a shorter
gap (a lost message) the walk goes on better with what the policy remembers than from rest."""


class PolicyRunner:
    """Answers the first state of each control period.

    While the robot stands, each answer is that of a policy that wakes up in this very moment and is told to stand:
    the supervisor sees that the policy lives, and nothing accumulates. With the first state in WALK the policy starts
    from rest and remembers from then on. Otherwise it is silent.
    """

    def __init__(self, session: PolicySession, joint_names: tuple[str, ...], state_period_s: float) -> None:
        """Prepare for states that list ``joint_names`` and come every ``state_period_s`` s.

        Raises:
            PolicyFileError: if the policy observes what no robot measures.
        """
        session.contract.check_measurable()
        self.session = session
        self.interface = PolicyInterface(session.contract, joint_names)
        self.schedule = ControlSchedule.of(session.contract.control_period_s, state_period_s)
        self.resets = 0
        """times that a jump of the stamps made the policy forget while walking"""
        self._mode = State.PASSIVE
        self._stamp_s: float | None = None

    def step(self, state: RobotState, mode: State, velocity_command: Array) -> JointCommand | None:
        """Answer a state, or return None where none is due.

        Args:
            state: of one robot.
            mode: what the supervisor does.
            velocity_command: (3,) vx, vy (m/s), wz (rad/s); used in WALK.

        Raises:
            StateError: for a state that is not finite (it is not even looked at) or an action that is not finite (it
                is not remembered): the next state is tried.
        """
        if not self.due(state.stamp_s):
            return None
        state.check()
        self._note(state.stamp_s)
        if mode is not State.WALK or self._mode is not State.WALK:
            self.interface.reset()
        self._mode = mode
        if mode not in (State.STAND, State.WALK):
            return None
        command = velocity_command if mode is State.WALK else np.zeros(3)
        observation = self.interface.observe(state, command[None])
        answer = self.interface.command(self.session.run(observation), state.stamp_s)
        return JointCommand(
            state.stamp_s,
            answer.joint_names,
            *(getattr(answer, name)[0] for name in ("position", "velocity", "effort", "kp", "kd")),
        )

    def due(self, stamp_s: float) -> bool:
        """Whether the state of a stamp is one to answer: the first of its control period."""
        if self._stamp_s is None or stamp_s < self._stamp_s:
            return self.schedule.begins(stamp_s)
        return self.schedule.period(stamp_s) > self.schedule.period(self._stamp_s)

    def _note(self, stamp_s: float) -> None:
        """Remember the stamp; forget the rest after a jump."""
        if self._stamp_s is not None and not 0.0 <= stamp_s - self._stamp_s <= MAX_GAP_S + 1e-9:
            self.interface.reset()
            self.resets += self._mode is State.WALK
        self._stamp_s = stamp_s


class VelocityInput:
    """The newest velocity command: zero when it is old, and never one that is not finite."""

    def __init__(self, timeout_s: float) -> None:
        """Start at zero; a command counts for ``timeout_s`` s."""
        self.timeout_s = timeout_s
        self.rejected = 0
        self._command: Array = np.zeros(3)
        self._since_s = -math.inf

    def update(self, command: Array, now_s: float) -> None:
        """Take a command (3,) of vx, vy (m/s), wz (rad/s) that came at ``now_s``."""
        if not np.isfinite(command).all():
            self.rejected += 1
            return
        self._command, self._since_s = np.array(command), now_s

    def age(self, now_s: float) -> float:
        """Age in s; infinite before the first, and for good once the clock has gone back."""
        if now_s < self._since_s:
            self._since_s = -math.inf
        return now_s - self._since_s

    def value(self, now_s: float) -> Array:
        """(3,) the command that counts at ``now_s``."""
        return self._command if self.age(now_s) <= self.timeout_s else np.zeros(3)
