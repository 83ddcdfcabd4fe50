# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A film of a recorded run, from outside, made after the run: a frame costs more time than real time has."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pybullet
from numpy.typing import NDArray

from tarsus_core.errors import ConfigError, SimulationError
from tarsus_core.processes import available_cores
from tarsus_core.robot_model import RobotModel
from tarsus_core.rotations import quat_multiply, quat_rotate
from tarsus_sim.camera import FollowingCamera
from tarsus_sim.recording import Recording
from tarsus_sim.urdf import prepare_urdf

Array = NDArray[np.float64]
Image = NDArray[np.uint8]
SMOOTHING_S = 0.6
"""s over which the camera's path is averaged, so that it does not sway with each step"""


@dataclass(frozen=True)
class VideoConfig:
    """What the film looks like."""

    width: int = 640
    height: int = 360
    frame_rate_hz: float = 25.0
    camera: FollowingCamera = field(default_factory=FollowingCamera)


class Filmer:
    """Draws a robot in given poses, with PyBullet's own renderer: it needs no display and no graphics card."""

    def __init__(self, robot: RobotModel, config: VideoConfig) -> None:
        """Load the robot with its meshes, and a chequered ground."""
        self._config = config
        self._client = client = pybullet.connect(pybullet.DIRECT)
        plane = pybullet.createCollisionShape(pybullet.GEOM_PLANE, physicsClientId=client)
        pybullet.createMultiBody(0.0, plane, physicsClientId=client)
        with tempfile.TemporaryDirectory(prefix="tarsus-urdf-") as folder:
            path = Path(folder, f"{robot.name}.urdf")
            path.write_text(prepare_urdf(robot, visuals=True, capsules=False), encoding="utf-8")
            self._body = pybullet.loadURDF(str(path), flags=pybullet.URDF_USE_INERTIA_FROM_FILE, physicsClientId=client)
        info = pybullet.getDynamicsInfo(self._body, -1, physicsClientId=client)
        self._com, self._com_orientation = np.array(info[3]), np.array(info[4])
        self._joints = {
            pybullet.getJointInfo(self._body, i, physicsClientId=client)[1].decode(): i
            for i in range(pybullet.getNumJoints(self._body, physicsClientId=client))
        }
        c = config.camera
        self._projection = pybullet.computeProjectionMatrixFOV(
            c.field_of_view_deg, config.width / config.height, 0.1, 30.0
        )

    def close(self) -> None:
        """Let go of PyBullet."""
        pybullet.disconnect(physicsClientId=self._client)

    def frame(self, position: Array, orientation: Array, joints: dict[str, float], look_at: Array) -> Image:
        """Draw one frame (height, width, 3), RGB.

        Args:
            position: (3,) m, of the base link.
            orientation: (4,) xyzw, of the base link.
            joints: angles in rad by joint name.
            look_at: (2,) m, the point of the ground that the camera follows.
        """
        client, camera = self._client, self._config.camera
        pybullet.resetBasePositionAndOrientation(
            self._body,
            (position + quat_rotate(orientation, self._com)).tolist(),
            quat_multiply(orientation, self._com_orientation).tolist(),
            physicsClientId=client,
        )
        for name, angle in joints.items():
            pybullet.resetJointState(self._body, self._joints[name], angle, physicsClientId=client)
        view = pybullet.computeViewMatrixFromYawPitchRoll(
            [*look_at.tolist(), camera.height_m], camera.distance_m, camera.yaw_deg, camera.pitch_deg, 0.0, 2
        )
        width, height = self._config.width, self._config.height
        pixels = pybullet.getCameraImage(
            width,
            height,
            view,
            self._projection,
            lightDirection=[1.0, -2.0, 4.0],
            shadow=0,
            renderer=pybullet.ER_TINY_RENDERER,
            flags=pybullet.ER_NO_SEGMENTATION_MASK,
            physicsClientId=client,
        )[2]
        return np.asarray(pixels, dtype=np.uint8).reshape(height, width, 4)[:, :, :3]


