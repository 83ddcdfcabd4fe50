# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What several lines of the table look for."""

from __future__ import annotations

from tarsus_edge.supervisor import State
from tarsus_nodes.faults.bench import FaultBench
from tarsus_nodes.faults.table import Seen


def damped(bench: FaultBench, since_s: float, limit_ms: float) -> Seen:
    """The supervisor damps within a time, and nothing but a reset leads out."""
    reaction = bench.damping_ms(since_s)
    if reaction is None:
        return Seen("it was not damped", False)
    bench.until(lambda: bench.client.state is State.DAMP)
    loose = bench.latched()
    text = f"damped: {bench.operator.reason}" + (f" but {loose}" if loose else "")
    return Seen(text, reaction <= limit_ms and not loose, reaction)


def walks_on(bench: FaultBench, duration_s: float, least_mps: float = 0.25) -> Seen:
    """The robot goes on as if nothing were."""
    bench.wait(duration_s)
    speed = bench.witness.mean_speed(0.0)
    if bench.client.state is not State.WALK:
        return Seen(f"it did not go on: {bench.operator.reason}", False)
    return Seen(f"walks on at {speed:.2f} m/s", speed >= least_mps)


def both(first: Seen, second: Seen) -> Seen:
    """Two findings of one line; the reaction is the slower one."""
    reactions = [s.reaction_ms for s in (first, second) if s.reaction_ms is not None]
    return Seen(f"{first.text}; {second.text}", bool(first.passed and second.passed), max(reactions, default=None))
