# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus launch`` as a user meets it: files, options, signals, exit codes, one sentence for each mistake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tarsus_edge.launcher import LaunchError
from tarsus_edge.launcher.cli import main

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def environment(prefix: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(prefix.root))
    monkeypatch.setenv("ROS_LOG_DIR", str(tmp_path / "log"))
    monkeypatch.delenv("OVERRIDE_LAUNCH_PROCESS_OUTPUT", raising=False)


def test_it_runs_a_file_with_arguments_to_its_end(tarsus: Start, write: Callable[..., Path], tmp_path: Path) -> None:
    file = write('<arg name="word" default="no"/><executable cmd="echo $(var word)" output="screen"/>')
    output, errors = (process := tarsus(str(file), "word:=two words")).communicate(timeout=90)
    assert (process.returncode, errors) == (0, "")
    assert "[echo-1] two words\n" in output
    assert list((tmp_path / "log").glob("*/launch.log"))


def test_the_exit_code_is_1_when_a_process_died(tarsus: Start, write: Callable[..., Path]) -> None:
    process = tarsus(str(write('<executable cmd="false"/>')))
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 1 and "[ERROR] [false-1]: process has died" in output


def test_print_shows_the_commands_and_runs_nothing(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str], prefix: Any, tmp_path: Path
) -> None:
    file = write(
        """<node pkg="demo" exec="dump" name="a" args="'x y'"><param name="b" value="1.5"/></node>
           <timer period="2.5"><executable cmd="false"/></timer>"""
    )
    assert main([str(file), "--print"]) == 0
    assert capsys.readouterr().out == (
        f"[dump-1] {prefix.root}/lib/demo/dump 'x y' --ros-args -r __node:=a --params-file <parameters 1>\n"
        "  # parameters 1:\n  /**:\n    ros__parameters:\n      b: 1.5\n"
        "[false-2] false\n  # after 2.5 s\n"
    )
    assert not (tmp_path / "log").exists()


def test_show_args_lists_the_arguments_and_runs_nothing(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = write('<arg name="word" default="no" description="what to say"/><executable cmd="false"/>')
    for option in ("-s", "--show-args"):
        assert main([option, str(file)]) == 0
        assert "    'word':\n        what to say\n        (default: 'no')\n" in capsys.readouterr().out


def test_help_names_the_subset(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "Usage: tarsus launch" in text and "$(find-pkg-share)" in text and "push_ros_namespace" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "'tarsus launch' needs a launch file: type for instance 'tarsus launch sim'."),
        (
            ["--sohw-args"],
            "There is no option '--sohw-args' (did you mean '--show-args'?): see 'tarsus launch --help'.",
        ),
        (["FILE", "--print", "-s"], "--show-args and --print exclude each other: give one."),
        (["a:=1", "FILE"], "stands after an argument: name the launch file first, and write arguments as name:=value."),
        (["FILE", "word"], "'word' is no launch argument: write name:=value."),
        (["demo", "a.launch.xml", "word"], "'word' is no launch argument: write name:=value."),
        (["FILE", "word:="], "'word:=' is no launch argument: write name:=value."),
        (
            ["FILE", "wrod:=1"],
            "test.launch.xml has no launch argument 'wrod' (did you mean 'word'?): see them with --show-args.",
        ),
        (["nowhere/x.launch.xml"], "There is no launch file 'nowhere/x.launch.xml': check the path"),
        (["demoo", "x.launch.xml"], "there is no ROS package 'demoo' (did you mean 'demo'?)"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], says: str, write: Callable[..., Path]) -> None:
    file = write('<arg name="word" default="a"/>')
    with pytest.raises(LaunchError) as caught:
        main([str(file) if word == "FILE" else word for word in words])
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_mistake_on_the_command_line_leaves_one_line_and_nothing_else(
    tarsus: Start, write: Callable[..., Path], tmp_path: Path
) -> None:
    file = write(f'<executable cmd="touch {tmp_path}/ran"/><nod/>')
    process = tarsus(str(file))
    output, errors = process.communicate(timeout=90)
    assert (process.returncode, output) == (2, "")
    assert errors == f"tarsus: {file.name}, line 2: there is no tag <nod> (did you mean 'node'?).\n"
    assert not (tmp_path / "ran").exists() and not (tmp_path / "log").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_each_signal_stops_all_processes_by_sigint(
    number: signal.Signals, tarsus: Start, write: Callable[..., Path], pids: Callable[..., list[int]], tmp_path: Path
) -> None:
    trap = f"trap 'echo INT > {tmp_path}/got; exit 0' INT; echo $$ > {tmp_path}/a.pid; while :; do sleep 0.05; done"
    (tmp_path / "trap.sh").write_text(trap)
    process = tarsus(str(write(f'<executable cmd="sh {tmp_path}/trap.sh"/>')))
    pids("a")
    process.send_signal(number)
    output, errors = process.communicate(timeout=90)
    assert (process.returncode, errors, (tmp_path / "got").read_text()) == (0, "", "INT\n")
    name = "ctrl-c (SIGINT)" if number == signal.SIGINT else number.name
    assert f"[INFO] [launch]: stopping: user interrupted with {name}\n" in output


