# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""How fast the walking environment is, as a ratio to bare ``stepSimulation`` on the same world in the same run.

Everything that training does to robots is in the figure: observations with noise, rewards, randomisation, pushes,
resets. They walk by the policy that ships, whose own time is left out. What is compared takes turns, so that both meet
the same machine, and medians are reported.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import ConfigError
from tarsus_core.robot_model import load_robot
from tarsus_edge.policy_file import read_policy
from tarsus_edge.policy_session import PolicySession
from tarsus_edge.pretrained import pretrained_policy
from tarsus_policies.layout import places
from tarsus_policies.settings import load_settings, task_settings
from tarsus_sim.vector_env import GC_THRESHOLD, WalkVectorEnv
from tarsus_sim.walk_config import WalkConfig
from tarsus_sim.walk_contract import walk_contract
from tarsus_sim.walk_task import JOINTS_A_CLIENT, WalkTask

MODELS = {12: "legs", 29: "all"}
"""Joints that are simulated -> the setting ``movable``."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class BenchSettings:
    """How much is measured."""

    robots: int = 128
    """of each core"""
    rounds: int = 24
    warm_up: int = 40
    """control periods before"""
    growth: tuple[int, ...] = (1, 16, 64, 256)
    """numbers of robots on one core"""
    growth_rounds: int = 8
    workers: int = 2

    def check(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            ConfigError: naming the value.
        """
        for name, value in (("robots", self.robots), ("rounds", self.rounds), ("workers", self.workers)):
            if value < 1:
                raise ConfigError(f"A benchmark with {value} {name} cannot be: give 1 or more.")


@dataclass(frozen=True)
class Throughput:
    """Figures of one model."""

    joints: int
    decimation: int
    bare_steps_per_s: float
    """calls of stepSimulation, one robot each, on one core"""
    env_steps_per_s: dict[int, float] = field(default_factory=dict)
    """cores -> control periods of one robot"""
    growth: dict[int, float] = field(default_factory=dict)
    """robots on one core -> control periods of one robot, a second"""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON.

        ``ratio`` is env_steps_per_s x decimation / bare_steps_per_s on one core; ``cores`` has the same for more, and
        ``scaling``, how many times as fast they are as one.
        """
        one = self.env_steps_per_s[1]
        ratio = self.decimation / self.bare_steps_per_s
        cores = {
            str(count): {"env_steps_per_s": rate, "ratio": rate * ratio, "scaling": rate / one}
            for count, rate in self.env_steps_per_s.items()
        }
        return {
            "joints": self.joints,
            "ratio": one * ratio,
            "env_steps_per_s": one,
            "bare_steps_per_s": self.bare_steps_per_s,
            "decimation": self.decimation,
            "cores": cores,
            "robots": {str(count): rate for count, rate in self.growth.items()},
        }


def bench_sim(settings: BenchSettings | None = None, say: Say = lambda _: None) -> dict[str, Any]:
    """Measure the 12-joint and the 29-joint model; return plain data for JSON.

    Raises:
        ConfigError: for settings that cannot be used.
        SimulationError: if a worker cannot start.
    """
    settings = settings or BenchSettings()
    settings.check()
    gc.set_threshold(GC_THRESHOLD)
    session = PolicySession(read_policy(pretrained_policy("g1")), load_robot("g1"))
    base = _for_policy(load_settings(task_settings("walk")).task, session.contract)
    policy = LegsAlone(session, walk_contract(base))
    found = {}
    for joints, movable in MODELS.items():
        say(f"{joints} joints")
        found[str(joints)] = _measure(joints, replace(base, movable=movable), policy, settings).as_dict()
    return {
        "models": found,
        "ratio": min(row["ratio"] for row in found.values()),
        "robots_a_core": settings.robots,
        "joints_a_client": JOINTS_A_CLIENT,
        "rounds": settings.rounds,
    }


def _for_policy(config: WalkConfig, contract: PolicyContract) -> WalkConfig:
    """Return the task with the observation and the action that the policy knows."""
    gait = replace(config.gait, rate_octaves=contract.gait.rate_octaves, rate_scale=contract.gait.rate_scale)
    odometry = any(term.name == "leg_odometry" for term in contract.observation)
    return replace(config, gait=gait, leg_odometry=odometry, action_clip=contract.action_clip)


class LegsAlone:
    """A policy as a task sees it that drives fewer joints: it observes that the others rest, and they do."""

    def __init__(self, session: PolicySession, contract: PolicyContract) -> None:
        """Run a policy by the observations of another contract."""
        self._session = session
        self._inputs, self._actions = places(contract, session.contract)

    def run(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Actions (n, action_size) of the task for its observations (n, observation_size)."""
        wide = np.zeros((len(observation), self._session.contract.observation_size), np.float32)
        wide[:, self._inputs] = observation
        return self._session.run(wide)[:, self._actions]


def _measure(joints: int, config: WalkConfig, policy: LegsAlone, settings: BenchSettings) -> Throughput:
    """Let one core, the bare engine and all cores take turns."""
    envs: dict[int, WalkVectorEnv] = {}
    task = WalkTask(config, settings.robots, 0)
    try:
        if settings.workers > 1:
            count = settings.workers
            envs[count] = WalkVectorEnv(config, settings.robots * count, count, seed=count)
        steps: dict[int, Stepper] = {0: Stepper(task.reset()[0], lambda a: task.step(a)["observation"], policy)}
        for count, env in envs.items():
            steps[count] = Stepper(env.reset(seed=count)[0], partial(_step, env), policy)
        for stepper in steps.values():
            for _ in range(settings.warm_up):
                stepper.time_s()
        rows = []
        for _ in range(settings.rounds):
            here = steps[0].time_s()
            bare = task.world.time_engine(task.decimation)
            rows.append([here, bare, *(steps[count].time_s() for count in envs)])
        table = np.array(rows)
        here, bare = np.median(table[:, 0]), np.median(table[:, 1] / table[:, 0])
        scaling = [float(np.median(table[:, 0] * count / table[:, 2 + k])) for k, count in enumerate(envs)]
    finally:
        task.close()
        for env in envs.values():
            env.close()
    # ratios of neighbours in time, because the machine does not keep its speed
    rates = {1: float(settings.robots / here)}
    rates |= {count: rates[1] * times for count, times in zip(envs, scaling, strict=True)}
    growth = {count: _alone(config, count, policy, settings) for count in settings.growth}
    return Throughput(joints, task.decimation, rates[1] * task.decimation / float(bare), rates, growth)


def _step(env: WalkVectorEnv, action: NDArray[np.float32]) -> NDArray[np.float32]:
    return env.step(action)[0]


def _alone(config: WalkConfig, robots: int, policy: LegsAlone, settings: BenchSettings) -> float:
    task = WalkTask(config, robots, 0)
    try:
        stepper = Stepper(task.reset()[0], lambda action: task.step(action)["observation"], policy)
        for _ in range(settings.warm_up):
            stepper.time_s()
        return robots / float(np.median([stepper.time_s() for _ in range(settings.growth_rounds)]))
    finally:
        task.close()


class Stepper:
    """Steps an environment by a policy and times the environment alone."""

    def __init__(
        self,
        observation: NDArray[np.float32],
        step: Callable[[NDArray[np.float32]], NDArray[np.float32]],
        policy: LegsAlone,
    ) -> None:
        """Start from an observation."""
        self._observation, self._step, self._policy = observation, step, policy

    def time_s(self) -> float:
        """Run one control period and return the seconds it took."""
        action = self._policy.run(self._observation)
        start = time.perf_counter()
        self._observation = self._step(action)
        return time.perf_counter() - start
