# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Random draws of the walking task. Each takes the generator; none keeps a state of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tarsus_sim.urdf import BodyVariation
from tarsus_sim.walk_config import CommandConfig, RandomConfig

Array = NDArray[np.float64]


def draw_variations(rng: np.random.Generator, config: RandomConfig, count: int) -> list[BodyVariation]:
    """Draw how each of ``count`` robots differs from the nominal one."""
    return [
        BodyVariation(
            float(rng.uniform(*config.mass_scale)),
            float(rng.uniform(*config.torso_payload_kg)),
            tuple(rng.uniform(-config.torso_com_offset_m, config.torso_com_offset_m, 3).tolist()),
        )
        for _ in range(count)
    ]


def draw_commands(rng: np.random.Generator, config: CommandConfig, count: int, difficulty: float) -> Array:
    """Draw velocity commands (count, 3): vx, vy in m/s, wz in rad/s; the range is whole from difficulty 0.5 on."""
    fraction = config.initial_fraction + (1.0 - config.initial_fraction) * min(1.0, 2.0 * difficulty)
    drawn = np.column_stack([rng.uniform(*pair, count) for pair in (config.vx, config.vy, config.wz)]) * fraction
    axis = rng.integers(0, 3, count)
    only = np.zeros((count, 3))
    only[np.arange(count), axis] = 1.0
    one = rng.uniform(size=count) < config.one_axis_probability
    drawn = np.where(one[:, None], drawn * only, drawn)
    stand = rng.uniform(size=count) < config.stand_probability
    return np.where(stand[:, None], 0.0, drawn)


def draw_shoves(rng: np.random.Generator, config: RandomConfig, count: int, difficulty: float) -> Array:
    """Draw base velocity changes (count, 6), linear (m/s) and angular (rad/s); a fifth as strong at difficulty 0."""
    strength = 0.2 + 0.8 * difficulty
    delta = np.zeros((count, 6))
    delta[:, :2] = rng.uniform(-config.push_velocity, config.push_velocity, (count, 2)) * strength
    turn = config.push_angular_velocity
    delta[:, 3:] = rng.uniform(-turn, turn, (count, 3)) * strength
    return delta


def draw_steps(
    rng: np.random.Generator, seconds: tuple[float, float], control_period_s: float, count: int
) -> NDArray[np.int64]:
    """Draw times (count,) in control periods."""
    return np.round(rng.uniform(*seconds, count) / control_period_s).astype(np.int64)
