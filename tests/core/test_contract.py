# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The policy contract: bit for bit through JSON, and a sentence for everything that is wrong."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers.policies import make_contract
from hypothesis import given
from hypothesis import strategies as st

from tarsus_core.contract import CommandRange, Gait, ObservationTerm, PolicyContract
from tarsus_core.errors import PolicyFileError
from tarsus_core.observation import PolicyInterface
from tarsus_core.robot_model import load_robot

ROBOT = load_robot("g1")
CONTRACT = make_contract(ROBOT, scorecard={"mean_lin_err": 0.1}, actuator={"delays_s": [0.0, 0.02]})


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(PolicyFileError) as caught:
        call()
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text
    return text


def refused(**changes: Any) -> str:
    """Sentence with which a changed contract is refused, directly and after a trip through JSON."""
    contract = dataclasses.replace(CONTRACT, **changes)
    text = refusal(contract.check)
    try:
        packed = contract.to_json()
    except ValueError:
        return text  # NaN has no JSON
    assert refusal(lambda: PolicyContract.from_json(packed)) == text
    return text


def without(**changes: Any) -> str:
    """JSON of the contract with fields changed, or removed where None."""
    data = json.loads(CONTRACT.to_json())
    for key, value in changes.items():
        if value is None:
            del data[key]
        else:
            data[key] = value
    return json.dumps(data)


def term(which: str, **changes: Any) -> tuple[ObservationTerm, ...]:
    """Terms of the contract with one of them changed."""
    return tuple(dataclasses.replace(t, **changes) if t.name == which else t for t in CONTRACT.observation)


def ranges(vx: tuple[float, float], vy: tuple[float, float]) -> CommandRange:
    return CommandRange(vx, vy, (0.0, 0.0))


def test_round_trip_is_equal() -> None:
    again = PolicyContract.from_json(CONTRACT.to_json())
    assert again == CONTRACT and again.to_json() == CONTRACT.to_json()
    assert isinstance(again.joint_names, tuple) and isinstance(again.observation[0], ObservationTerm)
    assert again.actuator == {"delays_s": [0.0, 0.02]}
    again.check_robot(ROBOT)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=29, max_size=29))
def test_every_double_comes_back_bit_for_bit(values: list[float]) -> None:
    contract = dataclasses.replace(CONTRACT, default_pose=tuple(values))
    again = PolicyContract.from_json(contract.to_json())
    assert np.array(again.default_pose).tobytes() == np.array(values).tobytes()


def test_golden_float32_values_come_back_bit_for_bit() -> None:
    row = np.random.default_rng(0).normal(size=47).astype(np.float32)
    contract = dataclasses.replace(
        CONTRACT, golden_observations=(tuple(map(float, row)),), golden_actions=((0.5,) * 12,)
    )
    again = PolicyContract.from_json(contract.to_json())
    assert np.array(again.golden_observations[0], dtype=np.float32).tobytes() == row.tobytes()


def test_whole_numbers_are_read_as_the_floats_that_they_are() -> None:
    """JSON may write 0 for 0.0: arrays of it would be of integers."""
    text = without(default_pose=[0] * 29, kp=[10**20] * 29, action_scale=[1] * 12, action_clip=5)
    contract = PolicyContract.from_json(text)
    for values in (contract.default_pose, contract.kp, contract.action_scale, (contract.action_clip,)):
        assert {type(value) for value in values} == {float}
    interface = PolicyInterface(contract, ROBOT.joint_names)
    target = interface.command(np.full(12, 0.5, np.float32), 0.0).position[0]
    assert target.sum() == 12 * 0.5


def test_many_names_are_checked_in_no_time_that_grows_with_their_square() -> None:
    names = [f"joint_{k}" for k in range(200_000)]
    text = without(joint_names=[*names, *CONTRACT.action_joint_names], observed_joint_names=names)
    assert "default_pose has 29 values, but there must be 200012" in refusal(lambda: PolicyContract.from_json(text))