def test_ctrl_z_suspends_nothing(
    tarsus: Start, write: Callable[..., Path], pids: Callable[..., list[int]], tmp_path: Path
) -> None:
    process = tarsus(str(write(f"""<executable cmd="sh -c 'echo $$ > {tmp_path}/a.pid; exec sleep 60'"/>""")))
    pids("a")
    process.send_signal(signal.SIGTSTP)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=90)
    assert process.returncode == 0


def test_children_ignore_no_signal(tarsus: Start, write: Callable[..., Path]) -> None:
    process = tarsus(str(write('<executable cmd="grep SigIgn /proc/self/status" output="screen"/>')))
    output, _ = process.communicate(timeout=90)
    ignored = int(output.split("SigIgn:")[1].split()[0], 16)
    names = [number.name for number in signal.Signals if ignored & 1 << (number - 1)]
    assert names == []


def test_further_ctrl_c_go_on_to_sigterm_and_sigkill(
    tarsus: Start,
    write: Callable[..., Path],
    pids: Callable[..., list[int]],
    is_alive: Any,
    python: Callable[..., str],
    tmp_path: Path,
) -> None:
    source = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, lambda *_: print('got SIGINT', flush=True))\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('got SIGTERM', flush=True))\n"
        "print(os.getpid(), file=open(sys.argv[1], 'w'), flush=True)\n"
        "while True: signal.pause()\n"
    )
    process = tarsus(str(write(f'<executable cmd="{python("a", source)} {tmp_path}/a.pid" name="a" output="screen"/>')))
    [pid] = pids("a")
    lines: list[str] = []
    assert process.stdout is not None
    for word in ("got SIGINT", "got SIGTERM"):
        process.send_signal(signal.SIGINT)
        while word not in "".join(lines):
            lines.append(process.stdout.readline())
        time.sleep(0.35)  # signals closer together than run.SIGNAL_PAUSE_S count as one
    assert is_alive(pid)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=90)
    assert process.returncode == 1 and not is_alive(pid)


def test_a_reader_that_goes_away_stops_the_launch(
    tarsus: Start, write: Callable[..., Path], pids: Callable[..., list[int]], is_alive: Any, tmp_path: Path
) -> None:
    """As in ``tarsus launch sim | head``."""
    body = (
        f"""<executable cmd="sh -c 'echo $$ > {tmp_path}/a.pid; while echo x; do sleep 0.05; done'" output="screen"/>"""
    )
    process = tarsus(str(write(body)))
    [pid] = pids("a")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 0
    assert not is_alive(pid)


def test_a_terminal_that_takes_nothing_does_not_hold_up_the_stop(
    tarsus: Start, write: Callable[..., Path], pids: Callable[..., list[int]], is_alive: Any, tmp_path: Path
) -> None:
    """Nobody reads the pipe, as when a terminal is stopped with ctrl-s; ctrl-c must still work."""
    body = f"""<executable cmd="sh -c 'echo $$ > {tmp_path}/a.pid; exec yes'" output="screen"/>"""
    process = tarsus(str(write(body)))
    [pid] = pids("a")
    time.sleep(0.3)  # long enough for the pipe to fill
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert not is_alive(pid)


def test_nohup_keeps_it_running_when_the_terminal_closes(
    prefix: Any, write: Callable[..., Path], pids: Callable[..., list[int]], is_alive: Any, tmp_path: Path
) -> None:
    file = write(f"""<executable cmd="sh -c 'echo $$ > {tmp_path}/a.pid; exec sleep 60'"/>""")
    cli = "import sys; from tarsus_core.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        ["nohup", sys.executable, "-c", cli, "launch", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ,
    )
    [pid] = pids("a")
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    assert is_alive(pid)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
