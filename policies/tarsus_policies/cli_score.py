# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus score``: measures how well a policy walks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, TimeRemainingColumn

from tarsus_core.cli import run_typer
from tarsus_core.errors import ConfigError, TarsusError
from tarsus_core.files import write_atomically
from tarsus_core.processes import available_cores
from tarsus_edge.progress import progress_bar
from tarsus_edge.proof import read_proven
from tarsus_policies.gate import find_gate
from tarsus_policies.score_plots import check_plot_path, plot_card
from tarsus_policies.score_pool import Say
from tarsus_policies.score_report import (
    arms_summary,
    card_table,
    comparison,
    comparison_table,
    score_summary,
    score_table,
)
from tarsus_policies.scorecard import PARTS, CardSettings, Scorecard, measure
from tarsus_policies.scorer import with_scorecard
from tarsus_policies.trial import ScoreSettings

app = typer.Typer(add_completion=False)
SECONDS, SEEDS = ScoreSettings.seconds, ScoreSettings.seeds


@app.command()
def score(
    policies: Annotated[
        list[Path], typer.Argument(metavar="POLICY.onnx...", help="Policy files, as 'tarsus export' makes them.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else.")] = False,
    gate: Annotated[
        str | None, typer.Option(help="Measure what this gate asks for, and exit with 1 where it is missed: walk.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="The grid of commands in PyBullet alone: half a minute.")] = False,
    seconds: Annotated[
        float, typer.Option(help="Length of each command in s; the first 2 s are not counted.")
    ] = SECONDS,
    seeds: Annotated[int, typer.Option(help="Runs of each command.")] = SEEDS,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one a core.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw what was measured.")] = None,
    embed: Annotated[bool, typer.Option("--embed", help="Put the scorecard into the policy file's contract.")] = False,
) -> None:
    """Measure how well policies walk: tracking, dead zone, drift, pushes, robustness, economy.

    The full robot walks in PyBullet, driven by the same code as on the robot, and again in MuJoCo. The same file gets
    the same score. Several files are shown side by side.
    """
    settings = CardSettings(ScoreSettings(seconds=seconds, seeds=seeds))
    settings.score.check()
    if quick:
        settings = replace(settings, engines=("pybullet",), parts=(), more_commands=())
    bars = None
    if gate is not None:
        bars = find_gate(gate)
        if quick or embed or (seconds, seeds) != (SECONDS, SEEDS):
            raise ConfigError(
                f"The gate '{gate}' says itself what is measured: leave out --quick, --seconds, --seeds and --embed."
            )
        settings = bars.settings(settings)
    if plot is not None:
        check_plot_path(plot)
        if len(policies) > 1:
            raise ConfigError("--plot draws one policy: give one file, or leave it out.")
    files = [read_proven(path) for path in policies]
    cards = []
    for file in files:
        with counting_bar(f"scoring {file.name}" if len(files) > 1 else "scoring") as say:
            cards.append(measure(file, settings, workers or available_cores(), say))
    missed = {card.name: bars.reasons(card) for card in cards} if bars is not None else {}
    if as_json:
        print(json.dumps(_plain(cards, missed, gate), indent=2, allow_nan=False))
    else:
        _show(cards)
    if plot is not None:
        plot_card(cards[0], plot)
        Console(stderr=True).print(f"Plot: {plot}", highlight=False)
    if embed:
        for path, file, card in zip(policies, files, cards, strict=True):
            write_atomically(path, with_scorecard(file, card.scorecard()).data)
            Console(stderr=True, soft_wrap=True).print(f"The scorecard is in {path}.", highlight=False, markup=False)
    if any(missed.values()):
        why = " ".join(reason for reasons in missed.values() for reason in reasons)
        raise GateError(f"The gate '{gate}' is missed: {why}")
    if gate is not None and not as_json:
        Console().print(f"The gate '{gate}' is passed.")


class GateError(TarsusError):
    """A policy that misses a gate."""

    exit_code = 1


def _show(cards: list[Scorecard]) -> None:
    console = Console(highlight=False)
    if len(cards) > 1:
        console.print(comparison_table(cards))
        return
    (card,) = cards
    console.print(score_table(card.score))
    console.print(score_summary(card.score))
    if len(card.engines) > 1 or any(part in figures for figures in card.engines.values() for part in PARTS[1:]):
        console.print(card_table(card))
        for line in arms_summary(card):
            console.print(line)


def _plain(cards: list[Scorecard], missed: dict[str, list[str]], gate: str | None) -> dict[str, Any]:
    rows = []
    for card in cards:
        row = card.as_dict()
        if gate is not None:
            row["gate"] = {"name": gate, "passed": not missed[card.name], "reasons": missed[card.name]}
        rows.append(row)
    if len(rows) == 1:
        return rows[0]
    return {
        "policies": [{"name": c.name, **row} for c, row in zip(cards, rows, strict=True)],
        "comparison": comparison(cards),
    }


@contextmanager
def counting_bar(title: str) -> Iterator[Say]:
    """Show on standard error how many parts of a piece of work are done, and the time left."""
    with progress_bar(MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_typer(app, "tarsus score", argv)
