# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle manager with real lifecycle nodes: order, failure, loss and recovery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from helpers.ros import Ros
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import Trigger

from tarsus_edge.bringup import Aim, Stage
from tarsus_nodes.lifecycle_manager_node import LifecycleManagerNode
from tarsus_nodes.process import Finished


class Part(LifecycleNode):
    """Writes down what it is asked for; fails to do what its name says it cannot."""

    def __init__(self, name: str, log: list[str], cannot: str = "", **arguments: Any) -> None:
        super().__init__(name, **arguments)
        self._log, self._cannot = log, cannot

    def _do(self, what: str) -> TransitionCallbackReturn:
        self._log.append(f"{what} {self.get_name()}")
        return TransitionCallbackReturn.FAILURE if what == self._cannot else TransitionCallbackReturn.SUCCESS

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._do("configure")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        super().on_activate(state)
        return self._do("activate")

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        super().on_deactivate(state)
        return self._do("deactivate")

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        return self._do("cleanup")


class Graph:
    """A manager, its nodes, and a supervisor's damp service."""

    def __init__(self, session: Ros) -> None:
        self.session = session
        self.log: list[str] = []
        self.damped = 0
        supervisor = session.node(lambda **k: LifecycleNode("supervisor", **k))
        supervisor.create_service(Trigger, "supervisor/damp", self._on_damp)
        self.asker = supervisor

    def _on_damp(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.damped += 1
        return response

    def part(self, name: str, cannot: str = "") -> Part:
        return self.session.node(lambda **k: Part(name, self.log, cannot, **k))

    def manager(self, **parameters: Any) -> LifecycleManagerNode:
        given = {"nodes": ["sim", "policy"], "heartbeat_timeout_s": 0.5, **parameters}
        return self.session.node(LifecycleManagerNode, parameters=given)

    def end(self, part: Part) -> None:
        self.session.executor.remove_node(part)
        part.destroy_node()
        self.session._nodes.remove(part)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        self.session.spin_until(condition, 20.0, what)

    def ask(self, name: str) -> None:
        client = self.asker.create_client(Trigger, f"lifecycle_manager/{name}")
        self.until(client.service_is_ready, name)
        future = client.call_async(Trigger.Request())
        self.until(future.done, name)
        assert future.result().success


UP = ["configure sim", "activate sim", "configure policy", "activate policy"]
DOWN = ["deactivate policy", "cleanup policy", "deactivate sim", "cleanup sim"]


@pytest.fixture
def graph(session: Ros) -> Graph:
    return Graph(session)


def test_up_in_order_down_in_reversed_order_and_up_again(graph: Graph) -> None:
    graph.part("sim")
    manager = graph.manager()
    graph.session.spin_for(0.5)
    assert graph.log == ["configure sim", "activate sim"], "the second one is not there yet"
    graph.part("policy")
    graph.until(lambda: manager.bringup.up(manager.stages), "all nodes active")
    assert graph.log == UP
    graph.ask("shutdown")
    graph.until(lambda: len(graph.log) == 8, "all nodes down")
    assert graph.log[4:] == DOWN
    assert graph.damped == 0
    graph.ask("startup")
    graph.until(lambda: manager.bringup.up(manager.stages), "all nodes active again")
    assert graph.log[8:] == UP


def test_a_node_that_ends_damps_and_all_start_anew_when_it_is_back(graph: Graph) -> None:
    graph.part("sim")
    policy = graph.part("policy")
    manager = graph.manager()
    graph.until(lambda: manager.bringup.up(manager.stages), "all nodes active")
    graph.end(policy)
    graph.until(lambda: graph.damped == 1, "damping")
    assert manager.bringup.aim is Aim.RESET
    assert manager.stages == {"sim": Stage.ACTIVE, "policy": Stage.LOST}
    graph.session.spin_for(0.5)
    assert graph.log == UP, "the simulator goes on while the policy is away"
    graph.part("policy")
    graph.until(lambda: manager.bringup.up(manager.stages), "all nodes active again")
    assert graph.log[4:] == ["deactivate sim", "cleanup sim", *UP]
    assert manager.bringup.recoveries == 1


def test_a_first_start_that_fails_takes_all_down_and_ends_the_manager(graph: Graph) -> None:
    graph.part("sim")
    graph.part("policy", cannot="configure")
    manager = graph.manager()
    with pytest.raises(Finished) as finished:
        graph.until(lambda: False, "the end")
    assert finished.value.exit_code == 2
    assert graph.log == ["configure sim", "activate sim", "configure policy", "deactivate sim", "cleanup sim"]
    assert manager.bringup.fault == "The node 'policy' could not configure: it has said why."


def test_without_autostart_it_waits_to_be_asked(graph: Graph) -> None:
    graph.part("sim")
    graph.part("policy", cannot="configure")
    manager = graph.manager(autostart=False, exit_on_failure=False)
    graph.session.spin_for(0.5)
    assert graph.log == []
    graph.ask("startup")
    graph.until(lambda: bool(manager.bringup.fault) and manager.stages["sim"] is Stage.UNCONFIGURED, "the failure")
    assert manager._report()[0] == "error"
