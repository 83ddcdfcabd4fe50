# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus bench endurance``: a short one of the real graph, and what it looks at."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest
from helpers.domain import free_domain

from tarsus_core import cli
from tarsus_nodes import cli_bench_endurance, endurance
from tarsus_nodes.endurance import memory_of

TARSUS = [sys.executable, "-c", "import sys; from tarsus_core.cli import main; sys.exit(main(sys.argv[1:]))"]


def test_memory_is_that_of_the_process() -> None:
    before = memory_of(os.getpid())
    block = bytearray(64 << 20)
    block[::4096] = b"x" * len(block[::4096])
    assert memory_of(os.getpid()) - before == pytest.approx(64.0, abs=8.0)
    assert len(block) == 64 << 20


def test_nothing_to_do_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "endurance", "--cycles", "0", "--minutes", "0"]) == 2
    assert "nothing to do" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"), [("--minutes", "nan"), ("--minutes", "inf"), ("--seed", str(2**31)), ("--seed", "-1")]
)
def test_what_the_graph_would_not_take_is_refused_before_it_starts(
    option: str, value: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_bench_endurance, "simulation_domain", lambda: pytest.fail("it started"))
    assert cli.main(["bench", "endurance", option, value]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert option in err


def test_the_largest_seed_of_the_simulator_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(cli_bench_endurance, "simulation_domain", contextlib.nullcontext)
    monkeypatch.setattr(cli_bench_endurance, "walk", lambda _time, seed, *_: seeds.append(seed) or {})
    assert cli.main(["bench", "endurance", "--cycles", "0", "--seed", str(2**31 - 1)]) == 0
    assert seeds == [2**31 - 1]


class FakeBench:
    """A graph of one process, which ends with an exit code."""

    code = 0

    def __init__(self, **_: Any) -> None:
        self.launch = types.SimpleNamespace(exit_codes={"sim_node-1": self.code})

    def __enter__(self) -> FakeBench:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("code", "left", "part"),
    [(1, [], "After 1 cycles: exit codes {'sim_node-1': 1}, left behind []."), (0, [12], "left behind [12].")],
)
def test_what_is_left_behind_ends_it_with_exit_code_1(
    code: int, left: list[int], part: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "0")
    monkeypatch.setattr(cli_bench_endurance, "simulation_domain", contextlib.nullcontext)
    monkeypatch.setattr(FakeBench, "code", code)
    monkeypatch.setattr(endurance, "FaultBench", FakeBench)
    monkeypatch.setattr(endurance, "processes_of", lambda _: left)
    assert cli.main(["bench", "endurance", "--cycles", "2", "--minutes", "0"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and part in err


@pytest.mark.graph
def test_ctrl_c_ends_it_with_the_graph_under_way() -> None:
    environment = free_domain()
    command = [*TARSUS, "bench", "endurance", "--cycles", "1000", "--minutes", "0"]
    with subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        end = time.monotonic() + 60.0
        while len(nodes := children(process.pid)) < 5:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert said.strip().splitlines()[-1] == "tarsus: Stopped by Ctrl-C."
    assert not [pid for pid in nodes if Path(f"/proc/{pid}").exists()]


def children(pid: int) -> list[str]:
    """Each thread has its own."""
    return [child for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


@pytest.mark.graph
@pytest.mark.slow
@pytest.mark.realtime  # alone: what others leave meanwhile, it would find
def test_two_cycles_and_a_walk_with_a_push_leave_nothing(tmp_path: Path) -> None:
    environment = free_domain()
    environment["TMPDIR"] = str(tmp_path)  # other tests launch graphs meanwhile
    command = [*TARSUS, "bench", "endurance", "--cycles", "2", "--minutes", "0.2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["cycles"]["cycles"] == 2
    assert found["cycles"]["files_left"] == []
    walked = found["walk"]
    assert walked["simulated_s"] >= 12.0
    assert walked["pushes"] >= 1
    assert (walked["falls"], walked["unsafe_commands"]) == (0, 0)
    assert walked["commands"] >= 600
    assert set(walked["memory_mb"]) == {
        *("sim_node-1", "policy_node-2", "watchdog_node-3", "supervisor_node-4", "lifecycle_manager_node-5")
    }


@pytest.mark.graph
@pytest.mark.slow
def test_a_fall_is_told_with_its_push_and_the_robot_walks_on() -> None:
    environment = free_domain()
    code = """
import sys
from tarsus_core.cli import main
from tarsus_nodes import endurance
endurance.PUSH_NS, endurance.PUSH_EVERY_S = 200.0, 5.0  # the second is due as soon as it is up again
sys.exit(main(["bench", "endurance", "--cycles", "0", "--minutes", "0.3", "--json"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 1, done.stdout + done.stderr
    walked = json.loads(done.stdout)["walk"]
    assert walked["simulated_s"] >= 12.0
    assert walked["falls"] == len(walked["fell"]) >= 2
    first, second = walked["fell"][:2]
    assert 0.0 <= first["pushed_at_s"] < first["at_s"] < 10.0
    assert first["velocity_command"] == [0.5, 0.0, 0.0]
    assert 0.0 <= first["direction_deg"] <= 360.0
    assert first["because"].endswith(".")
    assert first["at_s"] + 3.0 < second["pushed_at_s"] < second["at_s"], "to stand up takes 3 s"
    assert walked["unsafe_commands"] == 0
