# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus record``: writes what the graph says into an MCAP file, as it is said. A process of its own.

Nothing waits for it: a disk that is full ends the recording, not the walk. What was said is on the disk half a second
later, whatever ends the process or the power.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from mcap.writer import CompressionType, Writer
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from tarsus_core.cli import run_typer
from tarsus_core.errors import ConfigError, OutputFileError
from tarsus_nodes.message_text import message_class, message_text
from tarsus_nodes.process import Finished, run_node

TOPICS = (
    *("joint_states", "imu/data", "joint_command", "policy/command", "cmd_vel", "cmd_vel_checked"),
    *("supervisor/state", "watchdog/state", "emergency_stop", "motor_states", "battery_state"),
    *("diagnostics", "ground_truth/odom", "robot_description"),
)
"""recorded if nothing else is asked for"""
LOOK_S = 0.5
"""s between two looks for new topics"""
FLUSH_S = 0.5
"""s of which the recording may lose when the power fails: what is older is on the disk"""
DEPTH = 100
NICE = 10
"""added to the process's niceness: what moves the robot comes first"""

app = typer.Typer(add_completion=False)


class RecorderNode(Node):
    """Subscribes the topics as soon as somebody publishes them, and writes their messages unread."""

    def __init__(self, path: Path, topics: Sequence[str], **node_arguments: Any) -> None:
        """Open the file.

        Raises:
            ConfigError: for a topic whose name cannot be one; there is no file then.
            OutputFileError: if it is there already, or cannot be made.
        """
        super().__init__("recorder", start_parameter_services=False, **node_arguments)
        self._path = path
        self._wanted = {self._full_name(topic) for topic in topics}
        try:
            self._file = open(path, "xb")  # noqa: SIM115 - closed by close
        except FileExistsError:
            raise OutputFileError(f"The file '{path}' is there already: give another name, or remove it.") from None
        except OSError as error:
            raise OutputFileError(f"The recording '{path}' cannot be made: {error.strerror}.") from None
        self._writer = Writer(self._file, compression=CompressionType.LZ4)
        self._writer.start(profile="ros2", library="tarsus")
        self._channels: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self.messages = 0
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(LOOK_S, self.look, clock=steady)
        self.create_timer(FLUSH_S, self.flush, clock=steady)
        self.look()

    def _full_name(self, topic: str) -> str:
        try:
            return str(self.resolve_topic_name(topic))
        except Exception:  # rclpy's errors have no common public base
            raise ConfigError(f"'{topic}' is no name of a topic: give --topic one such as 'joint_states'.") from None

    def look(self) -> None:
        """Subscribe what is wanted and published by now."""
        for topic, types in self.get_topic_names_and_types():
            publishers = self.get_publishers_info_by_topic(topic) if topic in self._wanted else []
            if not publishers:
                continue
            self._wanted.remove(topic)
            kind = types[0]
            schema = self._writer.register_schema(kind, "ros2msg", message_text(kind).encode())
            self._channels[topic] = self._writer.register_channel(topic, "cdr", schema)
            offered = publishers[0].qos_profile
            latched = offered.durability is DurabilityPolicy.TRANSIENT_LOCAL
            reliable = all(p.qos_profile.reliability is ReliabilityPolicy.RELIABLE for p in publishers)
            qos = QoSProfile(
                depth=DEPTH,
                reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
                durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
            )
            self.create_subscription(message_class(kind), topic, self._writing(topic), qos, raw=True)

    def _writing(self, topic: str) -> Callable[[bytes], None]:
        channel = self._channels[topic]

        def on_message(data: bytes) -> None:
            now_ns = time.time_ns()
            count = self._counts[topic] = self._counts.get(topic, 0) + 1
            self._guarded(lambda: self._writer.add_message(channel, now_ns, data, now_ns, count))
            self.messages += 1

        return on_message

    def flush(self) -> None:
        """Bring to the disk what was written."""

        def work() -> None:
            self._writer.flush()
            os.fdatasync(self._file.fileno())

        self._guarded(work)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self.get_logger().error(f"The recording '{self._path}' ends here: {error.strerror}. Nothing else does.")
            raise Finished(1) from None

    def destroy_node(self) -> None:
        """Finish the file, as far as the disk lets it."""
        if not self._file.closed:
            try:
                self._writer.finish()
            except OSError:
                self.get_logger().error(f"The recording '{self._path}' has no index: it is read from its start.")
            finally:
                with contextlib.suppress(OSError):  # what it held back does not fit either
                    self._file.close()
        super().destroy_node()


@app.command()
def record(
    file: Annotated[Path, typer.Argument(metavar="FILE.mcap", help="File to write; it must not be there yet.")],
    topic: Annotated[
        list[str] | None, typer.Option(help="Topic to record; may come again. By default all that matter.")
    ] = None,
) -> int:
    """Record a running graph until Ctrl-C, into an MCAP file for Foxglove, PlotJuggler or rosbag2.

    Set ROS_DOMAIN_ID to the graph's domain, which 'tarsus sim' prints. A full disk ends the recording and nothing else.
    """
    if file.suffix != ".mcap":
        raise ConfigError(f"The recording '{file}' must be a .mcap file: give another name.")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a limit on the size of files is an error like any other
    os.nice(NICE)
    made: list[RecorderNode] = []

    def make() -> Node:
        made.append(RecorderNode(file, topic or TOPICS))
        return made[-1]

    code = run_node(make, [])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C while the process ends
    if made:
        print(f"{made[0].messages} messages are in {file}.", file=sys.stderr)
    return code


def main(argv: Sequence[str]) -> int:
    """Entry of the command table."""
    return run_typer(app, "tarsus record", argv)
