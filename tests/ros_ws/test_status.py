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
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from helpers.ros import Ros
from helpers.supervisor_bench import Bench
from rclpy.node import Node
from rich.console import Console, RenderableType
from tarsus_msgs.msg import SupervisorState, WatchdogState

from tarsus_core import cli
from tarsus_nodes.graph_picture import picture, small_picture
from tarsus_nodes.graph_view import FAULTS, GraphView

COMMAND = [sys.executable, "-c", "import sys; from tarsus_core.cli import main; sys.exit(main(sys.argv[1:]))", "status"]


def report(name: str, level: bytes, message: str, **values: str) -> DiagnosticArray:
    pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticArray(status=[DiagnosticStatus(level=level, name=name, message=message, values=pairs)])


def healthy(now: float = 0.0) -> GraphView:
    """Supervisor and watchdog, heard just now, in real time."""
    view = GraphView(lockstep=False)
    view.on_diagnostics(report("supervisor", DiagnosticStatus.OK, "The robot is in WALK."), now)
    view.on_diagnostics(report("watchdog", DiagnosticStatus.OK, "The supervisor is watched."), now)
    view.on_supervisor(SupervisorState(state=SupervisorState.WALK, armed=True, ready=True), now)
    view.on_watchdog(WatchdogState(), now)
    return view


def said(view: GraphView) -> list[tuple[float, str, str]]:
    return [(f.time_s, f.who, f.what) for f in view.faults]


def shown(what: RenderableType, width: int = 120) -> str:
    out = io.StringIO()
    Console(file=out, width=width, height=24).print(what)
    return out.getvalue()


def test_levels_and_silence() -> None:
    view = healthy(10.0)
    view.on_diagnostics(report("policy", DiagnosticStatus.OK, "The policy answers.", rate="50"), 10.0)
    view.on_diagnostics(report("sim", DiagnosticStatus.WARN, "Late."), 10.0)
    assert view.well(10.0) and view.level("sim", 10.0) == "warn"
    view.on_diagnostics(report("sim", DiagnosticStatus.ERROR, "Broken."), 10.5)
    assert view.troubles(10.5) == ["sim is error: Broken."] and not view.well(10.5)
    assert view.level("policy", 12.5) == "ok" and view.level("policy", 12.51) == "silent"
    assert view.as_json(13.0)["nodes"]["policy"] == {
        "level": "silent", "message": "The policy answers.", "heard_s_ago": 3.0, "values": {"rate": "50"}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("level", "name"), [(DiagnosticStatus.STALE, "stale"), (b"\x09", "error"), (DiagnosticStatus.ERROR, "error")]
)
def test_what_is_stale_and_what_is_unknown_is_not_well(level: bytes, name: str) -> None:
    view = healthy()
    view.on_diagnostics(report("sim", level, "Old."), 0.0)
    assert view.level("sim", 0.0) == name and not view.well(0.0)
    assert said(view) == [(0.0, "sim", "Old.")]
    assert name in shown(small_picture(view, 0.0))


def test_a_node_that_is_there_and_says_nothing_is_silent() -> None:
    view = healthy(5.0)
    view.on_publishers(["sim", "supervisor", "arm", "policy"], 5.0)
    view.on_diagnostics(report("sim", DiagnosticStatus.OK, ""), 5.5)
    view.on_diagnostics(report("arm: motors", DiagnosticStatus.OK, ""), 5.5)  # as diagnostic_updater names it
    assert list(view.unheard) == ["policy"]
    assert view.level("policy", 7.5) == "waiting" and not view.well(5.6)
    view.on_publishers(["policy"], 7.0)
    assert view.level("policy", 7.51) == "silent" and view.says("policy", 8.0) == "nothing for 3 s"
    found = view.as_json(8.0)
    assert found["nodes"]["policy"] == {"level": "silent", "message": "", "heard_s_ago": None, "values": {}}
    assert "policy is silent: nothing for 3 s" in found["troubles"]
    assert "nothing for 3 s" in shown(small_picture(view, 8.0)) and "nothing for 3 s" in shown(picture(view, 8.0))
    view.on_publishers([], 8.1)  # it has gone in order
    assert "policy" not in view.names


def test_without_supervisor_or_the_watchdog_that_it_needs_nothing_is_well() -> None:
    view = GraphView()
    assert view.empty and not view.well(0.0)
    view.on_diagnostics(report("sim", DiagnosticStatus.OK, ""), 1.0)
    assert view.troubles(1.0) == ["No supervisor speaks."]
    view.on_supervisor(SupervisorState(), 1.0)
    assert view.troubles(1.0) == ["No watchdog speaks."] and not view.well(1.0)
    assert "No watchdog speaks." in shown(small_picture(view, 1.0))
    view.needs_watchdog = False
    assert view.well(1.0)


