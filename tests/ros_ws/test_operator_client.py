# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What an operator asks of real nodes whose answers get lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.ros import Ros
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from tarsus_nodes.operator_client import OperatorClient, OperatorError


@pytest.fixture
def client(session: Ros) -> Iterator[OperatorClient]:
    client = OperatorClient(session.context, lambda: session.spin_for(0.01))
    yield client
    client.close()


def lose(client: Client, requests: int) -> list[Future]:
    """Let the first so many requests go out without an answer ever coming back; return all that are made."""
    call, made = client.call_async, []

    def call_async(request: object) -> Future:
        made.append(call(request))
        if len(made) <= requests:
            client.remove_pending_request(made[-1])
        return made[-1]

    client.call_async = call_async
    return made


def test_parameters_are_asked_for_again_when_the_answer_is_lost(session: Ros, client: OperatorClient) -> None:
    sim = session.node(Node, "sim")
    sim.declare_parameter("gravity", 9.81)
    gets, sets = lose(client._get["sim"], 2), lose(client._set, 1)
    assert client.parameters("sim", "gravity") == [9.81]
    assert len(gets) == 3, "once more after each second"
    client.set_simulator_parameter("gravity", 1.62)
    assert len(sets) == 2
    assert client.parameters("sim", "gravity") == [1.62]
    assert len(gets) == 4, "an answer that comes at once is not asked for again"


def test_a_button_is_pressed_once(session: Ros, client: OperatorClient) -> None:
    pressed: list[Trigger.Request] = []

    def damp(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        pressed.append(request)
        return response

    session.node(Node, "operated").create_service(Trigger, "supervisor/damp", damp)
    lose(client._triggers["supervisor/damp"], 1)
    with pytest.raises(OperatorError, match="'supervisor/damp' was not answered within 2 s"):
        client.press("supervisor/damp", 2.0)
    assert len(pressed) == 1
