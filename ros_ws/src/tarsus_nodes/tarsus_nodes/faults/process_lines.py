# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of processes and of the machine: killed, stopped, interrupted, started again, starved."""

from __future__ import annotations

import contextlib
import io
import signal
import time
from dataclasses import replace

from tarsus_edge.launcher import LaunchRun
from tarsus_edge.supervisor import State
from tarsus_nodes.faults.bench import FaultBench, processes_of, stopped
from tarsus_nodes.faults.judge import NO_COMMAND, NO_STATE, arming_refused, both, damped, walks_on
from tarsus_nodes.faults.table import Line, Seen
from tarsus_nodes.load import loaded
from tarsus_nodes.operator_client import AGAIN_S, OperatorError

STARVED_S = 10.0
WINDOW_S = 0.2
MOST_COMMANDS = 15
"""in that time: of ten control periods and of one that began before; and two each, held and then answered late, or
damped at once and by the timer, where a process was held up"""
HELD_S = 0.04
HELD_FOR_S = 3.0
CYCLES = 3


def policy_killed(bench: FaultBench) -> Seen:
    bench.to_walk()
    return damped(bench, bench.signal("policy", signal.SIGKILL), 100.0, "The policy has ended")


def policy_stopped(bench: FaultBench) -> Seen:
    bench.to_walk()
    with stopped(bench, "policy") as since_s:
        return damped(bench, since_s, 150.0, NO_COMMAND)


def policy_held_up(bench: FaultBench) -> Seen:
    """Each time it is late for two control periods; nothing that it has missed may come after it."""
    bench.to_walk()
    since_s = time.monotonic()
    while time.monotonic() < since_s + HELD_FOR_S:
        with stopped(bench, "policy"):
            bench.wait(HELD_S)
        bench.wait(5.0 * HELD_S)
    walks = walks_on(bench, 1.0)
    burst = _burst(bench, since_s)
    return both(Seen(f"at most {burst} commands in {WINDOW_S:g} s", 0 < burst <= MOST_COMMANDS), walks)


def _burst(bench: FaultBench, since_s: float) -> int:
    """Largest number of commands that the supervisor sent in ``WINDOW_S`` of time."""
    sent = sorted(c.sent_s for c in list(bench.witness.commands) if c.time_s >= since_s)
    return max((sum(1 for t in sent if since <= t < since + WINDOW_S) for since in sent), default=0)


def _watchdog_damps(bench: FaultBench, since_s: float, limit_ms: float) -> Seen:
    bench.until(lambda: bench.witness.watchdog_at(since_s) is not None)
    at_s = bench.witness.watchdog_at(since_s)
    if at_s is None:
        return Seen("the watchdog did not damp", False)
    reason = bench.witness.watchdog[-1][1].reason
    held = bench.until(lambda: bench.witness.view.level("sim", time.monotonic()) == "error")
    said = "the simulator obeys" if held else "the simulator does not obey"
    reaction = (at_s - since_s) * 1e3
    return Seen(f"the watchdog damps: {reason} {said}", held and reaction <= limit_ms, reaction)


def supervisor_killed(bench: FaultBench) -> Seen:
    bench.to_walk()
    return _watchdog_damps(bench, bench.signal("supervisor", signal.SIGKILL), 100.0)


def supervisor_stopped(bench: FaultBench) -> Seen:
    bench.to_walk()
    with stopped(bench, "supervisor") as since_s:
        return _watchdog_damps(bench, since_s, 150.0)


def respawned(bench: FaultBench) -> Seen:
    bench.to_walk()
    bench.signal("supervisor", signal.SIGKILL)
    spec = next(p for p in bench.plan.processes if p.name.startswith("supervisor"))
    bench.until(lambda: bool(bench.witness.watchdog) and bench.witness.watchdog[-1][1].damp)
    bench.client.supervisor = None
    with LaunchRun(replace(bench.plan, processes=(spec,), messages=()), screen=io.StringIO()):
        start_s = time.monotonic()
        came = bench.until(lambda: bench.witness.in_state(State.PASSIVE, start_s) is not None, 30.0)
        back_s = time.monotonic() - start_s
        bench.until(lambda: bench.client.supervisor is not None, 30.0)
        armed = bench.client.supervisor is None or bench.client.supervisor.armed
        walks: bool | None = None
        with contextlib.suppress(OperatorError):  # an answer is lost while the new process does not know yet who asks
            walks, _ = bench.client.press("supervisor/walk", 60.0, again_s=AGAIN_S)
        answered_s = time.monotonic() - start_s
    state = bench.client.state.name if bench.client.state is not None else "nothing"
    text = f"back after {back_s:.1f} s as {state}, {'armed' if armed else 'disarmed'}"
    answer = {None: "is silent", False: f"refuses after {answered_s:.1f} s", True: "obeys"}[walks]
    text = f"{text}; asked to walk it {answer}"
    return Seen(text if came else "it did not come back", came and not armed and walks is False)


def watchdog_killed(bench: FaultBench) -> Seen:
    bench.to_walk()
    seen = damped(bench, bench.signal("watchdog", signal.SIGKILL), 100.0, "There is no watchdog")
    return both(seen, arming_refused(bench, "There is no watchdog"))


