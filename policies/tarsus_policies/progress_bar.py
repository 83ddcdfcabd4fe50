# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The progress bar of training."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tarsus_policies import trainer


class TrainingBar:
    """Shows on standard error how far a run is, the time left, and how well it walks."""

    def __init__(self, hidden: bool = False) -> None:
        """Prepare the bar; a hidden one shows nothing."""
        self._bar = Progress(
            TextColumn("[bold]train"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=Console(stderr=True),
            disable=hidden,
        )
        self._task = self._bar.add_task("train", total=None, figures="starting the simulation")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, progress: trainer.Progress, share: float | None) -> None:
        """Show the state of a run; ``share`` of it that is done, or None if it has no end."""
        figures = (
            f"{progress.steps / 1e6:.2f} M steps, {progress.steps_per_s:,.0f}/s, error {progress.error:.2f} m/s, "
            f"{progress.falls:.1f} falls in 20 s, difficulty {progress.difficulty:.2f}"
        )
        self._bar.update(
            self._task, total=1.0 if share is not None else None, completed=min(share or 0.0, 1.0), figures=figures
        )
