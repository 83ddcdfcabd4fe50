# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus verify policy.onnx``: check a policy file as the robot would, and show its contract."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from tarsus_core.cli import run_typer
from tarsus_core.contract import PolicyContract
from tarsus_core.robot_model import load_robot
from tarsus_edge.policy_file import PolicyFile
from tarsus_edge.policy_session import PolicySession, measure_overhead
from tarsus_edge.proof import read_proven
from tarsus_edge.signature import TrustedKeys

app = typer.Typer(add_completion=False)


@app.command()
def verify(
    policy: Annotated[str, typer.Argument(help="Path of the policy file.", metavar="POLICY.ONNX")],
    robot: Annotated[str, typer.Option(help="Robot it must fit: name or YAML file.")] = "",
    trust: Annotated[
        str | None,
        typer.Option(
            metavar="KEY.pub", help="Public key, or folder of them (*.pub), of which one must have signed the file."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
    time: Annotated[bool, typer.Option("--time", help="Also time a call against bare ONNX Runtime.")] = False,
) -> None:
    """Check a policy file byte by byte, against its robot and on its golden vectors, and show its contract.

    It is tried in a process of its own, with limits of time and memory, before it is loaded here. Exit code 0 says that
    the policy may run on that robot on this machine.
    """
    file = read_proven(policy, trusted=None if trust is None else TrustedKeys.load(trust))
    file.contract.check_measurable()
    session = PolicySession(file, load_robot(robot or file.contract.robot))
    overhead = measure_overhead(session) if time else None
    if as_json:
        report: dict[str, Any] = {
            "policy": policy,
            "policy_sha256": file.sha256,
            "size_bytes": len(file.data),
            "signed_by": file.signature.fingerprint if file.signature else None,
            "verified": True,
            "contract": dataclasses.asdict(file.contract),
        }
        if overhead:
            times = {"session": overhead.session_us, "onnxruntime": overhead.raw_us, "ratio": overhead.ratio}
            report["call_us"] = times
        print(json.dumps(report, allow_nan=False))
        return
    console = Console(highlight=False, markup=False, emoji=False)
    count = len(file.contract.golden_actions)
    console.print(f"{policy} is intact and reproduces its {count} golden vectors.", style="bold", markup=False)
    console.print(_summary(file))
    console.print(_observation(file.contract))
    console.print(_joints(file.contract))
    for title in ("actuator", "scorecard", "provenance"):
        values = getattr(file.contract, title)
        if values:
            console.print(_mapping(title, values))
    if overhead:
        console.print(
            f"One call takes {overhead.session_us:.1f} us, {overhead.ratio:.2f} times the {overhead.raw_us:.1f} us "
            "of bare ONNX Runtime (medians)."
        )


def main(argv: Sequence[str]) -> int:
    """Entry of the command table."""
    return run_typer(app, "tarsus verify", argv)


def _table(title: str, *columns: str, numbers_from: int | None = None) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.show_header = bool(columns)
    for i, column in enumerate(columns):
        right = numbers_from is not None and i >= numbers_from
        table.add_column(column, justify="right" if right else "left", overflow="fold")
    return table


def _summary(file: PolicyFile) -> Table:
    contract = file.contract
    table = _table("")
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    vx, vy, wz = contract.command_range.vx, contract.command_range.vy, contract.command_range.wz
    rows = {
        "size": f"{len(file.data)} bytes",
        "SHA-256": file.sha256,
        "signed by": f"the key {file.signature.fingerprint}" if file.signature else "nobody",
        "robot": contract.robot,
        "its URDF": contract.urdf_sha256,
        "network": f"{contract.observation_size} values in, {contract.action_size} actions out",
        "control": f"every {contract.control_period_s:g} s ({1.0 / contract.control_period_s:g} Hz)",
        "commands": f"vx {vx[0]:g}..{vx[1]:g} m/s, vy {vy[0]:g}..{vy[1]:g} m/s, wz {wz[0]:g}..{wz[1]:g} rad/s",
        "gait": f"period {contract.gait.period_s:g} s; stands below {contract.gait.stand_below:g} (m/s, rad/s)",
        "action clip": f"+-{contract.action_clip:g}",
    }
    for key, value in rows.items():
        table.add_row(key, value)
    return table


def _observation(contract: PolicyContract) -> Table:
    table = _table("Observation", "term", "size", "scale", "clip", "history", numbers_from=1)
    for term in contract.observation:
        clip = f"+-{term.clip:g}" if math.isfinite(term.clip) else "none"
        table.add_row(term.name, str(term.size), f"{term.scale:g}", clip, str(term.history))
    return table


def _joints(contract: PolicyContract) -> Table:
    units = ("pose\nrad", "kp\nN.m/rad", "kd\nN.m.s/rad", "limit\nN.m", "scale\nrad")
    table = _table("Joints (a scale where the action drives the joint)", "joint", *units, numbers_from=1)
    table.columns[0].no_wrap = True
    scales = dict(zip(contract.action_joint_names, contract.action_scale, strict=True))
    for i, joint in enumerate(contract.joint_names):
        values = (contract.default_pose[i], contract.kp[i], contract.kd[i], contract.effort_limit_nm[i])
        table.add_row(joint, *(f"{v:.4g}" for v in values), f"{scales[joint]:.4g}" if joint in scales else "")
    return table


def _mapping(title: str, values: dict[str, Any]) -> Table:
    table = _table(title.capitalize())
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for key, value in values.items():
        table.add_row(key, value if isinstance(value, str) else json.dumps(value))
    return table