def interrupted(bench: FaultBench) -> Seen:
    bench.to_walk()
    since_s = time.monotonic()
    bench.launch.stop("interrupted")
    reaction = bench.damping_ms(since_s)
    bench.launch.wait(20.0)
    took_s = time.monotonic() - since_s
    codes = set(bench.launch.exit_codes.values())
    left = processes_of(bench.domain)
    text = f"damped, all ended after {took_s:.1f} s with exit codes {sorted(map(str, codes))}, {len(left)} left"
    return Seen(text, reaction is not None and took_s < 5.0 and codes == {0} and not left, reaction)


def starved(kind: str) -> Line:
    """Every core, or most of the memory, is taken by others."""

    def run(bench: FaultBench) -> Seen:
        bench.to_walk()
        since_s = time.monotonic()
        with loaded(kind, lambda: bench.wait(0.05)):
            bench.wait(STARVED_S)
        down_s, burst = bench.witness.damped_at(since_s), _burst(bench, since_s)
        if down_s is not None:
            text, holds = f"damped after {down_s - since_s:.1f} s: {bench.operator.reason}", not bench.latched()
        else:
            speed = bench.witness.mean_speed(since_s)
            text, holds = f"walks on at {speed:.2f} m/s", speed >= 0.25
        return Seen(f"{text}; at most {burst} commands in {WINDOW_S:g} s", holds and 0 < burst <= MOST_COMMANDS)

    expected = "late cycles are skipped, never in a burst; damped if it lasts; nothing unsafe"
    what = {"cpu": "a process that computes on every core", "memory": "four fifths of the free memory taken"}[kind]
    number = {"cpu": 13.1, "memory": 13.2}[kind]
    return Line(number, what, expected, run, any_process=True)


def cycled(bench: FaultBench) -> Seen:
    """Further graphs, one after the other, beside this one's end."""
    bench.launch.stop("the next cycles")
    bench.launch.wait(20.0)
    worst_s = 0.0
    for _ in range(CYCLES):
        start_s = time.monotonic()
        with FaultBench(check=bench.check) as other:
            worst_s = max(worst_s, time.monotonic() - start_s)
        left = processes_of(bench.domain)
        bad = {name: code for name, code in other.launch.exit_codes.items() if code != 0}
        if left or bad:
            return Seen(f"left behind: {left}, exit codes {bad}", False)
    return Seen(f"{CYCLES} starts and stops, nothing left; the slowest start took {worst_s:.1f} s", True)


def clock_jump(bench: FaultBench) -> Seen:
    """The clock stays ahead of the kernel's own, which the middleware's waits end by: behind it they would not wait."""
    bench.to_walk()
    found = Seen("two hours, then one", True)
    for ahead_s in (7200, 3600):
        bench.wall_clock.shift(ahead_s)
        bench.witness.begin()
        seen = walks_on(bench, 3.0)
        told_s = bench.witness.clock_ahead_s
        found = both(found, both(seen, Seen(f"by clocks {told_s / 3600:.1f} h ahead", abs(told_s - ahead_s) < 60.0)))
    return found


def cable_pulled(bench: FaultBench) -> Seen:
    """The robot is at the other end of a network; what it sends comes again after a second."""
    assert bench.cable is not None
    bench.to_walk()
    since_s = time.monotonic()
    bench.cable.plug(False)
    seen = damped(bench, since_s, 90.0, NO_STATE)
    bench.wait(1.0)
    bench.cable.plug(True)
    back = bench.until(lambda: (supervisor := bench.client.supervisor) is not None and supervisor.state_age < 0.05)
    bench.wait(1.0)
    loose = bench.latched()
    heard = "its states come again" if back else "its states do not come again"
    return both(
        seen, Seen(f"with the cable in {heard}, it stays damped{f' but {loose}' if loose else ''}", back and not loose)
    )


LINES = (
    Line(1.1, "policy process killed (SIGKILL)", "damped within 100 ms, latched", policy_killed, last=True),
    Line(1.2, "policy process stopped (SIGSTOP)", "damped within 150 ms, latched", policy_stopped),
    Line(2.1, "supervisor process killed (SIGKILL)", "the watchdog damps within 100 ms", supervisor_killed, last=True),
    Line(2.2, "supervisor process stopped (SIGSTOP)", "the watchdog damps within 150 ms", supervisor_stopped),
    Line(3, "watchdog killed (SIGKILL)", "damped within 100 ms; arming is refused", watchdog_killed, last=True),
    Line(4, "SIGINT", "damped; all ended within 5 s with exit code 0, none left", interrupted, last=True),
    Line(
        12.3,
        "policy process held up for 40 ms, four times a second",
        "late cycles are skipped, never in a burst; walks on",
        policy_held_up,
    ),
    starved("cpu"),
    starved("memory"),
    Line(
        15.2,
        "network cable to the robot out, and in again",
        "damped within 90 ms; stays damped",
        cable_pulled,
        cabled=True,
        last=True,
    ),
    Line(19, "wall clock two hours forward, then one back", "walks on", clock_jump, own_wall_clock=True, last=True),
    Line(30, "supervisor killed and started again", "comes back passive and disarmed", respawned, last=True),
    Line(31, f"{CYCLES} starts and stops in a row", "no process is left", cycled, last=True),
)
