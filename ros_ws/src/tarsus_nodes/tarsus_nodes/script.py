# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Programs that use ROS without being run by it: they spin when they like, and end by Ctrl-C like any program."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence
from types import FrameType

import rclpy
from rclpy.signals import SignalHandlerOptions

from tarsus_core.errors import ConfigError


@contextlib.contextmanager
def ros_script(argv: Sequence[str] = (), own_signals: bool = True) -> Iterator[None]:
    """Use ROS within the block; SIGTERM ends it as Ctrl-C does, by KeyboardInterrupt.

    Args:
        argv: ROS arguments (``--ros-args ...``).
        own_signals: False where the caller handles SIGTERM itself.

    Raises:
        ConfigError: for arguments that ROS does not take.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        # rclpy's own signal handlers would shut the context down before a last command could be published
        rclpy.init(args=["script", *argv], signal_handler_options=SignalHandlerOptions.NO)
    except Exception as error:  # rclpy's errors have no common public base
        raise ConfigError(f"ROS cannot start: {' '.join(str(error).split()).rstrip('.')}.") from None
    previous = signal.signal(signal.SIGTERM, interrupt) if own_signals else None
    try:
        yield
    finally:
        if own_signals:
            signal.signal(signal.SIGTERM, previous)
        rclpy.try_shutdown()
