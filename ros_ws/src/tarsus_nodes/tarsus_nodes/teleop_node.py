# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``teleop``: drives the robot with the keyboard."""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence

from geometry_msgs.msg import TwistStamped
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from rclpy.utilities import remove_ros_args
from std_srvs.srv import Trigger

from tarsus_core.cli import guard
from tarsus_core.errors import ConfigError
from tarsus_nodes.parameters import declare
from tarsus_nodes.qos import COMMAND_QOS
from tarsus_nodes.script import ros_script
from tarsus_nodes.teleop_keys import KEY_MAP, Limits, Request, Velocity, press

PERIOD_S = 0.05
"""s between two velocity commands; the policy takes none that is older than 0.5 s"""
LAST_COMMAND = Duration(seconds=1)
"""how long the stop at the end may take to reach everyone"""
QUIT = {"\x03", "\x04", "\x1b"}
"""Ctrl-C, Ctrl-D and Escape, as a terminal in cbreak mode may give them"""
FUNCTION_KEY = re.compile("\x1b(?:\\[[0-9;]*|O)[A-Za-z~]")
"""what a terminal sends for arrows and the like; they mean nothing here"""


class TeleopNode(Node):
    """Publishes ``cmd_vel`` at 20 Hz and calls the services of the supervisor and the simulator."""

    def __init__(self) -> None:
        """Declare the parameters."""
        super().__init__("teleop")
        self.limits = Limits(
            linear_step=declare(self, "linear_step", 0.1, "Change by one key [m/s]", limits=(0.01, 1.0)),
            angular_step=declare(self, "angular_step", 0.1, "Change by one key [rad/s]", limits=(0.01, 1.0)),
            linear_max=declare(self, "linear_max", 1.0, "Fastest [m/s]", limits=(0.01, 5.0)),
            angular_max=declare(self, "angular_max", 1.0, "Fastest turn [rad/s]", limits=(0.01, 5.0)),
        )
        self.velocity = Velocity()
        self.news: list[str] = []
        """what services have said since it was last shown"""
        self._publisher = self.create_publisher(TwistStamped, "cmd_vel", COMMAND_QOS)
        names = {name for request in Request for name in request.value}
        self._triggers = {name: self.create_client(Trigger, name) for name in names}

    def key(self, key: str) -> None:
        """Obey a key."""
        self.velocity, request = press(key, self.velocity, self.limits)
        if request is not None:
            self.publish()  # the stop first, where the key means one
            self._call(request.value)

    def publish(self) -> None:
        """Publish the velocity."""
        message = TwistStamped()
        message.header.stamp = self.get_clock().now().to_msg()
        message.header.frame_id = "base_link"
        twist = message.twist
        twist.linear.x, twist.linear.y, twist.angular.z = self.velocity.vx, self.velocity.vy, self.velocity.wz
        self._publisher.publish(message)

    def stop(self) -> None:
        """Command zero velocity, and see it arrive."""
        self.velocity = Velocity()
        self.publish()
        self._publisher.wait_for_all_acked(LAST_COMMAND)

    def _call(self, names: tuple[str, ...]) -> None:
        """Call services one after the other, each if the one before was granted."""
        name = names[0]
        client = self._triggers[name]
        if not client.service_is_ready():
            self.news.append(f"Nobody offers '{name}' on this ROS domain: is the robot's launch file running?")
            return

        def answered(future: Future) -> None:
            answer = future.result()
            self.news.append(f"{name}: {'' if answer.success else 'refused: '}{answer.message}")
            if answer.success and names[1:]:
                self._call(names[1:])

        client.call_async(Trigger.Request()).add_done_callback(answered)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the node in the terminal of standard input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    sys.exit(command(arguments))


def command(argv: Sequence[str]) -> int:
    """``tarsus teleop``: drive until Ctrl-C, and return the exit code."""
    return guard(lambda: _drive(list(argv)))


def _drive(argv: list[str]) -> int:
    extra = remove_ros_args(["teleop", *argv])[1:]
    if extra in (["-h"], ["--help"]):
        print(f"Drive the robot with the keyboard: publishes cmd_vel on the domain of ROS_DOMAIN_ID.\n\n{KEY_MAP}")
        return 0
    if extra:
        raise ConfigError(f"'{extra[0]}' is no argument of teleop: see 'tarsus teleop --help'.")
    if not sys.stdin.isatty():
        raise ConfigError("Standard input is no terminal: run teleop in a terminal of its own, without a pipe.")
    with ros_script(argv) as check:
        node = TeleopNode()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        try:
            with _raw_terminal(), contextlib.suppress(KeyboardInterrupt):
                _loop(node, executor, check)
        finally:
            node.stop()
            executor.shutdown()
            node.destroy_node()
    return 0


def _loop(node: TeleopNode, executor: SingleThreadedExecutor, check: Callable[[], None]) -> None:
    print(KEY_MAP, flush=True)
    shown = ""
    while True:
        check()
        due = time.monotonic() + PERIOD_S
        while (left := due - time.monotonic()) > 0.0:
            ready, _, _ = select.select([sys.stdin], [], [], left)
            if not ready:
                break
            keys = os.read(sys.stdin.fileno(), 64).decode(errors="replace")
            if not keys:
                return  # the terminal has gone
            for key in FUNCTION_KEY.sub("", keys):
                if key in QUIT:
                    return
                node.key(key)
        node.publish()
        for _ in range(8):  # what the services answered
            executor.spin_once(timeout_sec=0.0)
        v = node.velocity
        line = f"vx {v.vx:+.2f} m/s   vy {v.vy:+.2f} m/s   wz {v.wz:+.2f} rad/s"
        if line != shown or node.news:
            shown = line
            print("".join(f"\r\x1b[K{news}\n" for news in node.news) + f"\r\x1b[K{line}", end="", flush=True)
            node.news.clear()


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    """Get each key at once and unseen; the terminal is as before afterwards, whatever happens."""
    file = sys.stdin.fileno()
    before = termios.tcgetattr(file)
    try:
        tty.setcbreak(file)
        yield
    finally:
        termios.tcsetattr(file, termios.TCSADRAIN, before)
        print(flush=True)


if __name__ == "__main__":
    main()