def test_sizes_follow_from_the_terms() -> None:
    assert CONTRACT.observation_size == 3 + 3 + 3 + 12 + 12 + 12 + 2 == 47
    assert CONTRACT.action_size == 12
    assert dataclasses.replace(CONTRACT, observation=term("joint_position", history=5)).observation_size == 47 + 4 * 12


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"urdf_sha256": None}, "urdf_sha256 is no text"),
        ({"graph_sha256": 5}, "graph_sha256 is no text"),
        ({"robot": ("g1",)}, "robot is no text"),
        ({"scorecard": None}, "scorecard is no object"),
        ({"default_pose": (0.0,) * 28}, "default_pose has 28 values, but there must be 29"),
        ({"kp": (math.nan,) * 29}, "kp holds nan"),
        ({"kd": (-0.5,) * 29}, "kd holds -0.5: it must not be negative"),
        ({"effort_limit_nm": (True,) * 29}, "effort_limit_nm holds True"),
        ({"default_pose": ("0",) * 29}, "default_pose holds '0'"),
        ({"action_scale": (0.25,) * 11}, "action_scale has 11 values, but there must be 12"),
        ({"action_scale": (-0.25,) * 12}, "action_scale holds -0.25"),
        ({"action_clip": 0.0}, "action_clip is 0.0"),
        ({"action_clip": math.inf}, "action_clip holds inf"),
        ({"joint_names": ()}, "joint_names is empty"),
        ({"joint_names": (None,)}, "joint_names is no list of names"),
        ({"observed_joint_names": "left_knee_joint"}, "observed_joint_names is no list of names"),
        ({"joint_names": ("left_knee_joint",) * 29}, "names a joint twice"),
        ({"action_joint_names": ("tail_joint",), "action_scale": (1.0,)}, "'tail_joint', which joint_names lacks"),
        ({"observed_joint_names": ("left_knee_joint",) * 12}, "observed_joint_names is empty or names a joint twice"),
        ({"control_period_s": 0.0005}, "control_period_s is 0.0005: it must be in 0.001..0.1 s"),
        ({"control_period_s": 0.5}, "control_period_s is 0.5"),
        ({"control_period_s": math.nan}, "control_period_s holds nan"),
        ({"gait": Gait(0.0, 0.1)}, "gait.period_s is 0.0"),
        ({"gait": Gait(0.8, -0.1)}, "gait.stand_below is -0.1"),
        ({"gait": Gait(0.8, 0.1, rate_octaves=-1.0)}, "gait.rate_octaves is -1.0"),
        ({"gait": Gait(0.8, 0.1, rate_octaves=1.0)}, "'last_action' has size 12, but it must be 13"),
        ({"command_range": ranges((0.1, 1.0), (0.0, 0.0))}, "range of vx is [0.1, 1.0]: it must contain 0"),
        ({"command_range": ranges((0.0, 1.0), (0.0, math.nan))}, "range of vy"),
        ({"command_range": ranges((0.0, True), (0.0, 0.0))}, "range of vx holds True"),
        ({"robot": "../g1"}, "robot is '../g1', which is no name"),
        ({"robot": "g" * 65}, "which is no name"),
        ({"gait": Gait(0.8, 0.1, never_rests="no")}, "gait.never_rests is 'no', not true or false"),
        ({"observation": term("joint_velocity", history=True)}, "unusable history, scale or clip"),
        ({"observation": term("gait_phase", history=2**40)}, "values, more than 100000: keep less history"),
        ({"observation": ()}, "observation has no term"),
        ({"observation": CONTRACT.observation * 2}, "repeats an observation term"),
        ({"observation": term("gait_phase", name="gait_phrase")}, "'gait_phrase' (did you mean 'gait_phase'?)"),
        ({"observation": term("projected_gravity", size=4)}, "'projected_gravity' has size 4, but it must be 3"),
        ({"observation": term("joint_velocity", size=29)}, "'joint_velocity' has size 29, but it must be 12"),
        ({"observation": term("joint_velocity", history=0)}, "unusable history, scale or clip"),
        ({"observation": term("joint_velocity", history=1.5)}, "unusable history, scale or clip"),
        ({"observation": term("joint_velocity", clip=0.0)}, "unusable history, scale or clip"),
        ({"observation": term("joint_velocity", scale=math.inf)}, "scale and clip of 'joint_velocity' holds inf"),
        ({"golden_observations": ((0.0,) * 47,)}, "1 golden observations but 0 golden actions"),
        ({"golden_observations": ((0.0,) * 46,), "golden_actions": ((0.0,) * 12,)}, "46 values, but there must be 47"),
        ({"golden_observations": ((0.0,) * 47,), "golden_actions": ((math.nan,) * 12,)}, "golden_actions holds nan"),
    ],
)
def test_contradictions_are_refused_by_name(changes: dict[str, Any], part: str) -> None:
    assert part in refused(**changes)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[1, 2]", "is no JSON object"),
        ("[" * 100_000, "cannot be read"),
        (without(version=None), "has version None"),
        (without(version=2), "has version 2, but this Tarsus reads version 1"),
        (without(version=True), "has version True"),
        (without(kp=None), "kp"),
        (without(observation=None), "observation"),
        (without(kq=[1.0]), "unknown field 'kq'"),
        (without(defaultpose=[1.0]), "did you mean 'default_pose'"),
        (without(observation=[{"name": "gait_phase", "size": 2, "scael": 1.0}]), "scael"),
        (without(command_range={"vx": [0, 1], "vy": [0, 0]}), "wz"),
        (without(command_range={"vx": 1, "vy": [0, 0], "wz": [0, 0]}), "wrong"),
        (without(gait=0.8), "wrong"),
        (CONTRACT.to_json().replace('"action_clip": 5.0', '"action_clip": NaN'), "NaN is no number"),
        (CONTRACT.to_json().replace('"action_clip": 5.0', '"action_clip": -Infinity'), "-Infinity is no number"),
        (CONTRACT.to_json().replace('"action_clip": 5.0', '"action_clip": 1e999'), "beyond what a double holds"),
    ],
)
def test_text_that_is_no_contract_is_refused(text: str, part: str) -> None:
    assert part in refusal(lambda: PolicyContract.from_json(text))


def test_what_is_not_finite_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        dataclasses.replace(CONTRACT, action_clip=math.nan).to_json()


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"robot": "h1"}, "for robot 'h1', not 'g1'"),
        ({"urdf_sha256": "ab" * 32}, "another URDF (SHA-256 abababababab...)"),
        ({"joint_names": ROBOT.joint_names[:-1]}, "says nothing of joint 'right_wrist_yaw_joint'"),
        ({"joint_names": ("left_nee_joint", *ROBOT.joint_names[1:])}, "(did you mean 'left_knee_joint'?)"),
    ],
)
def test_another_robot_is_refused(changes: dict[str, Any], part: str) -> None:
    contract = dataclasses.replace(CONTRACT, **changes)
    assert part in refusal(lambda: contract.check_robot(ROBOT))


def test_another_order_of_the_joints_is_the_same_robot() -> None:
    dataclasses.replace(CONTRACT, joint_names=ROBOT.joint_names[::-1]).check_robot(ROBOT)
