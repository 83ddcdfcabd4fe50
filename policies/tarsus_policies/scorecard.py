# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The scorecard of a policy: tracking, dead zone, pushes, robustness and economy, in one engine and again in another.

Every figure comes from trials (``trial.py``) that are shared among processes. Means are over the grid of commands,
trained or not, so that policies compare. What the trained command range leaves out is marked, and has no line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from tarsus_core.contract import PolicyContract
from tarsus_core.robot_model import load_robot
from tarsus_edge.policy_file import PolicyFile
from tarsus_edge.policy_session import PolicySession
from tarsus_policies.score_lines import difference, with_moving_arms
from tarsus_policies.score_pool import Say, run_jobs
from tarsus_policies.scorer import Score, command_row, load_for_trials
from tarsus_policies.trial import ENGINES, STAND, Command, Conditions, Push, Run, ScoreSettings, axis_grid, run_trial

PARTS = ("tracking", "dead_zone", "stops", "pushes", "arms", "robustness")
WALK: Command = (0.5, 0.0, 0.0)
GAITS: dict[str, Command] = {"walk": WALK, "stand": STAND}
FOLLOWED = 0.5
"""Share of a command that has to be achieved for it to count as followed."""
ROBUSTNESS: dict[str, Conditions] = {
    "friction 0.4": Conditions(friction=0.4),
    "friction 1.2": Conditions(friction=1.2),
    "payload +3 kg": Conditions(payload_kg=3.0),
    "delay 20 ms": Conditions(delay_s=0.02),
    "noise x 5": Conditions(noise=5.0),
    "moving arms": Conditions(arms=True),
}


@dataclass(frozen=True)
class CardSettings:
    """What a scorecard measures."""

    score: ScoreSettings = field(default_factory=ScoreSettings)
    """its commands are the grid that the means are over"""
    engines: tuple[str, ...] = ENGINES
    parts: tuple[str, ...] = PARTS
    more_commands: tuple[Command, ...] = axis_grid((1.0,), (-0.5, 0.5), (-1.0, 1.0))
    """tracked beside the grid"""
    arm_commands: tuple[Command, ...] = axis_grid((0.0, 0.5, 1.0), (0.5,), (1.0,))
    """tracked again while the arms move"""
    dead_zone_mps: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2)
    impulses_ns: tuple[float, ...] = (20.0, 30.0, 40.0, 50.0, 60.0)
    directions: int = 8
    push_s: float = 6.0
    """of the command, with the push 2 s after it came"""
    stop_commands: tuple[Command, ...] = (
        *axis_grid((-0.3, 0.5, 1.0), (0.5,), (1.0,)),
        (0.3, 0.0, 0.4),
        (0.3, 0.0, -0.4),
    )
    """from which the robot is told to stop"""
    stops: int = 4
    """from each of them, at another point of the step each"""
    stop_s: float = 10.0
    """of each, the command going to zero after 2 s and a bit"""
    brief: tuple[Command, ...] = axis_grid((0.0, -0.3, 0.5), (0.2,), (0.5,))
    """commands of the robustness trials"""


@dataclass(frozen=True)
class Job:
    """One trial, and the figure that it is for."""

    part: str
    key: tuple[Any, ...]
    command: Command
    seed: int
    seconds: float
    conditions: Conditions