def test_a_dead_supervisor_does_not_walk_on() -> None:
    view = healthy(10.0)
    assert view.well(11.0) and "silent" not in shown(small_picture(view, 11.0))
    view.on_watchdog(WatchdogState(), 11.0)
    assert view.troubles(11.2) == ["The supervisor has been silent for 1.2 s."] and not view.well(11.2)
    assert shown(small_picture(view, 11.2)).startswith(
        "WALK, armed, ready; state 0 ms old, command 0 ms old: so it was\nThe supervisor has been silent for 1.2 s.\n"
    )
    found = view.as_json(11.25)
    assert (found["supervisor"]["heard_s_ago"], found["watchdog"]["heard_s_ago"]) == (1.25, 0.25)
    view.on_supervisor(SupervisorState(), 12.2)
    assert view.troubles(12.2) == ["The watchdog has been silent for 1.2 s."]


@pytest.mark.parametrize("lockstep", [True, None])
def test_a_supervisor_in_lockstep_may_wait_while_it_reports(lockstep: bool | None) -> None:
    view = healthy(10.0)
    view.lockstep = lockstep
    view.on_diagnostics(report("supervisor", DiagnosticStatus.OK, ""), 30.0)
    assert view.supervisor_trouble(32.5) == ""
    assert view.supervisor_trouble(32.6) == "The supervisor has been silent for 2.6 s."


def test_a_state_of_another_version_is_a_number() -> None:
    view = healthy()
    view.on_supervisor(SupervisorState(state=77), 0.0)
    assert view.as_json(0.0)["supervisor"]["state"] == "state 77"
    assert shown(small_picture(view, 0.0)).startswith("state 77, not armed")


def test_a_rise_is_a_fault_each_time_and_so_is_another_error() -> None:
    view = GraphView()
    ok, warn, error = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
    for now, level, message in (
        (1.0, warn, "12 states were late."),
        (2.0, warn, "13 states were late."),  # the same
        (3.0, error, "Broken at 1.5 s."),
        (4.0, error, "Broken at -2.5e-3 s."),  # the same
        (5.0, error, "Joint knee_2 is hot."),
        (6.0, error, "Joint knee_3 is hot."),  # another joint
        (7.0, ok, "Fine."),
        (8.0, error, "Joint knee_3 is hot."),  # again
    ):
        view.on_diagnostics(report("sim", level, message), now)
    assert said(view) == [
        (1.0, "sim", "12 states were late."),
        (3.0, "sim", "Broken at 1.5 s."),
        (5.0, "sim", "Joint knee_2 is hot."),
        (6.0, "sim", "Joint knee_3 is hot."),
        (8.0, "sim", "Joint knee_3 is hot."),
    ]


def test_one_sentence_from_two_sources_is_one_fault_for_two_seconds() -> None:
    view = GraphView()
    fallen = SupervisorState(state=SupervisorState.DAMP, reason="It fell after 3.2 s.")
    for now in (1.0, 20.0):
        view.on_supervisor(SupervisorState(), now - 0.5)
        view.on_diagnostics(report("supervisor", DiagnosticStatus.OK, ""), now - 0.4)
        view.on_supervisor(fallen, now)
        view.on_diagnostics(report("supervisor", DiagnosticStatus.ERROR, "It fell after 3.3 s."), now + 0.6)
    assert said(view) == [(1.0, "supervisor", fallen.reason), (20.0, "supervisor", fallen.reason)]
    view.on_diagnostics(report("sim", DiagnosticStatus.ERROR, fallen.reason), 22.1)
    assert said(view)[2:] == [(22.1, "sim", fallen.reason)]


def test_damping_is_a_fault_once_and_only_so_many_are_kept() -> None:
    view = GraphView()
    view.on_supervisor(SupervisorState(state=SupervisorState.WALK), 1.0)
    for now in (2.0, 3.0):
        view.on_supervisor(SupervisorState(state=SupervisorState.DAMP, reason="It fell."), now)
        view.on_watchdog(WatchdogState(damp=True, reason="It is gone."), now)
    assert said(view) == [(2.0, "supervisor", "It fell."), (2.0, "watchdog", "It is gone.")]
    for k in range(20):
        view.on_supervisor(SupervisorState(state=SupervisorState.DAMP, reason=f"Reason {chr(97 + k)}."), 4.0 + k)
    assert len(view.faults) == FAULTS and view.faults[-1].what == "Reason t."


