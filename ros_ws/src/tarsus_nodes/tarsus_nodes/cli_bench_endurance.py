# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus bench endurance``: a thousand starts and stops, and an hour of walking with pushes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.progress import TimeElapsedColumn, TimeRemainingColumn

from tarsus_core.cli import finite, run_typer
from tarsus_core.errors import ConfigError
from tarsus_edge.progress import progress_bar
from tarsus_nodes.endurance import cycle, walk
from tarsus_nodes.script import ros_script
from tarsus_nodes.sim_session import simulation_domain

app = typer.Typer(add_completion=False)


@app.command()
def endurance(
    cycles: Annotated[int, typer.Option(min=0, max=100_000, help="Starts and stops of the graph.")] = 1000,
    minutes: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=10_000.0,
            callback=finite("--minutes"),
            help="Simulated time to walk, in lockstep, with pushes.",
        ),
    ] = 60.0,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of the start pose and the pushes.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
) -> int:
    """Look for what only shows after long: leaks, processes left behind, memory that grows, falls.

    Exit code 1 if something was left behind, a command was unsafe, or the robot fell. The defaults take hours:
    --cycles 20 --minutes 2 gives a first impression.
    """
    if not cycles and not minutes:
        raise ConfigError("There is nothing to do: give --cycles or --minutes.")
    found: dict[str, Any] = {}
    with (
        progress_bar(TimeElapsedColumn(), TimeRemainingColumn()) as progress,
        simulation_domain(),
        ros_script() as check,
    ):
        if cycles:
            task = progress.add_task(f"{cycles} starts and stops", total=1.0)
            found["cycles"] = cycle(cycles, lambda part: progress.update(task, completed=part), check)
        if minutes:
            task = progress.add_task(f"walking for {minutes:g} minutes", total=1.0)
            found["walk"] = walk(60.0 * minutes, seed, lambda part: progress.update(task, completed=part), check)
    print(json.dumps(found, allow_nan=False) if as_json else json.dumps(found, indent=2, allow_nan=False))
    left = found.get("cycles", {}).get("files_left")
    walked = found.get("walk", {})
    return 1 if left or walked.get("falls") or walked.get("unsafe_commands") else 0


def main(argv: Sequence[str]) -> int:
    """Entry of the command table."""
    return run_typer(app, "tarsus bench endurance", argv)
