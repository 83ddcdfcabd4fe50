# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Teleoperation in a terminal of its own (a pty)."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from typing import Any

import pytest
from geometry_msgs.msg import TwistStamped
from helpers.ros import Ros
from rclpy.node import Node
from std_srvs.srv import Trigger

from tarsus_nodes.qos import COMMAND_QOS
from tarsus_nodes.teleop_keys import KEY_MAP

COMMAND = [sys.executable, "-m", "tarsus_nodes.teleop_node"]


class Robot(Node):
    """What teleop drives: it hears the velocity, and grants every request."""

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("robot", **node_arguments)
        self.velocities: list[tuple[float, float, float]] = []
        self.calls: list[str] = []
        self.refused = ""
        self.create_subscription(TwistStamped, "cmd_vel", self._on_velocity, COMMAND_QOS)
        for name in ("supervisor/arm", "supervisor/damp", "supervisor/reset", "sim/reset"):
            self.create_service(Trigger, name, self._grant(name))

    def _on_velocity(self, message: TwistStamped) -> None:
        twist = message.twist
        self.velocities.append((round(twist.linear.x, 6), round(twist.linear.y, 6), round(twist.angular.z, 6)))

    def _grant(self, name: str) -> Any:
        def grant(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            self.calls.append(name)
            response.success, response.message = name != self.refused, f"granted {name}"
            return response

        return grant


class Terminal:
    """Teleop in a pseudo-terminal."""

    def __init__(self, *arguments: str) -> None:
        self.master, self.slave = pty.openpty()
        self.settings = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=self.slave, stdout=self.slave, stderr=self.slave, start_new_session=True
        )
        self.output = ""

    def type(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def read(self) -> str:
        while select.select([self.master], [], [], 0.0)[0]:
            self.output += os.read(self.master, 4096).decode(errors="replace")
        return self.output

    def end(self) -> int:
        deadline = time.monotonic() + 20.0
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
            time.sleep(0.02)
        self.read()
        return self.process.wait(1.0)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def session(ros_domain: int) -> Iterator[Ros]:
    made = Ros(ros_domain)
    yield made
    made.close()


@pytest.fixture
def terminal(ros_domain: int) -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def until_it_drives(session: Ros, terminal: Terminal) -> Robot:
    robot = session.node(Robot)
    session.spin_until(lambda: terminal.read() and robot.velocities, 30.0, "the first cmd_vel")
    return robot


def test_keys_drive_the_robot_and_call_the_services(session: Ros, terminal: Terminal) -> None:
    robot = until_it_drives(session, terminal)
    assert KEY_MAP.splitlines()[0].split() == terminal.read().splitlines()[0].split()
    assert robot.velocities[-1] == (0.0, 0.0, 0.0)
    terminal.type("wwaq")
    session.spin_until(lambda: robot.velocities[-1] == (0.2, 0.1, 0.1), what="0.2, 0.1, 0.1")
    terminal.type("1")
    session.spin_until(lambda: robot.calls == ["supervisor/arm"], what="arm")
    answer = "supervisor/arm: granted supervisor/arm"
    session.spin_until(lambda: answer in terminal.read(), what="the answer on the screen")
    session.spin_until(lambda: robot.velocities[-1] == (0.0, 0.0, 0.0), what="arming to stop it")
    terminal.type("wx")
    session.spin_until(lambda: "supervisor/damp" in robot.calls, what="damp")
    terminal.type("r")
    session.spin_until(lambda: {"supervisor/reset", "sim/reset"} <= set(robot.calls), what="reset")
    session.spin_until(lambda: "granted sim/reset" in terminal.read(), what="the answer on the screen")
    robot.refused = "supervisor/reset"
    robot.calls.clear()
    terminal.type("r")
    session.spin_until(lambda: "supervisor/reset: refused: " in terminal.read(), what="the refusal")
    terminal.type("3")  # nobody offers it here
    session.spin_until(lambda: "Nobody offers 'supervisor/walk'" in terminal.read(), what="the complaint")
    assert robot.calls == ["supervisor/reset"], "a robot that walks is not hung up"


@pytest.mark.parametrize("how", ["ctrl-c", "sigterm", "escape", "end of input"])
def test_it_stops_the_robot_and_leaves_the_terminal_as_it_was(session: Ros, terminal: Terminal, how: str) -> None:
    robot = until_it_drives(session, terminal)
    terminal.type("w")
    session.spin_until(lambda: robot.velocities[-1] == (0.1, 0.0, 0.0), what="0.1")
    if how == "ctrl-c":
        os.kill(terminal.process.pid, signal.SIGINT)
    elif how == "sigterm":
        terminal.process.terminate()
    else:
        terminal.type("\x1b" if how == "escape" else "\x04")
    session.spin_until(lambda: robot.velocities[-1] == (0.0, 0.0, 0.0), what="the stop")
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.slave) == terminal.settings
    assert "Traceback" not in terminal.output


def test_arrow_keys_mean_nothing(session: Ros, terminal: Terminal) -> None:
    robot = until_it_drives(session, terminal)
    terminal.type("\x1b[A\x1bOP\x1b[15~w")
    session.spin_until(lambda: robot.velocities[-1] == (0.1, 0.0, 0.0), what="0.1")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "tarsus: Standard input is no terminal: run teleop in a terminal of its own, without a pipe."),
        (["--fast"], "tarsus: '--fast' is no argument of teleop: see 'tarsus teleop --help'."),
    ],
)
def test_what_cannot_be_is_one_sentence(ros_domain: int, arguments: list[str], sentence: str) -> None:
    done = subprocess.run(
        [*COMMAND, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.strip() == sentence
    assert done.stdout == ""


def test_help_needs_no_terminal(ros_domain: int) -> None:
    done = subprocess.run([*COMMAND, "--help"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert KEY_MAP in done.stdout
