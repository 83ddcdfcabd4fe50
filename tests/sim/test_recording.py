# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: what goes in comes out, bit for bit, and a damaged file is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from helpers.robots import state_of

from tarsus_core.errors import ConfigError
from tarsus_core.robot_model import RobotModel
from tarsus_core.state import GroundTruth, JointCommand, RobotState
from tarsus_sim.recording import Recorder, Recording


def truth(x: float) -> GroundTruth:
    return GroundTruth(np.array([x, 0.1, 0.77]), np.zeros(3), np.array([True, True]), np.array([160.0, 160.0]))


def record(robot: RobotModel, rows: int, period_s: float = 0.02, limit_s: float = 1800.0) -> Recorder:
    recorder = Recorder(robot.name, robot.joint_names, limit_s)
    zeros = np.zeros(len(robot.joint_names))
    for k in range(rows):
        state = state_of(robot, k * period_s, joint_velocity=0.1 * k, roll=0.01 * k)
        command = JointCommand(k * period_s, robot.joint_names, robot.default_pose, zeros, zeros, robot.kp, robot.kd)
        recorder.add(state, truth(0.01 * k), command if k else None)
    return recorder


def test_a_recording_survives_the_file_bit_for_bit(robot: RobotModel, tmp_path: Path) -> None:
    made = record(robot, 5).recording()
    made.save(tmp_path / "run.npz")
    read = Recording.load(tmp_path / "run.npz")
    assert (read.robot, read.joint_names, len(read)) == ("g1", robot.joint_names, 5)
    for field in dataclasses.fields(Recording)[2:]:
        assert getattr(made, field.name).tobytes() == getattr(read, field.name).tobytes(), field.name
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_rows_give_back_the_states(robot: RobotModel) -> None:
    made = record(robot, 4).recording()
    want = state_of(robot, 3 * 0.02, joint_velocity=3 * 0.1, roll=3 * 0.01)
    have = made.state(3)
    assert have.stamp_s == want.stamp_s == 0.06
    for field in dataclasses.fields(RobotState)[2:-1]:  # the last is what no robot measures
        assert getattr(have, field.name).tobytes() == getattr(want, field.name).tobytes(), field.name
    assert made.position_base_in_world[3].tolist() == [3 * 0.01, 0.1, 0.77]


def test_a_period_without_a_command_is_told_from_one_with(robot: RobotModel) -> None:
    made = record(robot, 3).recording()
    assert np.isnan(made.command_stamp_s[0])
    assert np.isnan(made.command_position[0]).all()
    assert made.command_stamp_s[1:].tolist() == [0.02, 0.04]
    assert made.command_kp[2].tolist() == robot.kp.tolist()


def test_memory_is_bounded(robot: RobotModel) -> None:
    assert len(record(robot, 20, period_s=0.5, limit_s=5.0)) == 11


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.npz"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="is no recording of the simulator"):
        Recording.load(path)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(ConfigError, match="robot"):
        Recording.load(tmp_path / "other.npz")


def test_a_file_that_cannot_be_written_leaves_nothing(robot: RobotModel, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        record(robot, 2).recording().save(tmp_path / "absent" / "run.npz")
    target = tmp_path / "folder.npz"
    target.mkdir()
    with pytest.raises(OSError):
        record(robot, 2).recording().save(target)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.npz"]