@dataclass(frozen=True)
class Scorecard:
    """All that was measured of one policy."""

    name: str
    score: Score
    """of the grid, in the first engine"""
    engines: dict[str, dict[str, Any]]
    """engine -> part -> figures"""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON: what ``Score.as_dict`` returns, and the parts of each engine."""
        return {**self.score.as_dict(), **self._engines()}

    def scorecard(self) -> dict[str, Any]:
        """Return what a contract carries: ``as_dict`` without the digests of the file that it becomes part of."""
        return {**self.score.scorecard(), **self._engines()}

    def _engines(self) -> dict[str, Any]:
        found: dict[str, Any] = {"engines": self.engines}
        found["with_moving_arms"] = {engine: with_moving_arms(figures) for engine, figures in self.engines.items()}
        if len(self.engines) == 2:
            found["difference"] = difference(*self.engines.values())
        return found


def measure(
    file: PolicyFile, settings: CardSettings | None = None, workers: int = 1, progress: Say | None = None
) -> Scorecard:
    """Run all trials of a scorecard.

    Args:
        file: a policy file that was read.
        settings: what to measure.
        workers: processes that share the trials; 1 uses this process.
        progress: called with the number of trials done and the number of all trials.

    Raises:
        ConfigError: for settings that cannot be used.
        PolicyFileError: if the policy does not fit the robot or fails on its golden vectors.
        RobotModelError: if the robot is not known.
        SimulationError: if a worker process dies.
    """
    settings = settings or CardSettings()
    settings.score.check()
    PolicySession(file, load_robot(file.contract.robot))  # say what is wrong before processes start
    jobs = [job for engine in settings.engines for job in plan(settings, engine)]
    prepare = partial(_prepare, file.data, file.name, file.contract.robot, settings.score)
    runs = run_jobs(prepare, jobs, workers, progress)
    done = list(zip(jobs, runs, strict=True))
    engines = {
        engine: summarise([(j, r) for j, r in done if j.conditions.engine == engine], file.contract)
        for engine in settings.engines
    }
    grid = [r for j, r in done if j.part == "tracking" and j.conditions.engine == settings.engines[0]]
    score = Score(file.sha256, file.contract.graph_sha256, file.contract.robot, settings.score, tuple(grid))
    return Scorecard(file.name, score, engines)


def _prepare(data: bytes, name: str, robot: str, settings: ScoreSettings) -> Callable[[Job], Run]:
    """Load the policy once a process."""
    session, model = load_for_trials(data, name, robot)

    def run(job: Job) -> Run:
        own = replace(settings, seconds=job.seconds)
        return run_trial(session, model, job.command, job.seed, own, conditions=job.conditions)

    return run


def plan(settings: CardSettings, engine: str) -> list[Job]:
    """Return the trials of one engine."""
    score, base = settings.score, Conditions(engine=engine)
    moving = replace(base, arms=True)
    jobs = _track(settings, "tracking", score.commands, base)
    if "tracking" in settings.parts:
        jobs += _track(settings, "more", [c for c in settings.more_commands if c not in score.commands], base)
    if "dead_zone" in settings.parts:
        jobs += _slow(settings, "dead_zone", base)
    if "stops" in settings.parts:
        jobs += _stops(settings, base)
    if "pushes" in settings.parts:
        jobs += _pushes(settings, "pushes", base)
    if "arms" in settings.parts:
        jobs += _track(settings, "arms tracking", settings.arm_commands, moving)
        jobs += _slow(settings, "arms dead_zone", moving)
        jobs += _pushes(settings, "arms", moving)
    if "robustness" in settings.parts:
        for name, conditions in ROBUSTNESS.items():
            for command in settings.brief:
                own = replace(conditions, engine=engine)
                jobs.append(Job("robustness", (name, command), command, 0, score.seconds, own))
    return jobs


def _track(settings: CardSettings, part: str, commands: Iterable[Command], base: Conditions) -> list[Job]:
    score = settings.score
    return [Job(part, c, c, seed, score.seconds, base) for c in dict.fromkeys(commands) for seed in range(score.seeds)]


def _slow(settings: CardSettings, part: str, base: Conditions) -> list[Job]:
    slow: list[tuple[int, float, Command]] = [(0, v, (v, 0.0, 0.0)) for v in settings.dead_zone_mps]
    slow += [(1, v, (0.0, v, 0.0)) for v in settings.dead_zone_mps]
    return [Job(part, (axis, v), command, 0, settings.score.seconds, base) for axis, v, command in slow]


def _pushes(settings: CardSettings, part: str, base: Conditions) -> Iterable[Job]:
    for gait, command in GAITS.items():
        for impulse in settings.impulses_ns:
            for k in range(settings.directions):
                # at another point of the step for each direction
                push = Push(impulse, 360.0 / settings.directions * k, 2.0 + 0.1 * k)
                yield Job(part, (gait, impulse, k), command, k, settings.push_s, replace(base, push=push))


def _stops(settings: CardSettings, base: Conditions) -> Iterable[Job]:
    for command in settings.stop_commands:
        for k in range(settings.stops):
            yield Job("stops", command, command, k, settings.stop_s, replace(base, stop_at_s=2.0 + 0.1 * k))


def summarise(done: list[tuple[Job, Run]], contract: PolicyContract) -> dict[str, Any]:
    """Turn one engine's trials into figures."""
    found = _followed(done, ("tracking", "more"), "dead_zone", contract)
    grid = list(dict.fromkeys(j.command for j, _ in done if j.part == "tracking"))
    rows = [row for row in found["tracking"] if (row["vx"], row["vy"], row["wz"]) in grid]
    found["mean_lin_err"] = _mean([float(np.hypot(row["err_vx"], row["err_vy"])) for row in rows])
    found["mean_ang_err"] = _mean([row["err_wz"] for row in rows])
    found["falls"] = sum(row["falls"] for row in rows)
    found["economy"] = _economy([r for j, r in done if j.part == "tracking" and j.command == WALK])
    stops = [(j, r) for j, r in done if j.part == "stops"]
    if stops:
        found["stops"] = _stopped(stops)
    moving = _followed(done, ("arms tracking",), "arms dead_zone", contract)
    if moving["tracking"]:
        found["moving_arms"] = moving
    for part in ("pushes", "arms"):
        mine = [(j, r) for j, r in done if j.part == part]
        if mine:
            found[part] = {gait: _survived([(j, r) for j, r in mine if j.key[0] == gait]) for gait in GAITS}
    rough = [(j, r) for j, r in done if j.part == "robustness"]
    if rough:
        found["robustness"] = {
            name: _brief([r for j, r in rough if j.key[0] == name])
            for name in dict.fromkeys(j.key[0] for j, _ in rough)
        }
    return found


