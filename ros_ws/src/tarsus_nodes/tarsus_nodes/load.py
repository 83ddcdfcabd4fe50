# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A busy machine, on purpose: processes that take every core, or most of the memory, while something is measured."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tarsus_core.processes import available_cores

KINDS = ("none", "cpu", "memory")

_SPIN = "while True: pass"
# Takes a share of what is free, and goes on touching every page of it.
_FILL = """
import sys
block = bytearray(int(sys.argv[1]))
while True:
    for place in range(0, len(block), 4096):
        block[place] = (block[place] + 1) & 255
"""
MEMORY_SHARE = 0.8
"""of the memory that is available"""


@contextlib.contextmanager
def loaded(kind: str) -> Iterator[int]:
    """Keep the machine busy while the block runs; gives the number of processes that do it.

    ``cpu``: one process a core that computes. ``memory``: one that holds and touches four fifths of what is available.
    """
    commands = []
    if kind == "cpu":
        commands = [[sys.executable, "-I", "-S", "-c", _SPIN]] * available_cores()
    elif kind == "memory":
        commands = [[sys.executable, "-I", "-S", "-c", _FILL, str(int(MEMORY_SHARE * available_bytes()))]]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            processes.append(subprocess.Popen(command))
        yield len(processes)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def available_bytes() -> int:
    """Memory that can be taken without swapping, by the kernel's estimate."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
