# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A score as a person reads it: a table, and a plot of commanded against achieved velocity."""

from __future__ import annotations

import io
from pathlib import Path

from rich import box
from rich.table import Table

from tarsus_core.errors import ConfigError, DependencyError
from tarsus_core.files import write_atomically
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
    return (
        f"Mean error {card['mean_lin_err']:.3f} m/s and {card['mean_ang_err']:.3f} rad/s, "
        f"{card['falls']} falls in {card['runs']} runs, stand drift {drift}."
    )


def check_plot_path(path: Path) -> None:
    """Refuse, before anything is measured, a plot that could not be written.

    Raises:
        ConfigError: for a name that does not end in .png, or an absent folder.
        DependencyError: if matplotlib is absent.
    """
    if path.suffix.lower() != ".png":
        raise ConfigError(f"The plot '{path}' must be a .png file: give another name.")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"There is no folder '{path.parent}' for the plot: make it, or give another path.")
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        raise DependencyError("--plot needs the package matplotlib, which is absent: run 'make setup'.") from None


def plot_score(score: Score, path: Path) -> None:
    """Write a PNG with commanded against achieved velocity, one panel an axis.

    Raises:
        ConfigError: for a name that does not end in .png.
        DependencyError: if matplotlib is absent.
        OutputFileError: if the file cannot be written.
    """
    check_plot_path(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.9), layout="constrained")
    panels = figure.subplots(1, 3)
    for k, (panel, (axis, meaning, unit)) in enumerate(zip(panels, AXES, strict=True)):
        # runs that command this axis, and those that command nothing
        runs = [run for run in score.runs if run.command[k] or not any(run.command)]
        wanted = [run.command[k] for run in runs]
        got = [run.velocity[k] for run in runs]
        fell = [run.fell_at_s is not None for run in runs]
        values = [*wanted, *got, -0.1, 0.1]
        margin = 0.08 * (max(values) - min(values))
        limits = min(values) - margin, max(values) + margin
        panel.plot(limits, limits, color="0.6", linewidth=1.0, linestyle="--", label="perfect")
        for kind, colour, marker in ((False, "tab:blue", "o"), (True, "tab:red", "x")):
            points = [(w, g) for w, g, f in zip(wanted, got, fell, strict=True) if f is kind]
            if points:
                label = "fell" if kind else "one run"
                panel.scatter(*zip(*points, strict=True), s=26, c=colour, marker=marker, label=label, zorder=3)
        panel.set_xlim(limits)
        panel.set_ylim(limits)
        panel.set_aspect("equal")
        panel.grid(alpha=0.3)
        panel.set_title(f"{axis}, {meaning}")
        panel.set_xlabel(f"commanded ({unit})")
        panel.set_ylabel(f"achieved ({unit})")
        panel.legend(loc="upper left", fontsize="small")
    figure.suptitle(score_summary(score).rstrip("."), fontsize="medium")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    write_atomically(path, picture.getvalue())
