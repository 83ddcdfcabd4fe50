# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Shared memory that processes have left which were killed, or ended before their middleware was taken down.

Each participant of Fast DDS has half a megabyte of it, which it removes itself at an orderly end, and nobody else does:
graphs that are started often would fill the memory of the machine. Who starts next removes it, as ``fastdds shm clean``
does: what belongs to nobody is told by its lock, which ends with the process that held it.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import time
from pathlib import Path

from tarsus_nodes.dds_ports import SHARED_MEMORY

OWNER = re.compile(r"fastrtps_[0-9a-f]{16}_el")
"""name of the file that the owner of a segment keeps locked; the segment's own is without the ending"""
SETTLED_S = 10.0
"""a file that is younger may be one whose owner is about to lock it"""


def remove_dead_segments() -> list[str]:
    """Remove the segments of shared memory that no process owns, of this user; return their names."""
    removed = []
    for owner in SHARED_MEMORY.glob("fastrtps_*_el") if SHARED_MEMORY.is_dir() else ():
        if not OWNER.fullmatch(owner.name):
            continue
        with contextlib.suppress(OSError):  # it is locked, so in use; or it has gone meanwhile, or is somebody else's
            with owner.open("r+b") as file:
                if time.time() - owner.stat().st_mtime < SETTLED_S:
                    continue
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                segment = Path(str(owner).removesuffix("_el"))
                segment.unlink(missing_ok=True)
                owner.unlink()
            removed.append(segment.name)
    return removed
