# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""How every node's process starts and ends: one sentence for an error, a clean end on SIGINT and SIGTERM."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

import rclpy
from rclpy.exceptions import InvalidParameterException, InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from rclpy.utilities import remove_ros_args

from tarsus_core.cli import guard
from tarsus_core.errors import ConfigError
from tarsus_nodes.executor import FastExecutor
from tarsus_nodes.farewell import exit_after
from tarsus_nodes.ros_domain import given_domain
from tarsus_nodes.transport import use_udp

FAREWELL_S = 3.0
"""s for taking node, context and participant down, 20 to 70 ms as a rule; a launch sends SIGTERM after 5 s"""


class Finished(Exception):
    """Raised by a callback that has done the node's work: the process ends in order with ``exit_code``."""

    def __init__(self, exit_code: int = 0) -> None:
        super().__init__(f"finished with exit code {exit_code}")
        self.exit_code = exit_code


def run_node(make_node: Callable[[], Node], argv: Sequence[str] | None = None) -> int:
    """Run one node until SIGINT, SIGTERM or ``Finished``, and return the exit code of the process.

    A node may have a method ``on_stop()``: it is called once, while the node can still publish (the supervisor damps
    there), whatever ends the process short of a kill. A ``TarsusError``, from the constructor or a callback, becomes
    one sentence on standard error and its exit code.

    Args:
        make_node: makes the node; called after rclpy is initialised.
        argv: the arguments after the program's name, ``--ros-args ...`` included; the process's own if None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guard(lambda: _run(make_node, arguments))


def run_process(make_node: Callable[[], Node]) -> NoReturn:
    """Run one node as the whole of this process, as ``run_node`` does, and end the process with its exit code.

    It ends without the destructors of shared libraries. Tracing, logging and linear algebra stop threads of their own
    there, and one of some hundred processes waited for that until it was killed. All that is ours is closed by then.
    What the middleware takes down before may hang as well: after ``FAREWELL_S`` of it the process ends all the same.
    """

    def make_and_freeze() -> Node:
        node = make_node()
        gc.collect()
        gc.freeze()  # what is loaded by now stays: the collector need not walk through it, 20 ms at a time
        return node

    try:
        code = guard(lambda: _run(make_and_freeze, sys.argv[1:], last=True))
    except Exception:  # a bug: it is shown as it is, and the process ends like any other
        traceback.print_exc()
        code = 1
    exit_after(FAREWELL_S, code)
    gc.unfreeze()
    gc.collect()  # lets go of the middleware's participant, which says farewell
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def _run(make_node: Callable[[], Node], argv: list[str], last: bool = False) -> int:
    """Run one node; ``last``: nothing follows it in this process but its end, in time."""
    _initialise(argv)
    try:
        with _stop_on_signals(for_good=last) as stop:
            try:
                node = make_node()
            except (InvalidParameterTypeException, InvalidParameterValueException, InvalidParameterException) as error:
                raise ConfigError(f"A parameter cannot be used: {_sentence(error)}") from None
            for refusal in node.realtime.apply() if hasattr(node, "realtime") else ():
                node.get_logger().warning(refusal)
            code = 1
            try:
                code = _spin(node, stop)
                return code
            finally:
                if last:
                    exit_after(FAREWELL_S, code)
                with contextlib.suppress(Exception):  # a second failure must not hide the first
                    node.destroy_node()
    finally:
        rclpy.try_shutdown()


def _initialise(argv: list[str]) -> None:
    given_domain(os.environ)
    try:
        use_udp(os.environ)
        extra = remove_ros_args(argv)
        # rclpy's own signal handlers would shut the context down before the node could publish its last command
        rclpy.init(args=["node", *argv], signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rclpy's argument errors have no common public base
        raise ConfigError(f"ROS cannot start: {_sentence(error)}") from None
    if extra:
        rclpy.try_shutdown()
        raise ConfigError(f"'{extra[0]}' is no argument of a node: give parameters as '--ros-args -p name:=value'.")


def _spin(node: Node, stop: Future) -> int:
    executor = FastExecutor()
    executor.add_node(node)
    stop.add_done_callback(lambda _: executor.wake())
    try:
        executor.spin_while(lambda: not stop.done())
        code = 0
    except Finished as finished:
        code = finished.exit_code
    finally:
        on_stop = getattr(node, "on_stop", None)
        if on_stop is not None:
            on_stop()
        executor.shutdown()
    return code


@contextlib.contextmanager
def _stop_on_signals(for_good: bool) -> Iterator[Future]:
    """Future that is done at the first SIGINT, SIGTERM, SIGHUP or SIGQUIT; repeats change nothing.

    After the block, and a signal, so it stays for SIGINT, and for the others where it is ``for_good``.

    Python runs signal handlers between two bytecodes of the main thread, which may be asleep inside the middleware;
    so the C handler's wake-up byte is read by a thread, and the thread completes the future, which wakes the executor.
    """
    future = Future()
    # a terminal or a connection that is closed must not end it without a last word, nor Ctrl-\
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        numbers.append(signal.SIGHUP)
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def wait() -> None:
        while (number := reader.recv(1)) not in (b"", b"\0"):
            if number[0] in numbers and not future.done():
                future.set_result(number[0])

    old_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    old = {number: signal.signal(number, lambda *_: None) for number in numbers}
    thread = threading.Thread(target=wait, name="signals", daemon=True)
    thread.start()
    try:
        yield future
    finally:
        if future.done():
            # The second SIGINT of one Ctrl-C, from terminal and launcher, may come while the process ends, and a second
            # SIGHUP of one terminal: the handler that does nothing stays. (A signal that comes while SIG_IGN is set is
            # a complaint of Python's on stderr.)
            for number in numbers if for_good else [signal.SIGINT]:
                del old[number]
        for number, handler in old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(old_fd)
        writer.send(b"\0")
        thread.join()
        reader.close()
        writer.close()


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    text = re.sub(r",? at /\S+:\d+", "", text).rstrip(".")  # rcl names its source files
    return f"{text}."
