# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Commands that the kernel ends with the thread that started them, whatever kills that: nothing runs on by itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

# The setting outlives exec. If the parent went before the kernel was asked, the command is not run. Python ignores two
# signals, which the command would inherit. As a preexec_fn this would run Python between fork and exec of a program
# with threads, which may deadlock.
_TIE = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
for number in (signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def tied(command: Sequence[str], parent: int | None = None) -> list[str]:
    """Return the command with the wish to be killed (SIGKILL) when its parent is gone put before it; for Linux.

    The process that is started becomes the command: its id, its exit code and its pipes are the command's.

    Args:
        command: a program and its arguments.
        parent: process id of who starts it; this process if None.
    """
    number = os.getpid() if parent is None else parent
    return [sys.executable, "-I", "-S", "-c", _TIE, str(number), *command]
