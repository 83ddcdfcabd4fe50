# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A socket between two processes of one machine, by which one knows at once that the other has died.

The middleware learns of a killed process only by its silence, which looks like a busy machine. The kernel closes the
sockets of a process whatever ends it, and the other end reads that within a millisecond. Both are on one machine, in
one network namespace: that of the watchdog to the supervisor must be there, and where the others are not, the age
limits are left.
"""

from __future__ import annotations

import select
import selectors
import socket
import threading
import time
from collections.abc import Callable

from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.node import Node

POLICY = "policy"
"""name of the line from the policy, which is watched, to the supervisor"""
SUPERVISOR = "supervisor"
"""of the line from the supervisor, which is watched, to the watchdog"""
WATCHDOG = "watchdog"
"""of the line from the watchdog, which is watched, to the supervisor"""
RECONNECT_S = 0.5
"""steady time between two looks whether the lifeline is still tied"""


def address(node: Node, name: str) -> str:
    """Abstract address of the end called ``name``: one for each ROS domain and namespace of this machine."""
    return f"\0tarsus/{node.context.get_domain_id()}{node.get_namespace().rstrip('/')}/{name}"


class LifelineWatch:
    """The end that watches. ``on_cut`` runs in the node's executor after a process that had tied itself has died."""

    def __init__(self, node: Node, name: str, on_cut: Callable[[], None]) -> None:
        """Begin to listen; while another process of the same role has the address, that is logged and tried again."""
        self._node = node
        self._guard = node.create_guard_condition(on_cut)
        self._address = address(node, name)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._ended, self._end = socket.socketpair()
        self.tied = 0
        """processes that are tied now"""
        self.refusal = ""
        """why nobody can tie itself now; empty if anybody can"""
        if not self._listens():
            node.get_logger().warning(
                f"The lifeline '{name}' is not available ({self.refusal}): until it is, a killed process shows by its "
                "silence."
            )
        self._thread = threading.Thread(target=self._watch, name="lifeline", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let go of every socket."""
        if self._thread.is_alive():
            self._end.send(b"\0")
            self._thread.join()
        for end in (self._listener, self._ended, self._end):
            end.close()

    def _listens(self) -> bool:
        try:
            self._listener.bind(self._address)
            self._listener.listen()
        except OSError as error:
            self.refusal = str(error.strerror)
        else:
            self.refusal = ""
        return not self.refusal

    def _watch(self) -> None:
        while self.refusal and not self._listens():
            if select.select([self._ended], [], [], RECONNECT_S)[0]:
                return
        with selectors.DefaultSelector() as selector:
            selector.register(self._ended, selectors.EVENT_READ)
            selector.register(self._listener, selectors.EVENT_READ)
            tied: set[socket.socket] = set()
            while True:
                for key, _ in selector.select():
                    end = key.fileobj
                    if end is self._ended:
                        for one in tied:
                            one.close()
                        return
                    if end is self._listener:
                        try:
                            one = self._listener.accept()[0]
                        except OSError:  # out of file descriptors, or it has gone already
                            time.sleep(RECONNECT_S)
                            continue
                        tied.add(one)
                        self.tied = len(tied)
                        selector.register(one, selectors.EVENT_READ)
                    elif isinstance(end, socket.socket) and _is_cut(end):
                        selector.unregister(end)
                        tied.remove(end)
                        self.tied = len(tied)
                        end.close()
                        self._guard.trigger()


class Lifeline:
    """The end that is watched: it ties itself, and again when the watching process has started anew."""

    def __init__(self, node: Node, name: str) -> None:
        """Tie now or as soon as somebody watches."""
        self._node = node
        self._address = address(node, name)
        self._socket: socket.socket | None = None
        self._timer = node.create_timer(RECONNECT_S, self.tie, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.tie()

    @property
    def tied(self) -> bool:
        """Whether somebody watches, as of the last look."""
        return self._socket is not None

    def tie(self) -> None:
        """Look whether the line is tied, and tie it if it can be."""
        if self._socket is not None:
            if not _is_cut(self._socket):
                return
            self._socket.close()
            self._socket = None
        end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        end.setblocking(False)  # a watch that does not accept must not hold up the node
        try:
            end.connect(self._address)
        except OSError:
            end.close()
            return
        self._socket = end

    def close(self) -> None:
        """Cut the line."""
        self._node.destroy_timer(self._timer)
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _is_cut(end: socket.socket) -> bool:
    """Whether the other end has gone; nothing is ever sent but that."""
    try:
        return not end.recv(64)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
