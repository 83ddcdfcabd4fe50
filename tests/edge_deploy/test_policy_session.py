# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A policy runs only after it was proven, and the same bytes act the same whoever calls."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from helpers.policies import make_contract, make_model, make_network, make_policy_bytes, with_golden
from onnx import TensorProto, helper

from tarsus_core.errors import PolicyFileError, StateError
from tarsus_core.robot_model import load_robot
from tarsus_edge.policy_file import attach_contract, parse_policy
from tarsus_edge.policy_session import GOLDEN_ATOL, GOLDEN_RTOL, PolicySession, load_network, measure_overhead

ROBOT = load_robot("g1")
FILE = parse_policy(make_policy_bytes(ROBOT))
CONTRACT = FILE.contract


def session_of(network: bytes, **changes: Any) -> PolicySession:
    return PolicySession(parse_policy(attach_contract(network, dataclasses.replace(CONTRACT, **changes))), ROBOT)


def test_the_runtime_reports_to_nobody(tmp_path: Path) -> None:
    code = "from tarsus_edge.policy_session import load_network; import sys; load_network(sys.stdin.buffer.read(), 'a')"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    homes = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    network = make_network(CONTRACT.observation_size, CONTRACT.action_size)
    subprocess.run([sys.executable, "-c", code], input=network, env={**environment, **homes}, check=True, timeout=60)
    assert list(tmp_path.rglob("*")) == []  # it keeps what it has not sent yet, and by what name it knows this machine


def test_actions_equal_numpy() -> None:
    model = onnx.load_from_string(FILE.data)
    w1, b1, w2, b2 = (onnx.numpy_helper.to_array(t).astype(np.float64) for t in model.graph.initializer)
    observations = np.random.default_rng(3).normal(size=(5, CONTRACT.observation_size)).astype(np.float32)
    hidden = observations @ w1 + b1
    hidden = np.where(hidden > 0.0, hidden, np.expm1(hidden))
    actions = PolicySession(FILE, ROBOT).run(observations)
    assert actions.dtype == np.float32
    np.testing.assert_allclose(actions, hidden @ w2 + b2, atol=1e-5)


