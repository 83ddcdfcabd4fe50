# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A network cable between this machine and the robot, that can be pulled: two virtual interfaces, one of them in a
network namespace, where the simulator runs as the robot would at the other end."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from types import TracebackType
from typing import Self

from tarsus_core.errors import TarsusError
from tarsus_edge.launcher import LaunchPlan

NETWORK = "10.213.77"
"""of the two ends, .1 here and .2 at the robot: nobody else's, it is hoped, and gone with the cable"""
SIMULATOR = "sim"


class UnavailableError(TarsusError):
    """What this machine, or this user, cannot do."""


class Cable:
    """Plugged in when entered, and gone after it. Only root can make one, with the command ``ip``."""

    def __init__(self) -> None:
        """Give it names that no other process has."""
        self._namespace = f"tarsus-{os.getpid()}"
        self._near, self._far = f"tars{os.getpid() % 10**6}a", f"tars{os.getpid() % 10**6}b"

    def __enter__(self) -> Self:
        if shutil.which("ip") is None:
            raise UnavailableError("A cable to pull needs the command 'ip': install the package iproute2.")
        try:
            _ip("netns", "add", self._namespace)
            _ip("link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self._namespace)
            _ip("addr", "add", f"{NETWORK}.1/30", "dev", self._near)
            _ip("-n", self._namespace, "addr", "add", f"{NETWORK}.2/30", "dev", self._far)
            for words in (("lo",), (self._far,)):
                _ip("-n", self._namespace, "link", "set", *words, "up")
            # with the cable out, nothing takes another way
            _ip("route", "add", "unreachable", f"{NETWORK}.0/30", "metric", "4000")
            self.plug(True)
        except UnavailableError:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def plug(self, there: bool) -> None:
        """Put the cable in, or pull it out."""
        _ip("link", "set", self._near, "up" if there else "down")

    def environment(self, at_robot: bool) -> dict[str, str]:
        """Variables with which a process at one end finds the other: over the network, not by shared memory."""
        return {"FASTDDS_BUILTIN_TRANSPORTS": "UDPv4", "ROS_STATIC_PEERS": f"{NETWORK}.{1 if at_robot else 2}"}

    def lay(self, plan: LaunchPlan) -> LaunchPlan:
        """Return the plan with the simulator at the far end."""
        near, far = (plan.with_environment(self.environment(at_robot)).processes for at_robot in (False, True))
        there = ("ip", "netns", "exec", self._namespace)
        processes = [
            replace(f, command=(*there, *f.command)) if f.name.startswith(SIMULATOR) else n
            for n, f in zip(near, far, strict=True)
        ]
        return replace(plan, processes=tuple(processes))

    def _remove(self) -> None:
        route = ("route", "del", "unreachable", f"{NETWORK}.0/30", "metric", "4000")
        for words in (route, ("link", "del", self._near), ("netns", "del", self._namespace)):
            subprocess.run(["ip", *words], capture_output=True, check=False)  # what was never made


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise UnavailableError(f"A cable to pull cannot be made ('ip {' '.join(words)}': {reason}): it needs root.")
