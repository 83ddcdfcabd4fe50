# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how well a policy follows commands: a grid of them, some seeds of each, in one engine.

Scores are equal bit for bit on one machine, whatever the number of worker processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from tarsus_core.robot_model import RobotModel, load_robot
from tarsus_edge.policy_file import PolicyFile, attach_contract, parse_policy
from tarsus_edge.policy_session import PolicySession
from tarsus_policies.score_pool import Say, run_jobs
from tarsus_policies.trial import STAND, Command, Run, ScoreSettings, run_trial

PACKAGES = ("pybullet", "onnxruntime", "numpy")


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
            "versions": {name: _version(name) for name in PACKAGES},
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
        row = command_row(command, [run for run in self.runs if run.command == command])
        return {**row, "fell": row["falls"] > 0}


def command_row(command: Command, runs: list[Run]) -> dict[str, Any]:
    """Return vx, vy, wz of a command, its err_ and mean_ of each axis, averaged over runs, and how many fell."""
    velocity, error = (np.mean([getattr(run, name) for run in runs], axis=0).tolist() for name in ("velocity", "error"))
    axes = ("vx", "vy", "wz")
    return {
        **dict(zip(axes, command, strict=True)),
        **{f"err_{axis}": value for axis, value in zip(axes, error, strict=True)},
        **{f"mean_{axis}": value for axis, value in zip(axes, velocity, strict=True)},
        "falls": sum(run.fell_at_s is not None for run in runs),
    }


def score_policy(
    file: PolicyFile,
    settings: ScoreSettings | None = None,
    workers: int = 1,
    progress: Say | None = None,
) -> Score:
    """Run every command with every seed.

    Args:
        file: a policy file that was read.
        settings: what to measure.
        workers: processes that share the runs; 1 uses this process.
        progress: called with the number of runs done and the number of all runs.

    Raises:
        ConfigError: for settings that cannot be used.
        PolicyFileError: if the policy does not fit the robot or fails on its golden vectors.
        RobotModelError: if the robot is not known.
        SimulationError: if a worker process dies.
    """
    settings = settings or ScoreSettings()
    settings.check()
    name = file.contract.robot
    prepare = partial(_prepare, file.data, file.name, name, settings)
    if workers > 1:
        PolicySession(file, load_robot(name))  # say what is wrong before processes start
    jobs = [(command, seed) for command in settings.commands for seed in range(settings.seeds)]
    runs = run_jobs(prepare, jobs, workers, progress)
    return Score(file.sha256, file.contract.graph_sha256, file.contract.robot, settings, tuple(runs))


def _prepare(data: bytes, name: str, robot: str, settings: ScoreSettings) -> Callable[[tuple[Command, int]], Run]:
    """Load the policy once a process."""
    session, model = load_for_trials(data, name, robot)
    return lambda job: run_trial(session, model, *job, settings)


def load_for_trials(data: bytes, name: str, robot: str) -> tuple[PolicySession, RobotModel]:
    """Load a policy and its robot from what processes can be handed."""
    model = load_robot(robot)
    return PolicySession(parse_policy(data, name), model), model


def with_scorecard(file: PolicyFile, scorecard: dict[str, Any]) -> PolicyFile:
    """Return the policy file with this scorecard in its contract."""
    contract = replace(file.contract, scorecard=scorecard)
    return parse_policy(attach_contract(file.data, contract), file.name)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a build of another name
        return "unknown"
