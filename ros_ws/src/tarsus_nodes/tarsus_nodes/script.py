# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Programs that use ROS without being run by it: they spin when they like, and end by Ctrl-C like any program."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import rclpy
from rclpy.signals import SignalHandlerOptions

from tarsus_core.errors import ConfigError
from tarsus_nodes.dds_ports import orphaned_ports_taken
from tarsus_nodes.dds_segments import remove_dead_segments


@contextlib.contextmanager
def ros_script(argv: Sequence[str] = (), own_signals: bool = True) -> Iterator[Callable[[], None]]:
    """Use ROS within the block, which gets a function to call often: it raises once SIGINT or SIGTERM has come.

    An exception raised by a signal handler itself could come up inside a callback of rclpy, or in a finaliser, and be
    swallowed there.

    Args:
        argv: ROS arguments (``--ros-args ...``).
        own_signals: False where the caller handles signals itself.

    Raises:
        ConfigError: for arguments that ROS does not take.
    """
    interrupted = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True

    def check() -> None:
        if interrupted:
            raise KeyboardInterrupt

    try:
        # rclpy's own signal handlers would shut the context down before a last command could be published
        rclpy.init(args=["script", *argv], signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rclpy's errors have no common public base
        raise ConfigError(f"ROS cannot start: {' '.join(str(error).split()).rstrip('.')}.") from None
    numbers = (signal.SIGINT, signal.SIGTERM) if own_signals else ()
    previous = {number: signal.signal(number, interrupt) for number in numbers}
    remove_dead_segments()
    try:
        with orphaned_ports_taken():
            yield check
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        rclpy.try_shutdown()
