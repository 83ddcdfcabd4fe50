# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of messages: what the bus, the network and a broken policy do to them. All go over the relay."""

from __future__ import annotations

import time
from collections.abc import Callable

from tarsus_edge.supervisor import State
from tarsus_nodes.faults.bench import FaultBench
from tarsus_nodes.faults.damage import JOINT
from tarsus_nodes.faults.judge import NO_COMMAND, NO_STATE, both, damped, walks_on
from tarsus_nodes.faults.relay import ALL, SENSORS
from tarsus_nodes.faults.table import Line, Seen

IMU = ("imu/data",)
JOINTS = ("joint_states",)
POLICY = ("policy/command",)
CLOCKS = ("clock", *SENSORS)
AGE_MS = 75.0
"""limit for what shows by age: 50 ms, looked at every 10 ms, and a few ms on the way"""
BEYOND_S = 0.6
"""less than ``clamped_damp_s``"""
REPORT_S = 1.1
"""between two reports of a node, and a little"""


def damps(
    kind: str, topics: tuple[str, ...], value: float, limit_ms: float, because: str, least_ms: float = 0.0
) -> Callable[[FaultBench], Seen]:
    """The fault lasts, and damps."""

    def run(bench: FaultBench) -> Seen:
        bench.to_walk()
        return damped(bench, bench.inject(kind, topics, value), limit_ms, because, least_ms)

    return run


def goes_on(kind: str, topics: tuple[str, ...], value: float, for_s: float) -> Callable[[FaultBench], Seen]:
    """The fault is one to live with."""

    def run(bench: FaultBench) -> Seen:
        bench.to_walk()
        bench.inject(kind, topics, value)
        return walks_on(bench, for_s)

    return run


def single(kind: str, topics: tuple[str, ...], what: str, for_s: float = 0.0) -> Callable[[FaultBench], Seen]:
    """The fault is over after a message or two: the robot walks on, and the supervisor has rejected and counted it.

    Args:
        kind: of the fault.
        topics: of the relay.
        what: name of the count in the supervisor's diagnostics.
        for_s: how long it lasts after its first message: the policy sends each command twice, and the supervisor does
            not read the second.
    """

    def run(bench: FaultBench) -> Seen:
        bench.to_walk()

        def count() -> int:
            return int(bench.witness.value("supervisor", what) or 0)

        bench.wait(REPORT_S)  # what was rejected on the way here is told by then
        before = count()
        bench.inject(kind, topics)
        bench.wait(for_s)
        bench.mend()
        seen = walks_on(bench, 2.0)
        rejected = count() - before
        return both(Seen(f"{rejected} {what}", rejected > 0), seen)

    return run


def beyond_its_range(bench: FaultBench) -> Seen:
    """The policy does not drive the joint, so that nothing but the fault clamps each command."""
    bench.to_walk()

    def clamped() -> int:
        return int(bench.client.supervisor.commands_clamped) if bench.client.supervisor is not None else 0

    before, since_s = clamped(), bench.inject("beyond", POLICY, 10.0)
    bench.wait(BEYOND_S)
    bench.mend()
    sent = sum(1 for c in list(bench.witness.commands) if c.time_s >= since_s)
    seen = walks_on(bench, 2.0)
    count = clamped() - before
    return both(Seen(f"{count} commands clamped in {BEYOND_S:g} s, of {sent}", count >= 0.8 * sent > 0), seen)


def silence(bench: FaultBench) -> Seen:
    bench.to_walk()
    seen = damped(bench, bench.inject("drop", ALL, 1.0), AGE_MS, NO_STATE)
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


def clock(kind: str, topics: tuple[str, ...], value: float, because: str) -> Callable[[FaultBench], Seen]:
    """Simulated time is not to be trusted for a second; afterwards the robot can be armed anew."""

    def run(bench: FaultBench) -> Seen:
        bench.to_walk()
        seen = damped(bench, bench.inject(kind, topics, value), AGE_MS, because)
        bench.wait(1.0)
        bench.mend()
        bench.client.press("supervisor/reset")
        armed = bench.until(lambda: bench.client.press("supervisor/arm")[0], 5.0)
        return both(seen, Seen("then armed anew" if armed else "then it cannot be armed", armed))

    return run


