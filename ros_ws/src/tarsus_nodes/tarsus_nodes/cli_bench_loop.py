# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus bench loop``: how well the running graph keeps its time, alone on the machine or under load."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from diagnostic_msgs.msg import DiagnosticArray
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tarsus_msgs.msg import JointCommand as JointCommandMsg

from tarsus_core.cli import finite, run_typer
from tarsus_core.errors import ConfigError
from tarsus_core.processes import available_cores
from tarsus_edge.launcher import find_launch_file, load_plan
from tarsus_edge.policy_file import read_policy
from tarsus_nodes.command_check import CommandCheck
from tarsus_nodes.diagnostics import WINDOW
from tarsus_nodes.graph_view import GraphView
from tarsus_nodes.load import KINDS, loaded
from tarsus_nodes.operator_client import OperatorClient, OperatorError
from tarsus_nodes.operator_run import OperatorRun
from tarsus_nodes.qos import command_qos
from tarsus_nodes.realtime import HIGHEST, PRIORITY, Realtime
from tarsus_nodes.sim_request import SimRequest, make_request
from tarsus_nodes.sim_session import Display, Session, launch_arguments, simulation_domain

app = typer.Typer(add_completion=False)
WINDOW_S = 60.0
"""s that the ``WINDOW`` answers take of which policy and supervisor tell; a shorter walk is not all that is in it"""
CALM_S = 2.0
"""s between the start of the graph and that of the robot"""


class LoopBench(Session):
    """A session that measures time instead of the walk, and looks at every command."""

    def __init__(self, request: SimRequest, domain: int, display: Display, load: str) -> None:
        """Prepare; nothing starts."""
        super().__init__(request, domain, display)
        self._load = load
        self._check_commands = CommandCheck(request.robot, read_policy(request.policy).contract)
        self._view = GraphView()

    def _operate(self, operator: OperatorRun, client: OperatorClient) -> dict[str, Any]:
        operator.wait_for_graph(CALM_S)
        operator.stand_up()
        node, commands = client.node, self._check_commands
        node.create_subscription(JointCommandMsg, "joint_command", commands.take, command_qos(lockstep=True))
        node.create_subscription(
            DiagnosticArray, "diagnostics", lambda m: self._view.on_diagnostics(m, time.monotonic()), 50
        )
        with loaded(self._load, client.spin):
            try:
                result = operator.walk(self._request.plan)
            except OperatorError as error:
                raise OperatorError(f"Under the load '{self._load}': {error}") from None
        full = full_window(result["duration_s"])
        return {
            "seconds": result["duration_s"],
            "load": self._load,
            "cores": available_cores(),
            "loop_latency_ms": result["loop_latency_ms"],
            "answer_latency_ms": result["answer_latency_ms"],
            "deadline_misses": result["deadline_misses"],
            "skipped_cycles": result["skipped_cycles"],
            "real_time_factor": result["real_time_factor"],
            "policy_ms": self._latency("policy", "time to answer") if full else None,
            "supervisor_ms": self._latency("supervisor", "state to command") if full else None,
            "policy_and_supervisor_ms_of_last": WINDOW if full else None,
            "commands": commands.heard,
            "unsafe_commands": commands.unsafe,
            "camera_hz": self._camera_hz(),
            "falls": result["falls"],
            "damped": operator.reason,
        }

    def _camera_hz(self) -> float | None:
        """Pictures a second, in the last one; None without the camera."""
        view = self._view.nodes.get("camera")
        return None if view is None else float(view.values.get("pictures [Hz]", "0"))

    def _latency(self, node: str, name: str) -> dict[str, float | None]:
        """What a node says of itself."""
        values = self._view.nodes[node].values if node in self._view.nodes else {}
        found = {key: values.get(f"{name} {key} [ms]", "None") for key in ("p50", "p99", "max")}
        return {key: None if value == "None" else float(value) for key, value in found.items()}


def full_window(seconds: float) -> bool:
    """Whether a walk of so many s is long enough that what policy and supervisor tell is of nothing before it."""
    return seconds >= WINDOW_S


