# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The end of processes: signals in their order, and nothing left behind, whatever a process does."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tarsus_edge.launcher import LaunchRun, StopTimeouts, load_plan
from tarsus_edge.launcher.guard import MARKER, members

Pids = Callable[..., list[int]]
Alive = Callable[[int], bool]

SIGNALS_TO_FILE = """
import os, signal, sys, time
folder, name, obeys = sys.argv[1:]
def note(number, frame):
    with open(f"{folder}/{name}.signals", "a") as file:
        file.write(signal.Signals(number).name + "\\n")
    if signal.Signals(number).name == obeys:
        sys.exit(0)
signal.signal(signal.SIGINT, note)
signal.signal(signal.SIGTERM, note)
with open(f"{folder}/{name}.pid", "w") as file:
    print(os.getpid(), file=file)
while True:
    signal.pause()
"""
"""Notes its signals in a file, and exits upon the one that its last argument names."""


@pytest.fixture
def start(prefix: Any, write: Callable[..., Path], tmp_path: Path) -> Callable[..., LaunchRun]:
    """Start a launch: ``start(body, sigterm_s=.., sigkill_s=..)``; long times, unless a test waits for one to pass."""

    def start_run(body: str, sigterm_s: float = 60.0, sigkill_s: float = 60.0, **options: Any) -> LaunchRun:
        plan = load_plan(write(body), environment=prefix.environment)
        screen = options.pop("screen", None) or io.StringIO()
        run = LaunchRun(
            plan, screen=screen, timeouts=StopTimeouts(sigterm_s, sigkill_s), log_folder=tmp_path / "log", **options
        )
        run.start()
        return run

    return start_run


@pytest.fixture
def noting(python: Callable[..., str], tmp_path: Path) -> Callable[..., str]:
    """Command of a process that notes its signals: ``noting(name, obeys="SIGINT")``."""

    def command(name: str, obeys: str = "nothing") -> str:
        return f"{python('noting', SIGNALS_TO_FILE)} {tmp_path} {name} {obeys}"

    return command


def signals(tmp_path: Path, name: str) -> list[str]:
    file = tmp_path / f"{name}.signals"
    return file.read_text().split() if file.exists() else []


def test_sigint_comes_first_and_once(
    start: Callable[..., LaunchRun], noting: Callable[..., str], pids: Pids, tmp_path: Path
) -> None:
    run = start(f'<executable cmd="{noting("a", "SIGINT")}"/>')
    pids("a")
    run.stop("enough")
    assert run.wait(60)
    assert signals(tmp_path, "a") == ["SIGINT"]
    assert run.exit_code == 0


def test_sigterm_follows_when_sigint_is_not_obeyed(
    start: Callable[..., LaunchRun], noting: Callable[..., str], pids: Pids, tmp_path: Path
) -> None:
    screen = io.StringIO()
    run = start(f'<executable cmd="{noting("a", "SIGTERM")}" name="a"/>', sigterm_s=0.3, screen=screen)
    [pid] = pids("a")
    start_s = time.monotonic()
    run.stop("enough")
    assert run.wait(60)
    assert time.monotonic() - start_s >= 0.3
    assert signals(tmp_path, "a") == ["SIGINT", "SIGTERM"]
    assert run.exit_code == 0
    assert f"[WARN] [a-1]: process[{pid}] has not ended upon SIGINT: sending SIGTERM" in screen.getvalue()


def test_sigkill_ends_what_obeys_nothing_and_that_is_no_good_end(
    start: Callable[..., LaunchRun], noting: Callable[..., str], pids: Pids, tmp_path: Path
) -> None:
    run = start(f'<executable cmd="{noting("a")}" name="a"/>', sigterm_s=0.2, sigkill_s=0.3)
    pids("a")
    start_s = time.monotonic()
    run.stop("enough")
    assert run.wait(60)
    assert time.monotonic() - start_s >= 0.5
    assert signals(tmp_path, "a") == ["SIGINT", "SIGTERM"]
    assert (run.exit_codes, run.exit_code) == ({"a-1": -9}, 1)


def test_timeouts_of_the_launch_file_go_before_those_of_the_launcher(
    start: Callable[..., LaunchRun], noting: Callable[..., str], pids: Pids
) -> None:
    run = start(f'<executable cmd="{noting("a")}" name="a" sigterm_timeout="0.1" sigkill_timeout="0.1"/>')
    pids("a")
    run.stop("enough")
    assert run.wait(60)
    assert run.exit_codes == {"a-1": -9}


def test_escalation_goes_to_the_next_signal_at_once(
    start: Callable[..., LaunchRun],
    noting: Callable[..., str],
    pids: Pids,
    tmp_path: Path,
    wait_until: Callable[..., None],
) -> None:
    run = start(f'<executable cmd="{noting("a")}" name="a"/>')
    pids("a")
    run.escalate()  # without effect before the stop
    run.stop("enough")
    wait_until(lambda: signals(tmp_path, "a") == ["SIGINT"])
    run.escalate()
    wait_until(lambda: signals(tmp_path, "a") == ["SIGINT", "SIGTERM"])
    run.escalate()
    assert run.wait(60)
    assert run.exit_codes == {"a-1": -9}


