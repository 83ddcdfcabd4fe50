# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""PyBullet worlds, gymnasium environments and what they are made of."""

import gymnasium

from tarsus_sim import quiet_pybullet  # noqa: F401 (first)
from tarsus_sim.pybullet_world import PyBulletWorld, WorldConfig

__all__ = ["PyBulletWorld", "WorldConfig"]

gymnasium.register(
    id="tarsus/G1Walk-v0",
    entry_point="tarsus_sim.walk_env:G1WalkEnv",
    vector_entry_point="tarsus_sim.vector_env:WalkVectorEnv",
)
