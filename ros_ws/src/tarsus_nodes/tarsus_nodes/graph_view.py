# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What the nodes of a graph say of themselves, gathered at one place: states, rates, ages, and the last faults."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from tarsus_msgs.msg import SupervisorState, WatchdogState

from tarsus_edge.supervisor import State

SILENT_S = 2.5
"""steady time after which a node that speaks once a second counts as silent"""
STATE_SILENT_S = 1.0
"""steady time after which supervisor (in real time) and watchdog, which speak each 0.1 s, count as silent: twice that
at which they believe each other dead, as who watches may be slower than they are"""
ECHO_S = 2.0
"""steady time within which the same sentence from another source is the same fault: diagnostics come once a second"""
FAULTS = 8
"""faults that are remembered"""

_LEVELS = {
    DiagnosticStatus.OK: "ok",
    DiagnosticStatus.WARN: "warn",
    DiagnosticStatus.ERROR: "error",
    DiagnosticStatus.STALE: "stale",
}
_SEVERITY = {"ok": 0, "warn": 1, "error": 2, "stale": 2}
_NUMBER = re.compile(r"(?<!\w)[-+]?(?:\d+(?:[.,]\d+)*(?:e[-+]?\d+)?|(?:inf|nan)\b)")


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
    source: str = ""
    """topic that said it"""


