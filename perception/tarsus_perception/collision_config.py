# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What the collision monitor takes for an obstacle, and how it slows the robot down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def _field(default: Any, description: str, least: float, most: float) -> Any:
    return field(default=default, metadata={"description": description, "range": (least, most)})


@dataclass(frozen=True)
class CollisionConfig:
    """Thresholds; each is a parameter of the node ``collision_monitor``, with its range."""

    half_width_m: float = _field(0.35, "Half the width of the corridor: a G1 is 0.45 m wide [m]", 0.05, 2.0)
    least_height_m: float = _field(0.12, "Above the floor: what is lower is the floor [m]", 0.02, 1.0)
    most_height_m: float = _field(1.4, "Above the floor: the robot passes below what is higher [m]", 0.1, 5.0)
    self_m: float = _field(0.3, "Ahead of the base: what is nearer is the robot itself [m]", 0.0, 2.0)
    self_margin_m: float = _field(0.08, "Around the robot's limbs: what is nearer is a limb [m]", 0.0, 0.5)
    least_points: int = _field(12, "Pixels that make an obstacle; fewer are noise", 1, 10000)
    least_valid: float = _field(0.2, "Share of the pixels that must have a depth, else the camera is blind", 0.0, 1.0)
    stop_distance_m: float = _field(0.8, "Ahead of the base: at an obstacle so near the robot stops [m]", 0.1, 5.0)
    slow_time_s: float = _field(1.5, "Forward speed is at most what covers the rest in this time [s]", 0.1, 10.0)
    picture_timeout_s: float = _field(0.5, "Age of the newest picture at which the robot stops [s]", 0.05, 10.0)
    state_gap_s: float = _field(0.05, "Largest time between a picture and the state that goes with it [s]", 0.001, 1.0)
