# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the camera that the robot walks by."""

from __future__ import annotations

import signal
import time

from tarsus_nodes.faults.bench import FaultBench, stopped
from tarsus_nodes.faults.judge import both, comes_to_rest, walks_on
from tarsus_nodes.faults.table import Line, Seen

NODE = "collision_monitor"
BEFORE_S = 2.0
"""s that the robot has to walk by its camera first"""
REACTION_MS = 2000.0
"""half a second until a picture is too old, a tenth until that is looked at, and two strides of 0.64 s to stop in"""


def _says(bench: FaultBench, level: str) -> bool:
    view = bench.witness.view
    return bench.until(lambda: NODE in view.nodes and view.level(NODE, time.monotonic()) == level, 5.0)


def _stops(bench: FaultBench, since_s: float) -> Seen:
    rest = comes_to_rest(bench, since_s, REACTION_MS)
    said = _says(bench, "error")
    return both(rest, Seen(f"the collision monitor {'says so' if said else 'says nothing'}", said))


def camera_killed(bench: FaultBench) -> Seen:
    bench.to_walk()
    before = walks_on(bench, BEFORE_S)
    return both(before, _stops(bench, bench.signal("camera", signal.SIGKILL)))


def camera_stopped(bench: FaultBench) -> Seen:
    bench.to_walk()
    before = walks_on(bench, BEFORE_S)
    with stopped(bench, "camera") as since_s:
        rest = _stops(bench, since_s)
    seen = both(before, rest)
    again = _says(bench, "ok")
    bench.wait(1.0)  # the first step
    bench.witness.begin()
    after = walks_on(bench, BEFORE_S)
    return both(seen, Seen(f"when the pictures come again, it {after.text}", again and bool(after.passed)))


EXPECTED = f"the collision monitor says so, and the robot stops within {REACTION_MS / 1e3:g} s and stays up"
LINES = (
    Line(23.1, "camera killed (SIGKILL)", EXPECTED, camera_killed, camera=True, last=True),
    Line(
        23.2,
        "camera stopped (SIGSTOP), goes on later",
        f"{EXPECTED}; then walks on",
        camera_stopped,
        camera=True,
        last=True,
    ),
)
