# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus faults``: lines are chosen and share graphs as they can, a relay spoils a real topic, a real line passes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
from helpers.domain import free_domain
from helpers.ros import Ros
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from tarsus_core import cli
from tarsus_core.errors import ConfigError
from tarsus_nodes.cli_faults import LINES, chosen, in_graphs
from tarsus_nodes.faults.cable import NETWORK, Cable, UnavailableError, remove_leftovers
from tarsus_nodes.faults.relay import FaultRelay, remappings
from tarsus_nodes.faults.table import Line, Seen, Verdict, render
from tarsus_nodes.qos import STATUS_QOS, sensor_qos

TARSUS = [sys.executable, "-c", "import sys; from tarsus_core.cli import main; sys.exit(main(sys.argv[1:]))"]


def line(number: float, **where: bool) -> Line:
    return Line(number, "a fault", "nothing", lambda bench: Seen("", True), **where)


def test_lines_are_chosen_by_number_or_part() -> None:
    assert chosen([]) == list(LINES)
    assert [found.number for found in chosen(["5"])] == [5.1, 5.2, 5.3, 5.4]
    assert [found.number for found in chosen(["5.2", "5", "3"])] == [5.2, 5.1, 5.3, 5.4, 3]
    with pytest.raises(ConfigError, match="no fault '99'"):
        chosen(["99"])


def test_numbers_are_those_of_the_table_and_unique() -> None:
    numbers = [found.number for found in LINES]
    assert len(set(numbers)) == len(numbers)
    assert {int(n) for n in numbers} == set(range(1, 33))


def test_a_line_that_ends_its_graph_has_one_of_its_own() -> None:
    a, b, c, d, e = line(1, last=True), line(2), line(3, wired=True), line(4), line(5, wired=True, last=True)
    assert list(in_graphs([a, b, c, d, e])) == [[b, d], [c], [a], [e]]
    slow = line(6, any_process=True)
    assert list(in_graphs([b, slow, d])) == [[b, d], [slow]]


def test_an_unsafe_command_fails_whatever_was_seen() -> None:
    good, bad = (Verdict.of(line(1), Seen("walks on", True, 12.34), unsafe) for unsafe in (0, 2))
    assert (good.passed, good.reaction_ms) == (True, 12.3)
    assert not bad.passed
    assert bad.seen == "2 unsafe commands; walks on"
    assert json.loads(json.dumps(bad.as_dict()))["unsafe_commands"] == 2
    skipped = Verdict.of(line(1), Seen("it needs root", None), 0)
    assert skipped.passed is None and Verdict.of(line(1), Seen("it needs root", None), 1).passed is False
    table = render([good, bad, skipped])
    assert [str(mark) for mark in table.columns[-1].cells] == ["pass", "FAIL", "skip"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may make a cable")
def test_who_may_not_make_a_cable_is_told() -> None:
    with pytest.raises(UnavailableError, match="needs root"), Cable():
        pass


def made_up_ip(monkeypatch: pytest.MonkeyPatch, answers: dict[str, tuple[int, str, str]]) -> list[str]:
    """Let commands of ``ip`` that begin so exit and print so, and all others do nothing; gives what was asked."""
    asked: list[str] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(" ".join(command[1:]))
        found = next((found for start, found in answers.items() if asked[-1].startswith(start)), (0, "", ""))
        return subprocess.CompletedProcess(command, *found)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(shutil, "which", lambda _: "/sbin/ip")
    monkeypatch.setattr("tarsus_nodes.faults.cable.LOCK", f"\0tarsus/cable-of-test-{os.getpid()}")
    return asked


def test_what_killed_processes_have_left_of_a_cable_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["true"]) as ended:
        pass
    links = f"7: tars{ended.pid}a@if2: <BROADCAST> mtu 1500\n8: veth12a@if3: <BROADCAST>\n9: tarsab@if3: <UP>\n"
    own, other = os.getpid(), os.getppid()
    namespaces = f"tarsus-{ended.pid} (id: 0)\ntarsus-{other}\ntarsus-{own}\ntarsus-lab\nmine\n"
    asked = made_up_ip(monkeypatch, {"-o link": (0, links, ""), "netns list": (0, namespaces, "")})
    remove_leftovers()
    done = [words for words in asked if " del " in words]
    assert done == [f"link del tars{ended.pid}a", f"netns del tarsus-{ended.pid}", f"netns del tarsus-{own}"]


