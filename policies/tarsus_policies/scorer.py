# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how well a policy walks: the full robot in PyBullet, driven by the robot's own policy session.

Each run is a fresh world with one robot whose legs may touch each other, as the graph runs it. The robot stands for
``stand_s`` at zero command, then gets one constant command for ``seconds``. Velocities are those of the base link in
its heading frame (x along the yaw of the base, z up), averaged from ``settle_s`` after the command came to its end;
the yaw rate is the change of yaw over that time. A robot that falls ends its run and counts as standing still from
there on, so that falling early never looks like tracking.

Runs depend on the policy, the command and the seed alone: scores are equal bit for bit on one machine, whatever the
number of worker processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import ConfigError, SimulationError, StateError
from tarsus_core.observation import PolicyInterface
from tarsus_core.robot_model import RobotModel, load_robot
from tarsus_core.rotations import quat_from_rpy, quat_multiply, quat_rotate_yaw_inverse, tilt_angle, yaw_from_quat
from tarsus_core.state import RobotState
from tarsus_edge.policy_file import PolicyFile, parse_policy
from tarsus_edge.policy_session import PolicySession
from tarsus_policies.score_pool import Say, run_jobs
from tarsus_sim.pybullet_world import PyBulletWorld, WorldConfig

Array = NDArray[np.float64]
Command = tuple[float, float, float]
STAND: Command = (0.0, 0.0, 0.0)
ENGINES = ("pybullet", "onnxruntime", "numpy")


def axis_grid(vx: Iterable[float], vy: Iterable[float], wz: Iterable[float]) -> tuple[Command, ...]:
    """Commands that move along one axis each: vx, vy in m/s, wz in rad/s."""
    return (*((v, 0.0, 0.0) for v in vx), *((0.0, v, 0.0) for v in vy), *((0.0, 0.0, v) for v in wz))


