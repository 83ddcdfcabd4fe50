# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Films of recordings: the right frames, the robot in the picture, a file that plays, and nothing half done."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from tarsus_core.errors import ConfigError
from tarsus_core.robot_model import RobotModel
from tarsus_core.rotations import quat_from_rpy
from tarsus_sim import video
from tarsus_sim.recording import Recording
from tarsus_sim.video import Filmer, VideoConfig, camera_path, frame_rows, make_video

SMALL = VideoConfig(width=160, height=90)


def walk(robot: RobotModel, rows: int, speed: float = 0.5) -> Recording:
    """A robot that glides ahead in its default pose, swaying by 3 cm."""
    stamp = np.arange(rows) * 0.02
    joints = np.tile(robot.default_pose, (rows, 1))
    zeros = np.zeros_like(joints)
    position = np.stack([speed * stamp, 0.03 * np.sin(2 * np.pi * stamp / 0.8), np.full(rows, 0.77)], axis=1)
    return Recording(
        robot.name, robot.joint_names, stamp, joints, zeros, zeros, np.tile(quat_from_rpy(0, 0, 0), (rows, 1)),
        np.zeros((rows, 3)), np.zeros((rows, 3)), position, stamp, joints, zeros, zeros,
    )  # fmt: skip


def test_frames_show_the_newest_row(robot: RobotModel) -> None:
    recording = walk(robot, 11)  # 0 to 0.2 s, at 50 Hz
    assert frame_rows(recording, 25.0) == [0, 2, 4, 6, 8, 10]
    assert frame_rows(recording, 30.0) == [0, 1, 3, 5, 6, 8, 10]
    late = dataclasses.replace(recording, stamp_s=recording.stamp_s + 7.0)
    assert frame_rows(late, 25.0) == [0, 2, 4, 6, 8, 10]
    assert frame_rows(walk(robot, 1), 25.0) == [0]


def test_the_camera_goes_along_and_does_not_sway(robot: RobotModel) -> None:
    recording = walk(robot, 200)
    path = camera_path(recording)
    assert path.shape == (200, 2)
    inner = slice(20, 180)
    assert path[inner, 0] == pytest.approx(recording.position_base_in_world[inner, 0])
    assert np.abs(path[inner, 1]).max() < 0.015 < np.abs(recording.position_base_in_world[inner, 1]).max()
    assert camera_path(walk(robot, 1)).tolist() == [[0.0, 0.0]]


def test_the_robot_is_in_the_middle_of_the_picture_and_moves_with_its_joints(robot: RobotModel) -> None:
    filmer = Filmer(robot, SMALL)
    try:
        upright = quat_from_rpy(0.0, 0.0, 0.0)
        pose = dict(zip(robot.joint_names, robot.default_pose.tolist(), strict=True))

        def draw(x: float, joints: dict[str, float], far: float = 0.0) -> np.ndarray:
            return filmer.frame(np.array([x + far, 0.0, 0.77]), upright, joints, np.array([x, 0.0]))

        empty = draw(0.0, pose, far=-50.0)
        seen = np.any(draw(0.0, pose) != empty, axis=-1)
        rows, columns = np.where(seen)
        assert 0.5 * SMALL.height < np.ptp(rows) < 0.95 * SMALL.height, "it fills the height, and is not cut off"
        assert abs(columns.mean() - SMALL.width / 2) < 0.1 * SMALL.width
        assert rows.min() > 0
        assert rows.max() < SMALL.height - 1
        raised = draw(0.0, {**pose, "left_shoulder_pitch_joint": -2.5})
        assert np.any(raised != draw(0.0, pose))
        assert np.any(draw(4.5, pose) != draw(0.0, pose)), "the ground shows that it goes on"
    finally:
        filmer.close()


def test_the_film_plays(robot: RobotModel, tmp_path: Path) -> None:
    path, told = tmp_path / "clip.mp4", []
    make_video(walk(robot, 11), robot, path, SMALL, lambda done, count: told.append((done, count)))
    assert told == [(k, 6) for k in range(1, 7)]
    film = cv2.VideoCapture(str(path))
    assert film.get(cv2.CAP_PROP_FPS) == pytest.approx(25.0)
    frames = []
    while (read := film.read())[0]:
        frames.append(read[1])
    assert len(frames) == 6
    assert frames[0].shape == (90, 160, 3)
    assert np.ptp(frames[3]) > 100, "there is something to see"
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]


def test_an_interrupted_film_leaves_no_file(robot: RobotModel, tmp_path: Path) -> None:
    def interrupt(done: int, count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_video(walk(robot, 5), robot, tmp_path / "clip.mp4", SMALL, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_recording_of_another_robot_is_refused(robot: RobotModel, tmp_path: Path) -> None:
    other = dataclasses.replace(walk(robot, 3), robot="h1")
    with pytest.raises(ConfigError, match="robot 'h1', not 'g1'"):
        make_video(other, robot, tmp_path / "clip.mp4", SMALL)


def test_a_dead_drawer_is_told(robot: RobotModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "_draw", _die)
    with pytest.raises(video.SimulationError, match="draws the film has died"):
        make_video(walk(robot, 3), robot, tmp_path / "clip.mp4", SMALL)
    assert list(tmp_path.iterdir()) == []


def _die(task: object) -> None:
    import os

    os._exit(1)
