# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What ``tarsus sim`` is asked for, checked before anything starts."""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tarsus_core.contract import CommandRange
from tarsus_core.errors import ConfigError
from tarsus_core.robot_model import RobotModel, load_robot
from tarsus_edge.policy_file import read_policy
from tarsus_edge.pretrained import pretrained_policy
from tarsus_nodes.operator_run import RunPlan

LONGEST_S = 86_400.0
STROLL_MPS = 0.5
"""forward, where no velocity is asked for; as fast as the policy was trained for, if that is less"""
AXES = (("vx", "m/s"), ("vy", "m/s"), ("wz", "rad/s"))


@dataclass(frozen=True)
class SimRequest:
    """A run that can start: every file is there, and the command is one that the policy knows."""

    plan: RunPlan
    """of infinite duration to run until Ctrl-C"""
    policy: Path
    robot: RobotModel
    robot_name: str
    seed: int
    gui: bool
    video: Path | None
    lockstep: bool

    @property
    def endless(self) -> bool:
        """Whether it runs until Ctrl-C."""
        return math.isinf(self.plan.duration_s)


def make_request(
    *,
    duration_s: float | None,
    command: tuple[float, float, float] | None,
    policy: Path | None,
    robot: str,
    seed: int,
    gui: bool,
    video: Path | None,
    lockstep: bool,
) -> SimRequest:
    """Check what was asked for; no command means a stroll.

    Raises:
        TarsusError: naming the first thing that cannot be used.
    """
    if duration_s is not None and not 0.1 <= duration_s <= LONGEST_S:
        raise ConfigError(f"The duration is {duration_s:g} s: give 0.1 to {LONGEST_S:g}, or none to run until Ctrl-C.")
    if not 0 <= seed < 2**31:
        raise ConfigError(f"The seed is {seed}: give a number from 0 to {2**31 - 1}.")
    if video is not None:
        check_video_path(video)
    if gui and not os.environ.get("DISPLAY"):
        raise ConfigError("PyBullet's window needs an X display, and DISPLAY is not set: leave out --gui (GUI=1).")
    model = load_robot(robot)
    path = pretrained_policy(model.name) if policy is None else policy
    file = read_policy(path)  # the policy node tries it, in a process with limits, and runs it
    file.contract.check_robot(model)
    file.contract.check_measurable()
    trained = file.contract.command_range
    command = (min(STROLL_MPS, trained.vx[1]), 0.0, 0.0) if command is None else command
    _check_command(command, trained)
    return SimRequest(
        RunPlan(command, math.inf if duration_s is None else duration_s),
        path.resolve(),
        model,
        robot,
        seed,
        gui,
        video,
        lockstep,
    )


def check_video_path(path: Path) -> None:
    """Refuse a file that no film can be written to.

    Raises:
        ConfigError: naming the path.
    """
    if path.suffix.lower() != ".mp4":
        raise ConfigError(f"The video '{path}' must end in .mp4: name a file such as clip.mp4.")
    if path.is_dir():
        raise ConfigError(f"The video '{path}' is a folder: name a file in it.")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ConfigError(f"The folder of the video '{path}' does not exist: make it, or name another.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        writable = not path.exists() or os.access(path, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise ConfigError(f"The video '{path}' cannot be written: name a place you may write to.")


def _check_command(command: tuple[float, float, float], trained: CommandRange) -> None:
    for (axis, unit), value in zip(AXES, command, strict=True):
        low, high = getattr(trained, axis)
        if not low <= value <= high:
            raise ConfigError(
                f"{axis} is {value:g} {unit}, but the policy was trained for {low:g} to {high:g} {unit}: ask for less."
            )
