# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What a process asks of the kernel is in force for each of its threads, or is refused with a sentence."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from helpers.ros import Ros
from rclpy.node import Node

from tarsus_core.errors import ConfigError
from tarsus_nodes.realtime import HIGHEST, PM_QOS, Realtime

# In a process of its own: what is asked for cannot all be taken back.
CHILD = """
import json, os, resource, sys, threading
from pathlib import Path
from tarsus_nodes.realtime import PM_QOS, Realtime
if sys.argv[2] == "nobody":
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
    os.setuid(65534)
threading.Thread(target=threading.Event().wait, daemon=True).start()
refused = Realtime(**json.loads(sys.argv[1])).apply()
tasks = [int(path.name) for path in Path("/proc/self/task").iterdir()]
print(json.dumps({
    "refused": refused,
    "fifo": [os.sched_getscheduler(t) == os.SCHED_FIFO for t in tasks],
    "priority": [os.sched_getparam(t).sched_priority for t in tasks],
    "cores": [sorted(os.sched_getaffinity(t)) for t in tasks],
    "awake": any(os.path.realpath(f"/proc/self/fd/{f}") == PM_QOS for f in os.listdir("/proc/self/fd")),
    "locked_kb": next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmLck")),
}))
"""


def applied(who: str = "me", **asked: Any) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(asked), who], capture_output=True, text=True, timeout=60, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_nothing_is_asked_for_by_default() -> None:
    seen = applied()
    assert seen["refused"] == [] and not any(seen["fifo"]) and seen["locked_kb"] == 0 and not seen["awake"]


def test_cores_hold_for_every_thread() -> None:
    core = min(os.sched_getaffinity(0))
    seen = applied(cores=[core])
    assert seen["refused"] == [] and seen["cores"] == [[core]] * len(seen["cores"]) and len(seen["cores"]) >= 2


def test_a_core_that_is_not_there_is_refused() -> None:
    (sentence,) = applied(cores=[1023])["refused"]
    assert sentence.startswith("rt_cores=1023 is refused (Invalid argument): this machine lets the node run on ")


def test_priority_and_memory_are_granted_or_refused_in_a_sentence() -> None:
    seen = applied(priority=10, lock_memory=True)
    if any("SCHED_FIFO" in sentence for sentence in seen["refused"]):
        assert not any(seen["fifo"])
    else:
        assert all(seen["fifo"]) and set(seen["priority"]) == {10}
    assert any("Memory" in sentence for sentence in seen["refused"]) == (seen["locked_kb"] == 0)


@pytest.mark.skipif(not os.access(PM_QOS, os.W_OK), reason="this system does not let this user ask for it")
def test_processors_are_kept_awake_while_the_file_is_open() -> None:
    seen = applied(awake=True)
    assert seen["refused"] == [] and seen["awake"]


def test_what_is_granted_is_not_refused() -> None:
    before = os.sched_getscheduler(0)
    granted = Realtime.granted(10)
    assert os.sched_getscheduler(0) == before, "asking changes nothing"
    assert granted.priority in (0, 10)
    assert applied(**dataclasses.asdict(granted))["refused"] == []


def test_values_for_a_node() -> None:
    assert Realtime().parameters() == {}
    assert Realtime(20, (1,)).as_dict() == {"rt_priority": 20, "rt_lock_memory": False, "rt_awake": False}
    asked = {"rt_priority": "20", "rt_cores": "0,1", "rt_lock_memory": "true", "rt_awake": "true"}
    assert Realtime(20, (0, 1), True, True).parameters() == asked


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_a_user_without_rights_is_told_and_runs_on() -> None:
    seen = applied("nobody", priority=10, lock_memory=True, awake=True)
    memory, awake, fifo = seen["refused"]
    assert memory == "Memory cannot be locked (Operation not permitted): raise the limit with 'ulimit -l unlimited'."
    assert awake.startswith("The processors cannot be kept awake (") and awake.endswith("or as root.")
    assert fifo.startswith("SCHED_FIFO is refused (Operation not permitted): the node runs as any process")


def test_parameters(session: Ros) -> None:
    def declared(**parameters: Any) -> Realtime:
        return Realtime.declare(session.node(lambda **k: Node("n", **k), parameters=parameters))

    assert declared() == Realtime()
    assert declared(rt_cores="0, 1", rt_priority=HIGHEST, rt_lock_memory=True) == Realtime(HIGHEST, (0, 1), True)
    assert declared(rt_awake=True) == Realtime(awake=True)
    with pytest.raises(ConfigError, match=r"rt_cores is 'a': give numbers"):
        declared(rt_cores="a")
