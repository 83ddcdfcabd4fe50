# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of a scorecard as a list of named lines, and how two such lists are compared."""

from __future__ import annotations

import re
from typing import Any

COMMAND = re.compile(r"(?:vx|vy|wz) ([+-]\d+\.\d+)")
MOVING = ", moving arms"
SMALL = 0.5
"""m/s, rad/s or m that errors, drift and dead zone are compared with: a share of a tiny error says nothing"""


def lines(figures: dict[str, Any]) -> dict[str, float | None]:
    """Flatten one engine's figures: name of each line -> value, None for what fell or was not followed at all."""
    found = _followed(figures, "")
    for name in ("mean_lin_err", "mean_ang_err", "falls"):
        if name in figures:
            found[name] = figures[name]
    if "stops" in figures:
        found["told to stop: falls"] = figures["stops"]["falls"]
        found["told to stop: drift"] = figures["stops"]["drift_m"]
    for part, title in (("pushes", "pushes"), ("arms", "pushes" + MOVING)):
        for gait, impulses in figures.get(part, {}).items():
            for impulse, row in impulses.items():
                found[f"{title}, {gait}, {impulse} N.s"] = float(row["survived"])
    found.update(_followed(figures.get("moving_arms", {}), MOVING))
    for name, row in figures.get("robustness", {}).items():
        found[f"{name}: linear error"] = row["mean_lin_err"]
        found[f"{name}: angular error"] = row["mean_ang_err"]
        found[f"{name}: falls"] = float(row["falls"])
    for name, value in figures.get("economy", {}).items():
        found[name] = value
    return {name: None if value is None else float(value) for name, value in found.items()}


def _followed(figures: dict[str, Any], suffix: str) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for row in figures.get("tracking", ()):
        if not row["trained"]:
            continue
        for axis in ("vx", "vy", "wz"):
            if row[axis]:
                found[f"{axis} {row[axis]:+.2f}{suffix}"] = row[f"mean_{axis}"]
    if "stand_drift_m" in figures:
        found[f"stand_drift_m{suffix}"] = figures["stand_drift_m"]
    for axis, speed in figures.get("dead_zone", {}).items():
        found[f"dead zone {axis}{suffix}"] = speed
    return found


def commanded(line: str) -> float | None:
    """Return the velocity that a line of tracking was told; None for any other line."""
    match = COMMAND.match(line)
    return float(match.group(1)) if match else None


def difference(first: dict[str, Any], second: dict[str, Any]) -> dict[str, float]:
    """How far the second engine's lines are from the first's, as a share of the line's own scale.

    The scale of a velocity is what was commanded, of pushes their number, of anything else the larger value; errors,
    drift and dead zone count against 0.5 m/s, m or rad/s. A line that only one of them has is apart by 1.
    """
    one, two = lines(first), lines(second)
    found = {}
    for name in dict.fromkeys((*one, *two)):
        a, b = one.get(name), two.get(name)
        if a is None or b is None:
            found[name] = 0.0 if a is b else 1.0
        else:
            found[name] = abs(a - b) / _scale(name, a, b)
    return found


def _scale(name: str, a: float, b: float) -> float:
    wanted = commanded(name)
    if wanted is not None:
        return abs(wanted)
    if name.startswith("pushes"):
        return 8.0
    if "err" in name or "drift" in name or "dead" in name:
        return SMALL
    return max(abs(a), abs(b), 1e-9)


def with_moving_arms(figures: dict[str, Any]) -> dict[str, float]:
    """How good each line is while the arms move, as a share of how good it is while they rest; 1 where it is better.

    Of pushes it is the share of those survived that still are; elsewhere, what the error or the dead zone grows by is
    taken off, as a share of the line's scale (see ``difference``).
    """
    found = lines(figures)
    shares = {}
    for name, value in found.items():
        # "vx +0.50, moving arms" against "vx +0.50"; "pushes, moving arms, walk, 20 N.s" against "pushes, walk, 20 N.s"
        rest = name.replace(MOVING, "")
        if rest == name or rest not in found:
            continue
        before = found[rest]
        if before is None:
            shares[rest] = 1.0
        elif value is None:
            shares[rest] = 0.0
        elif rest.startswith("pushes"):
            shares[rest] = min(1.0, value / before) if before else 1.0
        else:
            wanted = commanded(rest) or 0.0
            worse = abs(value - wanted) - abs(before - wanted)
            shares[rest] = max(0.0, 1.0 - max(0.0, worse) / _scale(rest, before, value))
    return shares
