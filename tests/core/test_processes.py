# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Worker processes and Ctrl-C."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from tarsus_core.processes import shielded_start


def test_processes_do_not_hear_ctrl_c_from_their_first_moment_on() -> None:
    with shielded_start():
        child = subprocess.Popen([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"])
    child.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.5)
    child.kill()
    child.wait()


def test_ctrl_c_meanwhile_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt), shielded_start():
        os.kill(os.getpid(), signal.SIGINT)
        process = multiprocessing.get_context("spawn").Process(target=int)
        process.start()
        process.join(60)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
