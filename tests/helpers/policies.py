# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Small policy files for tests: a real ONNX network, a real contract, golden vectors that hold."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from tarsus_core.contract import CommandRange, Gait, ObservationTerm, PolicyContract
from tarsus_core.robot_model import RobotModel
from tarsus_edge.policy_file import attach_contract


def make_contract(robot: RobotModel, **changes: Any) -> PolicyContract:
    """Contract of a walking policy that drives the legs of ``robot``; ``changes`` replace fields."""
    legs = robot.group("legs")
    contract = PolicyContract(
        robot=robot.name,
        urdf_sha256=robot.urdf_sha256,
        joint_names=robot.joint_names,
        default_pose=tuple(robot.default_pose.tolist()),
        kp=tuple(robot.kp.tolist()),
        kd=tuple(robot.kd.tolist()),
        effort_limit_nm=tuple(robot.effort_limit_nm.tolist()),
        action_joint_names=legs,
        action_scale=(0.25,) * len(legs),
        action_clip=5.0,
        observed_joint_names=legs,
        observation=(
            ObservationTerm("base_angular_velocity", 3, scale=0.25),
            ObservationTerm("projected_gravity", 3),
            ObservationTerm("velocity_command", 3),
            ObservationTerm("joint_position", len(legs)),
            ObservationTerm("joint_velocity", len(legs), scale=0.05),
            ObservationTerm("last_action", len(legs)),
            ObservationTerm("gait_phase", 2),
        ),
        control_period_s=0.02,
        command_range=CommandRange(vx=(-0.5, 1.0), vy=(-0.3, 0.3), wz=(-0.5, 0.5)),
        gait=Gait(period_s=0.8, stand_below=0.05),
        provenance={"made_by": "tests"},
    )
    return dataclasses.replace(contract, **changes)


def make_network(inputs: int, outputs: int, *, seed: int | None = 0, hidden: int = 16, gain: float = 0.3) -> bytes:
    """Serialised ONNX network [1, inputs] -> [1, outputs]; ``seed`` None gives zero weights: action 0."""
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        drawn = rng.normal(0.0, gain, shape) if seed is not None else np.zeros(shape)
        return drawn.astype(np.float32)

    tensors = {
        "w1": weights(inputs, hidden),
        "b1": weights(hidden),
        "w2": weights(hidden, outputs),
        "b2": weights(outputs),
    }
    nodes = [
        helper.make_node("Gemm", ["observation", "w1", "b1"], ["h"]),
        helper.make_node("Elu", ["h"], ["e"]),
        helper.make_node("Gemm", ["e", "w2", "b2"], ["action"]),
    ]
    return make_model(nodes, inputs, outputs, tensors)


def make_model(
    nodes: list[onnx.NodeProto],
    inputs: int,
    outputs: int,
    tensors: dict[str, np.ndarray],
    dtype: int = TensorProto.FLOAT,
) -> bytes:
    """Serialise nodes that turn ``observation`` [1, inputs] into ``action`` [1, outputs]."""
    graph = helper.make_graph(
        nodes,
        "policy",
        [helper.make_tensor_value_info("observation", dtype, [1, inputs])],
        [helper.make_tensor_value_info("action", dtype, [1, outputs])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9  # what ONNX Runtime of two years reads
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def with_golden(contract: PolicyContract, network: bytes, count: int = 3, seed: int = 1) -> PolicyContract:
    """Give a contract golden vectors that the network produces."""
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    drawn = np.random.default_rng(seed).normal(size=(count, 1, contract.observation_size)).astype(np.float32)
    feed = session.get_inputs()[0].name
    actions = [session.run(None, {feed: row})[0][0] for row in drawn]
    return dataclasses.replace(
        contract,
        golden_observations=tuple(tuple(float(v) for v in row[0]) for row in drawn),
        golden_actions=tuple(tuple(float(v) for v in row) for row in actions),
    )


def make_policy_bytes(
    robot: RobotModel, *, seed: int | None = 0, hidden: int = 16, gain: float = 0.3, **changes: Any
) -> bytes:
    """Bytes of a valid policy file for ``robot``; ``changes`` replace fields of the contract."""
    contract = make_contract(robot, **changes)
    network = make_network(contract.observation_size, contract.action_size, seed=seed, hidden=hidden, gain=gain)
    return attach_contract(network, with_golden(contract, network))


def make_policy(path: Path, robot: RobotModel, *, seed: int | None = 0, gain: float = 0.3, **changes: Any) -> Path:
    """Write a valid policy file for ``robot`` and return its path.

    ``seed`` None makes a policy whose action is always 0: the robot holds its default pose. Else the network is a
    small random one, of weights with standard deviation ``gain``.
    """
    path.write_bytes(make_policy_bytes(robot, seed=seed, gain=gain, **changes))
    return path
