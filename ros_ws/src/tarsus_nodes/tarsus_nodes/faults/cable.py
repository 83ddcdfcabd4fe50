# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A network cable between this machine and the robot, that can be pulled: two virtual interfaces, one of them in a
network namespace, where the simulator runs as the robot would at the other end."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from tarsus_core.errors import TarsusError
from tarsus_edge.launcher import LaunchPlan
from tarsus_nodes.transport import LOCAL, PEERS, RANGE

LOCK = "\0tarsus/cable"
"""abstract address that who has the cable holds, which ends with the process however that ends"""
NETWORK = "10.213.77"
"""of the two ends, .1 here and .2 at the robot: nobody else's, it is hoped, and gone with the cable"""
SIMULATOR = "sim"


class UnavailableError(TarsusError):
    """What this machine, or this user, cannot do."""


class Cable:
    """Plugged in when entered, and gone after it. Only root can make one, with the command ``ip``.

    What a process that was killed has left of its own is removed first. There is one at a time: their network is one.
    """

    def __init__(self) -> None:
        """Give it names that no other process has."""
        self._namespace = f"tarsus-{os.getpid()}"
        self._near, self._far = f"tars{os.getpid() % 10**6}a", f"tars{os.getpid() % 10**6}b"

    def __enter__(self) -> Self:
        if shutil.which("ip") is None:
            raise UnavailableError("A cable to pull needs the command 'ip': install the package iproute2.")
        self._lock = socket.socket(socket.AF_UNIX)
        try:
            self._lock.bind(LOCK)
        except OSError:
            self._lock.close()
            raise UnavailableError("Another process has a cable to pull: wait until it has ended.") from None
        try:
            remove_leftovers()
            _ip("netns", "add", self._namespace)
            _ip("link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self._namespace)
            _ip("addr", "add", f"{NETWORK}.1/30", "dev", self._near)
            _ip("-n", self._namespace, "addr", "add", f"{NETWORK}.2/30", "dev", self._far)
            for words in (("lo",), (self._far,)):
                _ip("-n", self._namespace, "link", "set", *words, "up")
            # with the cable out, nothing takes another way
            _ip("route", "replace", "unreachable", f"{NETWORK}.0/30", "metric", "4000")
            self.plug(True)
        except BaseException:
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

    def lay(self, plan: LaunchPlan) -> LaunchPlan:
        """Return the plan with the simulator at the far end, from where it shows itself to those at this one."""
        there = ("ip", "netns", "exec", self._namespace)
        finds = {RANGE: LOCAL, PEERS: f"{NETWORK}.1"}
        processes = [
            replace(far, command=(*there, *far.command)) if far.name.startswith(SIMULATOR) else near
            for near, far in zip(plan.processes, plan.with_environment(finds).processes, strict=True)
        ]
        return replace(plan, processes=tuple(processes))

    def _remove(self) -> None:
        route = ("route", "del", "unreachable", f"{NETWORK}.0/30", "metric", "4000")
        for words in (route, ("link", "del", self._near), ("netns", "del", self._namespace)):
            _try_ip(*words)  # what was never made
        self._lock.close()


def remove_leftovers() -> None:
    """Remove what processes that were killed have left, for the one that holds ``LOCK``.

    All near ends go, since nobody else in this network has a cable. Namespaces are seen from other networks, too: those
    of processes that run stay.
    """
    for link in re.findall(r"^\d+: (tars\d+a)[@:]", _try_ip("-o", "link", "show", "type", "veth"), re.MULTILINE):
        _try_ip("link", "del", link)
    for namespace, pid in re.findall(r"^(tarsus-(\d+))\b", _try_ip("netns", "list"), re.MULTILINE):
        if int(pid) == os.getpid() or not Path("/proc", pid).exists():
            _try_ip("netns", "del", namespace)


def _try_ip(*words: str) -> str:
    """Return what ``ip`` prints, whether or not it can do it."""
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=False).stdout


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        root = " It needs root." if os.geteuid() != 0 else ""
        raise UnavailableError(f"A cable to pull cannot be made: 'ip {' '.join(words)}' says '{reason}'.{root}")
