# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What tests of worlds start from: the G1, and PyBullet worlds that are closed at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from helpers.worlds import Make

from tarsus_core.robot_model import RobotModel, load_robot
from tarsus_sim.pybullet_world import PyBulletWorld, WorldConfig
from tarsus_sim.urdf import BodyVariation


@pytest.fixture(scope="module")
def robot() -> RobotModel:
    return load_robot("g1")


@pytest.fixture
def make(robot: RobotModel) -> Iterator[Make]:
    worlds: list[PyBulletWorld] = []

    def build(count: int = 1, variations: list[BodyVariation] | None = None, **settings: Any) -> PyBulletWorld:
        worlds.append(PyBulletWorld(robot, WorldConfig(**settings), count, variations))
        return worlds[-1]

    yield build
    for world in worlds:
        world.close()
