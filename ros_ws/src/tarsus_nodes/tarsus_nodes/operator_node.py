# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``operator``: takes a simulator's graph that has just started for a walk, and prints what it measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from tarsus_core.cli import guard
from tarsus_nodes.operator_client import OperatorClient
from tarsus_nodes.operator_run import OperatorRun, RunPlan
from tarsus_nodes.parameters import declare
from tarsus_nodes.script import ros_script


def main(argv: Sequence[str] | None = None) -> None:
    """Run the node: parameters ``vx``, ``vy``, ``wz``, ``duration_s``; one JSON line on standard output."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    sys.exit(guard(lambda: run(arguments)))


def run(argv: list[str]) -> int:
    """Walk, print the results, leave the robot standing under the policy; return 1 if it fell."""
    with ros_script(argv) as check:
        client = OperatorClient(check=check)
        try:
            command = (
                declare(client.node, "vx", 0.5, "Velocity forward [m/s]", limits=(-5.0, 5.0)),
                declare(client.node, "vy", 0.0, "Velocity to the left [m/s]", limits=(-5.0, 5.0)),
                declare(client.node, "wz", 0.0, "Turning velocity, counter-clockwise [rad/s]", limits=(-5.0, 5.0)),
            )
            duration_s = declare(client.node, "duration_s", 10.0, "Simulated time to walk [s]", limits=(0.1, 86400.0))
            operator = OperatorRun(client, _say)
            operator.wait_for_graph()
            operator.stand_up()
            result = operator.walk(RunPlan(command, duration_s))
        finally:
            client.close()
    print(json.dumps(result), flush=True)
    return 1 if result["falls"] else 0


_said = ""


def _say(what: str, part: float) -> None:
    """Say each new step once."""
    global _said
    if what != _said:
        _said = what
        print(f"operator: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