@dataclass(frozen=True)
class ScoreSettings:
    """What is measured, and under which conditions; what is drawn is uniform, and the same for each command."""

    commands: tuple[Command, ...] = axis_grid((-0.3, 0.0, 0.3, 0.5, 0.8), (-0.2, 0.2), (-0.5, 0.5))
    seconds: float = 10.0
    """of each command"""
    seeds: int = 3
    """runs of each command, with the seeds 0, 1, ...; even ones lift the left foot first, odd ones the right foot"""
    stand_s: float = 1.0
    """at zero command, before"""
    settle_s: float = 2.0
    """of the command, left out of the mean velocity"""
    physics_dt_s: float = 0.005
    friction: tuple[float, float] = (0.8, 1.2)
    initial_joint_position: float = 0.05
    """rad about the default pose, plus or minus"""
    noise_joint_position: float = 0.002
    """rad, plus or minus, in every reading"""
    noise_joint_velocity: float = 0.1
    """rad/s"""
    noise_angular_velocity: float = 0.05
    """rad/s"""
    noise_tilt: float = 0.005
    """rad, of roll and of pitch"""
    fall_tilt_rad: float = 1.0
    fall_height_m: float = 0.45
    """of the base link above the ground"""

    def check(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            ConfigError: naming the value.
        """
        if not self.settle_s < self.seconds <= 3600.0:
            raise ConfigError(
                f"A score over {self.seconds:g} s cannot be: the first {self.settle_s:g} s are left out, so give more "
                "than that, and at most 3600."
            )
        if not 1 <= self.seeds <= 1000:
            raise ConfigError(f"A score needs 1 to 1000 seeds, not {self.seeds}.")


class Policy(Protocol):
    """What can be scored; ``PolicySession`` is one."""

    contract: PolicyContract

    def run(self, observation: NDArray[np.floating]) -> NDArray[np.float32]:
        """Actions (n, action_size) for observations (n, observation_size)."""
        ...


@dataclass(frozen=True)
class Run:
    """One command, one seed."""

    command: Command
    seed: int
    velocity: Command
    """mean vx, vy (m/s) and wz (rad/s)"""
    error: Command
    """absolute difference to the command"""
    fell_at_s: float | None
    """time since the world was made, None if it never fell"""
    drift_m: float
    """largest horizontal distance from where it stood when the command came"""


@dataclass(frozen=True)
class Score:
    """All runs of one policy."""

    policy_sha256: str
    graph_sha256: str
    robot: str
    settings: ScoreSettings
    runs: tuple[Run, ...]

    @property
    def falls(self) -> int:
        """Runs that ended in a fall."""
        return sum(run.fell_at_s is not None for run in self.runs)

    def as_dict(self) -> dict[str, Any]:
        """Return the score as plain data for JSON.

        ``commands``: for each command vx, vy, wz its errors err_vx, err_vy (m/s), err_wz (rad/s) and achieved
        mean_vx, mean_vy, mean_wz, all averaged over the seeds, ``falls`` (runs) and ``fell`` (any of them);
        ``mean_lin_err``: mean over commands of hypot(err_vx, err_vy), m/s; ``mean_ang_err``: mean over commands of
        err_wz, rad/s; ``falls``: runs that fell; ``stand_drift_m``: largest horizontal distance, at any time and over
        the seeds of the zero command, from where the robot stood when that command began; None without such a command,
        and where the robot fell under it.
        """
        rows = [self._row(command) for command in self.settings.commands]
        standing = [run for run in self.runs if run.command == STAND]
        stood = bool(standing) and all(run.fell_at_s is None for run in standing)
        conditions = asdict(self.settings)
        for key in ("commands", "seconds", "seeds"):
            del conditions[key]
        return {
            "commands": rows,
            "mean_lin_err": float(np.mean([np.hypot(row["err_vx"], row["err_vy"]) for row in rows])),
            "mean_ang_err": float(np.mean([row["err_wz"] for row in rows])),
            "falls": self.falls,
            "stand_drift_m": max(run.drift_m for run in standing) if stood else None,
            "runs": len(self.runs),
            "seconds": self.settings.seconds,
            "seeds": self.settings.seeds,
            "robot": self.robot,
            "engine": "pybullet",
            "versions": {name: _version(name) for name in ENGINES},
            "conditions": {k: list(v) if isinstance(v, tuple) else v for k, v in conditions.items()},
            "policy_sha256": self.policy_sha256,
            "graph_sha256": self.graph_sha256,
        }

    def scorecard(self) -> dict[str, Any]:
        """Return what a contract carries: ``as_dict`` without the digest of the file that it becomes part of."""
        card = self.as_dict()
        del card["policy_sha256"], card["graph_sha256"]
        return card

    def _row(self, command: Command) -> dict[str, Any]:
        runs = [run for run in self.runs if run.command == command]
        velocity = np.mean([run.velocity for run in runs], axis=0).tolist()
        error = np.mean([run.error for run in runs], axis=0).tolist()
        falls = sum(run.fell_at_s is not None for run in runs)
        axes = ("vx", "vy", "wz")
        return {
            **dict(zip(axes, command, strict=True)),
            **{f"err_{axis}": value for axis, value in zip(axes, error, strict=True)},
            **{f"mean_{axis}": value for axis, value in zip(axes, velocity, strict=True)},
            "falls": falls,
            "fell": falls > 0,
        }


def score_policy(
    file: PolicyFile,
    settings: ScoreSettings | None = None,
    workers: int = 1,
    progress: Say | None = None,
    robot: str | None = None,
) -> Score:
    """Run every command with every seed.

    Args:
        file: a policy file that was read.
        settings: what to measure.
        workers: processes that share the runs; 1 uses this process.
        progress: called with the number of runs done and the number of all runs.
        robot: name or YAML file of the robot; by default the one that the contract names.

    Raises:
        ConfigError: for settings that cannot be used.
        PolicyFileError: if the policy does not fit the robot or fails on its golden vectors.
        RobotModelError: if the robot is not known.
        SimulationError: if a worker process dies.
    """
    settings = settings or ScoreSettings()
    settings.check()
    name = robot or file.contract.robot
    prepare = partial(_prepare, file.data, file.name, name, settings)
    if workers > 1:
        PolicySession(file, load_robot(name))  # say what is wrong before processes start
    jobs = [(command, seed) for command in settings.commands for seed in range(settings.seeds)]
    runs = run_jobs(prepare, jobs, workers, progress)
    return Score(file.sha256, file.contract.graph_sha256, file.contract.robot, settings, tuple(runs))


def _prepare(data: bytes, name: str, robot: str, settings: ScoreSettings) -> Callable[[tuple[Command, int]], Run]:
    """Load the policy once a process."""
    model = load_robot(robot)
    session = PolicySession(parse_policy(data, name), model)
    return lambda job: score_run(session, model, *job, settings)


def score_run(
    policy: Policy,
    robot: RobotModel,
    command: Command,
    seed: int,
    settings: ScoreSettings,
    watch: Callable[[NDArray[np.float32]], None] | None = None,
) -> Run:
    """Walk one robot by one command.

    Args:
        policy: the policy; its contract says how it is to be run.
        robot: the whole robot.
        command: vx, vy (m/s), wz (rad/s).
        seed: of what is drawn.
        settings: the conditions.
        watch: called with each observation (1, observation_size).
    """
    contract = policy.contract
    decimation = round(contract.control_period_s / settings.physics_dt_s)
    if decimation < 1 or abs(decimation * settings.physics_dt_s - contract.control_period_s) > 1e-9:
        raise ConfigError(
            f"The policy's control period of {contract.control_period_s} s is no multiple of the physics step of "
            f"{settings.physics_dt_s} s: export a policy with another period."
        )
    rng = np.random.default_rng(seed)
    config = WorldConfig(
        physics_dt_s=settings.physics_dt_s, friction=float(rng.uniform(*settings.friction)), accelerometer=False
    )
    period = contract.control_period_s
    stand, settle, end = (round(t / period) for t in (settings.stand_s, settings.settle_s, settings.seconds))
    velocities, yaws, drift, fell_at = [], [], 0.0, None
    with PyBulletWorld(robot, config) as world:
        interface = PolicyInterface(contract, world.joint_names)
        interface.reset(phase=0.5 * (seed % 2))
        spread = settings.initial_joint_position
        noise: Array = rng.uniform(-spread, spread, (1, len(world.joint_names)))
        world.reset(joint_position=world.default_pose + noise)
        state, truth = world.read()
        start = truth.position_base_in_world[0]
        for k in range(stand + end):
            wanted = np.array([command if k >= stand else STAND])
            if k == stand:
                start = truth.position_base_in_world[0]
            try:
                observation = interface.observe(_measured(state, settings, rng), wanted)
                if watch is not None:
                    watch(observation)
                target = interface.command(policy.run(observation), state.stamp_s)
                for _ in range(decimation):
                    world.step(target)
            except (SimulationError, StateError):  # nothing that stands gets here: no number is finite any more
                fell_at = world.time_s
                break
            state, truth = world.read()
            quat, position = state.orientation_base_to_world, truth.position_base_in_world[0]
            if tilt_angle(quat)[0] > settings.fall_tilt_rad or position[2] < settings.fall_height_m:
                fell_at = world.time_s
                break
            if k >= stand:
                drift = max(drift, float(np.hypot(*(position - start)[:2])))
            if k >= stand + settle - 1:
                yaws.append(float(yaw_from_quat(quat)[0]))
            if k >= stand + settle:
                velocities.append(quat_rotate_yaw_inverse(quat, truth.linear_velocity_base_in_world)[0, :2])
    measured = end - settle
    linear = np.sum(velocities, axis=0) / measured if velocities else np.zeros(2)
    turned = float(np.sum(_wrap(np.diff(yaws))))
    velocity = np.array([*linear, turned / (measured * period)])
    error = np.abs(velocity - np.array(command))
    return Run(command, seed, _triple(velocity), _triple(error), fell_at, drift)


def _measured(state: RobotState, settings: ScoreSettings, rng: np.random.Generator) -> RobotState:
    """Add sensor noise."""
    s, u = settings, rng.uniform
    shape = state.joint_position.shape
    tilt = u(-s.noise_tilt, s.noise_tilt, (2, 1))
    return replace(
        state,
        joint_position=state.joint_position + u(-s.noise_joint_position, s.noise_joint_position, shape),
        joint_velocity=state.joint_velocity + u(-s.noise_joint_velocity, s.noise_joint_velocity, shape),
        angular_velocity_base_in_base=state.angular_velocity_base_in_base
        + u(-s.noise_angular_velocity, s.noise_angular_velocity, (1, 3)),
        orientation_base_to_world=quat_multiply(
            state.orientation_base_to_world, quat_from_rpy(tilt[0], tilt[1], np.zeros(1))
        ),
    )


def _wrap(angle: Array) -> Array:
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


def _triple(values: Array) -> Command:
    x, y, z = values.tolist()
    return x, y, z


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a build of another name
        return "unknown"
