# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Films checkpoints while training goes on: one at a time, in a process of its own that yields to the training."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

CODE = (
    "import os, sys; os.nice(10); from tarsus_core.cli import main; "
    "sys.exit(main(['play', sys.argv[1], '--checkpoint', sys.argv[2], '--output', sys.argv[3], *sys.argv[4:]]))"
)
LAST_S = 300.0
"""A film that takes longer than this after the end of training is given up."""


class Clips:
    """Starts ``tarsus play`` on checkpoints of a run, into its folder ``clips``."""

    def __init__(self, run: Path, every_s: float | None, options: tuple[str, ...] = ("--push", "20")) -> None:
        """Film at most every ``every_s`` s; None never does.

        Args:
            run: folder of the run.
            every_s: time between the starts of two films.
            options: of ``tarsus play``.
        """
        self._run, self._every_s, self._options = run, every_s, options
        self._started_s = float("-inf")
        self._process: subprocess.Popen[bytes] | None = None

    def saved(self, checkpoint: Path) -> None:
        """Film a checkpoint, ``model_<update>.pt``, if it is time and no film is being made."""
        busy = self._process is not None and self._process.poll() is None
        found = re.fullmatch(r"model_(\d+)", checkpoint.stem)
        if self._every_s is None or found is None or busy or time.monotonic() - self._started_s < self._every_s:
            return
        self._started_s = time.monotonic()
        folder = self._run / "clips"
        update = found[1]
        arguments = [str(self._run), update, str(folder / f"update_{update}.mp4"), *self._options]
        with contextlib.suppress(OSError):  # a film that fails must not stop the training
            folder.mkdir(exist_ok=True)
            with open(folder / "log.txt", "ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", CODE, *arguments],
                    stdout=log,
                    stderr=log,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # so that its own workers can be ended with it
                )

    def close(self, wait: bool = True) -> None:
        """Wait for the last film; end it if it takes too long, or at once if there is no time."""
        if self._process is None:
            return
        try:
            self._process.wait(LAST_S if wait else 0.0)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
