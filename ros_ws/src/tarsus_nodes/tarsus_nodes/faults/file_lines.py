# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of policy files: the policy node is started with them, and must not become one that answers."""

from __future__ import annotations

import io
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tarsus_core.contract import PolicyContract
from tarsus_edge.launcher import LaunchRun, find_launch_file, load_plan
from tarsus_edge.policy_file import PolicyFile, attach_contract, read_policy
from tarsus_edge.pretrained import pretrained_policy
from tarsus_nodes.faults.bench import ROBOT, FaultBench
from tarsus_nodes.faults.table import Line, Seen

NAMESPACE = "/refused"
_REFUSAL = re.compile(r"\[ERROR\].*?\[[^\]]*policy\]: (.*)")


def _changed(change: Callable[[PolicyContract], PolicyContract]) -> Callable[[PolicyFile], bytes]:
    return lambda file: attach_contract(file.data, change(file.contract))


def _other_joint(contract: PolicyContract) -> PolicyContract:
    def names(given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple("left_knee" if name == "left_knee_joint" else name for name in given)

    return replace(
        contract,
        joint_names=names(contract.joint_names),
        action_joint_names=names(contract.action_joint_names),
        observed_joint_names=names(contract.observed_joint_names),
    )


def _longer(contract: PolicyContract) -> PolicyContract:
    """A longer observation, with golden vectors to match."""
    terms = (*contract.observation[:-1], replace(contract.observation[-1], history=2))
    more = contract.observation[-1].size
    golden = tuple((*row, *(0.0,) * more) for row in contract.golden_observations)
    return replace(contract, observation=terms, golden_observations=golden)


def _flipped(file: PolicyFile) -> bytes:
    data = bytearray(file.data)
    data[len(data) // 3] ^= 1
    return bytes(data)


def refused(make: Callable[[PolicyFile], bytes], because: str, *parameters: str) -> Callable[[FaultBench], Seen]:
    """The node says why in one sentence and ends; ``parameters`` (``name:=value``) are set beyond those of sim.

    ``because`` is what the sentence must hold.
    """

    def run(bench: FaultBench) -> Seen:
        bench.to_passive()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "policy.onnx")
            path.write_bytes(make(read_policy(pretrained_policy(ROBOT))))
            plan = load_plan(find_launch_file("sim"), {"policy": str(path), "robot": ROBOT})
            spec = next(p for p in plan.processes if p.name.startswith("policy"))
            extra = (word for value in ("autostart:=true", *parameters) for word in ("-p", value))
            spec = replace(spec, command=(*spec.command, "-r", f"__ns:={NAMESPACE}", *extra))
            said = io.StringIO()
            start_s = time.monotonic()
            with LaunchRun(replace(plan, processes=(spec,), messages=()), screen=said) as launch:
                bench.until(lambda: launch.finished, 30.0)
                took_s = time.monotonic() - start_s
                code = launch.exit_codes[spec.name] if launch.finished else None
        found = _REFUSAL.search(said.getvalue())
        sentence = found.group(1).replace(str(path), path.name) if found else "no word of it"
        ended = "it goes on" if code is None else f"exit code {code} after {took_s:.1f} s"
        return Seen(f"{sentence} ({ended})", because in sentence and code == 2)

    return run


LINES = tuple(
    Line(number, fault, "refused at load, in one sentence; the node ends", refused(make, because, *parameters))
    for number, fault, make, because, *parameters in (
        (9, "policy for a robot with another joint", _changed(_other_joint), "joint 'left_knee', which robot"),
        (10, "policy with a longer observation than its network", _changed(_longer), "but its contract says"),
        (11.1, "policy file cut short", lambda file: file.data[: len(file.data) // 2], "truncated or no ONNX model"),
        (11.2, "policy file with one bit flipped", _flipped, "was altered"),
        (11.3, "policy that nobody has signed, on a robot", lambda file: file.data, "unsigned", "use_sim_time:=false"),
    )
)
