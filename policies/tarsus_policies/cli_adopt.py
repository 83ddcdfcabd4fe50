# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus adopt``: gives a policy that was trained elsewhere a contract."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tarsus_core.cli import run_typer
from tarsus_core.contract import UNMEASURABLE
from tarsus_core.files import write_atomically
from tarsus_policies.cli_export import check_output

app = typer.Typer(add_completion=False)


@app.command()
def adopt(
    model: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="Network as it was exported elsewhere.")],
    contract: Annotated[Path, typer.Option(metavar="FILE.yaml", help="What the network means; see docs/adopt.md.")],
    output: Annotated[Path, typer.Option(metavar="FILE.onnx", help="Policy file to write.")] = Path("adopted.onnx"),
) -> None:
    """Give an ONNX policy of another project a contract, so that it runs, scores and deploys here.

    Contracts for holosoma, unitree_rl_lab, mjlab and rsl_rl are in docs/adopt.md.
    """
    check_output(output)
    from tarsus_policies import adopt as adopting

    made = adopting.adopt(model, contract)
    write_atomically(output, made.file.data)
    console = Console(highlight=False, soft_wrap=True)
    described = made.file.contract
    console.print(
        f"Wrote {output}: {described.observation_size} observations in, {described.action_size} actions out, "
        f"{len(described.golden_observations)} golden vectors of {made.observations} observations of walks.",
        markup=False,
    )
    hidden = [term.name for term in described.observation if term.name in UNMEASURABLE]
    path = shlex.quote(str(output))
    if hidden:
        console.print(f"No robot measures {', '.join(hidden)}: this policy runs in 'tarsus score' alone.", markup=False)
    console.print(f"Next: tarsus score {path}", markup=False)


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_typer(app, "tarsus adopt", argv)
