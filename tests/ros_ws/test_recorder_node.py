# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: messages come back as they were sent, a cut file is read as far as it goes, a full disk is one error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
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
from tarsus_nodes.faults.recorder_lines import messages_in, missing, times_in
from tarsus_nodes.message_text import message_class, message_text
from tarsus_nodes.process import Finished
from tarsus_nodes.qos import STATUS_QOS, sensor_qos
from tarsus_nodes.recorder_node import FLUSH_S, RecorderNode


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


def test_what_was_said_is_brought_to_the_disk_again_and_again(
    session: Ros, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "walk.mcap", list[tuple[float, int, int]]()

    def fdatasync(file: int) -> None:
        cut = tmp_path / "cut.mcap"
        cut.write_bytes(path.read_bytes())  # as the kernel has it by then
        synced.append((time.monotonic(), file, len(messages_in(cut))))

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    node = recorder(session, path, "joint_states", "supervisor/state")
    talk(session, node)
    synced.clear()
    session.spin_until(lambda: len(synced) >= 3, 10.0, "the disk")
    assert {(file, count) for _, file, count in synced} == {(node._file.fileno(), node.messages)}
    took_s = synced[-1][0] - synced[0][0]
    assert 1.5 * FLUSH_S < took_s < 6.0 * FLUSH_S


def test_times_of_a_recording_are_by_topic(session: Ros, tmp_path: Path) -> None:
    path, before_ns = tmp_path / "walk.mcap", time.time_ns()
    node = recorder(session, path, "joint_states", "supervisor/state")
    talk(session, node)
    node.flush()
    times = times_in(path)
    assert {topic: len(found) for topic, found in times.items()} == {"/joint_states": 5, "/supervisor/state": 1}
    assert all(before_ns < time_ns < time.time_ns() for found in times.values() for time_ns in found)


def test_a_gap_in_a_topic_is_missing_whatever_the_others_have() -> None:
    second = 1_000_000_000
    whole = [k * second // 10 for k in range(95)]  # 0 to 9.4 s
    assert missing({"/a": whole, "/b": whole[::-1]}, ["/a", "/b"], second, 10 * second) == {}
    for what, lost_s in ((whole[:86], 1.5), (whole[20:], 1.0), (whole[:40] + whole[45:], 0.6), ([], 9.0)):
        times = {"/a": whole, "/b": what}
        assert missing(times, ["/a", "/b"], second, 10 * second) == pytest.approx({"/b": lost_s})
    assert missing({"/a": whole}, ["/a", "/b"], second, 10 * second) == pytest.approx({"/b": 9.0})


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


@pytest.mark.parametrize("topic", ["a b", "", "/", "a//b", "9a"])
def test_what_is_no_topic_is_one_sentence_and_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, topic: str
) -> None:
    monkeypatch.setattr(os, "nice", lambda _: 0)
    monkeypatch.setattr(signal, "signal", lambda *_: signal.SIG_DFL)  # the command changes it for good
    path = tmp_path / "walk.mcap"
    assert cli.main(["record", "--topic", topic, str(path)]) == 2
    assert capsys.readouterr().err == (
        f"tarsus: '{topic}' is no name of a topic: give --topic one such as 'joint_states'.\n"
    )
    assert not path.exists()


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