def frame_rows(recording: Recording, frame_rate_hz: float) -> list[int]:
    """Row of the recording that each frame shows: the last one at the time of the frame."""
    time_s = recording.stamp_s - recording.stamp_s[0]
    count = int(time_s[-1] * frame_rate_hz + 1e-6) + 1
    rows = np.searchsorted(time_s, np.arange(count) / frame_rate_hz + 1e-6, side="right") - 1
    return [int(row) for row in rows]


def camera_path(recording: Recording) -> Array:
    """(T, 2) point on the ground that the camera follows: the base, its sway averaged away."""
    ground = recording.position_base_in_world[:, :2]
    if len(recording) < 2:
        return ground.copy()
    period_s = float(np.median(np.diff(recording.stamp_s)))
    half = max(1, round(SMOOTHING_S / 2.0 / period_s))
    padded = np.concatenate([np.repeat(ground[:1], half, 0), ground, np.repeat(ground[-1:], half, 0)])
    total = np.cumsum(np.concatenate([np.zeros((1, 2)), padded]), axis=0)
    return (total[2 * half + 1 :] - total[: -2 * half - 1]) / (2 * half + 1)


def make_video(
    recording: Recording,
    robot: RobotModel,
    path: Path,
    config: VideoConfig | None = None,
    tell: Callable[[int, int], None] = lambda done, count: None,
) -> None:
    """Draw a recorded run on all cores and write it as MP4 (H.264), whole or not at all.

    Args:
        recording: of that robot.
        robot: the model.
        path: file to write.
        config: what it looks like.
        tell: called after each frame with the number of those done and the number of all.

    Raises:
        ConfigError: for a recording of another robot.
        SimulationError: if the file cannot be written.
    """
    config = config or VideoConfig()
    if recording.robot != robot.name:
        raise ConfigError(f"The recording is of robot '{recording.robot}', not '{robot.name}'.")
    rows = frame_rows(recording, config.frame_rate_hz)
    temporary = path.with_name(f".{path.name}.part.mp4")
    try:
        with (
            contextlib.closing(_writer(temporary, config)) as writer,
            contextlib.closing(_frames(recording, robot, config, rows)) as frames,
        ):
            for done, frame in enumerate(frames, 1):
                writer.append_data(frame)
                tell(done, len(rows))
        os.replace(temporary, path)
    except OSError:  # the encoder's own words are many lines
        raise SimulationError(f"The film '{path}' could not be written: is the disk full? Film again.") from None
    finally:
        temporary.unlink(missing_ok=True)


def _writer(path: Path, config: VideoConfig) -> Any:
    from imageio import v2 as imageio  # slow to import

    return imageio.get_writer(path, fps=config.frame_rate_hz, codec="libx264", quality=7, macro_block_size=2)


def _frames(
    recording: Recording, robot: RobotModel, config: VideoConfig, rows: list[int]
) -> Generator[Image, None, None]:
    """Frames in order, drawn by as many processes as there are cores."""
    look_at = camera_path(recording)
    tasks = (
        (
            recording.position_base_in_world[row],
            recording.orientation_base_to_world[row],
            dict(zip(recording.joint_names, recording.joint_position[row].tolist(), strict=True)),
            look_at[row],
        )
        for row in rows
    )
    workers = max(1, min(available_cores(), len(rows) // 20, 16))
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker, (robot, config))
    try:
        yield from pool.map(_draw, tasks, chunksize=4)
    except BrokenProcessPool:
        raise SimulationError("A process that draws the film has died: is there memory left?") from None
    finally:
        pool.shutdown(cancel_futures=True)


_worker: list[Filmer] = []


def _start_worker(robot: RobotModel, config: VideoConfig) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business: it ends the pool
    _worker.append(Filmer(robot, config))


def _draw(task: Any) -> Image:
    return _worker[0].frame(*task)