@app.command()
def loop(
    seconds: Annotated[
        float, typer.Option(min=1.0, max=3600.0, callback=finite("--seconds"), help="How long to measure.")
    ] = 60.0,
    load: Annotated[str, typer.Option(help=f"What else the machine does: {', '.join(KINDS)}.")] = "none",
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE.onnx", help="Policy; the one that ships if not given.")
    ] = None,
    camera: Annotated[bool, typer.Option("--camera", help="The camera on the robot sees, at 10 Hz.")] = False,
    rt_priority: Annotated[
        int,
        typer.Option(
            min=0,
            max=HIGHEST,
            help="Run every node by SCHED_FIFO with this priority, its memory locked and the processors kept awake, as "
            "far as the system grants it; 0: as any process.",
        ),
    ] = PRIORITY,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> int:
    """Walk in simulation in strict real time, and measure the loop: robot state, policy, supervisor, actuator.

    Simulated time waits for nobody here: an answer that is late is missed. What policy and supervisor say of themselves
    is of their last 3000 answers (a minute), and is not shown of a shorter run, which is not all that they tell of; the
    rest is of the whole run. Exit code 1 if a command was unsafe, or the robot fell without being damped. Close other
    programs first.
    """
    if load not in KINDS:
        raise ConfigError(f"There is no load '{load}': give one of {', '.join(KINDS)}.")
    request = make_request(
        duration_s=seconds, command=(0.5, 0.0, 0.0), policy=policy, robot="g1", seed=0, gui=False, video=None,
        lockstep=False,
    )  # fmt: skip
    with simulation_domain() as domain:
        arguments = {"patience_s": "0.0", "camera": str(camera).lower()}
        plan = load_plan(find_launch_file("sim"), {**launch_arguments(request, None), **arguments})
        realtime = Realtime.granted(rt_priority) if rt_priority else Realtime()
        plan = plan.with_parameters(**realtime.parameters())
        with Display() as display:
            found = LoopBench(request, domain, display, load).run(plan)
    found |= realtime.as_dict()
    if as_json:
        print(json.dumps(found, allow_nan=False))
    else:
        Console(highlight=False).print(_table(found))
    return 1 if found["unsafe_commands"] or (found["falls"] and not found["damped"]) else 0


def main(argv: Sequence[str]) -> int:
    """Entry of the command table."""
    return run_typer(app, "tarsus bench loop", argv)


def _table(found: dict[str, Any]) -> Table:
    table = Table(title=f"The loop, {found['seconds']:g} s, load: {found['load']}", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "p50", "p99", "max"):
        table.add_column(name, justify="left" if not name else "right")
    for name, key in (
        ("state to actuator [ms]", "loop_latency_ms"),
        ("state to command at the simulator [ms]", "answer_latency_ms"),
        (f"state to command in the supervisor [ms], last {WINDOW}", "supervisor_ms"),
        (f"time to answer of the policy [ms], last {WINDOW}", "policy_ms"),
    ):
        values = found[key] or dict.fromkeys(("p50", "p99", "max"))
        table.add_row(Text(name), *("-" if value is None else f"{value:.2f}" for value in values.values()))
    table.add_section()
    for name, value in (
        ("deadlines missed", str(found["deadline_misses"])),
        ("real-time factor", f"{found['real_time_factor']:.3f}"),
        ("commands, of them unsafe", f"{found['commands']}, {found['unsafe_commands']}"),
        ("pictures of the camera [Hz]", "-" if found["camera_hz"] is None else f"{found['camera_hz']:.1f}"),
        ("damped", found["damped"] or "no"),
        ("SCHED_FIFO priority", str(found["rt_priority"] or "none")),
        ("memory locked", "yes" if found["rt_lock_memory"] else "no"),
        ("processors kept awake", "yes" if found["rt_awake"] else "no"),
    ):
        table.add_row(Text(name), Text(value), "", "")
    return table
