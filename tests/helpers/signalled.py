# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A Python program that is sent signals when it is up."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping


def signalled(code: str, environment: Mapping[str, str], *numbers: signal.Signals) -> tuple[int, str, str]:
    """Run a program that prints ``up``, signal it then, and return its exit code, what it printed after, and stderr."""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # whether or not the tests run under nohup
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "up\n"
        for number in numbers:
            process.send_signal(number)
        out, err = process.communicate(timeout=30)
    return process.returncode, out, err
