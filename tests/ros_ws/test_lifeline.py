# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The lifeline tells of a process that was killed, and of no other."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from helpers.ros import Ros
from rclpy.node import Node

from tarsus_nodes.lifeline import Lifeline, LifelineWatch

TIED = """
import sys, rclpy
from rclpy.node import Node
from tarsus_nodes.lifeline import Lifeline
rclpy.init(domain_id=int(sys.argv[1]))
line = Lifeline(Node("tied"), "x")
print(line.tied, flush=True)
sys.stdin.read()
"""


Watch = Callable[[Node, str, Callable[[], None]], LifelineWatch]


@pytest.fixture
def watch(session: Ros) -> Iterator[Watch]:
    """Make watches that end before the session does."""
    made: list[LifelineWatch] = []

    def make(node: Node, name: str, on_cut: Callable[[], None]) -> LifelineWatch:
        made.append(LifelineWatch(node, name, on_cut))
        return made[-1]

    yield make
    for one in made:
        one.close()


def node(session: Ros, name: str, namespace: str = "") -> Node:
    return session.node(lambda **k: Node(name, namespace=namespace, **k))


@pytest.mark.parametrize("killed", [True, False])
def test_the_end_of_a_process_is_told_at_once(session: Ros, watch: Watch, killed: bool) -> None:
    cut: list[bool] = []
    watch(node(session, "watch"), "x", lambda: cut.append(True))
    with subprocess.Popen(
        [sys.executable, "-c", TIED, str(session.domain_id)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        session.spin_for(0.1)
        assert not cut
        assert process.stdin is not None
        process.kill() if killed else process.stdin.close()
        session.spin_until(lambda: cut, what="the news of its end")
    session.spin_for(0.1)
    assert len(cut) == 1


def test_it_ties_itself_when_somebody_watches_and_again_when_he_is_back(session: Ros, watch: Watch) -> None:
    cut: list[bool] = []
    line = Lifeline(node(session, "tied"), "x")
    assert not line.tied
    watcher = node(session, "watch")
    for _ in range(2):
        watching = watch(watcher, "x", lambda: cut.append(True))
        session.spin_until(lambda: line.tied, what="the tie")
        watching.close()
        session.spin_until(lambda: not line.tied, what="the end of the watch")
    assert not cut, "he who watches no more hears nothing"
    line.close()


def test_one_that_lets_go_in_order_is_told_too(session: Ros, watch: Watch) -> None:
    cut: list[bool] = []
    watching = watch(node(session, "watch"), "x", lambda: cut.append(True))
    line = Lifeline(node(session, "tied"), "x")
    assert line.tied
    line.close()
    line.close()  # again is no harm
    session.spin_until(lambda: cut, what="the news")
    watching.close()
    watching.close()


def test_lines_of_other_names_and_namespaces_are_apart(session: Ros, watch: Watch) -> None:
    cut: list[str] = []
    for namespace in ("", "left"):
        for name in ("x", "y"):
            watch(node(session, "watch", namespace), name, lambda n=f"{namespace}/{name}": cut.append(n))
    line = Lifeline(node(session, "tied", "left"), "y")
    line.close()
    session.spin_until(lambda: cut, what="the news")
    session.spin_for(0.1)
    assert cut == ["left/y"]


def test_a_second_watch_of_one_line_goes_without(session: Ros, watch: Watch) -> None:
    cut: list[int] = []
    for k in range(2):
        watch(node(session, "watch"), "x", lambda k=k: cut.append(k))
    Lifeline(node(session, "tied"), "x").close()
    session.spin_until(lambda: cut, what="the news")
    assert cut == [0]


def test_a_second_watch_takes_over_when_the_first_has_gone(session: Ros, watch: Watch) -> None:
    cut: list[int] = []
    first, second = (watch(node(session, "watch"), "x", lambda k=k: cut.append(k)) for k in range(2))
    assert not first.refusal and second.refusal == "Address already in use"
    first.close()
    session.spin_until(lambda: not second.refusal, what="the line")
    Lifeline(node(session, "tied"), "x").close()
    session.spin_until(lambda: cut, what="the news")
    assert cut == [1]
