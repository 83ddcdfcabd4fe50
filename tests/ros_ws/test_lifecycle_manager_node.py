# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle manager with real lifecycle nodes: order, failure, loss and recovery."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from helpers.ros import Ros
from lifecycle_msgs.msg import Transition as TransitionMsg
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from tarsus_edge.bringup import Aim, Stage, Transition
from tarsus_nodes.lifecycle import RobustLifecycleNode
from tarsus_nodes.lifecycle_manager_node import LifecycleManagerNode
from tarsus_nodes.process import Finished


class Part(RobustLifecycleNode):
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
        supervisor = session.node(lambda **k: RobustLifecycleNode("supervisor", **k))
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

    def end(self, part: Node) -> None:
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
    level, said, _ = manager._report()
    assert level == "error" and said.endswith("Ask 'lifecycle_manager/startup' to try again.")


@pytest.mark.parametrize("wanted", [{"id": 99}, {"id": 3}, {"label": "activate"}, {"label": "dance"}])
def test_a_transition_that_cannot_be_is_refused_and_ends_nobody(graph: Graph, wanted: dict[str, Any]) -> None:
    graph.part("sim")
    client = graph.asker.create_client(ChangeState, "sim/change_state")
    graph.until(client.service_is_ready, "the service")
    for transition, granted in ((wanted, False), ({"label": "configure"}, True), ({"id": 3}, True), (wanted, False)):
        future = client.call_async(ChangeState.Request(transition=TransitionMsg(**transition)))
        graph.until(future.done, "an answer")
        assert future.result().success is granted
    assert graph.log == ["configure sim", "activate sim"]


@pytest.mark.parametrize("held_s", [0.6, 5.0])
def test_a_manager_that_was_held_up_blames_nobody(graph: Graph, held_s: float) -> None:
    graph.part("sim")
    graph.part("policy")
    manager = graph.manager()
    graph.until(lambda: manager.bringup.up(manager.stages), "all nodes active")
    manager._looked_s -= held_s  # all it knows is older now than the 0.5 s that make a node lost
    for managed in manager._managed.values():
        managed.heard_s -= held_s
        managed._asked_s -= held_s
    graph.session.spin_for(0.4)
    assert manager.bringup.up(manager.stages) and manager.bringup.recoveries == graph.damped == 0


def test_a_destroyed_node_leaves_the_graph_at_once(graph: Graph) -> None:
    part = graph.part("sim")
    graph.until(lambda: graph.asker.count_services("/sim/get_state") == 1, "its service")
    graph.end(part)  # it is still held here: no garbage collection takes it
    graph.until(lambda: graph.asker.count_services("/sim/get_state") == 0, "its end")


def test_a_node_that_ends_in_a_transition_is_waited_for(graph: Graph) -> None:
    graph.part("sim")
    alive = graph.session.node(lambda **k: Node("half", **k))

    def unconfigured(_: GetState.Request, response: GetState.Response) -> GetState.Response:
        response.current_state.id = 1
        return response

    alive.create_service(GetState, "policy/get_state", unconfigured)
    mute = Node("mute", context=graph.session.context)  # nobody runs it: it answers never
    mute.create_service(ChangeState, "policy/change_state", lambda _, response: response)
    manager = graph.manager(transition_timeout_s=600.0)
    graph.until(lambda: manager._managed["policy"].busy, "the question")
    graph.end(alive)
    mute.destroy_node()
    client = manager._managed["policy"]._change
    client.service_is_ready = lambda: False  # the middleware may take 10 s to say so
    graph.until(lambda: not manager._managed["policy"].busy, "the end")
    del client.service_is_ready
    assert manager.bringup.aim is Aim.UP and not manager.bringup.fault
    graph.part("policy")
    graph.until(lambda: manager.bringup.up(manager.stages), "all nodes active")
    assert graph.log == UP


def test_after_a_refusal_a_node_is_asked_how_it_is(graph: Graph) -> None:
    graph.part("sim")
    graph.part("policy")
    manager = graph.manager(autostart=False)
    sim = manager._managed["sim"]
    graph.until(lambda: manager.stages["sim"] is Stage.UNCONFIGURED, "its state")
    answers: list[str] = []
    sim.ask(Transition("sim", "deactivate"), answers.append)
    graph.until(lambda: answers, "the refusal")
    assert answers == ["it has said why."] and sim.guessed
    with pytest.MonkeyPatch.context() as unheard:
        unheard.setattr(sim, "beat", lambda now_s: None)
        manager.bringup.start()
        graph.session.spin_for(0.4)
    assert graph.log == [], "it does not ask on a guess"
    graph.until(lambda: manager.bringup.up(manager.stages), "all nodes active")
    assert graph.log == UP


@pytest.mark.parametrize("lost", ["answer", "request"])
def test_an_answer_that_is_lost_is_read_from_the_state(graph: Graph, lost: str) -> None:
    graph.part("sim")
    manager = graph.manager(nodes=["sim"], autostart=False, exit_on_failure=False, transition_timeout_s=600.0)
    change = manager._managed["sim"]._change
    call = change.call_async

    def lose(request: ChangeState.Request) -> Future:
        if lost == "answer":
            call(request)
        change.call_async = call  # only once
        return Future()

    change.call_async = lose
    manager.bringup.start()
    if lost == "answer":
        graph.until(lambda: manager.bringup.up(manager.stages), "all nodes active")
        assert graph.log == ["configure sim", "activate sim"], "nothing is asked twice"
    else:
        graph.until(lambda: bool(manager.bringup.fault), "the failure")
        assert manager.bringup.fault == "The node 'sim' could not configure: it does not answer, and is unconfigured."
        assert manager.stages["sim"] is Stage.UNCONFIGURED and graph.log == []