def test_the_picture_shows_state_nodes_and_faults() -> None:
    view = GraphView()
    values = {"states [Hz]": "0", "errors": "0", "rate": "50.1", "cmd_vel age [s]": "inf", "reason": "None"}
    view.on_diagnostics(report("policy", DiagnosticStatus.OK, "The policy answers.", **values), 5.0)
    view.on_supervisor(
        SupervisorState(state=SupervisorState.DAMP, reason="It [fell].", state_age=0.004, command_age=float("inf")), 5.0
    )
    for text in (shown(picture(view, 7.0)), shown(small_picture(view, 7.0))):
        for part in ("DAMP, not armed; state 4 ms old, command never came", "It [fell].", "rate: 50.1", "2 s ago"):
            assert part in text
        assert "errors" not in text and "reason" not in text
    assert "states: 0 Hz, cmd_vel age: inf s, rate: 50.1" in text
    assert "states [Hz]: 0, rate: 50.1, cmd_vel age [s]: inf" in shown(picture(view, 7.0), width=160)
    assert "No supervisor speaks." in shown(small_picture(GraphView(), 0.0))


NAMES = ("camera", "collision_monitor", "lifecycle_manager", "policy", "recorder", "sim", "supervisor", "watchdog")


def test_the_small_picture_fits_on_a_screen_of_80_by_24() -> None:
    view = GraphView(lockstep=False)
    values = {f"something that is measured {k} [ms]": "1.234" for k in range(20)} | {"states [Hz]": "200"}
    damped = SupervisorState(state=SupervisorState.DAMP, reason="It fell. " * 20, state_age=1.0, command_age=1.0)
    view.on_supervisor(damped, 10.0)
    for name in NAMES[:-1]:
        view.on_diagnostics(report(name, DiagnosticStatus.OK, "All is well. " * 9, **values), 15.0)
    for name in NAMES[:3]:
        view.on_diagnostics(report(name, DiagnosticStatus.ERROR, f"{name} is broken. " * 9, **values), 16.0)
    for k in range(6):
        view.on_diagnostics(report("sim", DiagnosticStatus.WARN, f"{'abcdef'[k]} is late. " * 9, **values), 11.0 + k)
        view.on_diagnostics(report("sim", DiagnosticStatus.OK, "", **values), 11.5 + k)
    view.on_publishers(["watchdog"], 11.0)
    lines = shown(small_picture(view, 17.0), width=80).splitlines()
    assert len(lines) == 20 and max(map(len, lines)) <= 80
    assert lines[0].startswith("DAMP, not armed; state 1000 ms old, command 1000 ms old")
    assert lines[1].startswith("The supervisor has been silent for 7.0 s.")
    assert lines[2].startswith("No watchdog speaks.") and lines[3].startswith("It fell.")
    assert lines[5].startswith("last faults") and lines[6].startswith("1 s ago  sim  f is late.")
    assert [line.split()[0] for line in lines[12:]] == list(NAMES)
    assert lines[12].split()[1:5] == ["error", "camera", "is", "broken."] and lines[12].rstrip().endswith("…")
    assert lines[15].split()[1:5] == ["ok", "states:", "200", "Hz,"] and lines[15].rstrip().endswith("…")
    assert lines[19].split()[1:] == ["silent", "nothing", "for", "6", "s"]


def ask(session: Ros, *words: str) -> subprocess.CompletedProcess[str]:
    """What the command says of the session's nodes, which run meanwhile."""
    done: list[subprocess.CompletedProcess[str]] = []
    environment = {**os.environ, "ROS_DOMAIN_ID": str(session.domain_id)}

    def run() -> None:
        command = [*COMMAND, *words]
        done.append(subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False))

    thread = threading.Thread(target=run)
    thread.start()
    session.spin_until(lambda: not thread.is_alive(), 60.0, "the command")
    return done[0]


def test_the_command_shows_a_real_supervisor(session: Ros, policy: Path) -> None:
    Bench(session, policy, lockstep=False)
    done = ask(session, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["supervisor"]["state"] == "PASSIVE" and found["supervisor"]["state_age_s"] is None
    assert found["supervisor"]["heard_s_ago"] < 1.0
    assert found["nodes"]["supervisor"]["level"] in ("ok", "warn")
    assert found["watchdog"] is None and found["troubles"] == []  # it is one that needs none


def test_the_command_shows_who_says_nothing_and_the_watchdog_that_is_not_there(session: Ros, policy: Path) -> None:
    Bench(session, policy, lockstep=False, watchdog=True)
    session.node(Mute)
    done = ask(session, "--json", "--seconds", "8")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["nodes"]["arm/mute"] == {"level": "silent", "message": "", "heard_s_ago": None, "values": {}}
    assert found["troubles"][0] == "No watchdog speaks." and len(found["troubles"]) == 2


class Mute(Node):
    """Would publish diagnostics, and never does."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__("mute", namespace="arm", **arguments)
        self.create_publisher(DiagnosticArray, "/diagnostics", 10)


def test_a_time_that_is_no_number_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--once", "--seconds", "nan"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "--seconds" in err and err.count("\n") == 1


def test_an_empty_domain_is_one_sentence(ros_domain: int) -> None:
    done = subprocess.run(
        [*COMMAND, "--once", "--seconds", "0.5"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"tarsus: Nobody speaks on ROS domain {ros_domain}: ")
