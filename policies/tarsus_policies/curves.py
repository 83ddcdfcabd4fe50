# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Learning curves of training runs as a picture and as figures, read from their TensorBoard events."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tarsus_core.errors import ConfigError
from tarsus_core.files import write_atomically
from tarsus_policies.run_folder import RunFolder

Array = NDArray[np.float64]

PANELS = (
    ("train/velocity_error", "velocity error (m/s)"),
    ("train/falls_per_20s", "falls of a robot in 20 s"),
    ("train/reward", "reward of a control period"),
    ("train/assistance", "helping hand (1: full)"),
    ("train/difficulty", "difficulty (1: full)"),
    ("speed/steps_per_s", "control periods a second"),
)
SMOOTH = 0.05
"""share of a curve that its running mean is over"""


@dataclass(frozen=True)
class Curve:
    """One figure of one run over time."""

    steps: Array
    """(k,) control periods of all robots"""
    minutes: Array
    """(k,) of wall clock, without the time between sessions"""
    values: Array


def read_curves(run: Path) -> dict[str, Curve]:
    """Read all scalars of a run.

    Raises:
        ConfigError: if the folder is no run, or has no events yet.
    """
    RunFolder(run).check()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    names = events.Tags()["scalars"]
    if not names:
        raise ConfigError(f"The run '{run}' has no curves yet: wait for its first update.")
    found = {}
    for name in names:
        rows = events.Scalars(name)
        wall = np.array([row.wall_time for row in rows])
        gaps = np.diff(wall, prepend=wall[:1])
        usual = np.median(gaps[1:]) if len(gaps) > 1 else 0.0
        gaps = np.where(gaps > 20.0 * usual + 60.0, usual, gaps)  # the run was stopped, and resumed later
        found[name] = Curve(
            np.array([row.step for row in rows], dtype=np.float64),
            np.cumsum(gaps) / 60.0,
            np.array([row.value for row in rows], dtype=np.float64),
        )
    return found


def smooth(values: Array, share: float = SMOOTH) -> Array:
    """Running mean (k,) over a share of the curve, of what there is at its ends."""
    half = max(0, int(len(values) * share / 2.0))
    total = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    low, high = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    return (total[high] - total[low]) / (high - low)


def plot_curves(runs: dict[str, dict[str, Curve]], path: Path, over: str = "minutes") -> None:
    """Write a PNG with one panel a figure and one line a run.

    Args:
        runs: name -> curves.
        path: file to write.
        over: 'minutes' or 'steps'.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 6.2), layout="constrained")
    for panel, (name, title) in zip(figure.subplots(2, 3).flat, PANELS, strict=True):
        for k, (run, curves) in enumerate(runs.items()):
            if name not in curves:
                continue
            curve = curves[name]
            x = curve.minutes if over == "minutes" else curve.steps / 1e6
            panel.plot(x, curve.values, color=f"C{k}", alpha=0.2, linewidth=0.7)
            panel.plot(x, smooth(curve.values), color=f"C{k}", label=run)
        panel.set_title(title, fontsize="medium")
        panel.set_xlabel("minutes" if over == "minutes" else "million steps")
        panel.set_ylim(bottom=0.0)
        panel.grid(alpha=0.3)
    if len(runs) > 1:
        figure.axes[0].legend(fontsize="small")
    else:
        figure.suptitle(next(iter(runs)), fontsize="medium")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    write_atomically(path, picture.getvalue())
