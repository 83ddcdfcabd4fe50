# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What several lines of the table look for."""

from __future__ import annotations

import time

from tarsus_edge.supervisor import State
from tarsus_nodes.faults.bench import FaultBench
from tarsus_nodes.faults.table import Seen

SLOW_MPS = 0.15
"""a robot that sways in place is slower than this"""
NO_STATE = "No robot state for"
NO_COMMAND = "No policy command for"


def damped(bench: FaultBench, since_s: float, limit_ms: float, because: str, least_ms: float = 0.0) -> Seen:
    """The supervisor damps within a time, for the right reason, and nothing but a reset leads out.

    Args:
        bench: with a robot that moves.
        since_s: steady time of the fault.
        limit_ms: time until the first damping command, at most.
        because: what the supervisor's reason must hold.
        least_ms: time until the first damping command, at least.
    """
    reaction = bench.damping_ms(since_s)
    if reaction is None:
        return Seen("it was not damped", False)
    if (bench.witness.damped_at(0.0) or since_s) < since_s:
        return Seen(f"it was damped before the fault came: {bench.operator.reason}", False)
    bench.until(lambda: bench.client.state is State.DAMP)
    loose = bench.latched()
    reason = bench.operator.reason
    text = f"damped: {reason}" + (f" but {loose}" if loose else "")
    if because not in reason:
        text = f"{text} (not because '{because}')"
    return Seen(text, least_ms <= reaction <= limit_ms and not loose and because in reason, reaction)


def walks_on(bench: FaultBench, duration_s: float, least_mps: float = 0.25) -> Seen:
    """The robot goes on as if nothing were."""
    bench.wait(duration_s)
    speed = bench.witness.mean_speed(0.0)
    if bench.client.state is not State.WALK:
        return Seen(f"it did not go on: {bench.operator.reason}", False)
    return Seen(f"walks on at {speed:.2f} m/s", speed >= least_mps)


def comes_to_rest(bench: FaultBench, since_s: float, limit_ms: float) -> Seen:
    """The robot stops within a time and stays up; the reaction is until it is slow."""
    slow = bench.until(lambda: bench.witness.slow_at(since_s, SLOW_MPS) is not None, 5.0)
    if not slow or bench.client.state is not State.WALK:
        return Seen(f"it did not stop; {bench.operator.reason or 'it walks on'}", False)
    at_s = bench.witness.slow_at(since_s, SLOW_MPS) or since_s
    bench.wait(1.0)  # the last step
    rest_s = time.monotonic()
    bench.wait(2.0)
    if bench.client.state is not State.WALK or bench.witness.damped_at(since_s) is not None:
        return Seen(f"it stopped, and was damped: {bench.operator.reason}", False)
    moved, reaction = bench.witness.moved(rest_s), (at_s - since_s) * 1e3
    return Seen(f"stands under the policy, {moved * 100:.0f} cm in 2 s", moved < 0.1 and reaction <= limit_ms, reaction)


def arming_refused(bench: FaultBench, because: str) -> Seen:
    """A supervisor that is reset cannot be armed, for the right reason."""
    bench.client.press("supervisor/reset")
    armed, why = bench.client.press("supervisor/arm")
    return Seen(f"Arming: {why}", not armed and because in why)


def both(first: Seen, second: Seen) -> Seen:
    """Two findings of one line; the reaction is the slower one."""
    reactions = [s.reaction_ms for s in (first, second) if s.reaction_ms is not None]
    return Seen(f"{first.text}; {second.text}", bool(first.passed and second.passed), max(reactions, default=None))
