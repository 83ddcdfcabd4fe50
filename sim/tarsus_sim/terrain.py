# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Ground that is not flat: a height field of random bumps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pybullet
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GroundConfig:
    """How rough the ground is."""

    bump_m: float = 0.0
    """the highest bump above the lowest hollow; 0: a plane"""
    cell_m: float = 0.25
    """between neighbouring bumps and hollows"""
    size_m: float = 64.0
    """side of the square of bumps, which is centred on the robots"""
    seed: int = 0
    """of the bumps, beside the task's own seed; each PyBullet client has others"""


@dataclass(frozen=True)
class HeightField:
    """Heights over a square grid."""

    heights: Array
    """(rows along y, columns along x) m"""
    cell_m: float
    centre: tuple[float, float]
    """x and y (m) of the grid's middle in the world"""

    def at(self, x: Array, y: Array) -> Array:
        """Height (m) at points of the world, interpolated between the four grid points around each.

        The engine's surface is two flat triangles a cell: between grid points it may differ by up to a quarter of the
        difference of the cell's diagonals. Beyond the edge, the edge's height goes on.
        """
        rows, columns = self.heights.shape
        column = np.clip((x - self.centre[0]) / self.cell_m + (columns - 1) / 2.0, 0.0, columns - 1.0)
        row = np.clip((y - self.centre[1]) / self.cell_m + (rows - 1) / 2.0, 0.0, rows - 1.0)
        i = np.minimum(row.astype(np.int64), rows - 2)
        j = np.minimum(column.astype(np.int64), columns - 2)
        v, u = row - i, column - j
        h = self.heights
        low = h[i, j] * (1.0 - u) + h[i, j + 1] * u
        high = h[i + 1, j] * (1.0 - u) + h[i + 1, j + 1] * u
        return low * (1.0 - v) + high * v


def draw_field(config: GroundConfig, rng: np.random.Generator, centre: tuple[float, float]) -> HeightField:
    """Draw a field of bumps between 0 and ``bump_m``."""
    points = round(config.size_m / config.cell_m) + 1
    return HeightField(rng.uniform(0.0, config.bump_m, (points, points)), config.cell_m, centre)


def load_field(client: int, field: HeightField) -> int:
    """Make a PyBullet body of the field; return its identifier."""
    rows, columns = field.heights.shape
    shape = pybullet.createCollisionShape(
        pybullet.GEOM_HEIGHTFIELD,
        meshScale=[field.cell_m, field.cell_m, 1.0],
        heightfieldData=field.heights.ravel().tolist(),
        numHeightfieldRows=columns,
        numHeightfieldColumns=rows,
        physicsClientId=client,
    )
    # Bullet puts the middle of the heights' range, not height 0, at the body's origin
    middle = float(field.heights.min() + field.heights.max()) / 2.0
    return int(pybullet.createMultiBody(0.0, shape, basePosition=[*field.centre, middle], physicsClientId=client))
