# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus status``: what it gathers, and what it prints of a real node."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from helpers.ros import Ros
from helpers.supervisor_bench import Bench
from rich.console import Console
from tarsus_msgs.msg import SupervisorState, WatchdogState

from tarsus_nodes.graph_view import FAULTS, GraphView

COMMAND = [sys.executable, "-c", "import sys; from tarsus_core.cli import main; sys.exit(main(sys.argv[1:]))", "status"]


def report(name: str, level: bytes, message: str, **values: str) -> DiagnosticArray:
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticArray(status=[DiagnosticStatus(level=level, name=name, message=message, values=pairs)])


def test_levels_silence_and_faults() -> None:
    view = GraphView()
    assert not view.well(0.0)
    view.on_diagnostics(report("policy", DiagnosticStatus.OK, "The policy answers.", rate="50"), 10.0)
    view.on_diagnostics(report("sim", DiagnosticStatus.WARN, "Late."), 10.0)
    assert view.well(10.0) and view.level("sim", 10.0) == "warn"
    assert [(f.who, f.what) for f in view.faults] == [("sim", "Late.")]
    view.on_diagnostics(report("sim", DiagnosticStatus.WARN, "Late."), 11.0)  # the same again is no news
    assert len(view.faults) == 1
    view.on_diagnostics(report("sim", DiagnosticStatus.ERROR, "Broken."), 12.0)
    assert not view.well(12.0) and len(view.faults) == 2
    assert view.level("policy", 12.5) == "ok" and view.level("policy", 12.51) == "silent"
    assert view.as_json(13.0)["nodes"]["policy"] == {
        "level": "silent", "message": "The policy answers.", "heard_s_ago": 3.0, "values": {"rate": "50"}
    }  # fmt: skip


def test_damping_is_a_fault_once_and_only_so_many_are_kept() -> None:
    view = GraphView()
    view.on_supervisor(SupervisorState(state=SupervisorState.WALK), 1.0)
    for now in (2.0, 3.0):
        view.on_supervisor(SupervisorState(state=SupervisorState.DAMP, reason="It fell."), now)
        view.on_watchdog(WatchdogState(damp=True, reason="It is gone."), now)
    assert [(f.time_s, f.who, f.what) for f in view.faults] == [
        (2.0, "supervisor", "It fell."),
        (2.0, "watchdog", "It is gone."),
    ]
    for k in range(20):
        view.on_supervisor(SupervisorState(state=SupervisorState.DAMP, reason=f"Reason {k}."), 4.0 + k)
    assert len(view.faults) == FAULTS and view.faults[-1].what == "Reason 19."


def test_the_picture_shows_state_nodes_and_faults() -> None:
    view = GraphView()
    view.on_diagnostics(report("policy", DiagnosticStatus.OK, "The policy answers.", rate="50.1", errors="0"), 5.0)
    view.on_supervisor(
        SupervisorState(state=SupervisorState.DAMP, reason="It [fell].", state_age=0.004, command_age=float("inf")), 5.0
    )
    out = io.StringIO()
    Console(file=out, width=120).print(view.render(7.0))
    text = out.getvalue()
    for part in ("DAMP, not armed; state 4 ms old, command never came", "It [fell].", "rate: 50.1", "2 s ago"):
        assert part in text
    assert "errors" not in text
    view = GraphView()
    out = io.StringIO()
    Console(file=out).print(view.render(0.0))
    assert "No supervisor speaks." in out.getvalue()


def test_the_command_shows_a_real_supervisor(session: Ros, policy: Path) -> None:
    Bench(session, policy, lockstep=False)
    done: list[subprocess.CompletedProcess[str]] = []
    environment = {**os.environ, "ROS_DOMAIN_ID": str(session.domain_id), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}

    def ask() -> None:
        command = [*COMMAND, "--json", "--seconds", "4"]
        done.append(subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False))

    thread = threading.Thread(target=ask)
    thread.start()
    session.spin_until(lambda: not thread.is_alive(), 60.0, "the command")
    assert done[0].returncode == 0, done[0].stderr
    shown = json.loads(done[0].stdout)
    assert shown["supervisor"]["state"] == "PASSIVE" and shown["supervisor"]["state_age_s"] is None
    assert shown["nodes"]["supervisor"]["level"] in ("ok", "warn") and shown["watchdog"] is None


def test_an_empty_domain_is_one_sentence(ros_domain: int) -> None:
    done = subprocess.run(
        [*COMMAND, "--once", "--seconds", "0.5"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"tarsus: Nobody speaks on ROS domain {ros_domain}: ")
