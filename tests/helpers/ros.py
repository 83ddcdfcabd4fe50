# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Nodes in tests: on a ROS domain that no other test uses, and waiting on conditions instead of sleeping."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import rclpy
from helpers.domain import own_domain
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter

AnyNode = TypeVar("AnyNode", bound=Node)


class Ros:
    """A context on a domain of its own with an executor; nodes live until it is closed."""

    def __init__(self, domain_id: int) -> None:
        """Start ROS in this process, apart from any default context."""
        self.domain_id = domain_id
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.executor = SingleThreadedExecutor(context=self.context)
        self._nodes: list[Node] = []

    def node(self, cls: Callable[..., AnyNode], *args: Any, parameters: dict[str, Any] | None = None) -> AnyNode:
        """Make a node with parameters and let the executor run it."""
        overrides = [Parameter(name, value=value) for name, value in (parameters or {}).items()]
        node = cls(*args, context=self.context, parameter_overrides=overrides)
        self._nodes.append(node)
        self.executor.add_node(node)
        return node

    def spin_until(self, condition: Callable[[], Any], timeout_s: float = 10.0, what: str = "the condition") -> None:
        """Run callbacks until the condition holds; fail after ``timeout_s``."""
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, f"waited {timeout_s:g} s for {what}"
            self.executor.spin_once(timeout_sec=0.02)

    def spin_for(self, duration_s: float) -> None:
        """Run callbacks for a while, where nothing must happen."""
        end = time.monotonic() + duration_s
        while time.monotonic() < end:
            self.executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        """Stop everything."""
        for node in self._nodes:
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        rclpy.shutdown(context=self.context)
        self.context.destroy()  # its participant, which would stay in the graph until garbage is collected


@contextlib.contextmanager
def ros() -> Iterator[Ros]:
    """Give a ``Ros`` on a domain of its own."""
    with own_domain() as domain:
        session = Ros(domain)
        try:
            yield session
        finally:
            session.close()
