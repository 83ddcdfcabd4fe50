# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Experience from the workers of a Ray cluster: one round trip an update.

The actor's weights go out once an update, and each worker comes back with a whole rollout: the network carries
neither single steps nor gradients. A worker that dies or hangs is replaced; the others' experience is learned from
meanwhile, so an update may be smaller, but none is lost.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rsl_rl.algorithms import PPO
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict

from tarsus_core.errors import ConfigError, SimulationError
from tarsus_policies.nan_guard import NanGuard
from tarsus_policies.rollout import Rollout, RolloutWorker, Stage, code_digest, weights_of
from tarsus_policies.sampling import Sample, act_as_given, check_finite, summarise
from tarsus_policies.settings import TrainSettings
from tarsus_sim.walk_config import WalkConfig
from tarsus_sim.walk_contract import walk_contract
from tarsus_sim.walk_task import PRIVILEGED_SIZE

START_TIMEOUT_S = 180.0
"""for the workers to import torch and build their worlds"""
KNOCK_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 120.0
TRIES = 3
"""times in a row that a worker may fail"""


@dataclass
class _Place:
    """A worker's place; who fills it may change."""

    number: int
    generation: int = 0
    failures: int = 0
    """in a row"""
    worker: Any = None
    starting: Any = None
    """the answer to come that says the worker is ready; None once it is"""


class _RayWorker(RolloutWorker):
    """Knows which node it is on."""

    def describe(self) -> dict[str, Any]:
        import ray

        return {**super().describe(), "node": ray.get_runtime_context().get_node_id()}


