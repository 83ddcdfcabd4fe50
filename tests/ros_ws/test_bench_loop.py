# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus bench loop``: what counts as an unsafe command, what a load is, and a short run of the real graph."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import numpy as np
import pytest
from helpers.domain import free_domain
from helpers.policies import make_contract, make_policy
from rich.console import Console

from tarsus_core import cli
from tarsus_core.processes import available_cores
from tarsus_core.robot_model import load_robot
from tarsus_core.state import JointCommand
from tarsus_nodes import load
from tarsus_nodes.cli_bench_loop import LoopBench, _table, full_window
from tarsus_nodes.command_check import CommandCheck
from tarsus_nodes.conversions import joint_command_message
from tarsus_nodes.diagnostics import Latency
from tarsus_nodes.load import available_bytes, loaded
from tarsus_nodes.operator_client import OperatorError
from tarsus_nodes.operator_run import OperatorRun
from tarsus_nodes.sim_request import make_request
from tarsus_nodes.tied import tied

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
        ("velocity", 60.0, 1),
        ("kp", 1e6, 1),
        ("kd", 50.0, 1),
        ("kp", -1.0, 1),
        ("kd", math.inf, 1),
    ],
)
def test_what_no_actuator_may_get_is_counted(field: str, value: float, unsafe: int) -> None:
    check = CommandCheck(ROBOT, make_contract(ROBOT))
    check.take(changed(field, value))
    assert (check.heard, check.unsafe) == (1, unsafe)


def test_a_damping_command_carries_whatever_position_was_measured() -> None:
    check = CommandCheck(ROBOT, make_contract(ROBOT))
    check.take(
        joint_command_message(
            JointCommand(1.0, ROBOT.joint_names, ROBOT.default_pose + 9.0, *(ZEROS,) * 3, ROBOT.kd), 1
        )
    )
    assert (check.heard, check.unsafe) == (1, 0)


def test_other_joints_are_unsafe() -> None:
    check = CommandCheck(ROBOT, make_contract(ROBOT))
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
        assert rss_kb(pid) >= 80 * 1024, "80 MiB were not taken when the block begins"


@pytest.mark.parametrize("kind", ["cpu", "memory"])
def test_a_load_that_ends_by_itself_is_an_error(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr("tarsus_nodes.load.available_bytes", lambda: 10 << 20)
    before = set(children())
    with pytest.raises(OperatorError, match=f"The load '{kind}' ended by itself .killed by SIGKILL"), loaded(kind):
        one = next(iter(set(children()) - before))
        os.kill(one, signal.SIGKILL)
        deadline = time.monotonic() + 20.0
        while alive(one):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert set(children()) <= before
    with pytest.raises(KeyError), loaded(kind):  # what the block itself raises comes first
        os.kill(next(iter(set(children()) - before)), signal.SIGKILL)
        raise KeyError


def test_memory_that_cannot_be_had_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tarsus_nodes.load.available_bytes", lambda: 1 << 50)
    with pytest.raises(OperatorError, match=r"does not give the \d+ MiB of the load 'memory'"), loaded("memory"):
        pytest.fail("the block runs without its load")
    assert capfd.readouterr().err == ""


def test_memory_that_is_not_taken_in_time_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_FILL", "import time\ntime.sleep(600.0)")
    monkeypatch.setattr(load, "FILL_S", 0.2)
    before, looks = set(children()), []
    with pytest.raises(OperatorError, match=r"within 0.2 s"), loaded("memory", lambda: looks.append(1)):
        pytest.fail("the block runs without its load")
    assert looks and set(children()) <= before


BUSY = """
import time
from tarsus_nodes.load import loaded
with loaded("cpu"):
    print(flush=True)
    time.sleep(600.0)
"""


def test_a_load_ends_with_the_process_that_started_it_even_if_it_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        busy = [int(word) for word in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        assert len(busy) == available_cores()
        deadline = time.monotonic() + 30.0
        while not all(cpu_ticks(pid) for pid in busy):  # it computes: the kernel knows by then whom it is tied to
            assert time.monotonic() < deadline, "the load does not compute"
            time.sleep(0.05)
        process.kill()
    while any(alive(pid) for pid in busy):
        assert time.monotonic() < deadline, "the load goes on"
        time.sleep(0.05)


def test_a_load_whose_parent_has_gone_before_it_could_be_tied_to_it_ends() -> None:
    command = tied([sys.executable, "-I", "-S", "-c", load._SPIN], parent=-1)  # of no process
    gone = subprocess.run(command, timeout=60, stderr=subprocess.PIPE, check=False)
    assert (gone.returncode, gone.stderr) == (1, b"")


def test_ctrl_c_in_the_terminal_does_not_reach_a_load() -> None:
    before = set(children())
    with loaded("cpu"):
        for pid in set(children()) - before:
            assert os.getsid(pid) == pid != os.getsid(0)


def cpu_ticks(pid: int) -> int:
    """Time of the processor that it has taken, in user mode, in ticks of 10 ms, beyond what it takes to start."""
    return max(0, int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11]) - 20)


