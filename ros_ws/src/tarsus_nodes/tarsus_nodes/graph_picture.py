# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A graph for a terminal: a small picture that fits on a screen of 80 by 24, or everything that is known."""

from __future__ import annotations

import math
import re

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text
from tarsus_msgs.msg import SupervisorState

from tarsus_edge.supervisor import State
from tarsus_nodes.graph_view import GraphView, state_name

LIVE_FAULTS = 4
"""faults in the small picture, below a line that says what they are"""
NAME_WIDTH = 24
"""columns that the name of a node may take in the small picture"""

_STYLES = {
    "ok": "green",
    "warn": "yellow",
    "waiting": "yellow",
    "error": "bold red",
    "stale": "bold red",
    "silent": "bold red",
}
_TELLING = (r"\[Hz\]$", r"p99 \[ms\]$", r"\bage \[", "")
"""patterns of the names of values, the most telling first"""
_UNIT = re.compile(r"^(.*) \[(.*)\]$")


def picture(view: GraphView, now_s: float) -> Group:
    """Everything: headline, faults, and each node with its sentence and its values, in as many lines as they take."""
    return Group(_headline(view, now_s), Text(), _faults(view, now_s, small=False), _all(view, now_s))


def small_picture(view: GraphView, now_s: float) -> Group:
    """What fits on a screen: headline, the last faults, and one line a node.

    The line of a node that is well has its rates and ages, that of another node its sentence.
    """
    return Group(
        _headline(view, now_s, small=True), Text(), _faults(view, now_s, small=True), Text(), _lines(view, now_s)
    )


def _headline(view: GraphView, now_s: float, small: bool = False) -> Text:
    lines = [_state(view.supervisor)] if view.supervisor is not None else []
    if lines and view.supervisor_trouble(now_s):  # what it said last is not what it does now
        lines[0] = Text(f"{lines[0].plain}: so it was", style="bold red")
    troubles = (view.supervisor_trouble(now_s), view.watchdog_trouble(now_s))
    lines += [Text(trouble, style="bold red") for trouble in troubles if trouble]
    if view.supervisor is not None and view.supervisor.reason:
        lines.append(Text(view.supervisor.reason, style="red"))
    text = Text("\n").join(lines)
    if small:
        text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _state(s: SupervisorState) -> Text:
    text = Text()
    text.append(state_name(s), style="bold red" if s.state == State.DAMP else "bold green")
    text.append(", armed" if s.armed else ", not armed")
    if s.state in (State.STAND, State.WALK):
        text.append(", ready" if s.ready else ", on the way to its pose")
    text.append(", halting" if s.halt else "")
    text.append(f"; state {_age(s.state_age)}, command {_age(s.command_age)}")
    return text


def _faults(view: GraphView, now_s: float, small: bool) -> Table:
    faults = list(reversed(view.faults))[: LIVE_FAULTS if small else None]
    table = Table.grid(padding=(0, 2, 0, 0), expand=small)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, max_width=NAME_WIDTH if small else None)
    table.add_column(no_wrap=small, overflow="ellipsis" if small else "fold", ratio=1 if small else None)
    for fault in faults:
        table.add_row(f"{now_s - fault.time_s:.0f} s ago", Text(fault.who), Text(fault.what))
    outer = Table.grid(expand=small)
    outer.add_row(Text("last faults" if faults else "no faults so far", style="bold" if faults else "dim"))
    if faults:
        outer.add_row(table)
    return outer


def _lines(view: GraphView, now_s: float) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), expand=True, header_style="bold")
    table.add_column("node", no_wrap=True, max_width=NAME_WIDTH)
    table.add_column("is", no_wrap=True)
    table.add_column("says", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in view.names:
        level = view.level(name, now_s)
        values = view.nodes[name].values if name in view.nodes else {}
        said = Text(_values(values), style="dim") if level == "ok" and values else Text(view.says(name, now_s))
        table.add_row(Text(name), Text(level, style=_STYLES[level]), said)
    return table


def _all(view: GraphView, now_s: float) -> Table:
    table = Table("node", "is", "says", "values", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in view.names:
        level = view.level(name, now_s)
        values = view.nodes[name].values.items() if name in view.nodes else ()
        shown = ", ".join(f"{key}: {value}" for key, value in values if _tells(key, value))
        table.add_row(
            Text(name), Text(level, style=_STYLES[level]), Text(view.says(name, now_s)), Text(shown, style="dim")
        )
    return table


def _values(values: dict[str, str]) -> str:
    """The values that tell something, rates and ages first, with their units behind them."""

    def rank(key: str) -> int:
        return next(k for k, pattern in enumerate(_TELLING) if re.search(pattern, key))

    keys = sorted((key for key, value in values.items() if _tells(key, value)), key=rank)
    return ", ".join(_with_unit(key, values[key]) for key in keys)


def _with_unit(key: str, value: str) -> str:
    named = _UNIT.match(key)
    return f"{named[1]}: {value} {named[2]}" if named else f"{key}: {value}"


def _age(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms old" if math.isfinite(seconds) else "never came"


def _tells(key: str, value: str) -> bool:
    """Whether a value is worth room on a screen: what was counted and is 0 is not, a rate of 0 is."""
    return value not in ("", "None", "nan") and (value != "0" or key.endswith("[Hz]"))
