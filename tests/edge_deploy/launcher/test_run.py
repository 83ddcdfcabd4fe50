# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Launches of real processes from a program: what they get, where their lines go, how they end and start again."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tarsus_core.errors import ConfigError
from tarsus_edge.launcher import LaunchError, LaunchRun, ProcessExit, StopTimeouts, load_plan

Start = Callable[..., LaunchRun]

DUMP = """\
import json, os, sys
files = {word: open(word).read() for word in sys.argv if word.endswith(".yaml")}
print(json.dumps({"argv": sys.argv, "files": files, "environment": dict(os.environ), "folder": os.getcwd()}))
"""


@pytest.fixture
def make(prefix: Any, write: Callable[..., Path], tmp_path: Path) -> Start:
    """Make a launch, not yet started: ``make(body, {"argument": "value"}, **options of LaunchRun)``."""

    def make_run(body: str, arguments: dict[str, str] | None = None, **options: Any) -> LaunchRun:
        plan = load_plan(write(body), arguments, environment=prefix.environment)
        options.setdefault("timeouts", StopTimeouts(sigterm_s=10.0, sigkill_s=10.0))
        options.setdefault("screen", io.StringIO())
        return LaunchRun(plan, log_folder=tmp_path / "log", **options)

    return make_run


def log_text(tmp_path: Path) -> str:
    return (tmp_path / "log" / "latest" / "launch.log").read_text()


def test_a_process_gets_its_command_parameters_environment_and_folder(
    make: Start, python: Callable[..., str], prefix: Any, tmp_path: Path
) -> None:
    script = f"#!{sys.executable} -IS\n{DUMP}"
    prefix.add_executable("demo", "node", script)
    screen = io.StringIO()
    body = """
        <set_env name="T_COLOUR" value="green"/>
        <node pkg="demo" exec="node" name="walker" namespace="/robot" output="screen" cwd="$(dirname)" args="'a b'">
          <param name="rate_hz" value="50"/><env name="T_OWN" value="1"/>
        </node>
    """
    with make(body, screen=screen) as run:
        assert run.wait(60)
    line = next(line for line in screen.getvalue().splitlines() if line.startswith("[node-1] {"))
    seen = json.loads(line.removeprefix("[node-1] "))
    file = seen["argv"][-1]
    assert seen["argv"][1:-1] == [
        "a b", "--ros-args", "-r", "__node:=walker", "-r", "__ns:=/robot", "--params-file",
    ]  # fmt: skip
    assert yaml.safe_load(seen["files"][file]) == {"/robot/walker": {"ros__parameters": {"rate_hz": 50}}}
    assert not Path(file).exists() and not Path(file).parent.exists()
    assert seen["folder"] == str(tmp_path)
    environment = seen["environment"]
    assert (environment["T_COLOUR"], environment["T_OWN"]) == ("green", "1")
    assert environment["AMENT_PREFIX_PATH"] == f"{sys.prefix}:{prefix.root}"
    assert environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == os.environ.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    assert (run.exit_code, run.exit_codes, run.stop_reason) == (0, {"node-1": 0}, None)


def test_output_goes_to_screen_and_log_as_asked(make: Start, tmp_path: Path) -> None:
    say = "sh -c 'echo out $0; echo err $0 >&amp;2; printf tail' "
    body = "".join(f'<executable cmd="{say} {output}" output="{output}"/>' for output in ("screen", "log", "both"))
    screen = io.StringIO()
    with make(body, screen=screen) as run:
        run.wait(60)
    shown = {line for line in screen.getvalue().splitlines() if line.startswith("[sh-")}
    assert shown == {
        "[sh-1] out screen", "[sh-1] err screen", "[sh-1] tail",
        "[sh-2] err log",
        "[sh-3] out both", "[sh-3] err both", "[sh-3] tail",
    }  # fmt: skip
    logged = {
        line.split(" ", 1)[1] for line in log_text(tmp_path).splitlines() if line.split(" ", 1)[1].startswith("[sh-")
    }
    assert logged == {
        "[sh-2] out log", "[sh-2] err log", "[sh-2] tail", "[sh-3] out both", "[sh-3] err both", "[sh-3] tail",
    }  # fmt: skip


