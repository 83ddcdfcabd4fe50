# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A policy is tried in a process of its own before a robot's process loads it.

What a network asks of a runtime shows only when it runs: a broadcast of two small tensors can fill the memory. The
child has limits of memory and time, so that such a file costs a refusal and not the robot's process. What it asks for
does not depend on what is observed: ``model_checks.py`` refuses the rest.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np

from tarsus_core.errors import PolicyFileError, TarsusError
from tarsus_core.robot_model import RobotModel
from tarsus_edge.policy_file import PolicyFile, parse_policy, read_policy
from tarsus_edge.policy_session import PolicySession
from tarsus_edge.signature import TrustedKeys

DEADLINE_S = 30.0
"""for all of it; half a second is usual, of which the start of Python takes most"""
MEMORY_BYTES = 4 << 30
"""of address space; Python with ONNX Runtime takes about 1 GiB of it, a policy a few MiB"""
CALLS = 20
"""of which the fastest counts: a busy machine must not refuse a good policy"""


def read_proven(
    path: str | os.PathLike[str], robot: RobotModel | None = None, trusted: TrustedKeys | None = None
) -> PolicyFile:
    """Read a policy file, check who signed it and that it fits the robot, and try it in a child.

    Raises:
        PolicyFileError: as ``read_policy``, ``PolicyContract.check_robot`` and ``prove`` do.
    """
    file = read_policy(path, trusted)
    if robot is not None:
        file.contract.check_robot(robot)
    prove(file)
    return file


def load_proven(
    path: str | os.PathLike[str], robot: RobotModel | None = None, trusted: TrustedKeys | None = None
) -> PolicySession:
    """Load a policy that ``read_proven`` has found good.

    Raises:
        PolicyFileError: as ``read_proven`` and ``PolicySession`` do.
    """
    return PolicySession(read_proven(path, robot, trusted), robot)


def prove(
    file: PolicyFile, deadline_s: float = DEADLINE_S, memory_bytes: int = MEMORY_BYTES, golden: bool = True
) -> float:
    """Load a policy in a child process and let it reproduce its golden vectors there.

    Args:
        file: the policy.
        deadline_s: steady time that the child may take.
        memory_bytes: address space that the child may take.
        golden: False for a file that has no golden vectors yet: it need only run.

    Returns:
        the time of its fastest call, in s.

    Raises:
        PolicyFileError: if it fails, takes too long or too much, or one call takes longer than the control period.
    """
    again = "export the policy again"
    # -P: the folder it is called from is no place to import from
    command = [sys.executable, "-P", "-m", __name__, file.name, str(memory_bytes), str(deadline_s), str(int(golden))]
    try:
        child = subprocess.run(command, input=file.data, capture_output=True, timeout=deadline_s, check=False)
    except subprocess.TimeoutExpired:
        raise PolicyFileError(
            f"The policy '{file.name}' was not loaded and proven within {deadline_s:g} s in a process of its own: "
            f"{again}."
        ) from None
    try:
        answer = json.loads(child.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        end = signal.Signals(-child.returncode).name if child.returncode < 0 else f"exit code {child.returncode}"
        raise PolicyFileError(
            f"The policy '{file.name}' ended the process it was tried in ({end}), which may take "
            f"{memory_bytes >> 20} MiB: {again}."
        ) from None
    if "refused" in answer:
        raise PolicyFileError(str(answer["refused"]))
    call_s = float(answer["call_s"])
    if call_s > file.contract.control_period_s:
        raise PolicyFileError(
            f"One call of the policy '{file.name}' takes {call_s * 1e3:.1f} ms on this machine, longer than its "
            f"control period of {file.contract.control_period_s * 1e3:g} ms: take a smaller network."
        )
    return call_s


def _try(name: str, memory_bytes: int, deadline_s: float, golden: bool) -> dict[str, object]:
    """Do in the child what may go wrong."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    cpu_s = int(deadline_s) + 1  # if the parent is gone, nobody else ends this
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        file = parse_policy(sys.stdin.buffer.read(), name)
        session = PolicySession(file, golden=golden)
        row = np.zeros((1, file.contract.observation_size), dtype=np.float32)
        if golden:
            row[0] = file.contract.golden_observations[0]
        times = []
        for _ in range(CALLS):
            start = time.perf_counter()
            session.run(row)
            times.append(time.perf_counter() - start)
    except TarsusError as error:
        return {"refused": str(error)}
    return {"call_s": min(times)}


if __name__ == "__main__":
    print(json.dumps(_try(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "1")))
