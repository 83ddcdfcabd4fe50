# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus status``: the graph at a glance, live."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Annotated

import typer
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from rich.console import Console
from rich.live import Live
from tarsus_msgs.msg import SupervisorState, WatchdogState

from tarsus_core.cli import finite, run_typer
from tarsus_core.errors import ConfigError
from tarsus_nodes.graph_picture import picture, small_picture
from tarsus_nodes.graph_view import GraphView
from tarsus_nodes.qos import STATUS_QOS
from tarsus_nodes.script import ros_script

app = typer.Typer(add_completion=False)

REFRESH_S = 0.25
LISTEN_S = 4.0
"""how long --once listens: nodes are found within a second, and one is silent after ``SILENT_S``"""
LOOK_S = 0.5
"""s between two looks who is there"""
UNKNOWN = "_UNKNOWN_"
"""in the name of a node of which the middleware knows the publisher and nothing else yet"""
ASKED = ("lockstep", "watchdog")
"""parameters of the supervisor that say how long it may be silent, and whether it needs a watchdog"""


class Ears(Node):
    """Hears what nodes say of themselves, and sees which are there."""

    def __init__(self, view: GraphView) -> None:
        """Fill a view."""
        super().__init__("status", start_parameter_services=False)
        self._view = view
        for kind, topic, take, qos in (
            (SupervisorState, "supervisor/state", view.on_supervisor, STATUS_QOS),
            (WatchdogState, "watchdog/state", view.on_watchdog, STATUS_QOS),
            (DiagnosticArray, "diagnostics", view.on_diagnostics, 50),
        ):
            heard = self.create_subscription(
                kind, topic, lambda message, take=take: take(message, time.monotonic()), qos
            )
        self._diagnostics = heard.topic_name  # resolved: looking for publishers follows no remapping
        self._supervisor = self.create_client(GetParameters, "supervisor/get_parameters")
        self._asked = False
        self.create_timer(LOOK_S, self.look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def look(self) -> None:
        """Look which nodes are there, and ask the supervisor once what to expect of it."""
        found = self.get_publishers_info_by_topic(self._diagnostics)
        names = {f"{end.node_namespace.rstrip('/')}/{end.node_name}".lstrip("/") for end in found}
        self._view.on_publishers((name for name in names if UNKNOWN not in name), time.monotonic())
        if not self._asked and self._supervisor.service_is_ready():
            self._asked = True
            self._supervisor.call_async(GetParameters.Request(names=ASKED)).add_done_callback(self._on_parameters)

    def _on_parameters(self, future: Future) -> None:
        answer = future.result()
        if answer is None or [value.type for value in answer.values] != [ParameterType.PARAMETER_BOOL] * len(ASKED):
            return  # another program's supervisor: nothing is known of it
        self._view.lockstep, self._view.needs_watchdog = (value.bool_value for value in answer.values)


@app.command()
def status(
    once: Annotated[bool, typer.Option("--once", help="Listen for a while, print everything once, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As --once, as one JSON object.")] = False,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.5,
            max=60.0,
            callback=finite("--seconds"),
            help="How long --once listens; nodes report once a second.",
        ),
    ] = LISTEN_S,
) -> None:
    """Show states, rates, ages and the last faults of a running graph, on the domain of ROS_DOMAIN_ID.

    Live until Ctrl-C in a terminal. With --once or --json the exit code is 1 if a node reports an error, is silent or
    was not heard yet, and without a supervisor or the watchdog that it needs.
    """
    view = GraphView()
    with ros_script() as check:
        ears = Ears(view)
        executor = SingleThreadedExecutor()
        executor.add_node(ears)
        try:
            if once or as_json or not sys.stdout.isatty():
                _listen(executor, check, seconds)
                ears.look()
            else:
                _live(view, executor, check)
            now = time.monotonic()  # before ROS is taken down, which takes its time
        finally:
            domain = ears.context.get_domain_id()
            executor.shutdown()
            ears.destroy_node()
    if view.empty:
        raise ConfigError(
            f"Nobody speaks on ROS domain {domain}: start 'make sim' or a launch file, and set ROS_DOMAIN_ID to the "
            "domain that it names."
        )
    if as_json:
        print(json.dumps(view.as_json(now), allow_nan=False))
    elif once or not sys.stdout.isatty():
        Console(highlight=False).print(picture(view, now))
    else:
        return
    raise typer.Exit(0 if view.well(now) else 1)


def main(argv: Sequence[str]) -> int:
    """Entry of the command table."""
    return run_typer(app, "tarsus status", argv)


def _listen(executor: SingleThreadedExecutor, check: Callable[[], None], seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0.0:
        check()
        executor.spin_once(timeout_sec=min(left, 0.1))


def _live(view: GraphView, executor: SingleThreadedExecutor, check: Callable[[], None]) -> None:
    try:
        with Live(small_picture(view, time.monotonic()), console=Console(highlight=False), auto_refresh=False) as live:
            while True:
                _listen(executor, check, REFRESH_S)
                live.update(small_picture(view, time.monotonic()), refresh=True)
    except KeyboardInterrupt:
        return
