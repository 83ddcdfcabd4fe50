# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The place of a process in a running launch: waiting for its time, running, or ended; and what others see of it."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, replace

from tarsus_edge.launcher.child import Child
from tarsus_edge.launcher.plan import ProcessSpec

CANNOT_START = 126
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_WELL_WHILE_STOPPING = {0, *(-number for number in _STOP_SIGNALS), *(128 + number for number in _STOP_SIGNALS)}


@dataclass(frozen=True)
class ProcessState:
    """What others see of a process.

    Attributes:
        name: its label, ``<executable>-<number>``.
        node: full name of its ROS node, when the launch file gives it.
        pid: its process id; None before it starts.
        running: True from its start to the end of all it has started.
        returncode: exit code of its last end, negative for a signal; None when there is none.
        starts: how often it was started.
    """

    name: str
    node: str | None
    pid: int | None = None
    running: bool = False
    returncode: int | None = None
    starts: int = 0


@dataclass(frozen=True)
class ProcessExit:
    """The end of a process.

    Attributes:
        name: its label.
        node: full name of its ROS node, when the launch file gives it.
        pid: its process id.
        returncode: its exit code, negative for a signal.
        stopping: True when the launch was already stopping.
        respawns: True when it will start again.
    """

    name: str
    node: str | None
    pid: int
    returncode: int
    stopping: bool
    respawns: bool


def ended_well(returncode: int, stopping: bool) -> bool:
    """True for exit code 0, and for the end by SIGINT or SIGTERM while the launch was stopping."""
    return returncode in _WELL_WHILE_STOPPING if stopping else returncode == 0


@dataclass
class Slot:
    """One process of the plan while the launch runs.

    Attributes:
        spec: what to run.
        launch_id: marker of its processes.
        start_at_s: when to start it, by the monotonic clock; None when it is not to start.
        child: the running process.
        leaving: True when its program has exited and what it started is being ended.
        well: False when its last end was a bad one.
        state: what others see.
    """

    spec: ProcessSpec
    launch_id: str
    start_at_s: float | None = None
    child: Child | None = None
    leaving: bool = False
    well: bool = True
    state: ProcessState = field(init=False)

    def __post_init__(self) -> None:
        self.state = ProcessState(self.spec.name, self.spec.node)

    @property
    def pending(self) -> bool:
        """True when it runs or will start."""
        return self.child is not None or self.start_at_s is not None

    @property
    def due_s(self) -> float:
        """When it needs attention by itself."""
        if self.child is not None:
            return self.child.next_step_s
        return float("inf") if self.start_at_s is None else self.start_at_s

    @property
    def wants_respawn(self) -> bool:
        """True when it is to start again after its end."""
        retries = self.spec.respawn_max_retries
        return self.spec.respawn and (retries < 0 or self.state.starts <= retries)

    def began(self, child: Child) -> None:
        """Note that it has started."""
        self.child, self.leaving = child, False
        self.state = replace(self.state, pid=child.pid, running=True, returncode=None, starts=self.state.starts + 1)

    def ended(self, stopping: bool) -> int:
        """Note that it has ended, and return its exit code."""
        assert self.child is not None
        code = -signal.SIGKILL if self.child.returncode is None else self.child.returncode
        self.child, self.leaving = None, False
        self.well = ended_well(code, stopping)
        self.state = replace(self.state, running=False, returncode=code)
        return code

    def fail(self) -> None:
        """Note that it could not be started."""
        self.well = False
        self.state = replace(self.state, returncode=CANNOT_START)