@dataclass
class GraphView:
    """Collects messages; times are of a steady clock and come in as arguments."""

    nodes: dict[str, NodeView] = field(default_factory=dict)
    unheard: dict[str, float] = field(default_factory=dict)
    """nodes that are there and of which nothing was heard, and the time since when they are"""
    supervisor: SupervisorState | None = None
    supervisor_s: float = -math.inf
    """time at which it was last heard"""
    watchdog: WatchdogState | None = None
    watchdog_s: float = -math.inf
    lockstep: bool | None = None
    """whether the supervisor runs in lockstep, where it says its state each control period and nothing while the
    simulator holds; None while that is not known"""
    needs_watchdog: bool = True
    """whether the supervisor refuses to arm without a watchdog"""
    faults: deque[Fault] = field(default_factory=lambda: deque(maxlen=FAULTS))

    # ---- what comes in ----

    def on_publishers(self, names: Iterable[str], now_s: float) -> None:
        """Take the names of all nodes that publish diagnostics, full, without the slash in front."""
        self.unheard = {name: self.unheard.get(name, now_s) for name in names if not self._heard(name)}

    def on_diagnostics(self, message: DiagnosticArray, now_s: float) -> None:
        """Take the reports of nodes; one that is worse than the one before is a fault, and so is another error."""
        for status in message.status:
            level = _LEVELS.get(status.level, "error")
            before = self.nodes.get(status.name)
            risen = _SEVERITY[level] > (_SEVERITY[before.level] if before else 0)
            other = before is not None and _pattern(before.message) != _pattern(status.message)
            if risen or (other and _SEVERITY[level] == _SEVERITY["error"]):
                self._fault(Fault(now_s, status.name, status.message, "diagnostics"))
            values = {pair.key: pair.value for pair in status.values}
            self.nodes[status.name] = NodeView(level, status.message, values, now_s)
        self.unheard = {name: since_s for name, since_s in self.unheard.items() if not self._heard(name)}

    def on_supervisor(self, message: SupervisorState, now_s: float) -> None:
        """Take the supervisor's state."""
        before = self.supervisor.reason if self.supervisor is not None else ""
        if message.reason and _pattern(before) != _pattern(message.reason):
            self._fault(Fault(now_s, "supervisor", message.reason, "supervisor/state"))
        self.supervisor, self.supervisor_s = message, now_s

    def on_watchdog(self, message: WatchdogState, now_s: float) -> None:
        """Take what the watchdog says."""
        if message.damp and (self.watchdog is None or not self.watchdog.damp):
            self._fault(Fault(now_s, "watchdog", message.reason, "watchdog/state"))
        self.watchdog, self.watchdog_s = message, now_s

    # ---- what is to be said of it ----

    @property
    def empty(self) -> bool:
        """Whether nobody is there."""
        return not self.nodes and not self.unheard and self.supervisor is None and self.watchdog is None

    @property
    def names(self) -> list[str]:
        """All nodes, heard or not, in order."""
        return sorted({*self.nodes, *self.unheard})

    def level(self, name: str, now_s: float) -> str:
        """``ok``, ``warn``, ``error``, ``stale``, ``silent``, or ``waiting`` for the first report of a node."""
        node = self.nodes.get(name)
        if node is None:
            return "silent" if now_s - self.unheard[name] > SILENT_S else "waiting"
        return "silent" if now_s - node.heard_s > SILENT_S else node.level

    def says(self, name: str, now_s: float) -> str:
        """Sentence of a node, or for how long there has been none."""
        level, node = self.level(name, now_s), self.nodes.get(name)
        if node is None:
            return "nothing yet" if level == "waiting" else f"nothing for {now_s - self.unheard[name]:.0f} s"
        return f"nothing for {now_s - node.heard_s:.0f} s" if level == "silent" else node.message

    def supervisor_trouble(self, now_s: float) -> str:
        """Sentence if the supervisor does not speak, or no longer; else empty."""
        if self.supervisor is None:
            return "No supervisor speaks."
        heard_s, limit_s = self.supervisor_s, STATE_SILENT_S
        if self.lockstep is not False:  # while the simulator holds, only its diagnostics tell that it lives
            own = self.nodes.get("supervisor")
            heard_s, limit_s = max(heard_s, own.heard_s if own else -math.inf), SILENT_S
        silent_s = now_s - heard_s
        return f"The supervisor has been silent for {silent_s:.1f} s." if silent_s > limit_s else ""

    def watchdog_trouble(self, now_s: float) -> str:
        """Sentence if the watchdog that the supervisor needs does not speak, or one no longer does; else empty."""
        if self.watchdog is None:
            return "No watchdog speaks." if self.needs_watchdog and self.supervisor is not None else ""
        silent_s = now_s - self.watchdog_s
        return f"The watchdog has been silent for {silent_s:.1f} s." if silent_s > STATE_SILENT_S else ""

    def troubles(self, now_s: float) -> list[str]:
        """One sentence for each thing that is not well, the weightiest first."""
        found = [self.supervisor_trouble(now_s), self.watchdog_trouble(now_s)]
        for name in self.names:
            level = self.level(name, now_s)
            if level not in ("ok", "warn"):
                found.append(f"{name} is {level}: {self.says(name, now_s)}")
        return [sentence for sentence in found if sentence]

    def well(self, now_s: float) -> bool:
        """Whether supervisor and watchdog speak, and every node does without reporting an error."""
        return bool(self.nodes) and not self.troubles(now_s)

    def as_json(self, now_s: float) -> dict[str, Any]:
        """Everything, ready for JSON."""
        s = self.supervisor
        return {
            "well": self.well(now_s),
            "troubles": self.troubles(now_s),
            "supervisor": None
            if s is None
            else {
                "state": state_name(s),
                "armed": s.armed,
                "ready": s.ready,
                "halt": s.halt,
                "reason": s.reason,
                "state_age_s": _number(s.state_age),
                "command_age_s": _number(s.command_age),
                "heard_s_ago": round(now_s - self.supervisor_s, 2),
            },
            "watchdog": None
            if self.watchdog is None
            else {
                "damps": self.watchdog.damp,
                "reason": self.watchdog.reason,
                "heard_s_ago": round(now_s - self.watchdog_s, 2),
            },
            "nodes": {name: self._node_json(name, now_s) for name in self.names},
            "faults": [
                {"s_ago": round(now_s - fault.time_s, 1), "node": fault.who, "what": fault.what}
                for fault in self.faults
            ],
        }

    def _node_json(self, name: str, now_s: float) -> dict[str, Any]:
        node = self.nodes.get(name)
        return {
            "level": self.level(name, now_s),
            "message": node.message if node else "",
            "heard_s_ago": round(now_s - node.heard_s, 2) if node else None,
            "values": node.values if node else {},
        }

    def _heard(self, name: str) -> bool:
        """Whether a node has reported: as itself, or one of its tasks (``node: task``), as diagnostic_updater does."""
        return name in self.nodes or any(heard.startswith(f"{name}:") for heard in self.nodes)

    def _fault(self, fault: Fault) -> None:
        """Remember a fault, unless another source has just said the same."""
        for earlier in self.faults:
            recent = fault.time_s - earlier.time_s <= ECHO_S
            other = (earlier.who, earlier.source) != (fault.who, fault.source)
            if recent and other and _pattern(earlier.what) == _pattern(fault.what):
                return
        self.faults.append(fault)


def state_name(message: SupervisorState) -> str:
    """Name of the supervisor's state; its number where another version says one that is not known here."""
    return State(message.state).name if message.state in iter(State) else f"state {message.state}"


def _pattern(text: str) -> str:
    """A sentence without its numbers, which change while the fault stays the same."""
    return _NUMBER.sub("#", text)


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
