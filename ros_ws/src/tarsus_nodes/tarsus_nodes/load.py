# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A busy machine, on purpose: processes that take every core, or most of the memory, while something is measured."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tarsus_core.processes import available_cores

KINDS = ("none", "cpu", "memory")

# The kernel ends them with the thread that started them, whatever kills that. If it went before the kernel was asked,
# they end themselves.
_TIED = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
"""
_SPIN = _TIED + "while True: pass"
# Takes a share of what is free, and goes on touching every page of it.
_FILL = (
    _TIED
    + """
block = bytearray(int(sys.argv[2]))
while True:
    for place in range(0, len(block), 4096):
        block[place] = (block[place] + 1) & 255
"""
)
MEMORY_SHARE = 0.8
"""of the memory that is available"""


@contextlib.contextmanager
def loaded(kind: str) -> Iterator[int]:
    """Keep the machine busy while the block runs; gives the number of processes that do it.

    ``cpu``: one process a core that computes. ``memory``: one that holds and touches four fifths of what is available.
    Ctrl-C in the terminal does not reach them; they end with the block, or with this process.
    """
    commands = []
    if kind == "cpu":
        commands = [_python(_SPIN)] * available_cores()
    elif kind == "memory":
        commands = [_python(_FILL, str(int(MEMORY_SHARE * available_bytes())))]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            processes.append(subprocess.Popen(command, start_new_session=True))
        yield len(processes)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def _python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code, str(os.getpid()), *words]


def available_bytes() -> int:
    """Memory that can be taken without swapping, by the kernel's estimate."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
