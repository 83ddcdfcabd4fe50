# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus score``: measures how well a policy walks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tarsus_core.cli import run_typer
from tarsus_edge.policy_file import read_policy
from tarsus_policies.score_pool import Say
from tarsus_policies.score_report import check_plot_path, plot_score, score_summary, score_table
from tarsus_policies.scorer import ScoreSettings, score_policy

app = typer.Typer(add_completion=False)


@app.command()
def score(
    policy: Annotated[Path, typer.Argument(metavar="POLICY.onnx", help="Policy file, as 'tarsus export' makes it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
    seconds: Annotated[float, typer.Option(help="Length of each command in s; the first 2 s are not counted.")] = 10.0,
    seeds: Annotated[int, typer.Option(help="Runs of each command.")] = 3,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one a core.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw what was commanded and achieved.")] = None,
) -> None:
    """Measure how well a policy walks: velocity errors on a grid of commands, falls, and drift while standing.

    The full robot walks in PyBullet, driven by the same code as on the robot. The same file gets the same score.
    """
    settings = ScoreSettings(seconds=seconds, seeds=seeds)
    settings.check()
    if plot is not None:
        check_plot_path(plot)
    file = read_policy(policy)
    with progress_bar("scoring") as say:
        result = score_policy(file, settings, workers or default_workers(), say)
    if as_json:
        print(json.dumps(result.as_dict(), indent=2, allow_nan=False))
    else:
        console = Console()
        console.print(score_table(result))
        console.print(score_summary(result))
    if plot is not None:
        plot_score(result, plot)
        Console(stderr=True).print(f"Plot: {plot}", highlight=False)


@contextmanager
def progress_bar(title: str) -> Iterator[Say]:
    """Show a bar with the time left on standard error, if that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def default_workers() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_typer(app, "tarsus score", argv)