def alive(pid: int) -> bool:
    """Whether a process runs: one that has ended and that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def rss_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def test_bad_options_are_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "loop", "--load", "heavy"]) == 2
    assert capsys.readouterr().err == "tarsus: There is no load 'heavy': give one of none, cpu, memory.\n"
    assert cli.main(["bench", "loop", "--seconds", "0"]) == 2
    assert "see 'tarsus bench loop --help'" in capsys.readouterr().err
    for seconds in ("3601", "nan", "inf"):
        assert cli.main(["bench", "loop", "--load", "heavy", "--seconds", seconds]) == 2
        assert "--seconds" in capsys.readouterr().err


def shown(seconds: float, commands: int, nodes_ms: dict[str, float | None] | None) -> str:
    """The table of a run, with what policy and supervisor tell of themselves."""
    latency = {"p50": 1.0, "p99": 2.0, "max": None}
    found: dict[str, Any] = {
        "seconds": seconds, "load": "none", "loop_latency_ms": latency, "answer_latency_ms": latency,
        "supervisor_ms": nodes_ms, "policy_ms": nodes_ms, "deadline_misses": 0, "real_time_factor": 1.0,
        "commands": commands, "unsafe_commands": 0, "camera_hz": None, "damped": "", "rt_priority": 0,
        "rt_lock_memory": False, "rt_awake": False,
    }  # fmt: skip
    out = io.StringIO()
    Console(file=out, width=80).print(_table(found))
    return out.getvalue()


def test_the_table_says_of_how_many_answers_the_nodes_tell() -> None:
    table = shown(600.0, 30_000, {"p50": 1.0, "p99": 2.0, "max": None})
    assert "state to command in the supervisor [ms], last 3000  " in table
    assert "time to answer of the policy [ms], last 3000  " in table
    assert Latency()._values_s.maxlen == 3000


def test_what_the_nodes_tell_is_not_shown_of_a_walk_that_is_shorter_than_it() -> None:
    assert full_window(60.0) and not full_window(59.9)
    (line,) = [line for line in shown(3.0, 150, None).splitlines() if "of the policy" in line]
    assert line.split()[-3:] == ["-", "-", "-"]


class Operator:
    """Walks at once, for so many s."""

    reason = ""

    def __init__(self, duration_s: float) -> None:
        self.duration_s = duration_s

    def wait_for_graph(self, calm_s: float) -> None: ...

    def stand_up(self) -> None: ...

    def walk(self, plan: object) -> dict[str, Any]:
        names = ("loop_latency_ms", "answer_latency_ms", "deadline_misses", "skipped_cycles", "real_time_factor")
        return {"duration_s": self.duration_s, "falls": 0, **dict.fromkeys(names)}


@pytest.mark.parametrize(("duration_s", "count"), [(59.98, None), (60.0, 3000)])
def test_what_the_nodes_tell_goes_by_how_long_the_robot_walked(
    tmp_path: Path, duration_s: float, count: int | None
) -> None:
    policy = make_policy(tmp_path / "policy.onnx", ROBOT)
    request = make_request(
        duration_s=60.0, command=(0.5, 0.0, 0.0), policy=policy, robot="g1", seed=0, gui=False, video=None,
        lockstep=False,
    )  # fmt: skip
    bench = LoopBench(request, 0, MagicMock(), "none")
    found = bench._operate(cast(OperatorRun, Operator(duration_s)), MagicMock())
    assert found["policy_and_supervisor_ms_of_last"] == count
    none = {"p50": None, "p99": None, "max": None}
    assert found["policy_ms"] == found["supervisor_ms"] == (None if count is None else none)


@pytest.mark.graph
@pytest.mark.slow
@pytest.mark.realtime
def test_a_short_run_of_the_real_graph() -> None:
    done = subprocess.run(
        [*TARSUS, "bench", "loop", "--seconds", "3", "--camera", "--json"],
        capture_output=True, text=True, timeout=180, env=free_domain(), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["unsafe_commands"] == 0 and found["commands"] >= 100
    assert found["camera_hz"] > 0.0
    for name in ("policy_and_supervisor_ms_of_last", "policy_ms", "supervisor_ms"):
        assert found[name] is None
    for name in ("loop_latency_ms", "answer_latency_ms"):
        p50, p99, most = (found[name][key] for key in ("p50", "p99", "max"))
        assert 0.0 < p50 <= p99 <= most
