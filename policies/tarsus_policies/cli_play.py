# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus play``: films what a training run, or a policy file, does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tarsus_core.cli import finite, run_typer
from tarsus_core.errors import ConfigError, OutputFileError
from tarsus_edge.proof import read_proven
from tarsus_policies.cli_score import counting_bar
from tarsus_policies.trial import ENGINES

app = typer.Typer(add_completion=False)


@app.command()
def play(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run, or a policy file.")],
    output: Annotated[
        Path | None, typer.Option(metavar="FILE.mp4", help="Film to write; by default play.mp4 in the run.")
    ] = None,
    checkpoint: Annotated[int | None, typer.Option(help="Number of a checkpoint; by default the newest.")] = None,
    seconds: Annotated[float, typer.Option(help="Length, after one second of standing.")] = 8.0,
    vx: Annotated[float, typer.Option(callback=finite("--vx"), help="Forward speed, m/s.")] = 0.5,
    vy: Annotated[float, typer.Option(callback=finite("--vy"), help="Speed to the left, m/s.")] = 0.0,
    wz: Annotated[float, typer.Option(callback=finite("--wz"), help="Turning rate to the left, rad/s.")] = 0.0,
    push: Annotated[
        float, typer.Option(callback=finite("--push"), help="Impulse of a push from the right after 2 s, N.s.")
    ] = 0.0,
    engine: Annotated[str, typer.Option(help="pybullet or mujoco.")] = "pybullet",
) -> None:
    """Film what a training run does now: the newest checkpoint on the full robot, while training goes on.

    Examples: tarsus play runs/walk-... --push 30; tarsus play policy.onnx --vx 0 --wz 1 --engine mujoco
    """
    if not 0.1 <= seconds <= 600.0:
        raise ConfigError(f"--seconds is {seconds:g}: it must be 0.1 to 600.")
    if engine not in ENGINES:
        raise ConfigError(f"There is no engine '{engine}': use {' or '.join(ENGINES)}.")
    path = output or (run / "play.mp4" if run.is_dir() else run.with_name("play.mp4"))
    if path.suffix.lower() != ".mp4":
        raise ConfigError(f"The film '{path}' must be a .mp4 file: give another name.")
    if not path.absolute().parent.is_dir():
        raise OutputFileError(f"There is no folder '{path.parent}' for the film: make it, or give another path.")
    if run.is_dir():
        from tarsus_policies import export as exporting

        file = exporting.export_policy(exporting.read_checkpoint(run, checkpoint)).file
    else:
        if checkpoint is not None:
            raise ConfigError("--checkpoint is for training runs: a policy file has none.")
        file = read_proven(run)
    from tarsus_policies.film import film

    with counting_bar("filming") as say:
        result = film(file, path, (vx, vy, wz), seconds, push, engine, say)
    fell = "it stood to the end" if result.fell_at_s is None else f"it fell at {result.fell_at_s:.1f} s"
    speed = ", ".join(f"{v:+.2f}" for v in result.velocity)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Asked {vx:+.2f}, {vy:+.2f}, {wz:+.2f}; got {speed} (m/s, m/s, rad/s); {fell}.", markup=False)
    console.print(f"Film: {path}", markup=False)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_typer(app, "tarsus play", argv)
