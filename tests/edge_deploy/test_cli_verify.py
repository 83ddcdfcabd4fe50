# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus verify``: what it prints, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.policies import make_policy

from tarsus_core.cli import main
from tarsus_core.contract import ObservationTerm
from tarsus_core.robot_model import load_robot


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return make_policy(tmp_path / "walk[bold].onnx", load_robot("g1"), scorecard={"mean_lin_err": 0.08})


def test_tables_show_the_contract(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(policy)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "walk[bold].onnx" in out.replace("\n", "") and "3 golden vectors" in out.replace("\n", " ")
    for text in ("every 0.02 s (50 Hz)", "gait_phase", "left_knee_joint", "99.1", "mean_lin_err", "0.08"):
        assert text in out


def test_json_is_one_object_with_the_whole_contract(policy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(policy), "--json", "--time"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verified"] is True and len(report["policy_sha256"]) == 64
    assert report["contract"]["joint_names"] == list(load_robot("g1").joint_names)
    assert report["contract"]["kp"] == load_robot("g1").kp.tolist()
    assert report["call_us"]["ratio"] > 0.0


def test_texts_of_the_contract_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_policy(tmp_path / "p.onnx", load_robot("g1"), scorecard={"[/b]": "a[/b] :smile: [red]b"})
    assert main(["verify", str(path)]) == 0
    assert "a[/b] :smile: [red]b" in capsys.readouterr().out


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    code = main(["verify", *arguments])
    out, err = capsys.readouterr()
    assert code == 2 and out == "" and err.startswith("tarsus: ") and err.count("\n") == 1
    return err


def test_refusals_are_one_sentence(policy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "There is no policy file" in refused([str(tmp_path / "absent.onnx")], capsys)
    data = bytearray(policy.read_bytes())
    data[200] ^= 4
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(data)
    assert "altered" in refused([str(broken)], capsys)
    assert "There is no robot 'g2' (known: g1)" in refused([str(policy), "--robot", "g2"], capsys)
    assert "see 'tarsus verify --help'" in refused([], capsys)
    assert "--jsn" in refused([str(policy), "--jsn"], capsys)


def test_what_no_robot_can_observe_may_not_run_on_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = (ObservationTerm("base_linear_velocity", 3), ObservationTerm("gait_phase", 2))
    path = make_policy(tmp_path / "teacher.onnx", load_robot("g1"), observation=seen)
    assert "which no sensor of a robot measures" in refused([str(path)], capsys)
