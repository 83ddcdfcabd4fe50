# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus bench``: measures speed, as ratios to what the libraries underneath take alone."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from tarsus_core.cli import run_typer
from tarsus_core.processes import available_cores

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Measure speed, as ratios to what the libraries underneath take alone.

    The running graph has two more: 'tarsus bench loop' (from a state to the command, deadlines, load), 'tarsus bench
    endurance' (starts and stops, an hour of walking).
    """


@app.command()
def sim(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
    robots: Annotated[int, typer.Option(help="Robots of each core.")] = 128,
    rounds: Annotated[int, typer.Option(help="Control periods that are timed.")] = 24,
    workers: Annotated[int | None, typer.Option(min=1, help="Cores; by default all.")] = None,
) -> None:
    """Measure the walking environment against bare stepSimulation, on one core and on all.

    ratio = environment steps a second x physics steps of each / stepSimulation calls a second, on the same world from
    the same states. Close other programs first.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from tarsus_policies.bench_sim import BenchSettings, bench_sim

    console = Console(stderr=True)
    settings = BenchSettings(robots=robots, rounds=rounds, workers=workers or available_cores())
    with console.status("measuring") as status:
        found = bench_sim(settings, lambda what: status.update(f"measuring {what}"))
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        Console().print(_table(found))


def _table(found: dict[str, Any]) -> Table:
    table = Table(title="Walking environment in PyBullet", box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("joints", "cores", "robots", "env steps/s", "ratio to bare", "times one core"):
        table.add_column(name, justify="right")
    for joints, row in found["models"].items():
        for cores, figures in row["cores"].items():
            count = str(found["robots_a_core"] * int(cores))
            rate, ratio, scaling = (figures[k] for k in ("env_steps_per_s", "ratio", "scaling"))
            table.add_row(joints, cores, count, f"{rate:,.0f}", f"{ratio:.2f}", f"{scaling:.2f}")
        for robots, rate in row["robots"].items():
            table.add_row(joints, "1", robots, f"{rate:,.0f}", "", "", style="dim")
    return table


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_typer(app, "tarsus bench", argv)
