# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus bench loop``: what counts as an unsafe command, what a load is, and a short run of the real graph."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tarsus_core import cli
from tarsus_core.processes import available_cores
from tarsus_core.robot_model import load_robot
from tarsus_core.state import JointCommand
from tarsus_nodes.cli_bench_loop import CommandCheck
from tarsus_nodes.conversions import joint_command_message
from tarsus_nodes.load import available_bytes, loaded

ROBOT = load_robot("g1")
ZEROS = np.zeros(len(ROBOT.joint_names))
TARSUS = [sys.executable, "-c", "import sys; from tarsus_core.cli import main; sys.exit(main(sys.argv[1:]))"]


def changed(field: str = "", value: float = 0.0) -> Any:
    arrays = {"position": ROBOT.default_pose, "velocity": ZEROS, "effort": ZEROS, "kp": ROBOT.kp, "kd": ROBOT.kd}
    if field:
        arrays[field] = arrays[field].copy()
        arrays[field][3] = value
    return joint_command_message(JointCommand(1.0, ROBOT.joint_names, **arrays), 1)


@pytest.mark.parametrize(
    ("field", "value", "unsafe"),
    [
        ("", 0.0, 0),
        ("position", math.nan, 1),
        ("position", 9.0, 1),
        ("effort", 500.0, 1),
        ("kp", -1.0, 1),
        ("kd", math.inf, 1),
    ],
)
def test_what_no_actuator_may_get_is_counted(field: str, value: float, unsafe: int) -> None:
    check = CommandCheck(ROBOT)
    check.take(changed(field, value))
    assert (check.heard, check.unsafe) == (1, unsafe)


def test_a_damping_command_carries_whatever_position_was_measured() -> None:
    check = CommandCheck(ROBOT)
    check.take(
        joint_command_message(
            JointCommand(1.0, ROBOT.joint_names, ROBOT.default_pose + 9.0, *(ZEROS,) * 3, ROBOT.kd), 1
        )
    )
    assert (check.heard, check.unsafe) == (1, 0)


def test_other_joints_are_unsafe() -> None:
    check = CommandCheck(ROBOT)
    message = changed()
    message.name = [*ROBOT.joint_names[1:], "tail"]
    check.take(message)
    assert check.unsafe == 1


def children() -> list[int]:
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(word) for word in text.split()]


def test_a_load_is_there_while_the_block_runs_and_gone_after() -> None:
    before = set(children())
    with loaded("none") as count:
        assert count == 0
    with loaded("cpu") as count:
        assert count == available_cores()
        busy = set(children()) - before
        assert len(busy) == count
    assert not set(children()) & busy
    with pytest.raises(KeyError), loaded("cpu"):
        raise KeyError
    assert set(children()) <= before


def test_the_memory_load_takes_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_bytes() > 1 << 20
    monkeypatch.setattr("tarsus_nodes.load.available_bytes", lambda: 100 << 20)
    before = set(children())
    with loaded("memory"):
        (pid,) = set(children()) - before
        deadline = time.monotonic() + 20.0
        while rss_kb(pid) < 80 * 1024:
            assert time.monotonic() < deadline, "80 MiB were not taken"
            time.sleep(0.05)


def rss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def test_bad_options_are_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "loop", "--load", "heavy"]) == 2
    assert capsys.readouterr().err == "tarsus: There is no load 'heavy': give one of none, cpu, memory.\n"
    assert cli.main(["bench", "loop", "--seconds", "0"]) == 2
    assert "see 'tarsus bench loop --help'" in capsys.readouterr().err


@pytest.mark.graph
@pytest.mark.slow
@pytest.mark.realtime
def test_a_short_run_of_the_real_graph() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ROS_DOMAIN_ID"}
    done = subprocess.run(
        [*TARSUS, "bench", "loop", "--seconds", "3", "--camera", "--json"],
        capture_output=True, text=True, timeout=180, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["unsafe_commands"] == 0 and found["commands"] >= 100
    assert found["camera_hz"] > 0.0
    for name in ("loop_latency_ms", "answer_latency_ms", "policy_ms", "supervisor_ms"):
        p50, p99, most = (found[name][key] for key in ("p50", "p99", "max"))
        assert 0.0 < p50 <= p99 <= most
