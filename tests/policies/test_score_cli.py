# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus score`` as a user meets it: what it prints where, and one sentence for what it cannot do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.policies import make_policy, make_policy_bytes

from tarsus_core.cli import main
from tarsus_core.robot_model import load_robot
from tarsus_policies import cli_score
from tarsus_policies.trial import STAND, ScoreSettings

KEYS = {"commands", "mean_lin_err", "mean_ang_err", "falls", "stand_drift_m"}
ROW = {"vx", "vy", "wz", "err_vx", "err_vy", "err_wz", "fell"}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_policy(tmp_path_factory.mktemp("policy") / "policy.onnx", load_robot("g1"), seed=None)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two commands and a short transient, for speed."""

    def settings(seconds: float, seeds: int) -> ScoreSettings:
        return ScoreSettings(commands=(STAND, (0.5, 0, 0)), seconds=seconds, seeds=seeds, settle_s=0.1, stand_s=0.1)

    monkeypatch.setattr(cli_score, "ScoreSettings", settings)


def test_json_is_all_there_is_on_standard_output(
    policy: Path, brief: None, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plot = tmp_path / "plot.png"
    options = ["--quick", "--json", "--seconds", "0.3", "--seeds", "2", "--workers", "2", "--plot", str(plot)]
    assert main(["score", str(policy), *options]) == 0
    out = capfd.readouterr().out
    card = json.loads(out)
    assert set(card) >= KEYS
    assert all(set(row) >= ROW for row in card["commands"])
    assert [(row["vx"], row["vy"], row["wz"]) for row in card["commands"]] == [(0.0, 0.0, 0.0), (0.5, 0, 0)]
    assert (card["seconds"], card["seeds"], card["robot"]) == (0.3, 2, "g1")
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_table_and_summary_for_a_person(policy: Path, brief: None, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(policy), "--quick", "--seconds", "0.3", "--seeds", "1", "--workers", "1"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert "g1 in PyBullet: 0.3 s a command, 1 seeds" in lines[0]
    assert any(line.split()[:3] == ["+0.50", "0", "0"] for line in lines)
    assert lines[-1].startswith("Mean error ")


def test_a_fall_is_a_result_and_no_error(
    policy: Path, brief: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_score, "ScoreSettings", lambda seconds, seeds: ScoreSettings(
        commands=(STAND,), seconds=seconds, seeds=seeds, settle_s=0.1, stand_s=0.1, fall_height_m=0.9
    ))  # fmt: skip
    assert main(["score", str(policy), "--quick", "--json", "--seconds", "0.3", "--workers", "1"]) == 0
    card = json.loads(capfd.readouterr().out)
    assert card["falls"] == 3
    assert card["commands"][0]["fell"] is True


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.onnx"], "There is no policy file 'absent.onnx'"),
        (["POLICY", "--seconds", "1.5"], "first 2 s are left out"),
        (["POLICY", "--seeds", "0"], "1 to 1000 seeds, not 0"),
        (["POLICY", "--workers", "0"], "--workers"),
        (["POLICY", "--plot", "score.pdf"], "'score.pdf' must be a .png"),
        (["POLICY", "--plot", "absent/score.png"], "no folder 'absent'"),
        (["POLICY", "--sedes", "3"], "--sedes"),
        (["POLICY", "--seconds", "ten"], "'ten'"),
        ([], "POLICY.onnx"),
        (["TRUNCATED"], "truncated"),
        (["OTHER"], "robot 'h1'"),
    ],
)
def test_bad_input_is_one_sentence(
    policy: Path, arguments: list[str], words: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "truncated.onnx").write_bytes(policy.read_bytes()[:-100])
    (tmp_path / "other.onnx").write_bytes(make_policy_bytes(replace(load_robot("g1"), name="h1")))
    places = {"POLICY": policy, "TRUNCATED": tmp_path / "truncated.onnx", "OTHER": tmp_path / "other.onnx"}
    assert main(["score", *(str(places.get(a, a)) for a in arguments)]) != 0
    captured = capfd.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("tarsus: ")
    assert words in line
    assert line.endswith((".", "'"))


def test_missing_matplotlib_is_told_before_anything_is_measured(
    policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    monkeypatch.setattr(cli_score, "measure", lambda *_: pytest.fail("measured"))
    assert main(["score", str(policy), "--plot", str(tmp_path / "x.png")]) == 2
    assert "matplotlib, which is absent: run 'make setup'" in capfd.readouterr().err