@pytest.mark.parametrize(("user", "root"), [(0, False), (1000, True)])
def test_a_cable_that_cannot_be_made_is_told_as_ip_says_it(
    monkeypatch: pytest.MonkeyPatch, user: int, root: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    asked = made_up_ip(monkeypatch, {"addr add": (2, "", "RTNETLINK answers:\nNo space left")})
    with pytest.raises(UnavailableError) as told, Cable():
        pass
    assert "says 'RTNETLINK answers: No space left'." in str(told.value)
    assert ("needs root" in str(told.value)) is root
    assert f"netns del tarsus-{os.getpid()}" in asked[-1], "what was made is left"


def test_there_is_one_cable_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up_ip(monkeypatch, {})
    with Cable(), pytest.raises(UnavailableError, match="Another process has a cable"), Cable():
        pass
    with Cable():
        pass


KILLED_WITH_CABLE = """
import os, signal
from tarsus_nodes.faults.cable import Cable
with Cable():
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a cable")
def test_a_cable_is_made_where_a_killed_process_has_left_one() -> None:
    assert subprocess.run([sys.executable, "-c", KILLED_WITH_CABLE], check=False).returncode == -signal.SIGKILL

    def left() -> str:
        shown = (["ip", "-o", "link"], ["ip", "route", "show", "type", "unreachable"], ["ip", "netns", "list"])
        return "".join(subprocess.run(words, capture_output=True, text=True, check=True).stdout for words in shown)

    assert all(mark in left() for mark in ("tars", f"{NETWORK}.0/30"))
    with Cable():
        pass
    assert not re.search(rf"tars\d|tarsus-\d|{re.escape(NETWORK)}", left())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a cable")
def test_a_cable_carries_what_is_sent_and_can_be_pulled() -> None:
    """A datagram to the far end is answered by its kernel with 'port unreachable', if it gets there."""
    before = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout.count("\n")

    def answers() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(1.0)
            try:
                sender.connect((f"{NETWORK}.2", 9))
                sender.send(b"?")
                sender.recv(1)
            except ConnectionRefusedError:
                return True
            except OSError:
                return False
        return False

    def answers_soon() -> bool:  # a link takes a moment to come up, and loses what is sent meanwhile
        end = time.monotonic() + 10.0
        while not answers() and time.monotonic() < end:
            time.sleep(0.1)
        return answers()

    with Cable() as cable:
        assert answers_soon()
        cable.plug(False)
        assert not answers()
        cable.plug(True)
        assert answers_soon()
    after = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout.count("\n")
    assert after == before, "an interface is left"


def test_unknown_line_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["faults", "77"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "no fault '77'" in said


def test_topics_are_led_over_the_wire() -> None:
    assert remappings("policy") == ("-r", "policy/command:=wire/policy/command")
    assert "joint_command:=wire/joint_command" in remappings("sim")
    assert remappings("supervisor") == ()


def test_relay_passes_on_then_spoils_then_passes_on_again(session: Ros) -> None:
    session.node(FaultRelay)
    node = session.node(Node, "ends")
    heard: list[Any] = []
    told: list[dict[str, Any]] = []
    node.create_subscription(JointState, "joint_states", heard.append, sensor_qos(False))
    node.create_subscription(String, "faults/injected", lambda m: told.append(json.loads(m.data)), STATUS_QOS)
    source = node.create_publisher(JointState, "wire/joint_states", sensor_qos(False))
    inject = node.create_publisher(String, "faults/inject", STATUS_QOS)

    def first_position(what: float) -> bool:
        source.publish(JointState(name=["a", "b"], position=[0.5, 0.25]))
        session.spin_for(0.01)
        return bool(heard) and heard[-1].position[0] == what

    session.spin_until(lambda: first_position(0.5), what="a message that was passed on")
    asked = {"id": 4, "kind": "shift", "topics": ["joint_states"], "value": 1.0}
    before_s = time.monotonic()
    inject.publish(String(data=json.dumps(asked)))
    session.spin_until(lambda: first_position(1.5), what="a message that was spoiled")
    session.spin_until(lambda: bool(told), what="the word of the relay")
    assert told[0]["id"] == 4
    assert before_s <= told[0]["time_s"] <= time.monotonic()
    inject.publish(String(data=json.dumps({"id": 5, "kind": "", "topics": [], "value": 0.0})))
    session.spin_until(lambda: first_position(0.5), what="a message that was passed on again")


@pytest.mark.graph
@pytest.mark.slow
@pytest.mark.realtime
def test_emergency_stop_a_cut_wire_and_a_blind_camera_in_the_real_graph() -> None:
    done = subprocess.run(
        [*TARSUS, "faults", "15.1", "23.1", "32.1", "--json"],
        capture_output=True,
        text=True,
        timeout=240,
        env=free_domain(),
    )
    (run,) = json.loads(done.stdout)["runs"]
    assert [v["number"] for v in run] == [15.1, 23.1, 32.1]
    assert not [f"{v['number']}: {v['seen']} ({v['reaction_ms']} ms)" for v in run if not v["passed"]]
    assert done.returncode == 0, done.stderr
