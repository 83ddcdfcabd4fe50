# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A shifted wall clock: processes read it, while what waits by the steady clock waits as long as ever."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tarsus_nodes.faults.wall_clock import WallClock

READ = "import time; print(time.time())"
WAIT = """
import sys, threading, time
sys.setswitchinterval(0.3)  # s that a thread waits for Python's lock before it asks for it
ended = threading.Event()
def compute():
    while not ended.is_set():
        pass
thread = threading.Thread(target=compute)
thread.start()
started = woken = time.monotonic()
longest = 0.0
while woken < started + 1.5:
    asleep = woken
    time.sleep(0.001)  # gives the lock away, then waits for it
    woken = time.monotonic()
    longest = max(longest, woken - asleep)
ended.set()
thread.join()
print(longest)
"""


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[WallClock]:
    clock = WallClock(tmp_path)
    yield clock
    clock.tidy()


def said(code: str, clock: WallClock) -> float:
    environment = {**os.environ, **clock.environment}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def test_a_process_reads_the_shifted_clock(clock: WallClock) -> None:
    for ahead_s in (0, 7200, 3600):
        clock.shift(ahead_s)
        assert abs(said(READ, clock) - time.time() - ahead_s) < 60.0


def test_a_thread_waits_for_pythons_lock_as_long_as_without(clock: WallClock) -> None:
    clock.shift(7200)
    # The longest of the turns, since not each of them waits: on a busy machine a thread finds the lock free when the
    # other was given no core to take it. A wait that ends at once makes every turn a matter of a millisecond.
    assert said(WAIT, clock) >= 0.25
