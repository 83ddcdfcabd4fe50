# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A process that hangs in C, with Python's interpreter lock held, ends in time and with its exit code."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tarsus_nodes.process import FAREWELL_S

HANGS = """
import ctypes
from tarsus_nodes.farewell import exit_after
assert exit_after({delay_s}, {code})
ctypes.PyDLL(None).sleep(60)  # a call that keeps the interpreter lock, as a destructor of rclpy does
"""


@pytest.mark.parametrize("code", [0, 3])
def test_a_process_that_hangs_ends_with_its_own_exit_code(code: int) -> None:
    hangs = HANGS.format(delay_s=0.2, code=code)
    done = subprocess.run([sys.executable, "-c", hangs], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_process_that_ends_by_itself_does_not_wait() -> None:
    ends = HANGS.format(delay_s=600, code=3).replace("sleep(60)", "sleep(0)")
    assert subprocess.run([sys.executable, "-c", ends], timeout=50).returncode == 0


NODE_THAT_HANGS = """
import ctypes
from rclpy.node import Node
from tarsus_nodes.process import Finished, run_process

class Hangs(Node):
    def __init__(self):
        super().__init__("hangs")
        self.create_timer(0.01, self.end)
    def end(self):
        raise {raised}
    def destroy_node(self):
        ctypes.PyDLL(None).sleep(60)

run_process(Hangs)
"""


@pytest.mark.parametrize(("raised", "code"), [("Finished(5)", 5), ("ValueError('a bug')", 1)])
def test_a_node_that_hangs_while_it_is_taken_down_ends_before_a_launch_has_to_terminate_it(
    raised: str, code: int
) -> None:
    assert 1.0 < FAREWELL_S < 5.0
    program = NODE_THAT_HANGS.format(raised=raised)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stderr) == (code, "")


def test_a_bug_in_a_node_is_shown_and_the_process_ends_in_order() -> None:
    program = NODE_THAT_HANGS.format(raised="ValueError('a bug')").replace("sleep(60)", "sleep(0)")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "Traceback (most recent call last):"
    assert done.stderr.splitlines()[-1] == "ValueError: a bug"
