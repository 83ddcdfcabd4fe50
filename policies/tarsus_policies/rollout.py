# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A share of the robots and a copy of the actor in one place: what each worker of a cluster runs."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tensordict import TensorDict

from tarsus_core.errors import ConfigError
from tarsus_policies.gait_actor import GaitActor, fresh_actor
from tarsus_policies.settings import TrainSettings
from tarsus_sim.custom_task import make_task
from tarsus_sim.walk_config import WalkConfig

Stage = tuple[float, float, float]
"""helping hand, difficulty, factor on the penalties"""


@dataclass
class Rollout:
    """T control periods of n robots; the observations have one row more, which the last one leads to."""

    observation: NDArray[np.float32]
    """(T + 1, n, observation_size)"""
    privileged: NDArray[np.float32]
    """(T + 1, n, PRIVILEGED_SIZE)"""
    action: NDArray[np.float32]
    """(T, n, action_size)"""
    reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    """(T, n)"""
    error: NDArray[np.float32]
    """(T, n) mean velocity error, m/s"""
    terms: dict[str, float]
    """each reward term, summed over periods and robots"""

    def nbytes(self) -> int:
        """Size of the arrays, which is what travels."""
        arrays = (v for v in vars(self).values() if isinstance(v, np.ndarray))
        return sum(a.nbytes for a in arrays)


class RolloutWorker:
    """Steps its robots under its own copy of the actor; weights in, experience out, once an update."""

    def __init__(self, settings: TrainSettings, task: WalkConfig, robots: int, seed: int, key: tuple[int, ...]) -> None:
        """Build the world and the actor.

        Args:
            settings: of the run.
            task: which may differ from that of the settings in the joints that are simulated.
            robots: number of them here.
            seed: of the run.
            key: tells this worker's random draws from those of others.
        """
        torch.set_num_threads(1)
        physics, noise = np.random.SeedSequence(seed, spawn_key=key).spawn(2)
        torch.manual_seed(int(noise.generate_state(1)[0]))
        self._task = make_task(task, robots, physics)
        self._actor = fresh_actor(self._task.contract, settings.reference, settings.ppo)
        self._seen = self._task.reset()

    def describe(self) -> dict[str, Any]:
        """Say where this is, and which code runs here."""
        return {"host": platform.node(), "pid": os.getpid(), "code": code_digest()}

    def rollout(self, weights: dict[str, NDArray[Any]], stage: Stage, periods: int) -> Rollout:
        """Run so many control periods with the actor of these weights, at this stage of the curriculum."""
        own = self._actor.state_dict()
        if weights.keys() != weights_of(self._actor).keys():
            raise ConfigError("The weights are of another network than the worker's: this is a bug of Tarsus.")
        for name, value in weights.items():
            own[name].copy_(torch.tensor(value))
        task = self._task
        task.assistance, task.difficulty, task.penalty_scale = stage
        rows: dict[str, list[Any]] = {name: [] for name in Rollout.__dataclass_fields__ if name != "terms"}
        terms: dict[str, float] = {}
        observation, privileged = self._seen
        for _ in range(periods):
            with torch.inference_mode():
                seen = TensorDict({"policy": torch.from_numpy(observation)}, batch_size=[task.count])
                action = self._actor(seen, stochastic_output=True).numpy()
            result = task.step(action)
            values = (observation, privileged, action, result["reward"], result["terminated"], result["truncated"])
            error = np.linalg.norm(result["error"][:, :2], axis=1)
            for row, value in zip(rows.values(), (*values, error), strict=True):
                row.append(value)
            for name, value in result["terms"].items():
                terms[name] = terms.get(name, 0.0) + float(value.sum())
            observation, privileged = result["observation"], result["privileged"]
        self._seen = observation, privileged
        rows["observation"].append(observation)
        rows["privileged"].append(privileged)
        arrays = {name: np.array(row) for name, row in rows.items()}
        for name in ("reward", "error"):
            arrays[name] = arrays[name].astype(np.float32)
        return Rollout(**arrays, terms=terms)

    def close(self) -> None:
        """Close the world."""
        self._task.close()


def weights_of(actor: GaitActor) -> dict[str, NDArray[Any]]:
    """Weights by name, each once: ``body`` holds the same ones again."""
    return {name: v.numpy() for name, v in actor.state_dict().items() if not name.startswith("body.")}


def code_digest() -> str:
    """Digest of Tarsus's own code as it is installed here: two machines that train together must agree on it."""
    digest = hashlib.sha256()
    for package in ("tarsus_core", "tarsus_sim", "tarsus_policies"):
        spec = find_spec(package)
        folder = Path(next(iter(spec.submodule_search_locations or []))) if spec else Path()
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".yaml")):
            digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
