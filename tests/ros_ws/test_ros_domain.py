# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A simulation gets a ROS domain that nobody else drives a robot on."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.ros import Ros
from rclpy.node import Node
from tarsus_msgs.msg import JointCommand

from tarsus_core.errors import ConfigError
from tarsus_nodes import ros_domain
from tarsus_nodes.process import run_node
from tarsus_nodes.qos import COMMAND_QOS
from tarsus_nodes.ros_domain import claimed_domain, given_domain, is_commanded, parse_domain
from tarsus_nodes.script import ros_script


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A user of one's own, on domains that are quiet: no listening."""
    monkeypatch.setattr(ros_domain, "is_commanded", lambda domain: False)
    yield {"XDG_RUNTIME_DIR": str(tmp_path)}


def test_domains_are_given_out_in_order_and_come_back(environment: dict[str, str]) -> None:
    with claimed_domain(environment) as first:
        with claimed_domain(environment) as second, claimed_domain(environment) as third:
            assert (first, second, third) == (1, 2, 3)
        with claimed_domain(environment) as again:
            assert again == 2


def test_the_domain_given_is_taken_or_refused(environment: dict[str, str]) -> None:
    environment["ROS_DOMAIN_ID"] = "17"
    with claimed_domain(environment) as domain:
        assert domain == 17
        with pytest.raises(ConfigError, match="ROS domain 17 already has a simulation"), claimed_domain(environment):
            pass
    with claimed_domain(environment):
        pass


def test_a_domain_that_somebody_commands_is_left_out(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ros_domain, "is_commanded", lambda domain: domain in (1, 2, 9))
    with claimed_domain(environment) as domain:
        assert domain == 3
    with (
        pytest.raises(ConfigError, match="ROS domain 9 already"),
        claimed_domain({**environment, "ROS_DOMAIN_ID": "9"}),
    ):
        pass


def test_when_all_are_taken_it_says_so(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ros_domain, "is_commanded", lambda domain: True)
    with pytest.raises(ConfigError, match="1 to 40 are all taken"), claimed_domain(environment):
        pass


def test_the_claim_of_a_killed_process_is_free(environment: dict[str, str]) -> None:
    code = (
        "import os, sys, time\n"
        "from tarsus_nodes import ros_domain\n"
        "ros_domain.is_commanded = lambda domain: False\n"
        "with ros_domain.claimed_domain(os.environ) as domain:\n"
        "    print(domain, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment, "ROS_DOMAIN_ID": ""},
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "1\n"
        with claimed_domain(environment) as domain:
            assert domain == 2
        other.kill()
    with claimed_domain(environment) as domain:
        assert domain == 1


@pytest.mark.parametrize("text", ["-1", "233", "x", "1.5", "²", "٣", "9" * 5000])
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="ROS_DOMAIN_ID is"):
        parse_domain(text)


@pytest.mark.parametrize("text", ["0", "42", "232"])
def test_what_is_a_domain_is_taken(text: str) -> None:
    assert parse_domain(text) == int(text)


@pytest.mark.parametrize(("text", "domain"), [("", None), ("  ", None), ("0", 0), (" 7", 7)])
def test_a_domain_is_given_or_not(text: str, domain: int | None) -> None:
    assert given_domain({"ROS_DOMAIN_ID": text}) == domain
    assert given_domain({}) is None


@pytest.mark.parametrize("text", ["999", "-1"])
def test_scripts_and_nodes_refuse_what_is_no_domain_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", text)
    said = f"ROS_DOMAIN_ID is '{text}': set it to a number from 0 to 232, or unset it."
    with pytest.raises(ConfigError) as refused, ros_script():
        pytest.fail("ROS starts on a domain that is none")
    assert str(refused.value) == said
    assert run_node(lambda: pytest.fail("a node is made on a domain that is none"), []) == 2
    assert capsys.readouterr().err == f"tarsus: {said}\n"


def test_a_file_in_the_place_of_the_folder_of_locks_is_one_sentence(environment: dict[str, str]) -> None:
    Path(environment["XDG_RUNTIME_DIR"], "tarsus").touch()
    with pytest.raises(ConfigError, match=r"tarsus' is no folder, .*: remove it, or set"), claimed_domain(environment):
        pass


def test_a_publisher_or_subscriber_of_joint_commands_is_heard(ros_domain: int) -> None:
    assert not is_commanded(ros_domain)
    session = Ros(ros_domain)
    try:
        node = session.node(Node, "robot")
        node.create_publisher(JointCommand, "joint_command", COMMAND_QOS)
        assert is_commanded(ros_domain)
    finally:
        session.close()
