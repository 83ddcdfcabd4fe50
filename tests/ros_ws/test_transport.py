# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""No process shares memory with others, in which a killed one could hold them up."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO

import pytest
from helpers.domain import own_domain
from helpers.ros import Ros
from rclpy.node import Node
from std_msgs.msg import Bool

from tarsus_nodes.transport import LOCAL_UDP, PROFILES, RANGE, TRANSPORTS, use_udp

pytestmark = pytest.mark.graph

SHARES = """
from pathlib import Path
from rclpy.node import Node

def tell():
    print("/dev/shm/fast" in Path("/proc/self/maps").read_text())
"""
NODE = """
from tarsus_nodes.process import Finished, run_process

class Example(Node):
    def __init__(self):
        super().__init__("example")
        self.create_timer(0.0, self.act)

    def act(self):
        tell()
        raise Finished

run_process(Example)
"""
SCRIPT = """
from tarsus_nodes.script import ros_script
with ros_script():
    node = Node("example")
    tell()
"""
PROBE = """
import os
from tarsus_nodes import ros_domain

class Listening(Node):
    def count_publishers(self, topic):
        tell()
        return 1

ros_domain.Node = Listening
assert ros_domain.is_commanded(int(os.environ["ROS_DOMAIN_ID"]))
"""


@pytest.mark.parametrize(
    ("given", "shares"),
    [
        ({RANGE: "LOCALHOST"}, False),
        ({RANGE: "SYSTEM_DEFAULT", PROFILES: LOCAL_UDP}, False),  # of a parent that runs nodes itself
        ({RANGE: "LOCALHOST", PROFILES: LOCAL_UDP}, False),
        ({RANGE: "SUBNET"}, False),
        ({}, False),
        ({RANGE: "LOCALHOST", TRANSPORTS: "DEFAULT"}, True),
        ({RANGE: "SUBNET", TRANSPORTS: "DEFAULT"}, True),
    ],
)
def test_no_memory_is_shared_unless_the_user_asks_for_it(given: dict[str, str], shares: bool) -> None:
    assert ran(NODE, given) == (0, f"{shares}\n", "")


@pytest.mark.parametrize("program", [SCRIPT, PROBE], ids=["script", "probe"])
def test_no_program_that_uses_ros_shares_memory(program: str) -> None:
    assert ran(program, {RANGE: "LOCALHOST"}) == (0, "False\n", "")


def ran(program: str, given: dict[str, str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a program to which nothing but ``given`` is said of DDS."""
    with own_domain() as domain:
        environment = {name: value for name, value in os.environ.items() if name not in {TRANSPORTS, PROFILES, RANGE}}
        done = subprocess.run(
            [sys.executable, "-c", SHARES + program],
            env=environment | {"ROS_DOMAIN_ID": str(domain)} | given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    return done.returncode, done.stdout, done.stderr


UDP = {TRANSPORTS: "UDPv4?sockets_size=4MB"}
LOCAL = {**UDP, RANGE: "SYSTEM_DEFAULT", PROFILES: LOCAL_UDP}


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ({}, UDP),
        ({RANGE: "SUBNET"}, UDP),
        ({RANGE: "LOCALHOST"}, LOCAL),
        ({RANGE: "LOCALHOST", TRANSPORTS: "UDPv4"}, LOCAL | {TRANSPORTS: "UDPv4"}),
        ({RANGE: "LOCALHOST", TRANSPORTS: "LARGE_DATA"}, {}),
        ({RANGE: "LOCALHOST", PROFILES: "mine.xml"}, UDP),
        ({RANGE: "LOCALHOST", "ROS_STATIC_PEERS": "10.0.0.2"}, UDP),
    ],
)
def test_what_the_user_has_set_stays_and_a_second_call_changes_nothing(
    given: dict[str, str], added: dict[str, str]
) -> None:
    environment = dict(given)
    for _ in range(2):
        use_udp(environment)
        assert environment == given | added


def test_a_child_that_is_told_of_peers_does_not_keep_its_parents_profile() -> None:
    environment = {**LOCAL, RANGE: "LOCALHOST", "ROS_STATIC_PEERS": "10.0.0.2"}
    use_udp(environment)
    assert environment == {**UDP, RANGE: "LOCALHOST", "ROS_STATIC_PEERS": "10.0.0.2"}


def test_other_middlewares_keep_their_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rclpy.get_rmw_implementation_identifier", lambda: "rmw_cyclonedds_cpp")
    environment = {RANGE: "LOCALHOST"}
    use_udp(environment)
    assert environment == {RANGE: "LOCALHOST"}


EAR = """
from rclpy.node import Node
from std_msgs.msg import Bool
from tarsus_nodes.process import run_process

class Ear(Node):
    def __init__(self):
        super().__init__("ear")
        self.create_subscription(Bool, "word", lambda m: print("heard", flush=True), 1)

run_process(Ear)
"""


def test_who_comes_after_a_killed_process_hears(session: Ros) -> None:
    environment = {**os.environ, "ROS_DOMAIN_ID": str(session.domain_id)}
    word = session.node(Node, "mouth").create_publisher(Bool, "word", 1)
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", EAR], env=environment, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                os.set_blocking(process.stdout.fileno(), False)

                def heard(stdout: IO[bytes] = process.stdout) -> bool:
                    word.publish(Bool())
                    return bool(stdout.read())

                session.spin_until(heard, 30.0, "a word that is heard")
            finally:
                process.kill()