def test_lines_of_the_launcher_are_like_those_of_ros2_launch(make: Start, tmp_path: Path) -> None:
    screen = io.StringIO()
    with make('<log message="hello"/><executable cmd="sh -c \'exit 3\'" name="three"/>', screen=screen) as run:
        run.wait(60)
    pid = run.processes[0].pid
    lines = screen.getvalue().splitlines()
    assert lines[0].startswith(f"[INFO] [launch]: All log files can be found below {tmp_path / 'log'}")
    assert lines[1:] == [
        "[INFO] [launch.user]: hello",
        f"[INFO] [three-1]: process started with pid [{pid}]",
        f"[ERROR] [three-1]: process has died [pid {pid}, exit code 3]",
    ]


@pytest.mark.parametrize(
    ("commands", "codes", "code"),
    [
        (["true", "true"], [0, 0], 0),
        (["true", "sh -c 'exit 7'"], [0, 7], 1),
        (["sh -c 'kill -9 $$'"], [-9], 1),
        (["sh -c 'kill -INT $$'"], [-2], 1),
        (["/dev/null/x"], [], None),
    ],
)
def test_exit_code_tells_whether_all_ended_well(
    commands: list[str], codes: list[int], code: int | None, make: Start
) -> None:
    body = "".join(f'<executable cmd="{command}"/>' for command in commands)
    if code is None:
        with pytest.raises(LaunchError, match="there is no executable '/dev/null/x'"):
            make(body)
        return
    with make(body) as run:
        assert run.wait(60)
    assert (list(run.exit_codes.values()), run.exit_code) == (codes, code)


