# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The progress bar of the commands."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn


def progress_bar(*columns: ProgressColumn) -> Progress:
    """Make a bar on standard error that is gone when it ends; where that is no terminal it shows nothing.

    Args:
        columns: what stands behind the description and the bar, such as the time left.
    """
    console = Console(stderr=True, highlight=False)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
