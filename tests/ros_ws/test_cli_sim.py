# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus sim``: what it refuses before anything starts, what it launches, and what it prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.policies import make_policy
from rich.console import Console

from tarsus_core import cli
from tarsus_core.robot_model import load_robot
from tarsus_edge.launcher import LaunchError
from tarsus_nodes import cli_sim, sim_session
from tarsus_nodes.operator_client import OperatorError
from tarsus_nodes.sim_request import SimRequest, make_request
from tarsus_nodes.sim_session import NodeOutput, how_to_drive, launch_arguments


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_policy(tmp_path_factory.mktemp("policy") / "zero.onnx", load_robot("g1"), seed=None)


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], policy: Path) -> Callable[..., str]:
    """Run ``tarsus sim`` with what it must refuse, and return the sentence."""
    monkeypatch.setattr(cli_sim, "run_session", lambda *_: pytest.fail("it started"))

    def run(*arguments: str) -> str:
        words = [*arguments] if "--policy" in arguments else [*arguments, "--policy", str(policy)]
        assert cli.main(["sim", *words]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("tarsus: ")
        assert err.endswith("\n")
        assert err.count("\n") == 1
        return err.removeprefix("tarsus: ").strip()

    return run


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--duration", "-1"], "The duration is -1 s: give 0.1 to 86400, or none to run until Ctrl-C."),
        (["--duration", "0"], "The duration is 0 s: give 0.1 to 86400, or none to run until Ctrl-C."),
        (["--duration", "nan"], "The duration is nan s: give 0.1 to 86400, or none to run until Ctrl-C."),
        (["--duration", "inf"], "The duration is inf s: give 0.1 to 86400, or none to run until Ctrl-C."),
        (["--vx", "1.01"], "vx is 1.01 m/s, but the policy was trained for -0.5 to 1 m/s."),
        (["--vy", "-0.4"], "vy is -0.4 m/s, but the policy was trained for -0.3 to 0.3 m/s."),
        (["--wz", "nan"], "wz is nan rad/s, but the policy was trained for -0.5 to 0.5 rad/s."),
        (["--vx", "inf"], "vx is inf m/s, but the policy was trained for -0.5 to 1 m/s."),
        (["--seed", "-1"], "The seed is -1: give a number from 0 to 2147483647."),
        (["--video", "clip.avi"], "The video 'clip.avi' must end in .mp4."),
        (["--video", "no/a.mp4"], "The folder of the video 'no/a.mp4' does not exist: make it, or name another."),
        (["--policy", "absent.onnx"], "There is no policy file 'absent.onnx'"),
        (["--robot", "g2"], "There is no robot 'g2' (known: g1): name one that ships"),
        (["--fast"], "No such option: --fast"),
        (["--vx", "quick"], "Invalid value for '--vx'"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_nothing_starts(
    refused: Callable[..., str], arguments: list[str], sentence: str
) -> None:
    assert refused(*arguments).startswith(sentence.rstrip("."))


def test_a_video_that_is_a_folder_is_refused(refused: Callable[..., str], tmp_path: Path) -> None:
    folder = tmp_path / "clip.mp4"
    folder.mkdir()
    assert refused("--video", str(folder)) == f"The video '{folder}' is a folder: name a file in it."


def test_a_window_needs_a_display(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    assert "needs an X display" in refused("--gui")


def test_a_damaged_policy_is_refused(refused: Callable[..., str], policy: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    data = bytearray(policy.read_bytes())
    data[len(data) // 3] ^= 1
    damaged.write_bytes(data)
    assert "damaged.onnx" in refused("--policy", str(damaged))


def test_a_domain_that_is_none_is_refused(
    policy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "999")
    assert cli.main(["sim", "--duration", "1", "--policy", str(policy)]) == 2
    assert capsys.readouterr().err == (
        "tarsus: ROS_DOMAIN_ID is '999': set it to a number from 0 to 232, or unset it.\n"
    )


def ask(policy: Path, **changes: Any) -> SimRequest:
    asked: dict[str, Any] = {
        "duration_s": 2.0, "command": (0.5, 0.0, 0.0), "policy": policy, "robot": "g1", "seed": 3, "gui": False,
        "video": None, "lockstep": False,
    }  # fmt: skip
    return make_request(**{**asked, **changes})


def test_what_is_asked_becomes_launch_arguments(policy: Path, tmp_path: Path) -> None:
    request = ask(policy)
    assert launch_arguments(request, None) == {
        "policy": str(policy), "robot": "g1", "lockstep": "false", "gui": "false", "seed": "3",
    }  # fmt: skip
    lockstep = launch_arguments(ask(policy, lockstep=True), tmp_path / "r.npz")
    assert lockstep["record"] == str(tmp_path / "r.npz")
    assert lockstep["lockstep"] == "true"
    assert lockstep["run_until_s"] == "0.0"


def test_without_a_duration_it_is_endless(policy: Path) -> None:
    assert ask(policy, duration_s=None).endless
    assert not ask(policy).endless


def test_without_a_velocity_it_strolls(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, ...]] = []

    def run_session(request: SimRequest, report: Any) -> dict[str, Any]:
        asked.append(request.plan.command)
        return {"falls": 0}

    monkeypatch.setattr(cli_sim, "run_session", run_session)
    for words in ([], ["--vx", "0"], ["--wz", "0.4"], ["--vx", "0.3", "--vy", "-0.1"]):
        assert cli.main(["sim", *words, "--policy", str(policy)]) == 0
    assert asked == [(0.5, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.4), (0.3, -0.1, 0.0)]
    assert ask(policy, command=None).plan.command == (0.5, 0.0, 0.0)


def test_the_policy_that_ships_is_the_default() -> None:
    request = make_request(
        duration_s=1.0, command=(0.0, 0.0, 0.0), policy=None, robot="g1", seed=0, gui=False, video=None, lockstep=True
    )
    assert request.policy.name == "g1_walk.onnx"


RESULT = {
    "distance_m": 1.9, "falls": 0, "real_time_factor": 0.998, "deadline_misses": 4, "waited_s": 0.123,
    "skipped_cycles": 3,
    "loop_latency_ms": {"p50": 8.5, "p99": 18.6, "max": 24.1},
    "answer_latency_ms": {"p50": 7.8, "p99": 16.8, "max": 19.1},
    "policy_sha256": "ab" * 32, "duration_s": 5.0, "lockstep": False, "seed": 0, "robot": "g1", "ros_domain_id": 1,
    "command": {"vx": 0.5, "vy": 0.0, "wz": 0.0}, "mean_velocity": {"vx": 0.38, "vy": 0.0, "wz": 0.01},
    "velocity_error": {"vx": 0.07, "vy": 0.0, "wz": 0.01},
}  # fmt: skip


def reporting(result: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """A session that ends with these results."""

    def run_session(request: SimRequest, report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        report(result)
        return result

    return run_session


@pytest.mark.parametrize(("falls", "code"), [(0, 0), (1, 1)])
def test_the_last_line_is_json_and_the_exit_code_tells_a_fall(
    policy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], falls: int, code: int
) -> None:
    result = {**RESULT, "falls": falls}
    monkeypatch.setattr(cli_sim, "run_session", reporting(result))
    assert cli.main(["sim", "--duration", "5", "--vx", "0.5", "--policy", str(policy)]) == code
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1]) == result
    table = "\n".join(lines[:-1])
    for text in ("1.90 m in 5.0 s", "0.12 s", "8.5 / 18.6 / 24.1 ms", "0.998", "abababababab", "0.380"):
        assert text in table
    assert cli.main(["sim", "--duration", "5", "--json", "--policy", str(policy)]) == code
    assert json.loads(capsys.readouterr().out) == result


def test_a_run_in_which_nothing_was_counted_can_be_shown(
    policy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = {"p50": None, "p99": None, "max": None}
    monkeypatch.setattr(
        cli_sim, "run_session", reporting({**RESULT, "loop_latency_ms": nothing, "real_time_factor": None})
    )
    assert cli.main(["sim", "--policy", str(policy)]) == 0
    assert "- / - / - ms" in capsys.readouterr().out


def test_errors_on_the_way_are_one_sentence(
    policy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(request: SimRequest, report: object) -> dict[str, Any]:
        raise OperatorError("'policy_node-2' ended by itself (killed by SIGKILL): the run is over.")

    monkeypatch.setattr(cli_sim, "run_session", fail)
    assert cli.main(["sim", "--duration", "5", "--policy", str(policy)]) == 1
    assert capsys.readouterr().err == "tarsus: 'policy_node-2' ended by itself (killed by SIGKILL): the run is over.\n"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("[INFO] [sim_node-1]: process started with pid [42]", False),
        ("[policy_node-2] [INFO] [1795310718.46] [policy]: Loaded 'policy.onnx'.", False),
        ("[sim_node-1] pybullet build time: Jan 29 2025 23:17:20", False),
        ("[supervisor_node-3] [ERROR] [1795310739.68] [supervisor]: Damped: No robot state for 50 ms.", True),
        ("[policy_node-2] [WARN] [1795310739.68] [policy]: late", True),
        ("[ERROR] [policy_node-2]: process has died [pid 42, exit code 1]", True),
        ("[policy_node-2] tarsus: There is no robot 'g2'.", True),
        ("[policy_node-2] Traceback (most recent call last):", True),
    ],
)
def test_nodes_are_heard_when_something_is_wrong(line: str, shown: bool, capsys: pytest.CaptureFixture[str]) -> None:
    output = NodeOutput(Console(stderr=True, highlight=False))
    output.write(line + "\n")
    assert (line in capsys.readouterr().err) is shown
    output.muted = True
    output.write(line + "\n")
    assert capsys.readouterr().err == ""


def test_it_says_how_to_drive_on_its_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [".venv/bin/tarsus", "sim"])
    text = how_to_drive(7, walks=True)
    assert "ROS_DOMAIN_ID=7 .venv/bin/tarsus teleop\n" in text
    assert "export ROS_DOMAIN_ID=7 ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST\n" in text
    assert "/supervisor/damp" in text
    assert text.startswith("The robot walks ")
    assert how_to_drive(7, walks=False).startswith("The robot stands ")


def test_the_results_are_told_before_a_film_fails(
    policy: Path, monkeypatch: pytest.MonkeyPatch, ros_domain: int, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise OperatorError("The film broke.")

    told: list[dict[str, Any]] = []
    monkeypatch.setattr(sim_session.Session, "run", lambda self, plan: {"falls": 0})
    monkeypatch.setattr(sim_session, "_film", fail)
    with pytest.raises(OperatorError, match=r"The film broke\."):
        sim_session.run_session(ask(policy, video=tmp_path / "a.mp4"), told.append)
    assert told == [{"falls": 0, "seed": 3, "robot": "g1", "ros_domain_id": ros_domain}]


def test_a_video_in_a_folder_that_takes_no_files_is_refused(refused: Callable[..., str]) -> None:
    assert refused("--video", "/proc/a.mp4").startswith("The video '/proc/a.mp4' cannot be written")


def test_a_launch_that_cannot_be_planned_starts_nothing(
    policy: Path, monkeypatch: pytest.MonkeyPatch, ros_domain: int
) -> None:
    monkeypatch.setattr(sim_session, "find_launch_file", lambda name: Path("absent.launch.xml"))
    monkeypatch.setattr(sim_session, "LaunchRun", lambda *_, **__: pytest.fail("it started"))
    with pytest.raises(LaunchError, match=r"absent\.launch\.xml"):
        sim_session.run_session(ask(policy), lambda result: None)
