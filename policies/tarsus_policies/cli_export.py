# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus export``: turns a training run into a policy file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tarsus_core.cli import run_typer
from tarsus_core.errors import ConfigError, DependencyError, OutputFileError
from tarsus_core.files import write_atomically
from tarsus_core.processes import available_cores
from tarsus_policies.cli_score import counting_bar
from tarsus_policies.score_report import score_summary, score_table
from tarsus_policies.scorer import score_policy, with_scorecard

app = typer.Typer(add_completion=False)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.")],
    output: Annotated[Path, typer.Option(metavar="FILE.onnx", help="Policy file to write.")] = Path("policy.onnx"),
    checkpoint: Annotated[
        int | None,
        typer.Option(
            help="Number of a checkpoint; by default the best that passed the run's gate, or else the newest."
        ),
    ] = None,
    calibrate: Annotated[
        bool,
        typer.Option(help="Measure at which speeds the policy walks, and correct its command inside the network."),
    ] = True,
    score: Annotated[
        bool,
        typer.Option(
            help="Measure how it tracks commands, and put that into the contract; 'tarsus score --embed' puts all in."
        ),
    ] = True,
) -> None:
    """Turn a training run into one policy file: network, contract, proof and scorecard.

    The network that ONNX Runtime runs is proven against the trained one on what it meets while it walks.
    """
    check_output(output)
    try:  # here, because torch takes seconds to import: neither --help nor a wrong path should wait for it
        from tarsus_policies import export as exporting
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"'tarsus export' needs the package '{error.name}', which is absent: run 'make setup'."
        ) from None

    console = Console(highlight=False, soft_wrap=True)
    best = exporting.RunFolder(run).best() if checkpoint is None else None
    found = exporting.read_checkpoint(run, checkpoint if best is None else best.update)
    why = "" if best is None else ", the best of those that passed the run's gate"
    console.print(f"Exporting {found.path}{why}.", markup=False)
    workers = available_cores()
    with counting_bar("exporting") as say:
        made = exporting.export_policy(found, calibrate, workers, say)
    file = made.file
    console.print(
        f"Torch and ONNX Runtime agree to {made.difference:.1e} on {made.observations} observations of walks."
    )
    for axis, pairs in file.contract.provenance.get("calibration", {}).items():
        told = ", ".join(f"{wanted:g}: {given:.3f}" for wanted, given in pairs)
        console.print(f"Calibrated {axis} (wanted: given): {told or 'left as it is'}")
    if score:
        with counting_bar("scoring") as say:
            result = score_policy(file, workers=workers, progress=say)
        file = with_scorecard(file, result.scorecard())
        Console().print(score_table(result))
        console.print(score_summary(result))
    write_atomically(output, file.data)
    contract = file.contract
    console.print(
        f"Wrote {output} ({len(file.data) / 1024:.0f} KiB, SHA-256 {file.sha256[:12]}...): "
        f"{contract.observation_size} observations in, {contract.action_size} actions out, "
        f"{len(contract.golden_observations)} golden vectors.",
        markup=False,
    )
    path = shlex.quote(str(output))
    after = f"tarsus sim --duration 20 --vx 0.5 --policy {path}" if score else f"tarsus score {path}"
    console.print(f"Next: {after}", markup=False)


def check_output(path: Path) -> None:
    """Refuse, before anything is made, a policy file that could not be written.

    Raises:
        ConfigError: for a name that does not end in .onnx.
        OutputFileError: for a folder, or an absent one.
    """
    if path.suffix != ".onnx":
        raise ConfigError(f"The output '{path}' must be a .onnx file: give another name.")
    if path.is_dir():
        raise OutputFileError(f"The output '{path}' is a folder: give the name of a file.")
    if not path.absolute().parent.is_dir():
        raise OutputFileError(f"There is no folder '{path.parent}' for the output: make it, or give another path.")


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_typer(app, "tarsus export", argv)
