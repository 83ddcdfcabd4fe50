# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The launcher itself is killed with SIGKILL: nothing that it started may outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tarsus_edge.launcher.guard import MARKER

STUBBORN = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1], "w") as file:
    print(os.getpid(), file=file)
while True:
    signal.pause()
"""

POLITE = """
import os, signal, sys
def end(number, frame):
    open(sys.argv[1] + ".clean", "w").write("clean")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
with open(sys.argv[1], "w") as file:
    print(os.getpid(), file=file)
while True:
    signal.pause()
"""

LAUNCH = """
import sys; from pathlib import Path; from tarsus_edge.launcher import *
run = LaunchRun(load_plan(Path(sys.argv[1])), timeouts=StopTimeouts(sigterm_s=60, sigkill_s=0.3))
run.start()
run.wait()
"""


@pytest.fixture
def launch(prefix: Any, write: Callable[..., Path], tmp_path: Path) -> Any:
    """Run a launch in a program of its own: ``launch(body)``."""
    started = []

    def start(body: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(write(body))],
            env={**prefix.environment, "ROS_LOG_DIR": str(tmp_path / "log"), "TMPDIR": str(tmp_path)},
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def guards_of(pid: int) -> list[int]:
    """Return the guards among the children of ``pid``."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for file in children for child in file.read_text().split()]
    return [child for child in found if b"guard.py" in Path(f"/proc/{child}/cmdline").read_bytes()]


def test_children_and_grandchildren_die_with_it(
    launch: Any,
    python: Callable[..., str],
    pids: Callable[..., list[int]],
    is_alive: Callable[[int], bool],
    wait_until: Callable[..., None],
    tmp_path: Path,
) -> None:
    stubborn, polite = python("stubborn", STUBBORN), python("polite", POLITE)
    script = f'for word; do echo "$word" > {tmp_path}/parameters; done; echo $$ > {tmp_path}/node.pid; exec sleep 60'
    (tmp_path / "node.sh").write_text(script)
    process = launch(
        f"""<node exec="sh" args="{tmp_path}/node.sh"><param name="a" value="1"/></node>
            <executable cmd="{polite} {tmp_path}/child.pid"/>
            <executable cmd="sh -c '{stubborn} {tmp_path}/grandchild.pid &amp; wait'"/>
            <executable cmd="sh -c 'setsid --fork {stubborn} {tmp_path}/escaped.pid; sleep 60'"/>
            <executable cmd="env -i {stubborn} {tmp_path}/hidden.pid"/>
            <executable cmd="{stubborn} {tmp_path}/stubborn.pid"/>"""
    )
    numbers = pids("child", "grandchild", "escaped", "hidden", "stubborn", "node")
    [guard] = guards_of(process.pid)
    process.kill()
    wait_until(lambda: not any(map(is_alive, numbers)), "the end of all children")
    assert (tmp_path / "child.pid.clean").exists(), "a child that obeys SIGTERM has time to end cleanly"
    wait_until(lambda: not is_alive(guard), "the end of the guard")
    parameters = Path((tmp_path / "parameters").read_text().strip())
    assert parameters.name.endswith(".yaml") and not parameters.parent.exists()


def test_children_that_obey_die_even_without_the_guard(
    launch: Any,
    python: Callable[..., str],
    pids: Callable[..., list[int]],
    is_alive: Callable[[int], bool],
    wait_until: Callable[..., None],
    tmp_path: Path,
) -> None:
    """The kernel itself sends SIGTERM (PR_SET_PDEATHSIG); here the guard is killed first."""
    process = launch(f"""<executable cmd="{python("polite", POLITE)} {tmp_path}/child.pid"/>""")
    [child] = pids("child")
    [guard] = guards_of(process.pid)
    os.kill(guard, signal.SIGKILL)
    wait_until(lambda: not is_alive(guard))
    process.kill()
    wait_until(lambda: not is_alive(child), "the end of the child")


def test_the_launch_survives_the_end_of_its_guard(
    launch: Any, pids: Callable[..., list[int]], wait_until: Callable[..., None], is_alive: Any, tmp_path: Path
) -> None:
    process = launch(
        f"""<executable cmd="sh -c 'echo $$ > {tmp_path}/a.pid; while ! [ -e {tmp_path}/go ]; do sleep 0.05; done'"/>
            <timer period="1"><executable cmd="true"/></timer>"""
    )
    pids("a")
    [guard] = guards_of(process.pid)
    os.kill(guard, signal.SIGKILL)
    wait_until(lambda: not is_alive(guard))
    (tmp_path / "go").touch()
    assert process.wait(60) == 0


def test_a_launch_within_a_launch_dies_with_the_outer_one(
    launch: Any,
    python: Callable[..., str],
    pids: Callable[..., list[int]],
    is_alive: Callable[[int], bool],
    wait_until: Callable[..., None],
    write: Callable[..., Path],
    tmp_path: Path,
) -> None:
    inner = write(f"""<executable cmd="{python("stubborn", STUBBORN)} {tmp_path}/child.pid"/>""", "inner.launch.xml")
    program = tmp_path / "launch.py"
    program.write_text(LAUNCH)
    outer = f"""<executable cmd="sh -c 'echo $$ > {tmp_path}/inner.pid; exec {sys.executable} {program} {inner}'"/>"""
    process = launch(outer)
    numbers = pids("inner", "child")
    mark = [
        entry for entry in Path(f"/proc/{numbers[1]}/environ").read_bytes().split(b"\0") if MARKER.encode() in entry
    ]
    assert len(mark) == 1, "the inner launch marks its own"
    process.kill()
    wait_until(lambda: not any(map(is_alive, numbers)), "the end of both launches")
