# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What an operator does by itself, with a client that only takes notes."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from tarsus_edge.supervisor import State
from tarsus_nodes.operator_client import OperatorClient
from tarsus_nodes.operator_run import OperatorRun, RunPlan


class Ended(Exception):
    pass


class Client:
    """A walking robot, which somebody else drives in the second of four turns."""

    state = State.WALK
    supervisor = None
    time_s = 0.0
    on_odometry: Any = None

    def __init__(self) -> None:
        self.driven: list[float] = []
        self.turns = 0

    def demand(self, name: str) -> str:
        return name

    @property
    def drives_alone(self) -> bool:
        return self.turns != 1

    def drive(self, command: Any) -> None:
        self.driven.append(float(command[0]))

    def spin(self, duration_s: float) -> None:
        self.turns += 1
        if self.turns == 4:
            raise Ended
        time.sleep(duration_s)


@pytest.mark.parametrize(("speed", "driven"), [(0.5, [0.5]), (0.0, [])])
def test_a_walk_without_end_belongs_to_whoever_drives_it(speed: float, driven: list[float]) -> None:
    client = Client()
    run = OperatorRun(cast(OperatorClient, client), lambda what, part: None)
    with pytest.raises(Ended):
        run.walk_on(RunPlan((speed, 0.0, 0.0), float("inf")), lambda sentence: None)
    assert client.turns == 4
    assert client.driven == driven
