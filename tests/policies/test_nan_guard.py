# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The guard against numbers that are not finite: what it says, what it keeps, and that training stops with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tarsus_policies.nan_guard import NanGuard


def rows(value: float, robots: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.full((robots, 4), value), np.full((robots, 2), value), np.full(robots, value)


@pytest.mark.parametrize(("place", "name"), [(0, "observation"), (1, "action"), (2, "reward")])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_it_names_what_is_not_finite_and_whose(place: int, name: str, bad: float) -> None:
    guard = NanGuard()
    assert guard.add(*rows(1.0)) is None
    broken = rows(1.0)
    broken[place][1] = bad
    assert guard.add(*broken) == f"the {name} of robot 1 is {bad}"


def test_it_keeps_the_last_periods_and_writes_them(tmp_path: Path) -> None:
    guard = NanGuard(periods=3)
    for k in range(5):
        guard.add(*rows(float(k)))
    path = guard.dump(tmp_path / "last.npz")
    with np.load(path) as data:
        assert data["observation"].shape == (3, 3, 4)
        assert data["action"].shape == (3, 3, 2)
        assert data["reward"][:, 0].tolist() == [2.0, 3.0, 4.0]
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_kept_is_no_error(tmp_path: Path) -> None:
    assert NanGuard().dump(tmp_path / "empty.npz").is_file()
