# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Ports of shared memory that killed processes have left: who comes after them takes others."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.domain import own_domain
from helpers.ros import Ros
from rclpy.node import Node
from std_msgs.msg import Bool

from tarsus_nodes.dds_ports import PREFIX, READER, SHARED_MEMORY, orphaned_ports_taken

pytestmark = pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="shared memory is not in files here")
NUMBER = 10_000_000 + os.getpid()
"""that no participant has: UDP's end at 65535"""


@pytest.fixture
def reader() -> Iterator[Path]:
    """Lock file of a port that a killed process has left; the port is in the memory of this process."""
    port = SHARED_MEMORY / f"{PREFIX}{NUMBER}"
    lock = SHARED_MEMORY / f"{PREFIX}{NUMBER}{READER}"
    port.write_bytes(b"\0" * mmap.PAGESIZE)
    lock.touch()
    try:
        with port.open("r+b") as file, mmap.mmap(file.fileno(), mmap.PAGESIZE):
            yield lock
    finally:
        port.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)


def can_read(lock: Path) -> bool:
    """Whether a participant could take the port."""
    with lock.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_what_others_still_write_to_is_held_for_as_long_as_the_block(reader: Path) -> None:
    with orphaned_ports_taken() as first:
        assert NUMBER in first and not can_read(reader)
        with orphaned_ports_taken() as second:
            assert NUMBER in second, "several processes may start anew at once"
        assert not can_read(reader)
    assert can_read(reader)


def test_what_nobody_uses_any_more_and_what_somebody_reads_is_left_alone(reader: Path) -> None:
    unused, junk = (SHARED_MEMORY / f"{PREFIX}{name}{READER}" for name in (10 * NUMBER, "x"))
    with contextlib.ExitStack() as stack:
        for path in (unused, junk):
            path.touch()
            stack.callback(path.unlink)
        fcntl.flock(stack.enter_context(reader.open("r+b")), fcntl.LOCK_EX)
        with orphaned_ports_taken() as held:
            assert not {NUMBER, 10 * NUMBER} & set(held)
            assert can_read(unused) and can_read(junk) and not can_read(reader)


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


def ports(pid: int) -> set[str]:
    """Ports of shared memory that a process reads: each has a thread of that name."""
    names = {path.read_text().strip() for path in Path(f"/proc/{pid}/task").glob("*/comm")}
    return {name for name in names if name.startswith("dds.shm.") and name[8:].isdecimal()}


def test_who_comes_after_a_killed_process_takes_other_ports_and_hears() -> None:
    with own_domain() as domain:
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        session = Ros(domain)
        try:
            word = session.node(Node, "mouth").create_publisher(Bool, "word", 1)
            before: set[str] = set()
            for _ in range(2):
                with subprocess.Popen([sys.executable, "-c", EAR], env=environment, stdout=subprocess.PIPE) as process:
                    os.set_blocking(process.stdout.fileno(), False)

                    def heard(process: subprocess.Popen[bytes] = process) -> bool:
                        word.publish(Bool())
                        return bool(process.stdout and process.stdout.read())

                    session.spin_until(heard, 30.0, "a word that is heard")
                    taken = ports(process.pid)
                    assert taken and not taken & before
                    before = taken
                    process.kill()
        finally:
            session.close()
