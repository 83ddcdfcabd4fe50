# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What the nodes of a graph say of themselves, gathered at one place: states, rates, ages, and the last faults."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text
from tarsus_msgs.msg import SupervisorState, WatchdogState

from tarsus_edge.supervisor import State

SILENT_S = 2.5
"""steady time after which a node that speaks once a second counts as silent"""
FAULTS = 8
"""faults that are remembered"""

_LEVELS = {DiagnosticStatus.OK: "ok", DiagnosticStatus.WARN: "warn", DiagnosticStatus.ERROR: "error"}
_STYLES = {"ok": "green", "warn": "yellow", "error": "bold red", "silent": "bold red"}


@dataclass
class NodeView:
    """The newest report of one node."""

    level: str
    message: str
    values: dict[str, str]
    heard_s: float


@dataclass(frozen=True)
class Fault:
    """Something that went wrong, and when it was heard."""

    time_s: float
    """steady time"""
    who: str
    what: str


@dataclass
class GraphView:
    """Collects messages; times are of a steady clock and come in as arguments."""

    nodes: dict[str, NodeView] = field(default_factory=dict)
    supervisor: SupervisorState | None = None
    watchdog: WatchdogState | None = None
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=FAULTS))

    def on_diagnostics(self, message: DiagnosticArray, now_s: float) -> None:
        """Take the reports of nodes; a report that is worse than the one before is a fault."""
        for status in message.status:
            level = _LEVELS.get(status.level, "error")
            before = self.nodes.get(status.name)
            if level != "ok" and (before is None or before.message != status.message):
                self._fault(now_s, status.name, status.message)
            values = {pair.key: pair.value for pair in status.values}
            self.nodes[status.name] = NodeView(level, status.message, values, now_s)

    def on_supervisor(self, message: SupervisorState, now_s: float) -> None:
        """Take the supervisor's state."""
        if message.reason and (self.supervisor is None or self.supervisor.reason != message.reason):
            self._fault(now_s, "supervisor", message.reason)
        self.supervisor = message

    def on_watchdog(self, message: WatchdogState, now_s: float) -> None:
        """Take what the watchdog says."""
        if message.damp and (self.watchdog is None or not self.watchdog.damp):
            self._fault(now_s, "watchdog", message.reason)
        self.watchdog = message

    def level(self, name: str, now_s: float) -> str:
        """``ok``, ``warn``, ``error`` or ``silent``."""
        node = self.nodes[name]
        return "silent" if now_s - node.heard_s > SILENT_S else node.level

    def well(self, now_s: float) -> bool:
        """Whether somebody speaks, and nobody reports an error or has fallen silent."""
        return bool(self.nodes) and all(self.level(name, now_s) in ("ok", "warn") for name in self.nodes)

    def as_json(self, now_s: float) -> dict[str, Any]:
        """Everything, ready for JSON."""
        s = self.supervisor
        return {
            "well": self.well(now_s),
            "supervisor": None
            if s is None
            else {
                "state": State(s.state).name,
                "armed": s.armed,
                "ready": s.ready,
                "halt": s.halt,
                "reason": s.reason,
                "state_age_s": _number(s.state_age),
                "command_age_s": _number(s.command_age),
            },
            "watchdog": None
            if self.watchdog is None
            else {"damps": self.watchdog.damp, "reason": self.watchdog.reason},
            "nodes": {
                name: {
                    "level": self.level(name, now_s),
                    "message": node.message,
                    "heard_s_ago": round(now_s - node.heard_s, 2),
                    "values": node.values,
                }
                for name, node in sorted(self.nodes.items())
            },
            "faults": [
                {"s_ago": round(now_s - fault.time_s, 1), "node": fault.who, "what": fault.what}
                for fault in self.faults
            ],
        }

    def render(self, now_s: float) -> Group:
        """Tables for a terminal."""
        return Group(self._headline(), self._node_table(now_s), self._fault_table(now_s))

    def _fault(self, now_s: float, who: str, what: str) -> None:
        if not self.faults or self.faults[-1].what != what:  # the node and the supervisor's state say the same
            self.faults.append(Fault(now_s, who, what))

    def _headline(self) -> Text:
        s = self.supervisor
        if s is None:
            return Text("No supervisor speaks.", style="bold red")
        text = Text()
        state = State(s.state)
        text.append(state.name, style="bold red" if state is State.DAMP else "bold green")
        text.append(", armed" if s.armed else ", not armed")
        if state in (State.STAND, State.WALK):
            text.append(", ready" if s.ready else ", on the way to its pose")
        text.append(", halting" if s.halt else "")
        text.append(f"; state {_age(s.state_age)}, command {_age(s.command_age)}")
        if s.reason:
            text.append(f"\n{s.reason}", style="red")
        return text

    def _node_table(self, now_s: float) -> Table:
        table = Table("node", "is", "says", "values", box=box.SIMPLE_HEAD, pad_edge=False)
        for name, node in sorted(self.nodes.items()):
            level = self.level(name, now_s)
            said = f"nothing for {now_s - node.heard_s:.0f} s" if level == "silent" else node.message
            values = ", ".join(f"{key}: {value}" for key, value in node.values.items() if _tells(value))
            table.add_row(Text(name), Text(level, style=_STYLES[level]), Text(said), Text(values, style="dim"))
        return table

    def _fault_table(self, now_s: float) -> Table:
        table = Table("last faults", "", "", box=box.SIMPLE_HEAD, pad_edge=False, show_header=bool(self.faults))
        for fault in reversed(self.faults):
            table.add_row(Text(f"{now_s - fault.time_s:.0f} s ago"), Text(fault.who), Text(fault.what))
        return table


def _age(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms old" if math.isfinite(seconds) else "never came"


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _tells(value: str) -> bool:
    """Whether a value is worth room on a screen."""
    return value not in ("", "0", "None", "nan", "inf")
