# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Starting the guard of a launch, and telling it what belongs to the launch."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from tarsus_edge.launcher import guard
from tarsus_edge.launcher.errors import LaunchError


class GuardProcess:
    """The guard process of a launch, see ``guard``.

    Args:
        launch_id: beginning of the marker of all processes of the launch.
        grace_s: seconds from SIGTERM to SIGKILL, should the guard have to end them.
        folder: temporary folder of the launch, which it then removes.

    Raises:
        LaunchError: it cannot be started.
    """

    def __init__(self, launch_id: str, grace_s: float, folder: str) -> None:
        # Without the marker: the guard of a launch within a launch must outlive its launcher, too.
        environment = {name: value for name, value in os.environ.items() if name != guard.MARKER}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(guard.__file__).resolve()), launch_id, str(grace_s), folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise LaunchError(f"The launcher cannot start a process ({error.strerror}): free some memory.") from None
        assert self._process.stdin is not None
        self._pipe = self._process.stdin

    def __enter__(self) -> GuardProcess:
        return self

    def tell(self, word: str) -> None:
        """Tell the guard about a session; that somebody has killed the guard is no reason to stop a robot."""
        with contextlib.suppress(OSError):
            self._pipe.write(f"{word}\n".encode())
            self._pipe.flush()

    def __exit__(self, *_: object) -> None:
        self.tell("done")
        with contextlib.suppress(OSError):
            self._pipe.close()
        self._process.wait()
