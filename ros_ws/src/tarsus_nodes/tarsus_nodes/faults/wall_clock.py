# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A wall clock that jumps, for the processes of one graph: libfaketime shifts what they read."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tarsus_core.errors import DependencyError


class WallClock:
    """Shifts the wall clock of the processes that have its ``environment``; their steady clock stays as it is."""

    def __init__(self, folder: Path) -> None:
        """Find the library; ``folder`` keeps the shift, for as long as the processes run.

        Raises:
            DependencyError: if libfaketime is not installed.
        """
        spec = importlib.util.find_spec("libfaketime")
        if spec is None or spec.origin is None:
            raise DependencyError(
                "Shifting a clock needs the package 'libfaketime', which is absent: run 'make setup'."
            )
        library = Path(spec.origin).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
        self._offset = folder / "offset"
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_CACHE_DURATION": "1",  # s between two looks at the file
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # The library's guess by the version of glibc is wrong for waits that end by the steady clock, such as
            # Python's for its lock: they end at once, and a thread that waits takes a core with its priority.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }
        self.shift(0)

    @staticmethod
    def tidy() -> None:
        """Remove the shared memory that the library leaves behind, of processes that have ended."""
        for path in Path("/dev/shm").glob("*faketime_s*_*"):
            if not Path("/proc", path.name.rpartition("_")[2]).exists():
                path.unlink(missing_ok=True)

    def shift(self, seconds: int) -> None:
        """Let the wall clock be so many seconds ahead of the true one."""
        written = self._offset.with_suffix(".new")
        written.write_text(f"{seconds:+d}")
        written.replace(self._offset)  # a process may read it at any time
