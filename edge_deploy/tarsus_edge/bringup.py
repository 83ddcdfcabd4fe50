# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Bringing a graph up and down in order, and what to do when a part of it is lost: all or nothing.

It knows no ROS and no clock. It is told which lifecycle state each node is in, and says which one transition comes
next; how that transition ended it is told, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """Of one node: the primary states of a ROS 2 lifecycle node that matter here."""

    UNCONFIGURED = "unconfigured"
    INACTIVE = "inactive"
    ACTIVE = "active"
    LOST = "lost"
    """it does not answer, or never has"""


class Aim(Enum):
    """Of the whole graph."""

    UP = "up"
    """every node active, in order"""
    DOWN = "down"
    """every node unconfigured, in reversed order"""
    RESET = "reset"
    """once the node that was lost is there again: everything down, and up again"""


@dataclass(frozen=True)
class Transition:
    """What to ask of one node."""

    node: str
    name: str
    """configure, activate, deactivate or cleanup"""


_UPWARDS = {Stage.UNCONFIGURED: "configure", Stage.INACTIVE: "activate"}
_DOWNWARDS = {Stage.ACTIVE: "deactivate", Stage.INACTIVE: "cleanup"}


class Bringup:
    """Decides the next transition of a graph; one at a time."""

    def __init__(self, nodes: Sequence[str]) -> None:
        """Know the nodes, in the order in which they are configured and activated; nothing is aimed at yet."""
        self.nodes = tuple(nodes)
        self.aim = Aim.DOWN
        self.fault = ""
        """why it is not up, one sentence; empty if nothing went wrong since it was last up"""
        self.recoveries = 0
        """times that a lost node has led to a reset"""
        self._reached: set[str] = set()
        self._refused: set[str] = set()
        """nodes that could not go down: they are left as they are"""

    def start(self) -> None:
        """Aim at a graph that is up; a failure before is forgotten. A reset under way ends there by itself."""
        self._refused.clear()
        if self.aim is not Aim.RESET:
            self.aim = Aim.UP
            self.fault = ""

    def stop(self) -> None:
        """Aim at a graph that is down."""
        self.aim = Aim.DOWN
        self._reached.clear()
        self._refused.clear()

    def up(self, stages: Mapping[str, Stage]) -> bool:
        """Whether every node is active."""
        return self.aim is Aim.UP and all(stages[node] is Stage.ACTIVE for node in self.nodes)

    def look(self, stages: Mapping[str, Stage]) -> str:
        """Notice what was lost. Returns one sentence when that is news: the robot has to be damped now.

        A node that was brought up and is so no longer was killed, has started anew, hangs, or was taken down by
        somebody else.
        """
        if self.aim is not Aim.UP:
            return ""
        for node in self.nodes:
            stage = stages[node]
            if stage is Stage.ACTIVE:
                self._reached.add(node)
            elif node in self._reached:
                self.aim = Aim.RESET
                self.recoveries += 1
                self.fault = f"The node '{node}' was active and is {stage.value}: everything starts anew."
                self._reached.clear()
                return self.fault
        return ""

    def next(self, stages: Mapping[str, Stage]) -> Transition | None:
        """Return the transition to ask for now; None if there is nothing to do but wait."""
        if self.aim is Aim.RESET:
            if Stage.LOST in stages.values():
                return None  # without it nothing would come up again: the others serve the damped robot meanwhile
            down = self._downwards(stages)
            if down is not None:
                return down
            self.aim = Aim.UP
        if self.aim is Aim.DOWN:
            return self._downwards(stages)
        for node in self.nodes:
            if stages[node] is Stage.LOST:
                return None  # the nodes after it wait, too
            if stages[node] in _UPWARDS:
                return Transition(node, _UPWARDS[stages[node]])
        return None

    def failed(self, transition: Transition, why: str) -> None:
        """Take note that a transition failed: everything goes down, and stays there, but for a node that does not."""
        if self.aim is not Aim.DOWN:
            self.stop()
            self.fault = f"The node '{transition.node}' could not {transition.name}: {why}"
        if transition.name in _DOWNWARDS.values():
            self._refused.add(transition.node)

    def _downwards(self, stages: Mapping[str, Stage]) -> Transition | None:
        """The last node that is up goes down; one that is lost is left out, and one that refused it."""
        for node in reversed(self.nodes):
            if stages[node] in _DOWNWARDS and node not in self._refused:
                return Transition(node, _DOWNWARDS[stages[node]])
        return None
