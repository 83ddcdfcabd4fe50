# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Fills PPO's storage with what robots on this machine experience; ray_sampler.py does so with those of a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rsl_rl.algorithms import PPO
from tensordict import TensorDict

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import SimulationError, TarsusError
from tarsus_policies.nan_guard import NanGuard
from tarsus_policies.rsl_env import RslWalkEnv
from tarsus_policies.settings import TrainSettings
from tarsus_sim.vector_env import WalkVectorEnv
from tarsus_sim.walk_config import WalkConfig


class TrainingError(TarsusError):
    """Training that cannot go on, for instance after a loss stopped being finite."""


@dataclass
class Sample:
    """What an update's worth of experience was like."""

    steps: int
    """control periods of all robots together"""
    reward: float
    """mean a control period and robot"""
    error: float
    """mean velocity error, m/s"""
    falls: float
    """per robot in 20 s"""
    terms: dict[str, float]
    """mean of each reward term a second"""
    scalars: dict[str, float] = field(default_factory=dict)
    """what else is worth a curve"""


class Sampler(Protocol):
    """Where experience comes from."""

    contract: PolicyContract
    num_envs: int
    num_actions: int

    def get_observations(self) -> TensorDict:
        """Return observations (num_envs, size) by group, as rsl_rl wants them: their shapes build the networks."""

    def collect(self, algorithm: PPO, guard: NanGuard) -> Sample:
        """Fill the algorithm's storage with ``steps_per_update`` control periods of every robot.

        Raises:
            SimulationError: if the simulation fails.
            NotFiniteError: for a number that is not finite.
        """

    def set_curriculum(self, assistance: float, difficulty: float, penalty_scale: float) -> None:
        """Set helping hand (0..1), difficulty (0..1), and factor on the penalties."""

    def close(self) -> None:
        """Stop what was started."""


class NotFiniteError(TrainingError):
    """An observation, action or reward that is not finite."""


class LocalSampler:
    """Robots in worker processes of this machine, all of them stepped together."""

    def __init__(self, settings: TrainSettings, task: WalkConfig, seed: int) -> None:
        """Start the workers."""
        self.settings = settings
        self._env = RslWalkEnv(WalkVectorEnv(task, settings.robots, settings.workers, seed))
        self.contract = self._env.env.contract
        self.num_envs, self.num_actions = self._env.num_envs, self._env.num_actions

    def get_observations(self) -> TensorDict:
        """Return the present observations."""
        return self._env.get_observations()

    def collect(self, algorithm: PPO, guard: NanGuard) -> Sample:
        """Fill the storage, one control period of all robots after the other."""
        count, falls, error, reward = self.settings.ppo.steps_per_update, 0, 0.0, 0.0
        terms: dict[str, float] = {}
        obs = self._env.get_observations()
        for _ in range(count):
            actions = algorithm.act(obs)
            seen, obs, rewards, dones, extras = obs, *self._env.step(actions)
            check_finite(guard, seen, actions, rewards)
            algorithm.process_env_step(obs, rewards, dones, extras)
            falls += extras["falls"]
            infos = extras["infos"]
            error += float(np.linalg.norm(infos["error"][:, :2], axis=1).mean())
            reward += float(rewards.mean())
            for name, value in infos["terms"].items():
                terms[name] = terms.get(name, 0.0) + value
        algorithm.compute_returns(obs)
        return summarise(self.settings, count * self.num_envs, count, reward, error, falls, terms)

    def set_curriculum(self, assistance: float, difficulty: float, penalty_scale: float) -> None:
        """Set helping hand (0..1), difficulty (0..1), and factor on the penalties."""
        self._env.env.set_curriculum(assistance, difficulty, penalty_scale)

    def close(self) -> None:
        """Stop the workers."""
        self._env.env.close()


def check_finite(guard: NanGuard, seen: TensorDict, actions: torch.Tensor, rewards: torch.Tensor) -> None:
    """Remember a control period, and refuse what is not finite in it."""
    bad = guard.add(seen["policy"].numpy(), actions.numpy(), rewards.numpy())
    if bad is not None:
        raise NotFiniteError(bad)


def summarise(
    settings: TrainSettings, steps: int, count: int, reward: float, error: float, falls: int, terms: dict[str, float]
) -> Sample:
    """Turn sums over ``count`` control periods (of means over robots; falls: of all robots) into a Sample."""
    control = settings.task.control_period_s
    return Sample(
        steps=steps,
        reward=reward / count,
        error=error / count,
        falls=falls / (steps * control) * 20.0,
        terms={name: value / count / control for name, value in terms.items()},
    )


def failed(error: Exception, guard: NanGuard, folder: Path, update: int) -> TarsusError:
    """Leave the last second behind, and return the error that tells where."""
    path = guard.dump(folder / f"last_second_{update}.npz")
    where = f"The last second is in '{path}', the last good checkpoint is kept."
    if isinstance(error, SimulationError):
        return SimulationError(f"{error} {where}")
    return TrainingError(f"Training stops at update {update}: {error}. {where}")


def act_as_given(algorithm: PPO, obs: TensorDict, actions: torch.Tensor) -> None:
    """Do what ``algorithm.act`` does, for actions (n, action_size) that its actor has drawn elsewhere."""
    algorithm.actor(obs, stochastic_output=True)
    transition: Any = algorithm.transition
    transition.hidden_states = (algorithm.actor.get_hidden_state(), algorithm.critic.get_hidden_state())
    transition.actions = actions
    transition.values = algorithm.critic(obs).detach()
    transition.actions_log_prob = algorithm.actor.get_output_log_prob(actions).detach()
    transition.distribution_params = tuple(p.detach() for p in algorithm.actor.output_distribution_params)
    transition.observations = obs
