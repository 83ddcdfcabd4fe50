# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Worker processes: how many, and how they start."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


@contextlib.contextmanager
def shielded_start() -> Iterator[None]:
    """Start processes in this block that Ctrl-C in the terminal does not reach, not even while they still import.

    SIGINT is blocked in this thread, and those that it starts inherit that. For this process one that comes meanwhile
    is not lost. The processes must be ended by the one that starts them.
    """
    resource_tracker.ensure_running()  # it unblocks the signal when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
