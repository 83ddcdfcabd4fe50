# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A scorecard as a picture: tracking, pushes, robustness."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from tarsus_core.errors import ConfigError, DependencyError
from tarsus_core.files import write_atomically
from tarsus_policies.score_report import AXES, score_summary
from tarsus_policies.scorecard import Scorecard
from tarsus_policies.scorer import Score


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


def draw_tracking(score: Score, panels: Any) -> None:
    """Draw commanded against achieved velocity into three panels of matplotlib."""
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


def plot_card(card: Scorecard, path: Path) -> None:
    """Write a PNG with tracking, pushes and robustness.

    Raises:
        ConfigError: for a name that does not end in .png.
        DependencyError: if matplotlib is absent.
        OutputFileError: if the file cannot be written.
    """
    check_plot_path(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 7.6), layout="constrained")
    panels = figure.subplots(2, 3)
    draw_tracking(card.score, panels[0])
    styles = dict(zip(card.engines, ("-", "--"), strict=False))
    for panel, gait in zip(panels[1], ("walk", "stand"), strict=False):
        for part, colour, label in (("pushes", "tab:blue", "arms at rest"), ("arms", "tab:orange", "arms moving")):
            for engine, figures in card.engines.items():
                rows = figures.get(part, {}).get(gait, {})
                shares = [100.0 * row["survived"] / row["of"] for row in rows.values()]
                if shares:
                    impulses = [float(impulse) for impulse in rows]
                    panel.plot(
                        impulses,
                        shares,
                        styles[engine],
                        color=colour,
                        marker="o",
                        markersize=4,
                        label=f"{label}, {engine}",
                    )
        panel.set_ylim(-5.0, 105.0)
        panel.set_title("pushes while walking at 0.5 m/s" if gait == "walk" else "pushes while standing")
        panel.set_xlabel("impulse at the torso (N.s)")
        panel.set_ylabel("survived (%)")
        panel.grid(alpha=0.3)
        if panel.lines:
            panel.legend(loc="upper right", fontsize="x-small")
        else:
            _leave_out(panel)
    panel = panels[1][2]
    for k, (engine, figures) in enumerate(card.engines.items()):
        rows = figures.get("robustness", {})
        values = [row["mean_lin_err"] for row in rows.values()]
        places = [i + 0.38 * k for i in range(len(rows))]
        bars = panel.barh(places, values, height=0.36, label=engine)
        panel.bar_label(bars, [f"{r['falls']} fell" if r["falls"] else "" for r in rows.values()], fontsize="small")
        panel.set_yticks([i + 0.19 for i in range(len(rows))], list(rows))
    panel.set_title("mean error under conditions")
    panel.set_xlabel("m/s")
    panel.grid(alpha=0.3, axis="x")
    if panel.patches:
        panel.legend(fontsize="small")
    else:
        _leave_out(panel)
    figure.suptitle(f"{Path(card.name).name}: {score_summary(card.score).rstrip('.')}", fontsize="medium")
    _save(figure, path)


def _leave_out(panel: Any) -> None:
    panel.text(0.5, 0.5, "not measured", transform=panel.transAxes, ha="center", va="center", color="0.5")
    panel.set_xticks([])
    panel.set_yticks([])


def _save(figure: Any, path: Path) -> None:
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    write_atomically(path, picture.getvalue())
