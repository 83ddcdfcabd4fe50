# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What only shows after long: graphs started and stopped a thousand times, a robot that walks for an hour."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import Vector3

from tarsus_core.errors import SimulationError
from tarsus_edge.supervisor import State
from tarsus_nodes.faults.bench import FaultBench, processes_of
from tarsus_nodes.operator_client import OperatorError
from tarsus_nodes.qos import COMMAND_QOS
from tarsus_nodes.ros_domain import VARIABLE

PUSH_EVERY_S = 10.0
PUSH_NS = 15.0
"""N.s: each push, from a side drawn at random"""
COMMANDS = ((0.5, 0.0, 0.0), (0.3, 0.0, 0.4), (0.8, 0.0, 0.0), (0.0, 0.2, 0.0), (0.3, 0.0, -0.4), (0.0, 0.0, 0.0))
"""vx, vy in m/s, wz in rad/s, each for ``PUSH_EVERY_S``"""
WARM_UP = 0.1
"""share of the time after which memory is looked at for the first time: caches and queues are full by then"""


class LeftBehind(SimulationError):
    """The graph did not end as it must: a finding of the benchmark, not a mistake of the one who called it."""

    exit_code = 1


Say = Callable[[float], None]
"""Told the part that is done, 0 to 1."""


def cycle(count: int, say: Say, check: Callable[[], None]) -> dict[str, Any]:
    """Start the whole graph and stop it, again and again; returns figures, ready for JSON.

    ``check`` is called again and again; what it raises ends it, with the graph under way.

    Raises:
        LeftBehind: at the first process left behind, or exit code that is not 0.
    """
    domain = int(os.environ[VARIABLE])
    took_s, files = [], []
    before = _leftovers()
    memory_mb: list[float] = []
    for k in range(count):
        start_s = time.monotonic()
        with FaultBench(calm_s=0.0, check=check) as bench:
            launch = bench.launch
        took_s.append(time.monotonic() - start_s)
        bad = {name: code for name, code in launch.exit_codes.items() if code != 0}
        left = processes_of(domain)
        if bad or left:
            raise LeftBehind(f"After {k + 1} cycles: exit codes {bad}, left behind {left}.")
        files.append(len(os.listdir("/proc/self/fd")))
        memory_mb.append(memory_of(os.getpid()))
        say((k + 1) / count)
    warm = min(len(files) - 1, round(WARM_UP * count))
    return {
        "cycles": count,
        "cycle_s": {"median": round(float(np.median(took_s)), 2), "max": round(max(took_s), 2)},
        "open_files": {"warm": files[warm], "end": files[-1]},
        "memory_mb": {"warm": round(memory_mb[warm], 1), "end": round(memory_mb[-1], 1)},
        "files_left": sorted(_leftovers() - before),
    }


def walk(duration_s: float, seed: int, say: Say, check: Callable[[], None]) -> dict[str, Any]:
    """Walk for so long of simulated time, in lockstep, with pushes; returns figures, ready for JSON. See ``cycle``.

    ``fell`` tells of each fall (the first ten) when it was, which push came before, at which command, and why the
    robot was damped.
    """
    rng = np.random.default_rng(seed)
    with FaultBench(arguments={"lockstep": "true", "seed": str(seed)}, check=check) as bench:
        client = bench.client
        pushes = client.node.create_publisher(Vector3, "sim/push", COMMAND_QOS)
        bench.operator.stand_up()
        client.set_simulator_parameter("run_until_s", -1.0)
        start_s, wall_s = client.time_s, time.monotonic()
        next_s, count = start_s, 0
        pushed: dict[str, Any] = {}
        falls: list[dict[str, Any]] = []
        warm: dict[str, float] = {}
        while (done_s := client.time_s - start_s) < duration_s:
            if client.state is State.DAMP:
                falls.append({"at_s": round(done_s, 1), **pushed, "because": bench.operator.reason})
                _up_again(bench)
                continue  # seconds have passed
            if client.time_s >= next_s:
                next_s = client.time_s + PUSH_EVERY_S
                bench.drives = np.array(COMMANDS[count % len(COMMANDS)])
                angle = rng.uniform(0.0, 2.0 * np.pi)
                pushes.publish(Vector3(x=PUSH_NS * np.cos(angle), y=PUSH_NS * np.sin(angle)))
                count += 1
                pushed = {
                    "pushed_at_s": round(done_s, 1),
                    "direction_deg": round(float(np.degrees(angle)), 1),  # from the heading, to the left
                    "velocity_command": bench.drives.tolist(),
                }
            if not warm and done_s > WARM_UP * duration_s:
                warm = dict(memory_of_graph(bench))
            bench.wait(0.1)
            client.refuse_silence("walking")
            say(done_s / duration_s)
        end = dict(memory_of_graph(bench))
        took_s = time.monotonic() - wall_s
    return {
        "simulated_s": round(done_s, 1),
        "took_s": round(took_s, 1),
        "pushes": count,
        "push_ns": PUSH_NS,
        "falls": len(falls),
        "fell": falls[:10],
        "unsafe_commands": bench.witness.check.unsafe,
        "commands": bench.witness.check.heard,
        "memory_mb": {name: {"warm": round(warm.get(name, 0.0), 1), "end": round(mb, 1)} for name, mb in end.items()},
    }


def _up_again(bench: FaultBench) -> None:
    """After a fall: back into the gantry and up, by simulated time that runs freely."""
    client = bench.client
    bench.to_passive()
    client.demand("supervisor/arm")
    client.demand("supervisor/stand")
    if not bench.until(lambda: client.supervisor is not None and client.supervisor.ready, 60.0):
        raise OperatorError("The robot does not stand up after a fall.")
    bench.until(lambda: client.press("supervisor/walk")[0])
    until_s = client.time_s + 1.0
    bench.until(lambda: client.time_s > until_s, 60.0)
    client.demand("sim/release")


def memory_of_graph(bench: FaultBench) -> Iterator[tuple[str, float]]:
    """Resident memory in MB of each process of the launch, by name."""
    for process in bench.launch.processes:
        if process.pid is not None and process.running:
            yield process.name, memory_of(process.pid)


def memory_of(pid: int) -> float:
    """Resident memory of a process in MB (2^20 bytes)."""
    fields: Mapping[str, str] = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    return int(fields["VmRSS"].split()[0]) / 1024.0


def _leftovers() -> set[str]:
    """Files of middleware and launcher that no living process has: shared memory, and temporary files of launches."""
    held: set[str] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or is not ours
            maps, words = (folder / "maps").read_text(), (folder / "cmdline").read_text(errors="replace")
            held |= {line.split(maxsplit=5)[-1] for line in maps.splitlines() if "/dev/shm/" in line}
            held |= {os.readlink(link) for link in (folder / "fd").iterdir()}  # locks are open, and not mapped
            held |= {str(Path(word).parent) for word in words.split("\0") if "/launch_params_" in word}
    shared = {str(path) for path in Path("/dev/shm").glob("*") if "fastrtps" in path.name or "fastdds" in path.name}
    held |= {path.replace("/fastrtps_port", "/sem.fastrtps_port") + "_mutex" for path in held}  # mapped by another name
    return (shared | {str(path) for path in Path(tempfile.gettempdir()).glob("launch_params_*")}) - held
