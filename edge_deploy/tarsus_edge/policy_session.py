# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A policy ready to run: verified, matched to the robot, and proven on its golden vectors before its first use."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import PolicyFileError, StateError, printable
from tarsus_core.robot_model import RobotModel
from tarsus_edge.policy_file import PolicyFile, read_policy

Floats = NDArray[np.float32]

CPU = ("CPUExecutionProvider",)
GOLDEN_ATOL = 1e-5
GOLDEN_RTOL = 1e-5
"""A golden action g is reproduced by a when |a - g| <= GOLDEN_ATOL + GOLDEN_RTOL |g|.

Two correct float32 runtimes differ by the order in which they add. For a layer of n = 512 products the error is about
sqrt(n) u = 22 * 6e-8 = 1.4e-6 of the terms' size (u, the unit round-off; Higham, Accuracy and Stability of Numerical
Algorithms, section 4.2), so 1e-5 leaves room for a few layers; it is also the absolute tolerance that
torch.testing.assert_close uses for float32. An action of 1e-5 moves a joint by some 1e-6 rad.
"""


class PolicySession:
    """Runs one policy file with ONNX Runtime, one robot at a time, on one thread.

    The same bytes give the same actions for the same observations whoever calls: rows run one by one, so that an
    action never depends on its neighbours in a batch.
    """

    def __init__(
        self,
        policy: str | os.PathLike[str] | PolicyFile,
        robot: RobotModel | None = None,
        providers: Sequence[str] = CPU,
        golden: bool = True,
    ) -> None:
        """Verify and load a policy.

        Args:
            policy: path of a policy file, or one that was read.
            robot: the robot it must fit; None to load it for its own sake.
            providers: ONNX Runtime's execution providers, in order of preference.
            golden: False for a policy in the making, which has no golden vectors yet.

        Raises:
            PolicyFileError: if the file is no intact policy, is for another robot, has another input or output than
                its contract says, or does not reproduce its golden vectors.
        """
        self.file = policy if isinstance(policy, PolicyFile) else read_policy(policy)
        self.contract: PolicyContract = self.file.contract
        self.policy_sha256: str = self.file.sha256
        if robot is not None:
            self.contract.check_robot(robot)
        self._session = load_network(self.file.data, self.file.name, providers)
        self._input, self._output = signature(self._session, self.contract, self.file.name)
        self._outputs = [self._output]
        self._observation_size, self._action_size = self.contract.observation_size, self.contract.action_size
        if golden:
            self._check_golden()

    def run(self, observation: NDArray[np.floating]) -> Floats:
        """Actions (n, action_size) for observations (n, observation_size).

        Raises:
            StateError: for a wrong shape, for an observation that is not finite (nothing is inferred), and for an
                action that is not finite.
        """
        rows = np.ascontiguousarray(observation, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self._observation_size:
            size = self.contract.observation_size
            raise StateError(f"The observation has shape {np.shape(observation)}, but it must be (n, {size}).")
        if not np.isfinite(rows).all():
            row, place = (int(i) for i in np.argwhere(~np.isfinite(rows))[0])
            raise StateError(f"The observation's value {place} ({self._term(place)}) is {rows[row, place]}: no action.")
        actions = np.empty((len(rows), self._action_size), dtype=np.float32)
        try:
            for i in range(len(rows)):
                actions[i] = self._session.run(self._outputs, {self._input: rows[i : i + 1]})[0][0]
        except Exception as error:  # ONNX Runtime's errors have no common public base
            raise StateError(f"ONNX Runtime failed to run the policy ({_reason(error)}).") from None
        if not np.isfinite(actions).all():
            row, place = (int(i) for i in np.argwhere(~np.isfinite(actions))[0])
            names = (*(f"joint '{n}'" for n in self.contract.action_joint_names), "the gait clock")
            raise StateError(f"The policy's action for {names[place]} is {actions[row, place]}: it is not used.")
        return actions

    def run_raw(self, row: Floats) -> Floats:
        """Call ONNX Runtime on one row (1, observation_size) and nothing else: the yardstick of the overhead."""
        return self._session.run(self._outputs, {self._input: row})[0]

    def _term(self, place: int) -> str:
        for term in self.contract.observation:
            if place < term.size * term.history:
                return term.name
            place -= term.size * term.history
        raise AssertionError("the contract's observation is shorter than its size")

    def _check_golden(self) -> None:
        if not self.contract.golden_observations:
            raise PolicyFileError(f"The policy '{self.file.name}' has no golden vectors to prove it: export it again.")
        expected = np.array(self.contract.golden_actions)
        try:
            actual = self.run(np.array(self.contract.golden_observations))
        except StateError as error:
            raise PolicyFileError(f"The policy '{self.file.name}' fails on its golden vectors: {error}") from None
        excess = np.abs(actual - expected) - (GOLDEN_ATOL + GOLDEN_RTOL * np.abs(expected))
        if (excess > 0.0).any():
            vector, place = np.unravel_index(int(np.argmax(excess)), excess.shape)
            raise PolicyFileError(
                f"The policy '{self.file.name}' does not reproduce its golden vectors on this machine: value {place} "
                f"of action {vector} is {actual[vector, place]:.9g}, not {expected[vector, place]:.9g}: "
                "export it again."
            )


@dataclass(frozen=True)
class Overhead:
    """Cost of a call, as medians over calls that take turns."""

    session_us: float
    """``PolicySession.run`` on one row, in microseconds"""
    raw_us: float
    """``onnxruntime.InferenceSession.run`` on the same row, in microseconds"""

    @property
    def ratio(self) -> float:
        """How many times as long the checked call takes."""
        return self.session_us / self.raw_us


def measure_overhead(session: PolicySession, calls: int = 2000) -> Overhead:
    """Time ``run`` against the bare ONNX Runtime call on the first golden observation."""
    row = np.array(session.contract.golden_observations[:1], dtype=np.float32)
    times = np.empty((calls, 2))
    for i in range(calls):
        start = time.perf_counter()
        session.run(row)
        middle = time.perf_counter()
        session.run_raw(row)
        times[i] = middle - start, time.perf_counter() - middle
    checked, raw = np.median(times, axis=0) * 1e6
    return Overhead(float(checked), float(raw))


def load_network(model: bytes, name: str, providers: Sequence[str] = CPU) -> onnxruntime.InferenceSession:
    """Load an ONNX network to be run on one thread, row by row.

    Args:
        model: the bytes of the ONNX file.
        name: of the file, for messages.
        providers: execution providers of ONNX Runtime, in the order in which they are tried.

    Raises:
        PolicyFileError: if ONNX Runtime cannot.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # what goes wrong is raised, not printed
    # ONNX Runtime would take a file with "ORTM" in its bytes 4 to 7 for one of its own format, which nobody has checked
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(model, options, providers=list(providers))
    except Exception as error:  # ONNX Runtime's errors have no common public base
        reason = _reason(error)
        raise PolicyFileError(f"ONNX Runtime cannot load '{name}' ({reason}): export the policy again.") from None


def signature(session: onnxruntime.InferenceSession, contract: PolicyContract, name: str) -> tuple[str, str]:
    """Names of the one input and the one output, after checking their types and sizes.

    Raises:
        PolicyFileError: if they are not those of the contract.
    """
    names = []
    for kind, nodes, size in (
        ("input", session.get_inputs(), contract.observation_size),
        ("output", session.get_outputs(), contract.action_size),
    ):
        if len(nodes) != 1:
            raise PolicyFileError(f"The policy '{name}' has {len(nodes)} {kind}s, but it must have 1: export it again.")
        node = nodes[0]
        if node.type != "tensor(float)":
            raise PolicyFileError(f"The {kind} of the policy '{name}' is a {node.type}, not float32: export it again.")
        shape = list(node.shape)
        if len(shape) != 2 or (isinstance(shape[0], int) and shape[0] != 1) or shape[1] != size:
            raise PolicyFileError(
                f"The {kind} of the policy '{name}' has shape {shape}, but its contract says [1, {size}]: "
                "export it again."
            )
        names.append(node.name)
    return names[0], names[1]


def _reason(error: Exception) -> str:
    return printable(" ".join(str(error).split())).rstrip(".")
