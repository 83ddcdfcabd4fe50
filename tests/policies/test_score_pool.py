# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Sharing runs among processes: order, errors, and that no process outlives the one that waits."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import PolicyFileError, SimulationError
from tarsus_policies.score_pool import run_jobs

# `prepare` returns the function that does a job; partial(partial, f) is one that a new process can import.
ROOTS = partial(partial, math.sqrt)


def children() -> set[int]:
    """Processes that this one started and that still run."""
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z" and b"spawn_main" in (entry / "cmdline").read_bytes():
                found.add(int(entry.name))
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    before = children()
    said: list[tuple[int, int]] = []
    results = run_jobs(ROOTS, [1.0, 4.0, 9.0, 16.0, 25.0], workers, lambda done, total: said.append((done, total)))
    assert results == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert said == [(k, 5) for k in range(6)]
    assert children() <= before


def test_no_more_processes_than_jobs() -> None:
    seen: list[int] = []
    before = children()
    run_jobs(ROOTS, [4.0], 8, lambda done, total: seen.append(len(children() - before)))
    assert max(seen) <= 1


def test_our_errors_come_through() -> None:
    before = children()
    with pytest.raises(PolicyFileError, match="cannot be read"):
        run_jobs(partial(partial, PolicyContract.from_json), ["x", "y"], 2)
    assert children() <= before


def test_other_errors_become_one_sentence() -> None:
    with pytest.raises(SimulationError, match=r"^A scoring process failed \(ValueError: .*\)\.$"):
        run_jobs(ROOTS, [1.0, -1.0], 2)


def test_dead_process_becomes_one_sentence() -> None:
    before = children()
    with pytest.raises(SimulationError, match="A scoring process died"):
        run_jobs(partial(partial, os._exit), [3, 3], 2)
    assert children() <= before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_its_owner(number: signal.Signals) -> None:
    """Kill, or interrupt as Ctrl-C does, a process whose workers are busy for ten minutes."""
    code = (
        "import multiprocessing, os, sys, threading, time\n"
        "from functools import partial\n"
        "from tarsus_policies.score_pool import run_jobs\n"
        "def tell():\n"
        "    time.sleep(0.5)\n"
        "    print(*(p.pid for p in multiprocessing.active_children()), flush=True)\n"
        "if __name__ == '__main__':\n"
        "    threading.Thread(target=tell, daemon=True).start()\n"
        "    run_jobs(partial(partial, time.sleep), [600.0] * 2, 2)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert owner.stdout is not None
    pids = [int(pid) for pid in owner.stdout.readline().split()]
    assert len(pids) == 2
    os.killpg(owner.pid, number) if number == signal.SIGINT else owner.kill()
    owner.communicate(timeout=30.0)
    assert owner.returncode != 0

    def alive(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    assert wait_until(lambda: not any(alive(pid) for pid in pids))
