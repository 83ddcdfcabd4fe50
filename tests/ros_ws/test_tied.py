# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Commands that are tied to their parent: they end with it, and are otherwise what they would be."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tarsus_nodes.faults import operator_lines, recorder_lines
from tarsus_nodes.tied import tied

# Prints its id once it is what it is meant to be, through a shell that makes it, as a limit on files is set.
CHILD = [
    "bash",
    "-c",
    'exec "$0" "$@"',
    sys.executable,
    "-c",
    "import os, time; print(os.getpid(), flush=True); time.sleep(600)",
]
PARENT = f"""
import subprocess
from tarsus_nodes.tied import tied
subprocess.Popen(tied({CHILD!r})).wait()
"""


def test_a_command_ends_with_the_process_that_started_it_even_if_it_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert running(pid)
        parent.kill()
    deadline = time.monotonic() + 20.0
    try:
        while running(pid):
            assert time.monotonic() < deadline, "the command goes on"
            time.sleep(0.02)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_a_command_keeps_its_id_its_arguments_its_exit_code_and_its_signals() -> None:
    code = "import os, sys, signal; print(os.getpid(), sys.argv[1:]); sys.exit(7)"
    with subprocess.Popen(tied([sys.executable, "-c", code, "a b", ""]), stdout=subprocess.PIPE, text=True) as process:
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (7, f"{process.pid} ['a b', '']\n")
    shell = tied(["bash", "-c", "kill -XFSZ $$; echo lived on"])  # Python ignores it, and would hand that on
    assert subprocess.run(shell, capture_output=True, timeout=60, check=False).returncode == -signal.SIGXFSZ


def test_a_command_whose_parent_has_gone_is_not_run() -> None:
    gone = subprocess.run(tied(["echo"], parent=-1), capture_output=True, timeout=60, check=False)
    assert (gone.returncode, gone.stdout, gone.stderr) == (1, b"", b"")


class Started(Exception):
    """A command was started."""


@pytest.mark.parametrize("run", [operator_lines.remote_lost, recorder_lines.disk_full, recorder_lines.recorder_killed])
def test_what_the_lines_of_faults_start_is_tied(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(command: list[str], **_: Any) -> None:
        assert command[: len(tied([]))] == tied([])
        raise Started

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(Started):
        run(SimpleNamespace(to_passive=lambda: None))


def running(pid: int) -> bool:
    """Whether a process runs: one that has ended and that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
