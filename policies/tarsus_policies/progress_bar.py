# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The progress bar of training."""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tarsus_policies import trainer

LINE_PERIOD_S = 30.0
"""steady time between two lines where standard error is no terminal"""


class TrainingBar:
    """Shows on standard error how far a run is, the time left, and how well it walks.

    In a terminal that is a bar of one line, which fits in 80 columns; in a log it is a line every half minute.
    """

    def __init__(self, hidden: bool = False, console: Console | None = None) -> None:
        """Prepare the bar; a hidden one shows nothing."""
        self._console = console or Console(stderr=True, highlight=False)
        self._hidden = hidden
        self._bar = Progress(
            BarColumn(bar_width=8),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            TextColumn("left  {task.fields[figures]}"),
            console=self._console,
            disable=hidden or not self._console.is_terminal,
        )
        self._task = self._bar.add_task("train", total=None, figures="starting the simulation")
        self._line_due_s = -math.inf

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, sentence: str) -> None:
        """Print a sentence above the bar, hidden or not."""
        self._console.print(f"tarsus train: {sentence}", markup=False, soft_wrap=True)

    def show(self, progress: trainer.Progress, share: float | None) -> None:
        """Show the state of a run; ``share`` of it that is done, or None if it has no end."""
        figures = (
            f"{progress.steps / 1e6:.2f} M steps, {progress.steps_per_s:,.0f}/s, error {progress.error:.2f} m/s, "
            f"{progress.falls:.1f} falls/20 s"
        )
        self._bar.update(
            self._task, total=1.0 if share is not None else None, completed=min(share or 0.0, 1.0), figures=figures
        )
        now_s = time.monotonic()
        if not self._hidden and not self._console.is_terminal and now_s >= self._line_due_s:
            self._line_due_s = now_s + LINE_PERIOD_S
            part = "" if share is None else f"{min(share, 1.0):.0%}, "
            self._console.print(
                f"tarsus train: {part}{figures}, difficulty {progress.difficulty:.2f}", markup=False, soft_wrap=True
            )
