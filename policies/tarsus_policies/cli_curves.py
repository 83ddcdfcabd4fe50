# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus curves``: learning curves as a picture, without opening TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from tarsus_core.cli import run_typer
from tarsus_core.errors import ConfigError
from tarsus_policies.score_plots import check_plot_path

app = typer.Typer(add_completion=False)


@app.command()
def curves(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of training runs.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Picture to write; by default curves.png in the first run.")
    ] = None,
    over: Annotated[str, typer.Option(help="What is to the right: minutes or steps.")] = "minutes",
) -> None:
    """Draw velocity error, falls, reward, curriculum and speed of training runs, side by side."""
    if over not in ("minutes", "steps"):
        raise ConfigError(f"--over is '{over}': it must be minutes or steps.")
    from tarsus_policies.curves import PANELS, plot_curves, read_curves, smooth
    from tarsus_policies.run_folder import RunFolder

    found = {run.name or str(run): read_curves(run) for run in runs}
    if len(found) != len(runs):
        raise ConfigError("Two runs have the same name: give folders of different names.")
    path = output or runs[0] / "curves.png"
    check_plot_path(path)
    plot_curves(found, path, over)
    table = Table(title="where the runs stand", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in found:
        table.add_column(name, justify="right", overflow="fold")
    firsts = [next(iter(lines.values())) for lines in found.values()]
    table.add_row("million steps", *(f"{first.steps[-1] / 1e6:.2f}" for first in firsts))
    table.add_row("minutes", *(f"{first.minutes[-1]:.1f}" for first in firsts))
    for key, title in PANELS:
        last = [f"{smooth(lines[key].values)[-1]:.4g}" if key in lines else "-" for lines in found.values()]
        table.add_row(title, *last)
    passed = [next((f"{e.minutes:.1f}" for e in RunFolder(run).exams() if e.passed), "not yet") for run in runs]
    table.add_row("minutes until its gate was passed", *passed)
    Console().print(table)
    Console(highlight=False, soft_wrap=True).print(f"Plot: {path}", markup=False)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_typer(app, "tarsus curves", argv)
