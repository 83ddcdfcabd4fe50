# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: messages come back as they were sent, a cut file is read as far as it goes, a full disk is one error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers.ros import Ros
from mcap.reader import make_reader
from rclpy.node import Node
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from tarsus_msgs.msg import SupervisorState

from tarsus_core import cli
from tarsus_core.errors import ConfigError, OutputFileError
from tarsus_nodes.faults.recorder_lines import messages_in
from tarsus_nodes.message_text import message_class, message_text
from tarsus_nodes.process import Finished
from tarsus_nodes.qos import STATUS_QOS, sensor_qos
from tarsus_nodes.recorder_node import RecorderNode


def recorder(session: Ros, path: Path, *topics: str) -> RecorderNode:
    return session.node(lambda **k: RecorderNode(path, topics, **k))


def finish(session: Ros, node: RecorderNode) -> None:
    session.executor.remove_node(node)
    session._nodes.remove(node)
    node.destroy_node()


def talk(session: Ros, node: RecorderNode, count: int = 5) -> None:
    """Joint states until ``count`` are recorded, and one status from before."""
    source = session.node(lambda **k: Node("source", **k))
    status = source.create_publisher(SupervisorState, "supervisor/state", STATUS_QOS)
    joints = source.create_publisher(JointState, "joint_states", sensor_qos(False))
    status.publish(SupervisorState(state=2, reason="before"))
    session.spin_until(lambda: joints.get_subscription_count() > 0 and node.messages > 0, what="the recorder")
    for k in range(count):
        joints.publish(JointState(name=["a"], position=[0.5 * k]))
        session.spin_until(lambda k=k: node.messages >= 2 + k, what="a message")


def test_messages_come_back_with_their_definitions(session: Ros, tmp_path: Path) -> None:
    path = tmp_path / "walk.mcap"
    node = recorder(session, path, "joint_states", "supervisor/state")
    talk(session, node)
    finish(session, node)
    with open(path, "rb") as stream:
        reader = make_reader(stream)
        assert reader.get_header().profile == "ros2"
        found = list(reader.iter_messages())
    by_topic: dict[str, list[Any]] = {}
    for schema, channel, message in found:
        assert (schema.encoding, channel.message_encoding) == ("ros2msg", "cdr")
        by_topic.setdefault(channel.topic, []).append(deserialize_message(message.data, message_class(schema.name)))
    assert [m.position[0] for m in by_topic["/joint_states"]] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert [m.reason for m in by_topic["/supervisor/state"]] == ["before"]  # said before anybody recorded


def test_definition_holds_what_the_message_is_made_of() -> None:
    text = message_text("sensor_msgs/msg/JointState")
    assert "float64[] position" in text
    assert "MSG: std_msgs/Header" in text and "MSG: builtin_interfaces/Time" in text
    assert text.count("=" * 80) == 2
    assert "MSG: geometry_msgs/Quaternion" in message_text("sensor_msgs/msg/Imu")
    for unknown in ("sensor_msgs/msg/Nothing", "nobody/msg/Imu", "Imu"):
        with pytest.raises(ConfigError, match="not known"):
            message_class(unknown)


def test_what_was_flushed_is_readable_without_an_end(session: Ros, tmp_path: Path) -> None:
    path = tmp_path / "walk.mcap"
    node = recorder(session, path, "joint_states", "supervisor/state")
    talk(session, node)
    node.flush()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(path.read_bytes())
    assert len(messages_in(cut)) == 6
    cut.write_bytes(path.read_bytes()[:-20])  # within what follows the last chunk
    assert len(messages_in(cut)) == 6
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert len(messages_in(cut)) < 6


def test_full_disk_is_one_error_and_the_end_of_the_recording(session: Ros, tmp_path: Path) -> None:
    node = recorder(session, tmp_path / "walk.mcap", "joint_states")
    talk_to = node._file
    full = open("/dev/full", "wb")  # noqa: SIM115
    os.dup2(full.fileno(), talk_to.fileno())
    full.close()
    with pytest.raises(Finished) as finished:
        node.flush()
    assert finished.value.exit_code == 1


def test_file_that_is_there_is_kept(session: Ros, tmp_path: Path) -> None:
    path = tmp_path / "walk.mcap"
    path.write_text("precious")
    with pytest.raises(OutputFileError, match="there already"):
        recorder(session, path, "joint_states")
    assert path.read_text() == "precious"
    with pytest.raises(OutputFileError, match="cannot be made"):
        recorder(session, tmp_path / "absent" / "walk.mcap", "joint_states")


def test_other_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["record", "walk.bag"]) == 2
    assert "must be a .mcap file" in capsys.readouterr().err


def test_command_records_until_ctrl_c(tmp_path: Path, ros_domain: int) -> None:
    path = tmp_path / "walk.mcap"
    program = "import sys; from tarsus_core.cli import main; sys.exit(main(['record', *sys.argv[1:]]))"
    command = [sys.executable, "-c", program, str(path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not path.exists():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, f"0 messages are in {path}.\n")
    with open(path, "rb") as stream:
        assert list(make_reader(stream).iter_messages()) == []
