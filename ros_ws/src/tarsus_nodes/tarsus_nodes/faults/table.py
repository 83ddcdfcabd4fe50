# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The table of faults: what is injected, what is expected, and what was seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from tarsus_nodes.faults.bench import FaultBench


@dataclass(frozen=True)
class Seen:
    """What came of a fault."""

    text: str
    passed: bool | None
    """None: it cannot be tried here"""
    reaction_ms: float | None = None
    """from the fault to the reaction that counts; None where there is nothing to time"""


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    number: float
    """as in the table of faults that robots meet; a line of several parts counts in tenths"""
    fault: str
    expected: str
    run: Callable[[FaultBench], Seen]
    """brings the robot to where the fault meets it, injects it, and looks"""
    wired: bool = False
    """whether the messages go over the relay"""
    simulated_time: bool = False
    """whether ages are of simulated time, as in simulation, and not of the steady clock, as on a robot"""
    own_wall_clock: bool = False
    """whether the wall clock of the processes can be shifted"""
    cabled: bool = False
    """whether the simulator is at the other end of a cable that can be pulled"""
    any_process: bool = False
    """whether the nodes run as any process does, without what the system grants them to be on time"""
    camera: bool = False
    """whether the robot walks by its camera: a collision monitor lets commands through"""
    last: bool = False
    """whether the graph cannot be used after it"""


@dataclass(frozen=True)
class Verdict:
    """A line with what was seen."""

    number: float
    fault: str
    expected: str
    seen: str
    reaction_ms: float | None
    passed: bool | None
    """None: it cannot be tried here"""
    unsafe_commands: int

    @staticmethod
    def of(line: Line, seen: Seen, unsafe: int) -> Verdict:
        """Judge a line: no command that no actuator may get, whatever else was seen."""
        text = seen.text if not unsafe else f"{unsafe} unsafe commands; {seen.text}"
        reaction = None if seen.reaction_ms is None else round(seen.reaction_ms, 1)
        passed = False if unsafe else seen.passed
        return Verdict(line.number, line.fault, line.expected, text, reaction, passed, unsafe)

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return asdict(self)


MARKS = {True: Text("pass", style="green"), False: Text("FAIL", style="bold red"), None: Text("skip", style="yellow")}


def render(verdicts: list[Verdict]) -> Table:
    """Return the table for a terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("#", justify="right")
    for name in ("fault", "expected", "seen"):
        table.add_column(name, overflow="fold")
    table.add_column("ms", justify="right")
    table.add_column("")
    for v in verdicts:
        mark = MARKS[v.passed]
        reaction = "-" if v.reaction_ms is None else f"{v.reaction_ms:.0f}"
        table.add_row(f"{v.number:g}", Text(v.fault), Text(v.expected), Text(v.seen), reaction, mark)
    return table
