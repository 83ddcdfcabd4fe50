# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A process that takes the place of a killed one must not take its ports of shared memory.

Fast DDS gives a participant the first ports that nobody reads, which after a kill are those of the process that was
killed. Its port of shared memory is left as a file, into which others still write. The successor makes that file anew
if the old one looks broken, and those others never learn of it: they hear the successor, and it hears nothing from them
(seen in one of some twenty restarts). So while somebody still uses such a file, its number is left out.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO

SHARED_MEMORY = Path("/dev/shm")
PREFIX = "fastrtps_port"
"""of a port's file, before its number; Fast DDS 2 and 3 call it so"""
READER = "_el"
"""after the number: the file that the reader of a port keeps locked, and removes at an orderly end"""


@contextlib.contextmanager
def orphaned_ports_taken() -> Iterator[list[int]]:
    """Hold the ports whose readers were killed and that are still written to, so that a participant that is made while
    the block runs leaves them out; gives their numbers. Without Linux's shared memory there are none.
    """
    with contextlib.ExitStack() as stack:
        held: dict[int, IO[bytes]] = {}
        for path in SHARED_MEMORY.glob(f"{PREFIX}*{READER}"):
            number = path.name.removeprefix(PREFIX).removesuffix(READER)
            with contextlib.suppress(OSError):  # it has gone meanwhile, or is somebody else's
                file = stack.enter_context(path.open("r+b"))
                if number.isdecimal() and _lock(file):
                    held[int(number)] = file
        used = _mapped_ports() if held else set()
        for unused in held.keys() - used:
            held.pop(unused).close()
        yield sorted(held)


def _lock(file: IO[bytes]) -> bool:
    """Keep readers off a port, together with others who do; return whether it has none."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _mapped_ports() -> set[int]:
    """Numbers of the ports that processes of this user have in their memory."""
    found = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or is somebody else's
            for line in maps.read_text(encoding="utf-8", errors="replace").splitlines():
                number = line.partition(f"/{PREFIX}")[2].partition(" ")[0]
                if number.isdecimal():
                    found.add(int(number))
    return found