class RaySampler:
    """A Sampler whose robots are spread over a Ray cluster."""

    def __init__(self, settings: TrainSettings, task: WalkConfig, seed: int, address: str) -> None:
        """Connect and start as many workers as the settings say.

        Args:
            settings: of the run.
            task: which may differ from that of the settings in the joints that are simulated.
            seed: of every random draw.
            address: host:port or ray://host:port of a cluster, auto (the one of this machine), or local (one that lives
                as long as this object).

        Raises:
            ConfigError: if there is no Ray, no such cluster, or other code on it.
            SimulationError: if the workers do not start.
        """
        if settings.workers < 1:
            raise ConfigError("A Ray cluster needs workers: --workers 0 leaves it none.")
        self.settings = settings
        self.contract = walk_contract(task)
        self.num_envs, self.num_actions = settings.robots, self.contract.action_size
        self._task, self._seed, self._stage = task, seed, (0.0, 0.0, 1.0)
        self._code = code_digest()
        self._ray = connect(address)
        self._places = [_Place(k) for k in range(settings.workers)]
        try:
            for place in self._places:
                self._fill(place)
            hosts = self._wait_for_all()
        except BaseException:
            self.close()
            raise
        _say(f"{settings.workers} workers on {hosts} {'node' if hosts == 1 else 'nodes'} of a Ray cluster.")

    def get_observations(self) -> TensorDict:
        """Return observations of the right shapes, all zero: the real ones stay with the workers."""
        shapes = {"policy": self.contract.observation_size, "privileged": PRIVILEGED_SIZE}
        n = self.num_envs
        return TensorDict({name: torch.zeros(n, size) for name, size in shapes.items()}, batch_size=[n])

    def set_curriculum(self, assistance: float, difficulty: float, penalty_scale: float) -> None:
        """Set what the workers' robots do from the next update on."""
        self._stage = (assistance, difficulty, penalty_scale)

    def collect(self, algorithm: PPO, guard: NanGuard) -> Sample:
        """Fill the storage with the rollouts of all workers that answer."""
        weights = weights_of(algorithm.actor)
        rollouts = self._gather(weights, self._stage)
        robots = sum(r.reward.shape[1] for r in rollouts)
        if robots != algorithm.storage.num_envs:
            guard.forget()
            count = self.settings.ppo.steps_per_update
            rows = self.get_observations()[:1].expand(robots)
            with torch.inference_mode(False):  # what is learned from must not be an inference tensor
                algorithm.storage = RolloutStorage("rl", robots, count, rows, [self.num_actions], "cpu")
        sample = self._learn_from(rollouts, algorithm, guard)
        sample.scalars = {
            "ray/workers": float(len(rollouts)),
            "ray/weights_mb": sum(w.nbytes for w in weights.values()) / 1e6,
            "ray/rollouts_mb": sum(r.nbytes() for r in rollouts) / 1e6,
        }
        return sample

    def close(self) -> None:
        """Stop the workers and leave the cluster."""
        for place in self._places:
            if place.worker is not None:
                with contextlib.suppress(Exception):  # it may be gone, or the cluster
                    self._ray.kill(place.worker)
                place.worker = None
        self._ray.shutdown()

    # ---- workers ------------------------------------------------------------------------------------------------

    def _fill(self, place: _Place) -> None:
        """Ask the cluster for a worker; it answers when it is ready."""
        options = {"num_cpus": 1, "scheduling_strategy": "SPREAD", "max_restarts": 0}
        kind = self._ray.remote(**options)(_RayWorker)
        share = self.settings.robots // self.settings.workers
        key = (place.number, place.generation)
        place.worker = kind.remote(self.settings, self._task, share, self._seed, key)
        place.starting = place.worker.describe.remote()

    def _replace(self, place: _Place, reason: str) -> None:
        place.failures += 1
        if place.failures >= TRIES:
            raise SimulationError(
                f"Worker {place.number} of the Ray cluster failed {TRIES} times in a row; at last it {reason}: "
                "look at 'ray status' for memory, or use fewer robots."
            )
        _say(f"Worker {place.number} of the Ray cluster {reason}: it is replaced, and training goes on meanwhile.")
        with contextlib.suppress(Exception):  # it may be gone already
            self._ray.kill(place.worker)
        place.generation += 1
        self._fill(place)

    def _wait_for_all(self) -> int:
        """Wait until every worker is ready; return how many nodes they are on."""
        refs = [p.starting for p in self._places]
        _, late = self._ray.wait(refs, num_returns=len(refs), timeout=START_TIMEOUT_S)
        if late:
            cores = self._ray.cluster_resources().get("CPU", 0.0)
            raise SimulationError(
                f"{len(late)} of {len(refs)} workers did not start in {START_TIMEOUT_S:g} s on the Ray cluster, which "
                f"has {cores:g} CPUs: ask for fewer with --workers."
            )
        try:
            return len({self._admit(p)["node"] for p in self._places})
        except self._ray.exceptions.RayActorError as error:
            reason = str(error).strip().splitlines()[-1][:300]
            raise SimulationError(f"A worker of the Ray cluster died while it started: {reason}") from None

    def _admit(self, place: _Place) -> dict[str, Any]:
        """Take in a worker that has answered.

        Raises:
            ConfigError: if other code runs there.
            SimulationError: if it could not start.
        """
        description = self._answer(place.starting)
        place.starting = None
        if description["code"] != self._code:
            raise ConfigError(
                f"The Ray node '{description['host']}' has other Tarsus code ({description['code']}) than this machine "
                f"({self._code}): install the same version there, and start its 'ray start' again."
            )
        return description

    def _answer(self, ref: Any) -> Any:
        """Return a worker's answer; an error of its own code is one sentence."""
        try:
            return self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause or error
            raise SimulationError(f"A worker of the Ray cluster failed: {' '.join(str(cause).split())[:300]}") from None

    def _ready(self) -> list[_Place]:
        """Return the places whose workers can be asked, after taking in those that have become ready."""
        starting = [p for p in self._places if p.starting is not None]
        if starting:
            nobody = len(starting) == len(self._places)
            answered, _ = self._ray.wait([p.starting for p in starting], timeout=START_TIMEOUT_S if nobody else 0.0)
            for place in starting:
                if place.starting in answered:
                    try:
                        self._admit(place)
                    except self._ray.exceptions.RayActorError:
                        self._replace(place, "died while it started")
                    except ConfigError as error:
                        self._replace(place, f"is of no use ({str(error).rstrip('.')})")
        return [p for p in self._places if p.starting is None]

    def _gather(self, weights: dict[str, Any], stage: Stage) -> list[Rollout]:
        """Return the rollouts of those who answer, in the order of their places."""
        shared = self._ray.put(weights)
        for _ in range(TRIES):
            places = self._ready()
            refs = [p.worker.rollout.remote(shared, stage, self.settings.ppo.steps_per_update) for p in places]
            late = self._ray.wait(refs, num_returns=len(refs), timeout=ANSWER_TIMEOUT_S)[1] if refs else []
            found = []
            for place, ref in zip(places, refs, strict=True):
                if ref in late:
                    self._replace(place, f"gave no answer in {ANSWER_TIMEOUT_S:g} s")
                    continue
                try:
                    found.append(self._answer(ref))
                    place.failures = 0
                except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError):
                    self._replace(place, "died")
            if found:
                return found
        raise SimulationError(f"None of the {len(self._places)} workers of the Ray cluster answers: see 'ray status'.")

    def _learn_from(self, rollouts: list[Rollout], algorithm: PPO, guard: NanGuard) -> Sample:
        """Hand the rollouts to the algorithm, one control period of all robots after the other."""
        arrays = ("observation", "privileged", "action", "reward", "terminated", "truncated", "error")
        whole = {name: np.concatenate([getattr(r, name) for r in rollouts], axis=1) for name in arrays}
        count, robots = whole["reward"].shape
        groups = {"policy": torch.from_numpy(whole["observation"]), "privileged": torch.from_numpy(whole["privileged"])}
        seen = [TensorDict({k: v[t] for k, v in groups.items()}, batch_size=[robots]) for t in range(count + 1)]
        done = torch.from_numpy(whole["terminated"] | whole["truncated"]).long()
        time_outs = torch.from_numpy(whole["truncated"]).float()
        for t in range(count):
            actions, rewards = torch.from_numpy(whole["action"][t]), torch.from_numpy(whole["reward"][t])
            check_finite(guard, seen[t], actions, rewards)
            act_as_given(algorithm, seen[t], actions)
            algorithm.process_env_step(seen[t + 1], rewards, done[t], {"time_outs": time_outs[t]})
        algorithm.compute_returns(seen[count])
        terms: dict[str, float] = {}
        for r in rollouts:
            for name, value in r.terms.items():
                terms[name] = terms.get(name, 0.0) + value / robots
        reward, error = (float(whole[name].mean(axis=1).sum()) for name in ("reward", "error"))
        return summarise(self.settings, count * robots, count, reward, error, int(whole["terminated"].sum()), terms)