def test_a_program_that_the_kernel_cannot_run_ends_badly_with_a_sentence(make: Start, tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    screen = io.StringIO()
    with make(f'<executable cmd="{program}" output="screen"/>', screen=screen) as run:
        run.wait(60)
    assert run.exit_codes == {"broken-1": 127}
    assert f"[broken-1] cannot run '{program}': No such file or directory" in screen.getvalue()


def test_a_process_that_cannot_be_started_stops_the_whole_launch(
    make: Start, tmp_path: Path, pids: Callable[..., list[int]], is_alive: Callable[[int], bool]
) -> None:
    folder = tmp_path / "soon_gone"
    folder.mkdir()
    run = make(
        f"""<executable cmd="sh -c 'echo $$ > {tmp_path}/first.pid; exec sleep 60'"/>
            <executable cmd="true" cwd="{folder}"/>"""
    )
    folder.rmdir()
    with pytest.raises(LaunchError, match=r"^\[true-2\] cannot be started \(No such file or directory\)"):
        run.start()
    assert run.finished and run.exit_code == 1
    assert not is_alive(run.processes[0].pid or 0)


def test_on_exit_shutdown_stops_the_others(make: Start) -> None:
    reasons: list[str] = []
    exits: list[ProcessExit] = []
    body = """<executable cmd="sleep 60" name="other"/>
              <executable cmd="sh -c 'exit 4'" name="required" on_exit="shutdown"/>"""
    with make(body, on_exit=exits.append, on_stop=reasons.append) as run:
        assert run.wait(60)
    assert reasons == [run.stop_reason] == ["[required-2] was required and has ended with exit code 4"]
    assert [(end.name, end.returncode, end.stopping, end.respawns) for end in exits] == [
        ("required-2", 4, False, False),
        ("other-1", -2, True, False),
    ]
    assert run.exit_code == 1


def test_a_required_process_that_ends_well_makes_no_error(make: Start) -> None:
    body = '<executable cmd="sleep 60"/><executable cmd="true" on_exit="shutdown" respawn="true"/>'
    with make(body) as run:
        assert run.wait(60)
    assert (run.exit_codes, run.exit_code) == ({"sleep-1": -2, "true-2": 0}, 0)


def test_respawn_starts_again_after_its_delay_so_often_and_the_last_end_counts(make: Start, tmp_path: Path) -> None:
    count = tmp_path / "count"
    body = f"""<executable cmd="sh -c 'date +%s.%N >> {count}; [ $(wc -l &lt; {count}) = 3 ]'" name="again"
               respawn="true" respawn_delay="0.3" respawn_max_retries="2"/>"""
    body = body.replace("$(wc", "\\$(wc")
    exits: list[ProcessExit] = []
    with make(body, on_exit=exits.append) as run:
        assert run.wait(60)
    times = [float(line) for line in count.read_text().splitlines()]
    assert len(times) == 3 and times[1] - times[0] >= 0.3 and times[2] - times[1] >= 0.3
    assert [(end.returncode, end.respawns) for end in exits] == [(1, True), (1, True), (0, False)]
    assert (run.processes[0].starts, run.exit_code) == (3, 0)


def test_stopping_ends_respawns_and_timers(make: Start, tmp_path: Path) -> None:
    body = """<executable cmd="true" respawn="true" respawn_delay="60"/>
              <timer period="60"><executable cmd="true" name="late"/><log message="too late"/></timer>"""
    ended = threading.Event()
    screen = io.StringIO()
    with make(body, on_exit=lambda end: ended.set(), screen=screen) as run:
        assert ended.wait(60)
        assert not run.finished
        run.stop("enough")
        assert run.wait(60)
    assert run.exit_codes == {"true-1": 0, "late-2": None}
    assert (run.processes[1].starts, run.stop_reason, run.exit_code) == (0, "enough", 0)
    assert "too late" not in screen.getvalue()


def test_timers_start_processes_in_their_time(make: Start) -> None:
    body = """<timer period="0.4"><executable cmd="echo second" output="screen"/><log message="now"/></timer>
              <executable cmd="echo first" output="screen"/>"""
    screen = io.StringIO()
    start_s = time.monotonic()
    with make(body, screen=screen) as run:
        assert run.processes[0].starts == 1
        assert run.wait(60)
    assert time.monotonic() - start_s >= 0.4
    words = {line.split()[-1] for line in screen.getvalue().splitlines() if line.startswith("[echo")}
    assert words == {"first", "second"}
    assert "[INFO] [launch.user]: now" in screen.getvalue()


def test_states_can_be_polled_while_it_runs(make: Start, wait_until: Callable[..., None]) -> None:
    body = '<node pkg="demo" exec="dump" name="short"/><executable cmd="sleep 60" name="long"/>'
    with make(body) as run:
        wait_until(lambda: not run.processes[0].running, "the end of the short one")
        short, long = run.processes
        assert (short.node, short.returncode, short.starts) == ("/short", 0, 1)
        assert (long.node, long.returncode, long.running) == (None, None, True)
        assert run.exit_codes == {"dump-1": 0, "long-2": None}
        assert not run.wait(0.01) and not run.finished
    assert run.finished and run.exit_codes == {"dump-1": 0, "long-2": -2}
    assert run.stop_reason == "the launch was closed"


def test_an_error_in_the_block_stops_everything(make: Start, is_alive: Callable[[int], bool]) -> None:
    run = make('<executable cmd="sleep 60"/>')
    with pytest.raises(ZeroDivisionError), run:
        raise ZeroDivisionError
    assert run.finished and not is_alive(run.processes[0].pid or 0)


def test_an_error_in_a_callback_stops_everything_and_is_raised(make: Start) -> None:
    def fail(end: ProcessExit) -> None:
        raise ConfigError("The callback has had enough.")

    run = make('<executable cmd="sleep 60"/><executable cmd="true"/>', on_exit=fail)
    with run, pytest.raises(ConfigError, match="has had enough"):
        run.wait(60)
    assert run.exit_codes == {"sleep-1": -2, "true-2": 0} and run.exit_code == 1


def test_a_callback_may_close_the_launch(make: Start) -> None:
    run = make('<executable cmd="sleep 60"/><executable cmd="true"/>', on_exit=lambda end: run.close() if run else None)
    with run:
        assert run.wait(60)
    assert run.stop_reason == "the launch was closed"


def test_stop_before_start_and_twice_is_no_harm(make: Start) -> None:
    run = make('<executable cmd="sleep 60"/>')
    run.stop("at once")
    with run:
        run.stop("again")
        assert run.wait(60)
    run.stop("too late")
    run.escalate()
    run.close()
    assert (run.stop_reason, run.exit_codes) == ("at once", {"sleep-1": -2})


def test_a_launch_runs_once(make: Start) -> None:
    with make('<executable cmd="true"/>') as run:
        run.wait(60)
    with pytest.raises(LaunchError, match="was started before"):
        run.start()


def test_an_empty_launch_ends_at_once(make: Start) -> None:
    with make("") as run:
        assert run.wait(60)
    assert (run.exit_code, run.exit_codes) == (0, {})


def test_many_launches_run_side_by_side(make: Start) -> None:
    runs = [make(f"<executable cmd=\"sh -c 'exit {number}'\"/>") for number in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        assert run.wait(60)
    assert [run.exit_codes["sh-1"] for run in runs] == [0, 1, 2, 3]


def test_a_log_folder_that_cannot_be_written_is_one_sentence(make: Start, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")
    run = make('<executable cmd="true"/>')
    with pytest.raises(LaunchError, match=r"cannot be created \(Not a directory\): set ROS_LOG_DIR"):
        run.start()
    assert run.processes[0].starts == 0
