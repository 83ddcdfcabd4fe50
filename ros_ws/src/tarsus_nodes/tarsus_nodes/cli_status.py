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
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rich.console import Console
from rich.live import Live
from tarsus_msgs.msg import SupervisorState, WatchdogState

from tarsus_core.cli import run_typer
from tarsus_core.errors import ConfigError
from tarsus_nodes.graph_view import GraphView
from tarsus_nodes.qos import STATUS_QOS
from tarsus_nodes.script import ros_script

app = typer.Typer(add_completion=False)

REFRESH_S = 0.25


class Ears(Node):
    """Hears what nodes say of themselves."""

    def __init__(self, view: GraphView) -> None:
        """Fill a view."""
        super().__init__("status")
        for kind, topic, take, qos in (
            (DiagnosticArray, "diagnostics", view.on_diagnostics, 50),
            (SupervisorState, "supervisor/state", view.on_supervisor, STATUS_QOS),
            (WatchdogState, "watchdog/state", view.on_watchdog, STATUS_QOS),
        ):
            self.create_subscription(kind, topic, lambda message, take=take: take(message, time.monotonic()), qos)


@app.command()
def status(
    once: Annotated[bool, typer.Option("--once", help="Listen for a while, print once, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As --once, as one JSON object.")] = False,
    seconds: Annotated[float, typer.Option(min=0.5, max=60.0, help="How long --once listens.")] = 2.5,
) -> None:
    """Show states, rates, ages and the last faults of a running graph, on the domain of ROS_DOMAIN_ID.

    Live until Ctrl-C in a terminal. With --once or --json the exit code is 1 if a node reports an error or is silent.
    """
    view = GraphView()
    with ros_script() as check:
        ears = Ears(view)
        executor = SingleThreadedExecutor()
        executor.add_node(ears)
        try:
            if once or as_json or not sys.stdout.isatty():
                _listen(executor, check, seconds)
            else:
                _live(view, executor, check)
        finally:
            domain = ears.context.get_domain_id()
            executor.shutdown()
            ears.destroy_node()
    now = time.monotonic()
    if not view.nodes:
        raise ConfigError(
            f"Nobody speaks on ROS domain {domain}: start 'make sim' or a launch file, and set ROS_DOMAIN_ID to the "
            "domain that it names."
        )
    if as_json:
        print(json.dumps(view.as_json(now), allow_nan=False))
    elif once or not sys.stdout.isatty():
        Console(highlight=False).print(view.render(now))
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
        with Live(view.render(time.monotonic()), console=Console(highlight=False), auto_refresh=False) as live:
            while True:
                _listen(executor, check, REFRESH_S)
                live.update(view.render(time.monotonic()), refresh=True)
    except KeyboardInterrupt:
        return
