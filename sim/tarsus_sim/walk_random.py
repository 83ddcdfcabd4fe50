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


def draw_pushes(rng: np.random.Generator, config: RandomConfig, count: int, difficulty: float) -> Array:
    """Draw horizontal impulses (count, 3) in N.s, of any direction; a tenth as strong at difficulty 0."""
    strength = config.push_impulse_ns * rng.uniform(config.push_least, 1.0, count) * (0.1 + 0.9 * difficulty)
    direction = rng.uniform(-np.pi, np.pi, count)
    return np.column_stack([strength * np.cos(direction), strength * np.sin(direction), np.zeros(count)])


def draw_steps(
    rng: np.random.Generator, seconds: tuple[float, float], control_period_s: float, count: int
) -> NDArray[np.int64]:
    """Draw times (count,) in control periods."""
    return np.round(rng.uniform(*seconds, count) / control_period_s).astype(np.int64)
