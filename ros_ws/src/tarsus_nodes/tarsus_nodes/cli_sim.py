# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus sim``: the whole graph in simulation from one command, driven and measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from tarsus_core.cli import run_typer
from tarsus_nodes.sim_request import make_request
from tarsus_nodes.sim_session import run_session

app = typer.Typer(add_completion=False)


@app.command()
def sim(
    duration: Annotated[
        float | None, typer.Option(help="Simulated time to walk in s; without it, until Ctrl-C.", show_default=False)
    ] = None,
    vx: Annotated[float | None, typer.Option(help="Velocity forward in m/s; 0.5 if no velocity is given.")] = None,
    vy: Annotated[float | None, typer.Option(help="Velocity to the left in m/s.")] = None,
    wz: Annotated[float | None, typer.Option(help="Turning velocity in rad/s, counter-clockwise.")] = None,
    policy: Annotated[
        Path | None, typer.Option(metavar="FILE.onnx", help="Policy; the one that ships if not given.")
    ] = None,
    robot: Annotated[str, typer.Option(help="Robot: a name that ships, or a YAML file.")] = "g1",
    seed: Annotated[int, typer.Option(help="Draws the start pose of the robot.")] = 0,
    gui: Annotated[bool, typer.Option("--gui", help="Open PyBullet's window.")] = False,
    video: Annotated[Path | None, typer.Option(metavar="FILE.mp4", help="Film the robot from outside.")] = None,
    lockstep: Annotated[
        bool, typer.Option("--lockstep", help="Deterministic, and as fast as the machine, instead of in real time.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON line, and no table.")] = False,
) -> int:
    """Walk the robot in simulation under ROS 2, and report what was measured.

    Starts simulator, policy, supervisor and watchdog, arms, stands, lets the policy walk, commands the velocity, and
    measures from where the robot really is. The last line of standard output is one JSON object. Exit code 0 if the
    robot did not fall, 1 if it did.
    """
    command = None if vx is None and vy is None and wz is None else (vx or 0.0, vy or 0.0, wz or 0.0)
    request = make_request(
        duration_s=duration, command=command, policy=policy, robot=robot, seed=seed, gui=gui, video=video,
        lockstep=lockstep,
    )  # fmt: skip

    def report(result: dict[str, Any]) -> None:
        if not as_json:
            Console(highlight=False).print(_table(result))
        print(json.dumps(result, allow_nan=False))
        sys.stdout.flush()

    result = run_session(request, report)
    return 1 if result["falls"] else 0


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    return run_typer(app, "tarsus sim", argv)


def _table(result: dict[str, Any]) -> Table:
    table = Table(title="The walk", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, justify in (("", "left"), ("commanded", "right"), ("achieved", "right"), ("error", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for axis, unit in (("vx", "m/s"), ("vy", "m/s"), ("wz", "rad/s")):
        values = (result[key][axis] for key in ("command", "mean_velocity", "velocity_error"))
        table.add_row(f"{axis} [{unit}]", *(f"{value:.3f}" for value in values))
    table.add_section()
    latency = result["loop_latency_ms"]
    for name, value in (
        ("distance", f"{result['distance_m']:.2f} m in {result['duration_s']:.1f} s"),
        ("falls", str(result["falls"])),
        ("real-time factor", _number(result["real_time_factor"], "{:.3f}")),
        ("loop latency p50 / p99 / max", " / ".join(_number(v, "{:.1f}") for v in latency.values()) + " ms"),
        ("deadlines missed", str(result["deadline_misses"])),
        ("waited for late answers", f"{result['waited_s']:.2f} s"),
        ("policy", f"SHA-256 {str(result['policy_sha256'])[:12]}..."),
    ):
        table.add_row(name, "", value, "")
    return table


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
