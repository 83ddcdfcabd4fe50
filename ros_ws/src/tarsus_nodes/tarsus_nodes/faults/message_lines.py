# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of messages: what the bus, the network and a broken policy do to them. All go over the relay."""

from __future__ import annotations

import time
from collections.abc import Callable

from tarsus_edge.supervisor import State
from tarsus_nodes.faults.bench import FaultBench
from tarsus_nodes.faults.damage import JOINT
from tarsus_nodes.faults.judge import both, damped, walks_on
from tarsus_nodes.faults.relay import ALL, SENSORS
from tarsus_nodes.faults.table import Line, Seen

IMU = ("imu/data",)
JOINTS = ("joint_states",)
POLICY = ("policy/command",)
CLOCKS = ("clock", *SENSORS)
AGE_MS = 75.0
"""limit for what shows by age: 50 ms, looked at every 10 ms, and a few ms on the way"""


def damps(kind: str, topics: tuple[str, ...], value: float, limit_ms: float) -> Callable[[FaultBench], Seen]:
    """The fault lasts, and damps."""

    def run(bench: FaultBench) -> Seen:
        bench.to_walk()
        return damped(bench, bench.inject(kind, topics, value), limit_ms)

    return run


def goes_on(kind: str, topics: tuple[str, ...], value: float, for_s: float) -> Callable[[FaultBench], Seen]:
    """The fault is one to live with."""

    def run(bench: FaultBench) -> Seen:
        bench.to_walk()
        bench.inject(kind, topics, value)
        return walks_on(bench, for_s)

    return run


def single(kind: str, topics: tuple[str, ...], value: float = 0.0) -> Callable[[FaultBench], Seen]:
    """The fault is over after a message or two: the robot walks on, and the message is counted."""

    def run(bench: FaultBench) -> Seen:
        bench.to_walk()
        bench.inject(kind, topics, value)
        bench.mend()
        return walks_on(bench, 2.0)

    return run


def one_action_beyond(bench: FaultBench) -> Seen:
    bench.to_walk()
    before = bench.client.supervisor.commands_clamped if bench.client.supervisor is not None else 0
    bench.inject("shift", POLICY, 0.2)
    bench.mend()
    seen = walks_on(bench, 2.0)
    clamped = (bench.client.supervisor.commands_clamped if bench.client.supervisor is not None else 0) - before
    return both(Seen(f"{clamped} commands clamped", clamped > 0), seen)


def silence(bench: FaultBench) -> Seen:
    bench.to_walk()
    seen = damped(bench, bench.inject("drop", ALL, 1.0), AGE_MS)
    bench.wait(1.0)
    bench.mend()
    back_s = time.monotonic()
    bench.wait(1.0)
    moved = bench.client.state is not State.DAMP or any(
        not c.damps for c in bench.witness.commands if c.time_s > back_s
    )
    return both(seen, Seen("went on by itself" if moved else "stays damped when they come again", not moved))


def other_robot(bench: FaultBench) -> Seen:
    bench.to_passive()
    bench.inject("rename", JOINTS)
    bench.wait(0.5)
    armed, why = bench.client.press("supervisor/arm")
    return Seen(f"arming: {why}", not armed and bench.robot.joint_names[JOINT] in why)


def clock(kind: str, topics: tuple[str, ...], value: float) -> Callable[[FaultBench], Seen]:
    """Simulated time is not to be trusted for a second; afterwards the supervisor does what it is told."""

    def run(bench: FaultBench) -> Seen:
        bench.to_walk()
        since_s = bench.inject(kind, topics, value)
        bench.wait(1.0)
        bench.mend()
        bench.wait(0.5)
        down_s = bench.witness.damped_at(since_s)
        text = "walks on" if down_s is None else f"damped: {bench.operator.reason}"
        obeys = bench.client.press("supervisor/damp")[0] and bench.until(lambda: bench.client.state is State.DAMP)
        reaction = None if down_s is None else (down_s - since_s) * 1e3
        return Seen(f"{text}; then {'obeys' if obeys else 'does not obey'}", obeys, reaction)

    return run


LINES = tuple(
    Line(number, fault, expected, run, wired=True, simulated_time=int(number) == 20)
    for number, fault, expected, run in (
        (5.1, "IMU stale: the same message again and again", "damped within 75 ms", damps("stale", IMU, 0.0, AGE_MS)),
        (5.2, "IMU frozen: the same readings, new stamps", "damped within 75 ms", damps("freeze", IMU, 0.0, AGE_MS)),
        (5.3, "joint states stop", "damped within 75 ms", damps("drop", JOINTS, 1.0, AGE_MS)),
        (
            5.4,
            "joints frozen: the same again, new stamps",
            "damped within 125 ms",
            damps("freeze", JOINTS, 0.0, 125.0),
        ),
        (6.1, "NaN in a state", "that state is not used; walks on", single("nan", JOINTS)),
        (6.2, "NaN in every state", "held, damped within 75 ms", damps("nan", JOINTS, 0.0, AGE_MS)),
        (7.1, "NaN in an action", "rejected before any clamp; walks on", single("nan", POLICY)),
        (7.2, "NaN in every action", "rejected, held, damped within 150 ms", damps("nan", POLICY, 0.0, 150.0)),
        (8.1, "an action 0.2 rad beyond", "clamped, counted; walks on", one_action_beyond),
        (8.2, "every action 2 rad beyond", "clamped; damped as the trunk spins", damps("shift", POLICY, 2.0, 1200.0)),
        (
            8.3,
            "every action stiffer than its contract says",
            "clamped; damped after 1 s",
            damps("stiffen", POLICY, 10.0, 1200.0),
        ),
        (12.1, "inference 25 ms late", "the newest answer counts; walks on", goes_on("delay", POLICY, 0.025, 3.0)),
        (12.2, "inference 200 ms late", "damped within 150 ms", damps("delay", POLICY, 0.2, 150.0)),
        (14.1, "5 % of all messages lost", "walks on", goes_on("drop", ALL, 0.05, 5.0)),
        (14.2, "20 % of all messages lost", "walks on", goes_on("drop", ALL, 0.2, 5.0)),
        (14.3, "every message three times", "walks on", goes_on("repeat", ALL, 2.0, 3.0)),
        (14.4, "all messages 10 ms late", "walks on", goes_on("delay", ALL, 0.01, 3.0)),
        (14.5, "states later and later, 0.2 s in a second", "damped within 800 ms", damps("lag", SENSORS, 0.2, 800.0)),
        (15.1, "no message for a second", "damped within 75 ms; stays damped", silence),
        (16.1, "a state cut short on the way", "discarded; walks on", single("garble", JOINTS)),
        (16.2, "every state cut short on the way", "damped within 75 ms", damps("garble", JOINTS, 0.0, AGE_MS)),
        (18, "a robot with another joint", "arming is refused, the joint is named", other_robot),
        (20.1, "clock stands still for a second", "walks on or is damped, then obeys", clock("stale", ("clock",), 0.0)),
        (
            20.2,
            "clock and stamps go back by 2 s",
            "walks on or is damped, then obeys",
            clock("back", ("clock", *SENSORS), 2.0),
        ),
        (26, "the trunk tilts by 1.2 rad", "damped within 50 ms", damps("tilt", IMU, 1.2, 50.0)),
    )
)
