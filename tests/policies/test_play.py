# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Films of policies: a real film of a short trial in each engine, and input that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.policies import make_policy_bytes

from tarsus_core.cli import main
from tarsus_core.robot_model import load_robot


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.onnx"
    path.write_bytes(make_policy_bytes(load_robot("g1"), seed=None))
    return path


@pytest.mark.parametrize("engine", ["pybullet", "mujoco"])
def test_a_film_of_a_policy_file(policy: Path, engine: str, capfd: pytest.CaptureFixture[str]) -> None:
    from imageio import v2 as imageio

    assert main(["play", str(policy), "--seconds", "0.3", "--vx", "0.2", "--push", "5", "--engine", engine]) == 0
    assert "Asked +0.20, +0.00, +0.00; got " in capfd.readouterr().out
    with imageio.get_reader(policy.parent / "play.mp4") as film:
        assert film.count_frames() == 33  # 1.3 s at 25 a second, and the first
        assert film.get_data(10).std() > 10.0  # a picture of something


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["POLICY", "--seconds", "0"], "--seconds is 0"),
        (["POLICY", "--vx", "nan"], "--vx is nan"),
        (["POLICY", "--push", "inf"], "--push is inf"),
        (["POLICY", "--engine", "gazebo"], "no engine 'gazebo'"),
        (["POLICY", "--output", "film.avi"], "must be a .mp4"),
        (["POLICY", "--output", "absent/film.mp4"], "no folder 'absent'"),
        (["POLICY", "--checkpoint", "3"], "a policy file has none"),
        (["absent.onnx"], "absent.onnx"),
        ([str(Path(__file__).parent), "--output", "film.mp4"], "is no training run"),
    ],
)
def test_bad_input_is_one_sentence(
    policy: Path, arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["play", *(str(policy) if a == "POLICY" else a for a in arguments)]) != 0
    captured = capfd.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("tarsus: ") and words in line
