# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Finding the processes of a launch, and ending them when the launcher itself was killed.

Run as a script this is the guard: a small process of its own session that waits on its standard input. Lines ``+N`` and
``-N`` tell it which sessions belong to the launch, ``done`` that all is well. When the input ends without ``done``, the
launcher is dead (kill -9, out of memory): the guard ends whatever is left, with SIGTERM and then SIGKILL, and removes
the launch's temporary files.

Standard library only, and nothing else of this package: it starts with ``python -I -S``.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Collection, Iterator

MARKER = "TARSUS_LAUNCH_ID"
"""Environment variable that marks every process of a launch; children of children inherit it."""

GIVE_UP_S = 10.0
"""Seconds after SIGKILL after which a process counts as unkillable (stuck in the kernel)."""

POLL_S = 0.05


def members(launch_id: str, sessions: Collection[int]) -> list[tuple[int, int]]:
    """Return (process id, process group) of every live process of a launch.

    A process belongs to it when its environment carries the marker with a value that begins with ``launch_id``, or when
    its session is one of ``sessions``. Zombies, and processes of other users, are left out.
    """
    mark = f"{MARKER}={launch_id}".encode()
    found = []
    for pid in _process_ids():
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                # After the name, which stands in brackets and may hold anything: state, parent, group, session.
                state, _, group, session = file.read().rpartition(b")")[2].split()[:4]
            if state in (b"Z", b"X"):
                continue
            belongs = int(session) in sessions
            if not belongs:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    belongs = any(entry.startswith(mark) for entry in file.read().split(b"\0"))
        except (OSError, ValueError):
            continue
        if belongs:
            found.append((pid, int(group)))
    return found


def send(pid: int, number: int) -> None:
    """Send a signal; that the process has ended meanwhile is no error."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _process_ids() -> Iterator[int]:
    own = os.getpid()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != own:
            yield int(name)


def _end_all(launch_id: str, sessions: Collection[int], grace_s: float) -> None:
    """End every process of the launch: SIGTERM, after ``grace_s`` seconds SIGKILL."""
    told: set[int] = set()
    start_s = time.monotonic()
    while left := members(launch_id, sessions):
        passed_s = time.monotonic() - start_s
        if passed_s > grace_s + GIVE_UP_S:
            return
        for pid, _ in left:
            if passed_s > grace_s:
                send(pid, signal.SIGKILL)
            elif pid not in told:
                told.add(pid)
                send(pid, signal.SIGTERM)
        time.sleep(POLL_S)


def main(launch_id: str, grace_s: float, folder: str) -> None:
    """Wait for the launcher to say ``done`` or to die; in the second case end its processes and remove ``folder``."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sessions: set[int] = set()
    for line in sys.stdin:
        word = line.strip()
        if word == "done":
            return
        if word.startswith("+"):
            sessions.add(int(word[1:]))
        elif word.startswith("-"):
            sessions.discard(int(word[1:]))
    _end_all(launch_id, sessions, grace_s)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3])
