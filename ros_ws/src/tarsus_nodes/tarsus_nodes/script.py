# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Programs that use ROS without being run by it: they spin when they like, and end by Ctrl-C like any program."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import rclpy
from rclpy.signals import SignalHandlerOptions

from tarsus_core.errors import ConfigError
from tarsus_nodes.ros_domain import given_domain
from tarsus_nodes.transport import use_udp


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Gives the block a function to call often: it raises KeyboardInterrupt once SIGINT, SIGTERM or SIGHUP has come.

    An exception raised by a signal handler itself could come up inside a callback of rclpy, or in a finaliser, and be
    swallowed there. A SIGHUP that is ignored (``nohup``) stays so.
    """
    interrupted = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True

    def check() -> None:
        if interrupted:
            raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    previous = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield check
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def ros_script(argv: Sequence[str] = (), own_signals: bool = True) -> Iterator[Callable[[], None]]:
    """Use ROS within the block, which gets the function of ``interruptible`` to call often.

    Args:
        argv: ROS arguments (``--ros-args ...``).
        own_signals: False where the caller handles signals itself; the function does nothing then.

    Raises:
        ConfigError: for arguments that ROS does not take, or a domain that is none.
    """
    given_domain(os.environ)
    try:
        use_udp(os.environ)
        # rclpy's own signal handlers would shut the context down before a last command could be published
        rclpy.init(args=["script", *argv], signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rclpy's errors have no common public base
        raise ConfigError(f"ROS cannot start: {' '.join(str(error).split()).rstrip('.')}.") from None
    try:
        with interruptible() if own_signals else contextlib.nullcontext(_nothing) as check:
            yield check
    finally:
        rclpy.try_shutdown()


def _nothing() -> None:
    pass
