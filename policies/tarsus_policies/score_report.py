# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Scores as a person reads them: tables, one policy alone or several side by side."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.table import Table

from tarsus_policies.score_lines import commanded, difference, lines, with_moving_arms
from tarsus_policies.scorecard import Scorecard
from tarsus_policies.scorer import Score

AXES = (("vx", "forward", "m/s"), ("vy", "left", "m/s"), ("wz", "turning left", "rad/s"))


def score_table(score: Score) -> Table:
    """Return a table with a row for each command."""
    settings = score.settings
    table = Table(
        title=f"{score.robot} in PyBullet: {settings.seconds:g} s a command, {settings.seeds} seeds",
        caption="vx, vy in m/s, wz in rad/s; got and error are means over the seeds",
        box=box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
        pad_edge=False,
    )
    for kind in ("asked", "got", "error"):
        for axis, _, _ in AXES:
            table.add_column(f"{kind if axis == 'vx' else ''}\n{axis}", justify="right", min_width=5, no_wrap=True)
    table.add_column("\nfell", justify="right", min_width=6, no_wrap=True)
    for row in score.as_dict()["commands"]:
        wanted = [f"{row[axis]:+.2f}" if row[axis] else "[dim]0[/dim]" for axis, _, _ in AXES]
        achieved = [f"{row[f'mean_{axis}']:+.3f}" for axis, _, _ in AXES]
        error = [f"{row[f'err_{axis}']:.3f}" for axis, _, _ in AXES]
        fell = f"[bold red]{row['falls']} of {settings.seeds}[/bold red]" if row["fell"] else "no"
        table.add_row(*wanted, *achieved, *error, fell)
    return table


def score_summary(score: Score) -> str:
    """Return one line with the figures that matter."""
    card = score.as_dict()
    drift = "none, it fell" if card["stand_drift_m"] is None else f"{card['stand_drift_m']:.3f} m"
    if not any(row["vx"] == row["vy"] == row["wz"] == 0.0 for row in card["commands"]):
        drift = "not measured"
    return (
        f"Mean error {card['mean_lin_err']:.3f} m/s and {card['mean_ang_err']:.3f} rad/s, "
        f"{card['falls']} falls in {card['runs']} runs, stand drift {drift}."
    )


def card_table(card: Scorecard) -> Table:
    """Return a table with a row for each line of a scorecard, one column an engine, and how far they are apart."""
    names = list(card.engines)
    found = [lines(card.engines[name]) for name in names]
    apart = difference(*card.engines.values()) if len(names) == 2 else {}
    table = Table(
        title=f"Scorecard of {Path(card.name).name}", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False
    )
    table.add_column("line", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    if apart:
        table.add_column("apart", justify="right", no_wrap=True)
    for line in dict.fromkeys(line for column in found for line in column):
        cells = [_figure(column.get(line)) for column in found]
        if apart:
            share = apart.get(line)
            cells.append("" if share is None else f"[bold red]{share:.0%}[/]" if share > 0.1 else f"{share:.0%}")
        table.add_row(line, *cells)
    return table


def arms_summary(card: Scorecard) -> list[str]:
    """Return a line for each engine: how much is left of what the policy can while its arms move."""
    found = []
    for engine, figures in card.engines.items():
        shares = with_moving_arms(figures)
        if shares:
            worst = min(shares, key=lambda name: shares[name])
            good = sum(share > 0.9 - 1e-9 for share in shares.values())
            found.append(
                f"While its arms move, in {engine}: at least 90 % as good on {good} of {len(shares)} lines; "
                f"{shares[worst]:.0%} on the worst, {worst}."
            )
    return found


def comparison(cards: list[Scorecard]) -> dict[str, dict[str, list[float | None]]]:
    """Return engine -> line -> value of each policy, None where one has none."""
    engines = dict.fromkeys(engine for card in cards for engine in card.engines)
    result: dict[str, dict[str, list[float | None]]] = {}
    for engine in engines:
        found = [lines(card.engines.get(engine, {})) for card in cards]
        every = dict.fromkeys(line for column in found for line in column)
        result[engine] = {line: [column.get(line) for column in found] for line in every}
    return result


def comparison_table(cards: list[Scorecard]) -> Table:
    """Return a table that shows policies side by side, the best of each line in bold."""
    table = Table(title="Side by side", box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column("line", no_wrap=True)
    for card in cards:
        table.add_column(card.name, justify="right", overflow="fold")
    for engine, rows in comparison(cards).items():
        table.add_row(f"[dim]in {engine}[/dim]")
        for line, values in rows.items():
            known = {merit(line, v) for v in values if v is not None}
            best = max(known) if len(known) > 1 else None
            table.add_row(
                line,
                *(
                    f"[bold green]{_figure(v)}[/]" if v is not None and merit(line, v) == best else _figure(v)
                    for v in values
                ),
            )
    return table


def merit(line: str, value: float) -> float:
    """How good a value of a line is; more is better."""
    wanted = commanded(line)
    if wanted is not None:
        return -abs(value - wanted)
    return value if line.startswith("pushes") else -value


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value == int(value) and abs(value) >= 1.0 else f"{value:.3f}"
