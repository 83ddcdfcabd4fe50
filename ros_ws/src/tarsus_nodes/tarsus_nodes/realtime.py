# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What a node's process asks of the kernel to be on time: a real-time priority, cores of its own, memory that stays.

The system may refuse; the node then runs as any process does, and says so.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node

from tarsus_core.errors import ConfigError
from tarsus_nodes.parameters import declare

_MCL_CURRENT, _MCL_FUTURE = 1, 2  # sys/mman.h
PM_QOS = "/dev/cpu_dma_latency"
"""where Linux takes a limit on wake-up latency (Documentation/power/pm_qos_interface)"""
_asked_awake: int | None = None
"""open file that keeps the processors awake; the process's end closes it"""
PRIORITY = 20
"""of the nodes that have to be on time, where the system grants it"""
HIGHEST = 80
"""the kernel's own interrupt threads run at 50 and, some of them, at 99"""


@dataclass(frozen=True)
class Realtime:
    """What to ask for; nothing by default."""

    priority: int = 0
    """of SCHED_FIFO, 1 to 80; 0: the scheduler that every process has"""
    cores: tuple[int, ...] = ()
    """cores to run on; empty: all"""
    lock_memory: bool = False
    """keep all memory in RAM, now and later"""
    awake: bool = False
    """keep the processors from sleeping between two messages, for as long as this process lives: waking up takes them
    longer than an inference, and what they had in their caches is gone"""

    @staticmethod
    def declare(node: Node) -> Realtime:
        """Declare the parameters of a node.

        Raises:
            ConfigError: for cores that are no list of numbers such as ``0,1``.
        """
        text = declare(node, "rt_cores", "", "Cores to run on, such as 0,1; empty for all")
        try:
            cores = tuple(int(core) for core in text.split(",")) if text.strip() else ()
        except ValueError:
            raise ConfigError(f"rt_cores is '{text}': give numbers with commas between, such as 0,1.") from None
        return Realtime(
            declare(node, "rt_priority", 0, "SCHED_FIFO priority of all threads; 0 for none", limits=(0, HIGHEST)),
            cores,
            declare(node, "rt_lock_memory", False, "Keep all memory in RAM"),
            declare(node, "rt_awake", False, "Keep the processors from sleeping; takes power"),
        )

    @staticmethod
    def granted(priority: int) -> Realtime:
        """What this system grants to a process of this user, of a priority, locked memory and processors awake."""
        try:
            before = os.sched_getscheduler(0), os.sched_getparam(0)
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
            os.sched_setscheduler(0, *before)
        except OSError:
            priority = 0
        library = ctypes.CDLL(None)
        locked = library.mlockall(_MCL_FUTURE) == 0 and library.munlockall() == 0
        return Realtime(priority, (), locked, os.access(PM_QOS, os.W_OK))

    def as_dict(self) -> dict[str, int | bool]:
        """Return priority, locked memory and processors kept awake, ready for JSON."""
        return {"rt_priority": self.priority, "rt_lock_memory": self.lock_memory, "rt_awake": self.awake}

    def parameters(self) -> dict[str, str]:
        """Return what was asked for as the values of a node's parameters."""
        found = {name: str(value).lower() for name, value in self.as_dict().items() if value}
        return found | ({"rt_cores": ",".join(map(str, self.cores))} if self.cores else {})

    def apply(self) -> list[str]:
        """Ask the kernel, for every thread of this process; return a sentence for each thing that it refused."""
        refused = []
        if self.cores and (reason := _each_thread(lambda thread: os.sched_setaffinity(thread, self.cores))):
            refused.append(
                f"rt_cores={','.join(map(str, self.cores))} is refused ({reason}): this machine lets the node run on "
                f"{','.join(map(str, sorted(os.sched_getaffinity(0))))}."
            )
        if self.lock_memory and (reason := _lock_memory()):
            refused.append(f"Memory cannot be locked ({reason}): raise the limit with 'ulimit -l unlimited'.")
        if self.awake and (reason := _stay_awake()):
            refused.append(
                f"The processors cannot be kept awake ({reason}): allow it with 'chmod o+w {PM_QOS}', or as root."
            )
        if self.priority:
            parameter = os.sched_param(self.priority)
            if reason := _each_thread(lambda thread: os.sched_setscheduler(thread, os.SCHED_FIFO, parameter)):
                refused.append(
                    f"SCHED_FIFO is refused ({reason}): the node runs as any process; allow it with "
                    "'ulimit -r 80' or CAP_SYS_NICE."
                )
        return refused


def _each_thread(ask: Callable[[int], None]) -> str:
    """Ask for each thread of this process; return why the kernel refused, or nothing."""
    for task in sorted(int(path.name) for path in Path("/proc/self/task").iterdir()):
        try:
            ask(task)
        except ProcessLookupError:  # the thread has ended meanwhile
            continue
        except (OSError, ValueError, OverflowError) as error:
            return getattr(error, "strerror", None) or str(error)
    return ""


def _stay_awake() -> str:
    """Ask for a wake-up latency of 0 us, as cyclictest does; the kernel keeps to it while the file is open."""
    global _asked_awake
    try:
        if _asked_awake is None:
            _asked_awake = os.open(PM_QOS, os.O_WRONLY)
        os.write(_asked_awake, struct.pack("=i", 0))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _lock_memory() -> str:
    library = ctypes.CDLL(None, use_errno=True)
    if library.mlockall(_MCL_CURRENT | _MCL_FUTURE) == 0:
        return ""
    return os.strerror(ctypes.get_errno())
