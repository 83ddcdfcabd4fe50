# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A busy machine, on purpose: processes that take every core, or most of the memory, while something is measured."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tarsus_core.processes import available_cores
from tarsus_nodes.operator_client import OperatorError
from tarsus_nodes.tied import tied

KINDS = ("none", "cpu", "memory")

_SPIN = "while True: pass"
# Takes a share of what is free, says so when every page of it was touched, and goes on touching them.
_FILL = """
import os, sys
try:
    block = bytearray(int(sys.argv[1]))
except MemoryError:
    sys.exit(1)
told = False
while True:
    for place in range(0, len(block), 4096):
        block[place] = (block[place] + 1) & 255
    if not told:
        told = bool(os.write(1, b"full"))
"""
MEMORY_SHARE = 0.8
"""of the memory that is available"""
FILL_S = 120.0
"""steady time in which the memory is taken: a second for each 4 GiB, and more on a machine that is busy"""
LOOK_S = 0.05


@contextlib.contextmanager
def loaded(kind: str, meanwhile: Callable[[], None] = lambda: None) -> Iterator[int]:
    """Keep the machine busy while the block runs; gives the number of processes that do it.

    ``cpu``: one process a core that computes. ``memory``: one that holds and touches four fifths of what is available;
    the block begins when it has touched all of it once. Ctrl-C in the terminal does not reach them; they end with the
    block, or with this process.

    Args:
        kind: one of ``KINDS``.
        meanwhile: called again and again, every 0.05 s or so, until the memory is taken; what it raises ends the wait.

    Raises:
        OperatorError: if the memory cannot be had, or a process has ended before the block has.
    """
    commands = []
    if kind == "cpu":
        commands = [_python(_SPIN)] * available_cores()
    elif kind == "memory":
        size = int(MEMORY_SHARE * available_bytes())
        commands = [_python(_FILL, str(size))]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
            )
            processes.append(process)
        if kind == "memory":
            _wait_until_full(processes[0], size, meanwhile)
        yield len(processes)
        for process in processes:
            if process.poll() is not None:
                raise OperatorError(
                    f"The load '{kind}' ended by itself ({_ending(process.returncode)}), and what was measured is not "
                    "under it: close other programs, or measure without a load."
                )
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _wait_until_full(process: subprocess.Popen[bytes], size: int, meanwhile: Callable[[], None]) -> None:
    assert process.stdout is not None
    what = f"the {size >> 20} MiB of the load 'memory'"
    end_s = time.monotonic() + FILL_S
    while not select.select([process.stdout], [], [], LOOK_S)[0]:
        if time.monotonic() > end_s:
            raise OperatorError(f"Not all of {what} was taken within {FILL_S:g} s: close other programs.")
        meanwhile()
    if not os.read(process.stdout.fileno(), 4):  # its end
        raise OperatorError(
            f"The machine does not give {what} ({_ending(process.wait())}): close other programs, or raise the limit "
            "of 'ulimit -v'."
        )


def _ending(returncode: int) -> str:
    return f"killed by {signal.Signals(-returncode).name}" if returncode < 0 else f"exit code {returncode}"


def _python(code: str, *words: str) -> list[str]:
    return tied([sys.executable, "-I", "-S", "-c", code, *words])


def available_bytes() -> int:
    """Memory that can be taken without swapping, by the kernel's estimate."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
