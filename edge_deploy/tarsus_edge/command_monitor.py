# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What a policy's commands must be to be used, and what they say against going on when they are out of their limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tarsus_core.errors import StateError
from tarsus_core.state import JointCommand
from tarsus_edge.limits import limit_slew
from tarsus_edge.state_monitor import reached
from tarsus_edge.supervisor_config import SupervisorConfig

Array = NDArray[np.float64]


class CommandMonitor:
    """Keeps the newest command that was accepted, in the robot's joint order, and counts the others."""

    def __init__(
        self,
        config: SupervisorConfig,
        joint_names: tuple[str, ...],
        velocity_limit: Array,
        position_lower: Array,
        position_upper: Array,
    ) -> None:
        """Watch the commands of a policy.

        Args:
            config: thresholds.
            joint_names: J names, the robot's order.
            velocity_limit: (J,) rad/s.
            position_lower: (J,) rad.
            position_upper: (J,) rad.
        """
        self.config = config
        self.latest: JointCommand | None = None
        self.rejected = 0
        self.clamped = 0
        self.last_rejection = ""
        self.last_clamp = ""
        self._joint_names = joint_names
        self._range = position_lower, position_upper
        self._target_speed = velocity_limit * config.target_speed_factor
        self._slewed = ""
        self._counted = False
        self._clamped_since_s: float | None = None

    def take(self, command: JointCommand, state_stamp_s: float | None) -> bool:
        """Take a command, its target slewed where it jumps, or count it: nothing of a rejected one is used.

        Args:
            command: of the policy.
            state_stamp_s: stamp of the newest state; None before the first.

        Returns:
            whether it was taken.
        """
        try:
            command = self._acceptable(command, state_stamp_s)
        except StateError as error:
            self.reject(str(error))
            return False
        self._slewed = ""
        if self.latest is not None:
            elapsed = min(command.stamp_s - self.latest.stamp_s, self.config.command_age_hold_s)
            before = np.clip(self.latest.position, *self._range)  # where it was sent to, at most
            target = limit_slew(command.position, before, self._target_speed, elapsed)
            changed = target != command.position
            if changed.any():
                self._slewed = f"{self._joint_names[int(np.argmax(changed))]}: slew"
                command = replace(command, position=target)
        self.latest = command
        self._counted = False
        return True

    def reject(self, reason: str) -> None:
        """Count a message that is no command to use, with the reason, one sentence."""
        self.rejected += 1
        self.last_rejection = reason

    def forget(self) -> None:
        """Drop the newest command: its stamps are of a time that is over."""
        self.latest = None
        self.calm()

    def calm(self) -> None:
        """Forget for how long commands have been out of their limits."""
        self._clamped_since_s = None

    def note(self, clamp: str) -> str:
        """Note what had to be limited of the newest command, each time it is sent.

        Args:
            clamp: ``"joint: field"``; empty if nothing was.

        Returns:
            why it damps the robot: every command for ``clamped_damp_s`` was out of its limits; or nothing.
        """
        assert self.latest is not None
        clamp = clamp or self._slewed
        if not clamp:
            if not self._counted:
                self._clamped_since_s = None
            return ""
        self.last_clamp = clamp
        if not self._counted:
            self._counted = True
            self.clamped += 1
        if self._clamped_since_s is None:
            self._clamped_since_s = self.latest.stamp_s
        if reached(self.latest.stamp_s - self._clamped_since_s, self.config.clamped_damp_s):
            return f"Every command for {self.config.clamped_damp_s:g} s was out of its limits ({clamp})."
        return ""

    def _acceptable(self, command: JointCommand, state_stamp_s: float | None) -> JointCommand:
        """Return the command in the robot's order; finiteness is judged before anything is limited.

        Raises:
            StateError: saying why it is rejected.
        """
        command = command.ordered(self._joint_names)
        command.check()
        if state_stamp_s is None:
            raise StateError("A policy command came before any state of the robot.")
        if self.latest is not None and command.stamp_s <= self.latest.stamp_s:
            raise StateError(
                f"A policy command for {command.stamp_s:.3f} s came after the one for {self.latest.stamp_s:.3f} s."
            )
        if not reached(self.config.command_age_hold_s, abs(state_stamp_s - command.stamp_s)):
            raise StateError(f"A policy command answers the state of {command.stamp_s:.3f} s at {state_stamp_s:.3f} s.")
        return command
