# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the last control periods of training, and writes them down when a number stops being finite.

Idea: mjlab's utils/nan_guard.py.
"""

from __future__ import annotations

import io
from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tarsus_core.files import write_atomically

Floats = NDArray[np.floating]


class NanGuard:
    """A ring of observations (n, size), actions (n, action_size) and rewards (n,) of n robots."""

    def __init__(self, periods: int = 50) -> None:
        """Keep so many control periods: one second."""
        self._rows: deque[tuple[Floats, Floats, Floats]] = deque(maxlen=periods)

    def add(self, observation: Floats, action: Floats, reward: Floats) -> str | None:
        """Remember a control period; return what is not finite in it, as words, or None.

        The arrays must not be changed afterwards.
        """
        self._rows.append((observation, action, reward))
        for name, values in (("reward", reward), ("observation", observation), ("action", action)):
            if not np.isfinite(values).all():
                robot = int(np.argwhere(~np.isfinite(values))[0][0])
                bad = float(np.ravel(values[robot])[~np.isfinite(np.ravel(values[robot]))][0])
                return f"the {name} of robot {robot} is {bad}"
        return None

    def forget(self) -> None:
        """Start anew, for another number of robots."""
        self._rows.clear()

    def dump(self, path: Path) -> Path:
        """Write what is kept as an .npz: observation, action (periods, n, size), reward (periods, n); oldest first."""
        observation, action, reward = (np.array([row[k] for row in self._rows]) for k in range(3))
        buffer = io.BytesIO()
        np.savez_compressed(buffer, observation=observation, action=action, reward=reward)
        write_atomically(path, buffer.getvalue())
        return path
