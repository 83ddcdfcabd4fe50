# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The last step before a child's own program: tie the child to the launcher's life, undo inherited signals, exec.

Run as ``python -I -S exec_child.py PARENT COMMAND...``. It exists because the same work in ``preexec_fn`` would run
Python between fork and exec of a threaded program, which may deadlock. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h; the setting outlives exec."""

RESET = tuple(getattr(signal, f"SIG{name}") for name in ("INT", "TERM", "HUP", "QUIT", "PIPE", "TSTP", "XFSZ"))
"""Signals that the child gets with their default effect, whatever the launcher, or Python itself, does with them."""

CANNOT_EXECUTE = 126
NOT_FOUND = 127
"""Exit codes of a shell for a command that is no program, and for one that is missing."""


def main(parent: int, command: list[str]) -> int:
    """Become ``command``; return an exit code only when that fails.

    The child gets SIGTERM when the launcher dies, even by SIGKILL; the guard sees to it that it obeys.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        print(f"the kernel refuses PR_SET_PDEATHSIG: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        return CANNOT_EXECUTE
    if os.getppid() != parent:
        # The launcher died before the line above; no signal will come any more.
        return CANNOT_EXECUTE
    for number in RESET:
        # A launcher in the background of a script inherits an ignored SIGINT and must not hand it on.
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"cannot run '{command[0]}': {error.strerror}", file=sys.stderr)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else CANNOT_EXECUTE


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