def connect(address: str) -> Any:
    """Join a Ray cluster and return the module ``ray``.

    Raises:
        ConfigError: if Ray is not installed, or no cluster answers at the address.
    """
    ray = knock(address)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except Exception as error:  # Ray raises many kinds for an address that leads nowhere
        raise _nobody(address, error) from None
    signal.signal(signal.SIGTERM, handler)  # Ray put one of its own there, which would exit without saving
    return ray


def knock(address: str) -> Any:
    """Find out in seconds whether anybody listens, as Ray itself would try for minutes; return the module ``ray``.

    Raises:
        ConfigError: if Ray is not installed, or nobody does.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # asks for a decision that CPUs do not need
    token = Path.home() / ".ray" / "auth_token"  # 'ray get-auth-token --generate' leaves it there
    if address != "local" and ("RAY_AUTH_TOKEN" in os.environ or token.exists()):
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray
    except ImportError:
        raise ConfigError("--ray needs Ray, which is not installed: run 'make setup', or 'pip install ray'.") from None
    if address in ("auto", "local"):
        return ray
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    try:
        if not colon or not port.isdecimal():
            raise ValueError("that is no host:port")
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_TIMEOUT_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise _nobody(address, error) from None
    return ray


def _nobody(address: str, error: Exception) -> ConfigError:
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:200]
    return ConfigError(
        f"No Ray cluster answers at '{address}' ({reason}): start one with 'ray start --head', or give --ray local."
    )


def _say(words: str) -> None:
    print(words, file=sys.stderr)
