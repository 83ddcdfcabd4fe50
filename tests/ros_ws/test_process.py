# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""How a node's process starts and ends, seen from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.domain import own_domain
from helpers.policies import make_policy
from helpers.ros import Ros
from helpers.signalled import signalled
from rclpy.node import Node

from tarsus_core.robot_model import load_robot

pytestmark = pytest.mark.graph

NODE = """
import os, sys, signal
from rclpy.node import Node
from tarsus_core.errors import ConfigError
from tarsus_nodes.parameters import declare
from tarsus_nodes.process import Finished, run_process

class Example(Node):
    def __init__(self):
        super().__init__("example")
        self.mode = declare(self, "mode", "wait", "What to do")
        declare(self, "bounded", 1.0, "A number", limits=(0.0, 2.0))
        if self.mode == "refuse":
            raise ConfigError("The mode is 'refuse': give another.")
        self.create_timer(0.0 if self.mode != "wait" else 3600.0, self.act)
        print("up", flush=True)

    def act(self):
        if self.mode == "finish":
            raise Finished(7)
        if self.mode == "fail":
            raise ConfigError("It failed: try again.")
        if self.mode == "bug":
            raise ZeroDivisionError("a bug")

    def on_stop(self):
        print("stopped", self.context.ok(), flush=True)

run_process(Example)
"""


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    with own_domain() as domain:
        yield {**os.environ, "ROS_DOMAIN_ID": str(domain)}


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", NODE, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "signals",
    [
        [signal.SIGINT],
        [signal.SIGTERM],
        [signal.SIGHUP],
        [signal.SIGQUIT],
        [signal.SIGINT, signal.SIGINT, signal.SIGTERM],
    ],
)
def test_signals_end_it_cleanly(environment: dict[str, str], signals: list[signal.Signals]) -> None:
    # It sleeps inside the middleware, where Python's own handlers would not run.
    assert signalled(NODE, environment, *signals) == (0, "stopped True\n", "")


def test_it_says_farewell(environment: dict[str, str]) -> None:
    """The process ends without the libraries' destructors: what they tell others is told before."""
    code = NODE.replace('print("up", flush=True)', 'self.publisher = self.create_publisher(String, "word", 1)')
    code = "from std_msgs.msg import String\n" + code
    session = Ros(int(environment["ROS_DOMAIN_ID"]))
    try:
        node = session.node(Node, "ear")
        with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.DEVNULL) as process:
            try:
                session.spin_until(lambda: node.count_publishers("word") == 1, 30.0, "its publisher")
                process.send_signal(signal.SIGINT)
                assert process.wait(30) == 0
            finally:
                process.kill()
        session.spin_until(lambda: node.count_publishers("word") == 0, 5.0, "its farewell")  # its lease lasts 10 s
    finally:
        session.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_again_and_again_until_the_process_has_ended_changes_nothing(
    environment: dict[str, str], number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NODE], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "up\n"
        while process.poll() is None:
            process.send_signal(number)
            time.sleep(0.002)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "stopped True\n", "")


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["--ros-args", "-p", "mode:=finish"], 7, "up\nstopped True\n", ""),
        (["--ros-args", "-p", "mode:=fail"], 2, "up\nstopped True\n", "tarsus: It failed: try again.\n"),
        (["--ros-args", "-p", "mode:=refuse"], 2, "", "tarsus: The mode is 'refuse': give another.\n"),
        (
            ["--fast"],
            2,
            "",
            "tarsus: '--fast' is no argument of a node: give parameters as '--ros-args -p name:=value'.\n",
        ),
    ],
)
def test_ends_with_its_code_and_one_sentence(
    environment: dict[str, str], arguments: list[str], code: int, out: str, err: str
) -> None:
    done = run(environment, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (code, out, err)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--ros-args", "-p", "mode:=3"],  # another type
        ["--ros-args", "-p", "bounded:=3.0"],  # out of range
        ["--ros-args", "-p", "bounded"],  # no value
        ["--ros-args", "--no-such-option"],
        ["--ros-args", "--params-file", "/nonexistent.yaml"],
    ],
)
def test_bad_parameters_are_one_sentence(environment: dict[str, str], arguments: list[str]) -> None:
    done = run(environment, *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("tarsus: ") and done.stderr.count("\n") == 1 and done.stderr.endswith(".\n")
    assert "/src/" not in done.stderr


def test_bugs_are_not_hidden(environment: dict[str, str]) -> None:
    done = run(environment, "--ros-args", "-p", "mode:=bug")
    assert done.returncode == 1 and "ZeroDivisionError: a bug" in done.stderr
    assert "stopped True" in done.stdout  # the last command went out all the same


def test_the_nodes_refuse_a_broken_policy_in_one_sentence(environment: dict[str, str], tmp_path: Path) -> None:
    policy = make_policy(tmp_path / "policy.onnx", load_robot("g1"))
    policy.write_bytes(policy.read_bytes()[:-100])
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tarsus_nodes.supervisor_node", "--ros-args"),
            *("-p", f"policy:={policy}", "-p", "allow_unsigned:=true"),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert "truncated or no ONNX model" in done.stderr and done.stderr.count("\n") == 1