def _followed(
    done: list[tuple[Job, Run]], parts: tuple[str, ...], slow: str, contract: PolicyContract
) -> dict[str, Any]:
    """Rows of commands, drift and dead zone of some parts."""
    mine = [(j, r) for j, r in done if j.part in parts]
    rows = []
    for command in dict.fromkeys(j.command for j, _ in mine):
        row = command_row(command, [r for j, r in mine if j.command == command])
        rows.append({**row, "trained": trained(contract, command)})
    found: dict[str, Any] = {"tracking": rows}
    standing = [r for j, r in mine if j.command == STAND]
    if standing:
        fell = any(r.fell_at_s is not None for r in standing)
        found["stand_drift_m"] = None if fell else max(r.drift_m for r in standing)
    dead = [(j, r) for j, r in done if j.part == slow]
    if dead:
        found["dead_zone"] = {
            name: _dead_zone([(j, r) for j, r in dead if j.key[0] == axis], axis)
            for axis, name in enumerate(("vx", "vy"))
        }
    return found


def trained(contract: PolicyContract, command: Command) -> bool:
    """Whether a command lies in the policy's trained range."""
    limits = contract.command_range
    return bool(np.all(np.array(command) >= limits.lower - 1e-9) and np.all(np.array(command) <= limits.upper + 1e-9))


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _brief(runs: list[Run]) -> dict[str, Any]:
    return {
        "mean_lin_err": _mean([float(np.hypot(r.error[0], r.error[1])) for r in runs]),
        "mean_ang_err": _mean([r.error[2] for r in runs]),
        "falls": sum(r.fell_at_s is not None for r in runs),
        "runs": len(runs),
    }


def _dead_zone(done: list[tuple[Job, Run]], axis: int) -> float | None:
    """Smallest speed from which on every one is followed; None if the largest is not."""
    smallest = None
    for job, run in sorted(done, key=lambda pair: -pair[0].key[1]):
        if run.fell_at_s is not None or run.velocity[axis] < FOLLOWED * job.key[1]:
            break
        smallest = job.key[1]
    return smallest


def _survived(done: list[tuple[Job, Run]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for impulse in dict.fromkeys(j.key[1] for j, _ in done):
        mine = [(j, r) for j, r in done if j.key[1] == impulse]
        stood = [r.fell_at_s is None for _, r in mine]
        lost = [
            round(j.conditions.push.direction_deg) for j, r in mine if r.fell_at_s is not None and j.conditions.push
        ]
        found[f"{impulse:g}"] = {"survived": sum(stood), "of": len(stood), "fell_deg": lost}
    return found


def _stopped(done: list[tuple[Job, Run]]) -> dict[str, Any]:
    """Who was told to stop: runs, falls and from which commands, and how far those went who did not fall."""
    fell = [j.command for j, r in done if r.fell_at_s is not None]
    return {
        "runs": len(done),
        "falls": len(fell),
        "fell_from": [list(command) for command in dict.fromkeys(fell)],
        "drift_m": max((r.drift_m for _, r in done if r.fell_at_s is None), default=None),
    }


def _economy(runs: list[Run]) -> dict[str, float]:
    names = dict.fromkeys(name for run in runs for name in run.economy)
    return {name: float(np.mean([run.economy[name] for run in runs if name in run.economy])) for name in names}