LINES = tuple(
    Line(number, fault, expected, run, wired=True, simulated_time=int(number) == 20)
    for number, fault, expected, run in (
        (
            5.1,
            "IMU stale: the same message again and again",
            "damped within 75 ms",
            damps("stale", IMU, 0.0, AGE_MS, NO_STATE),
        ),
        (
            5.2,
            "IMU frozen: the same readings, new stamps",
            "damped within 75 ms",
            damps("freeze", IMU, 0.0, AGE_MS, "The IMU has said the same"),
        ),
        (5.3, "joint states stop", "damped within 75 ms", damps("drop", JOINTS, 1.0, AGE_MS, NO_STATE)),
        (
            5.4,
            "joints frozen: the same again, new stamps",
            "damped within 125 ms",
            damps("freeze", JOINTS, 0.0, 125.0, "All joints have said the same"),
        ),
        (6.1, "NaN in a state", "rejected and counted; walks on", single("nan", JOINTS, "states rejected")),
        (6.2, "NaN in every state", "held, damped within 75 ms", damps("nan", JOINTS, 0.0, AGE_MS, NO_STATE)),
        (7.1, "NaN in an action", "rejected and counted; walks on", single("nan", POLICY, "commands rejected", 0.02)),
        (
            7.2,
            "NaN in every action",
            "rejected, held, damped within 150 ms",
            damps("nan", POLICY, 0.0, 150.0, NO_COMMAND),
        ),
        (8.1, "actions 10 rad beyond the range of a wrist, for 0.6 s", "clamped, counted; walks on", beyond_its_range),
        (
            8.2,
            "every action 2 rad beyond",
            "clamped; damped as trunk or joints spin",
            damps("shift", POLICY, 2.0, 1200.0, " turns at "),
        ),
        (
            8.3,
            "every action stiffer than its contract says",
            "clamped; damped after 1 s",
            damps("stiffen", POLICY, 10.0, 1200.0, "was out of its limits", least_ms=900.0),
        ),
        (12.1, "inference 25 ms late", "the newest answer counts; walks on", goes_on("delay", POLICY, 0.025, 3.0)),
        (12.2, "inference 200 ms late", "damped within 150 ms", damps("delay", POLICY, 0.2, 150.0, NO_COMMAND)),
        (14.1, "5 % of all messages lost", "walks on", goes_on("drop", ALL, 0.05, 5.0)),
        (14.2, "20 % of all messages lost", "walks on", goes_on("drop", ALL, 0.2, 5.0)),
        (14.3, "every message three times", "walks on", goes_on("repeat", ALL, 2.0, 3.0)),
        (14.4, "all messages 10 ms late", "walks on", goes_on("delay", ALL, 0.01, 3.0)),
        (
            14.5,
            "states later and later, 0.2 s in a second",
            "damped within 800 ms",
            damps("lag", SENSORS, 0.2, 800.0, "Robot states come"),
        ),
        (15.1, "no message for a second", "damped within 75 ms; stays damped", silence),
        (
            16.1,
            "a state cut short on the way",
            "discarded and counted; walks on",
            single("garble", JOINTS, "states rejected"),
        ),
        (
            16.2,
            "every state cut short on the way",
            "damped within 75 ms",
            damps("garble", JOINTS, 0.0, AGE_MS, NO_STATE),
        ),
        (18, "a robot with another joint", "arming is refused, the joint is named", other_robot),
        (
            20.1,
            "clock stands still for a second",
            "damped within 75 ms; armed anew",
            clock("stale", ("clock",), 0.0, NO_STATE),
        ),
        (
            20.2,
            "clock and stamps go back by 2 s",
            "damped within 75 ms; armed anew",
            clock("back", ("clock", *SENSORS), 2.0, "clock went back"),
        ),
        (26, "the trunk tilts by 1.2 rad", "damped within 50 ms", damps("tilt", IMU, 1.2, 50.0, "is tilted by")),
    )
)
