# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Golden vectors: what a new policy meets while it walks, and what it answers; every runtime must answer the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tarsus_core.robot_model import RobotModel
from tarsus_edge.policy_session import PolicySession
from tarsus_policies.trial import STAND, Command, ScoreSettings, run_trial

GOLDEN_COMMANDS: tuple[Command, ...] = (STAND, (0.5, 0.0, 0.0), (0.0, 0.2, 0.0), (0.3, 0.0, -0.4))
GOLDEN_SECONDS = 4.0
GOLDEN_PER_COMMAND = 4

Floats = NDArray[np.float32]


def walk_observations(network: PolicySession, robot: RobotModel, seconds: float = GOLDEN_SECONDS) -> list[Floats]:
    """Observations (k, observation_size), one array a command, that the policy meets while it walks the robot."""
    settings = ScoreSettings(seconds=seconds, settle_s=0.0, stand_s=0.2)
    seen = []
    for seed, command in enumerate(GOLDEN_COMMANDS):
        rows: list[Floats] = []
        run_trial(network, robot, command, seed, settings, watch=rows.append)
        seen.append(np.concatenate(rows))
    return seen


def golden_observations(seen: list[Floats], each: int = GOLDEN_PER_COMMAND) -> Floats:
    """Choose ``each`` observations of every walk, spread over it by a seeded draw."""
    rng = np.random.default_rng(0)
    return np.concatenate([rows[np.sort(rng.choice(len(rows), min(each, len(rows)), replace=False))] for rows in seen])


def golden_rows(values: Floats) -> tuple[tuple[float, ...], ...]:
    """Turn observations or actions (n, size) into what a contract holds, at full precision."""
    return tuple(tuple(row) for row in values.astype(np.float64).tolist())