def test_an_ignored_sigint_is_not_handed_on(
    prefix: Any, write: Callable[..., Path], tmp_path: Path, pids: Pids
) -> None:
    """A launcher in the background of a shell script has SIGINT ignored; its children must obey it all the same."""
    file = write(f"""<executable cmd="sh -c 'echo $$ > {tmp_path}/a.pid; exec sleep 60'"/>""")
    program = (
        "import sys; from pathlib import Path; from tarsus_edge.launcher import *\n"
        "run = LaunchRun(load_plan(Path(sys.argv[1])), timeouts=StopTimeouts(60, 60))\n"
        "run.start(); sys.stdin.read(); run.stop('enough'); run.wait(); print(run.exit_codes)\n"
    )
    process = subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-c", program, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**prefix.environment, "ROS_LOG_DIR": str(tmp_path / "log")},
    )
    pids("a")
    output, _ = process.communicate("", timeout=90)
    assert (process.returncode, output) == (0, "{'sh-1': -2}\n")


def test_children_of_a_shell_get_the_signal_too(
    start: Callable[..., LaunchRun], noting: Callable[..., str], pids: Pids, is_alive: Alive, tmp_path: Path
) -> None:
    run = start(f"""<executable cmd="sh -c '{noting("inner", "SIGINT")}; true'"/>""")
    [inner] = pids("inner")
    run.stop("enough")
    assert run.wait(60)
    assert signals(tmp_path, "inner") == ["SIGINT"] and not is_alive(inner)


@pytest.mark.parametrize("escape", ["", "setsid", "setsid setsid --fork"])
def test_grandchildren_end_with_their_process_wherever_they_went(
    escape: str,
    start: Callable[..., LaunchRun],
    noting: Callable[..., str],
    pids: Pids,
    is_alive: Alive,
    tmp_path: Path,
) -> None:
    run = start(f"""<executable cmd="sh -c '{escape} {noting("inner", "SIGINT")} &amp; wait; sleep 60'"/>""")
    [inner] = pids("inner")
    run.stop("enough")
    assert run.wait(60)
    assert not is_alive(inner)


def test_what_a_process_leaves_behind_when_it_ends_by_itself_is_ended(
    start: Callable[..., LaunchRun], noting: Callable[..., str], pids: Pids, is_alive: Alive, tmp_path: Path
) -> None:
    """The grandchild obeys no signal but SIGKILL, and has left its parent's session."""
    wait = f"while ! [ -s {tmp_path}/inner.pid ]; do sleep 0.02; done"
    body = f"""<executable cmd="sh -c 'setsid {noting("inner")} &amp; {wait}'" name="outer"/>
               <executable cmd="sleep 60" name="other"/>"""
    ended = threading.Event()
    run = start(body, sigterm_s=0.2, sigkill_s=0.2, on_exit=lambda end: ended.set())
    [inner] = pids("inner")
    assert ended.wait(60)
    deadline = time.monotonic() + 10.0  # killed is not yet gone
    while is_alive(inner) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(inner)
    assert signals(tmp_path, "inner")[:1] == ["SIGINT"]
    assert run.exit_codes == {"outer-1": 0, "other-2": None}
    run.close()


def test_a_grandchild_that_hides_its_environment_is_found_by_its_session(
    start: Callable[..., LaunchRun], noting: Callable[..., str], pids: Pids, is_alive: Alive
) -> None:
    run = start(f"""<executable cmd="sh -c 'env -i {noting("inner")} &amp; wait'"/>""", sigterm_s=0.2, sigkill_s=0.2)
    [inner] = pids("inner")
    run.stop("enough")
    assert run.wait(60)
    assert not is_alive(inner)


def test_a_stopped_process_ends_too(
    start: Callable[..., LaunchRun], noting: Callable[..., str], pids: Pids, is_alive: Alive
) -> None:
    run = start(f'<executable cmd="{noting("a", "SIGINT")}"/>', sigterm_s=0.2, sigkill_s=0.2)
    [pid] = pids("a")
    os.kill(pid, signal.SIGSTOP)
    run.stop("enough")
    assert run.wait(60)
    assert not is_alive(pid)


def test_a_process_that_never_stops_talking_does_not_hold_up_the_stop(start: Callable[..., LaunchRun]) -> None:
    run = start('<executable cmd="yes" output="screen"/><executable cmd="sleep 60"/>')
    run.stop("enough")
    assert run.wait(60)
    assert run.exit_codes == {"yes-1": -2, "sleep-2": -2}


def test_the_number_of_process_1_does_not_stand_for_process_10(
    start: Callable[..., LaunchRun], is_alive: Alive
) -> None:
    """The end of the first process must leave the tenth alone."""
    ended = threading.Event()
    body = '<executable cmd="true"/>' + '<executable cmd="sleep 60"/>' * 10
    run = start(body, on_exit=lambda end: ended.set())
    assert ended.wait(60)
    assert not run.wait(0.3)
    assert all(process.running and is_alive(process.pid or 0) for process in run.processes[1:])
    run.close()


def test_members_are_found_by_marker_and_by_session(is_alive: Alive) -> None:
    marked = subprocess.Popen(["sleep", "60"], env={**os.environ, MARKER: "abc/1/"}, start_new_session=True)
    other = subprocess.Popen(["sleep", "60"], env={**os.environ, MARKER: "abd/1/"}, start_new_session=True)
    try:
        assert members("abc/1/", ()) == [(marked.pid, marked.pid)]
        assert members("abc/2/", ()) == []
        assert members("none", (other.pid,)) == [(other.pid, other.pid)]
        marked.kill()
        os.waitid(os.P_PID, marked.pid, os.WEXITED | os.WNOWAIT)
        assert members("abc/1/", (marked.pid,)) == []  # a zombie
    finally:
        for process in (marked, other):
            process.kill()
            process.wait()
