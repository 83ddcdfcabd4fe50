# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The vectorised walking environment in the shape that rsl_rl expects."""

from __future__ import annotations

from typing import Any

import torch
from rsl_rl.env import VecEnv
from tensordict import TensorDict

from tarsus_sim.vector_env import WalkVectorEnv


class RslWalkEnv(VecEnv):
    """Adapts numpy to torch: observation groups ``policy`` and ``privileged``, time-outs told apart from falls."""

    def __init__(self, env: WalkVectorEnv) -> None:
        """Wrap a vector environment and start its episodes."""
        self.env = env
        self.num_envs = env.num_envs
        self.num_actions = env.contract.action_size
        self.max_episode_length = round(env.config.episode_s / env.config.control_period_s)
        self.episode_length_buf = torch.zeros(env.num_envs, dtype=torch.long)
        self.device = "cpu"
        self.cfg: dict[str, Any] = {}
        observation, infos = env.reset()
        self._observations = self._group(observation, infos)

    def _group(self, observation: Any, infos: dict[str, Any]) -> TensorDict:
        return TensorDict(
            {"policy": torch.from_numpy(observation), "privileged": torch.from_numpy(infos["privileged"])},
            batch_size=[self.num_envs],
        )

    def get_observations(self) -> TensorDict:
        """Return the present observations."""
        return self._observations

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Run one control period; extras hold time_outs and the environment's infos."""
        observation, reward, terminated, truncated, infos = self.env.step(actions.numpy())
        self._observations = self._group(observation, infos)
        dones = torch.from_numpy(terminated | truncated).long()
        extras = {"time_outs": torch.from_numpy(truncated).float(), "infos": infos, "falls": int(terminated.sum())}
        return self._observations, torch.from_numpy(reward), dones, extras