def test_a_row_acts_the_same_alone_in_a_batch_and_in_another_session() -> None:
    observations = np.random.default_rng(4).normal(size=(33, CONTRACT.observation_size)).astype(np.float32)
    session = PolicySession(FILE, ROBOT)
    batch = session.run(observations)
    alone = np.concatenate([PolicySession(FILE).run(row[None]) for row in observations])
    assert batch.tobytes() == alone.tobytes()
    assert session.run(observations[::-1])[::-1].tobytes() == batch.tobytes()
    raw = onnxruntime.InferenceSession(FILE.data, providers=["CPUExecutionProvider"])
    assert raw.run(None, {"observation": observations[:1]})[0].tobytes() == batch[:1].tobytes()
    assert session.policy_sha256 == FILE.sha256 and session.contract is CONTRACT


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_an_observation_that_is_not_finite_is_never_inferred(value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    session = PolicySession(FILE, ROBOT)
    observation = np.zeros((2, CONTRACT.observation_size))
    observation[1, 10] = value  # 3 + 3 + 3 values come before joint_position; 1e300 is no float32
    monkeypatch.setattr(session, "_session", None)  # would fail if it were called
    with pytest.raises(StateError, match=r"value 10 \(joint_position\)"), np.errstate(over="ignore"):
        session.run(observation)


@pytest.mark.parametrize("shape", [(47,), (1, 46), (1, 1, 47), (0,)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(StateError, match="shape"):
        PolicySession(FILE, ROBOT).run(np.zeros(shape))


def test_no_rows_give_no_actions() -> None:
    assert PolicySession(FILE).run(np.zeros((0, 47))).shape == (0, 12)


def test_an_action_that_is_not_finite_is_refused() -> None:
    # action = log(observation) for the first twelve: fine for the golden ones, NaN for a negative one
    nodes = [
        helper.make_node("Slice", ["observation", "from", "to", "axes"], ["s"]),
        helper.make_node("Log", ["s"], ["action"]),
    ]
    tensors = {"from": np.array([0]), "to": np.array([12]), "axes": np.array([1])}
    golden = ((1.0,) * 47,), ((0.0,) * 12,)
    session = session_of(make_model(nodes, 47, 12, tensors), golden_observations=golden[0], golden_actions=golden[1])
    observation = np.ones((1, 47))
    observation[0, 3] = -1.0
    with pytest.raises(StateError, match=f"joint '{CONTRACT.action_joint_names[3]}' is nan"):
        session.run(observation)


def test_golden_vectors_are_reproduced_or_the_policy_is_refused() -> None:
    network = make_network(47, 12)
    golden = np.array(CONTRACT.golden_actions)
    room = GOLDEN_ATOL + GOLDEN_RTOL * np.abs(golden)

    def shifted(factor: float) -> tuple[tuple[float, ...], ...]:
        moved = golden.copy()
        moved[1, 5] += factor * room[1, 5]
        return tuple(map(tuple, moved.tolist()))

    session_of(network, golden_actions=shifted(0.9))
    with pytest.raises(PolicyFileError, match="value 5 of action 1"):
        session_of(network, golden_actions=shifted(1.2))
    with pytest.raises(PolicyFileError, match="no golden vectors"):
        session_of(network, golden_observations=(), golden_actions=())


def test_another_network_does_not_pass_for_the_proven_one() -> None:
    with pytest.raises(PolicyFileError, match="does not reproduce"):
        session_of(make_network(47, 12, seed=9))


def test_another_robot_is_refused() -> None:
    network = make_network(47, 12)
    with pytest.raises(PolicyFileError, match="for robot 'h1', not 'g1'"):
        session_of(network, robot="h1")
    with pytest.raises(PolicyFileError, match="another URDF"):
        session_of(network, urdf_sha256="0" * 64)
    names = ("third_knee_joint", *CONTRACT.joint_names[1:])
    legs = (*(n for n in names if n in CONTRACT.action_joint_names), "third_knee_joint")
    with pytest.raises(PolicyFileError, match="drives joint 'third_knee_joint'"):
        session_of(network, joint_names=names, action_joint_names=legs, observed_joint_names=legs)
    PolicySession(parse_policy(attach_contract(network, dataclasses.replace(CONTRACT, robot="h1"))))  # for its own sake


def test_sizes_and_types_must_be_those_of_the_contract() -> None:
    with pytest.raises(PolicyFileError, match=r"input .* shape \[1, 46\], but its contract says \[1, 47\]"):
        session_of(make_network(46, 12))
    with pytest.raises(PolicyFileError, match=r"output .* shape \[1, 11\], but its contract says \[1, 12\]"):
        session_of(make_network(47, 11))
    double = make_model(
        [helper.make_node("Gemm", ["observation", "w"], ["action"])],
        47,
        12,
        {"w": np.zeros((47, 12))},
        dtype=TensorProto.DOUBLE,
    )
    with pytest.raises(PolicyFileError, match="not float32"):
        session_of(double)
    two = helper.make_graph(
        [helper.make_node("Gemm", ["a", "w"], ["action"])],
        "two",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 47]) for n in ("a", "b")],
        [helper.make_tensor_value_info("action", TensorProto.FLOAT, [1, 12])],
        [onnx.numpy_helper.from_array(np.zeros((47, 12), np.float32), "w")],
    )
    model = helper.make_model(two, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(PolicyFileError, match="2 inputs"):
        session_of(model.SerializeToString())


def test_a_symbolic_batch_is_accepted_and_still_runs_row_by_row() -> None:
    model = onnx.load_from_string(make_network(47, 12))
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    network = model.SerializeToString()
    session = session_of(network)
    rows = np.random.default_rng(5).normal(size=(7, 47)).astype(np.float32)
    assert session.run(rows).tobytes() == PolicySession(FILE).run(rows).tobytes()


def test_what_onnx_runtime_refuses_is_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    model = onnx.load_from_string(make_network(47, 12))
    model.graph.node[1].op_type = "NoSuchOperator"
    with pytest.raises(PolicyFileError) as caught:
        session_of(model.SerializeToString())
    assert "NoSuchOperator" in str(caught.value) and "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_golden_vectors_of_the_helper_are_real() -> None:
    contract = make_contract(ROBOT)
    network = make_network(47, 12)
    assert with_golden(contract, network).golden_actions == CONTRACT.golden_actions
    assert len(CONTRACT.golden_actions) == 3


def test_overhead_is_measured() -> None:
    overhead = measure_overhead(PolicySession(FILE), calls=50)
    assert overhead.raw_us > 0.0 and overhead.ratio == pytest.approx(overhead.session_us / overhead.raw_us)


def test_the_format_of_onnx_runtime_itself_is_not_loaded(tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "walk.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(FILE.data, options, providers=["CPUExecutionProvider"])
    data = (tmp_path / "walk.ort").read_bytes()
    onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])  # left alone, it is
    with pytest.raises(PolicyFileError, match="ONNX Runtime cannot load 'walk"):
        load_network(data, "walk.onnx")
