# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Each reward term against a number worked out by hand; the second robot always stands for 'nothing is wrong'."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from tarsus_sim import rewards
from tarsus_sim.rewards import WalkStep
from tarsus_sim.walk_config import RewardConfig

JOINTS = 3


def step(**changes: Any) -> WalkStep:
    """Two robots that stand upright and still on both feet; ``changes`` replace what is given."""
    n = 2
    nothing = {
        "command": np.zeros((n, 3)),
        "velocity": np.zeros((n, 3)),
        "yaw_rate": np.zeros(n),
        "mean_error": np.zeros((n, 3)),
        "angular_velocity": np.zeros((n, 3)),
        "gravity": np.tile([0.0, 0.0, -1.0], (n, 1)),
        "height": np.full(n, 0.74),
        "foot_height": np.zeros((n, 2)),
        "foot_velocity": np.zeros((n, 2, 3)),
        "foot_tilt": np.zeros((n, 2)),
        "foot_force": np.full((n, 2), 163.5),
        "foot_offset": np.tile([0.0, 0.24], (n, 1)),
        "foot_yaw": np.zeros((n, 2)),
        "phase_sin": np.zeros(n),
        "moving": np.zeros(n),
        "gait_octaves": np.zeros(n),
        "fell": np.zeros(n),
    }
    given = nothing | {k: np.asarray(v, dtype=np.float64) for k, v in changes.items()}
    names = [f.name for f in fields(WalkStep)]
    return WalkStep(**{name: given.get(name, np.zeros((n, JOINTS))) for name in names})


# term, what the first robot does (the second does nothing), further arguments, the two values
CASES: list[tuple[str, dict[str, Any], tuple[Any, ...], float, float]] = [
    # errors 0.3 and 0.4 m/s: exp(-(0.09 + 0.16) / 0.25) = exp(-1); vertical speed does not count
    (
        "track_linear",
        {"velocity": [[0.8, 0.4, 9.0], [0, 0, 0]], "command": [[0.5, 0, 0], [0, 0, 0]]},
        (),
        math.exp(-1),
        1,
    ),
    # error 0.5 rad/s: exp(-0.25 / 0.25)
    ("track_angular", {"yaw_rate": [0.3, 0], "command": [[0, 0, 0.8], [0, 0, 0]]}, (), math.exp(-1), 1),
    # 0.1^2 + 0.1^2 = 0.02
    ("track_mean_linear", {"mean_error": [[0.1, -0.1, 5], [0, 0, 0]]}, (), math.exp(-1), 1),
    # 0.2^2 = 0.04
    ("track_mean_angular", {"mean_error": [[5, 5, -0.2], [0, 0, 0]]}, (), math.exp(-1), 1),
    ("mean_linear_error", {"mean_error": [[0.3, -0.4, 7], [0, 0, 0]]}, (), 0.5, 0),
    ("mean_angular_error", {"mean_error": [[7, 7, -0.4], [0, 0, 0]]}, (), 0.4, 0),
    # left foot at mid swing should be at 0.08 m and is at 0.05, right one at 0 and is at 0.01:
    # exp(-(0.03^2 + 0.01^2) / 0.002) = exp(-0.5); the robot at rest wants both soles on the ground
    (
        "swing_height",
        {"phase_sin": [1, 1], "moving": [1, 0], "foot_height": [[0.05, 0.01], [0, 0]]},
        (0.08,),
        math.exp(-0.5),
        1,
    ),
    # left foot should swing but touches, right foot stands as it should: half is right
    ("contact_match", {"phase_sin": [0.9, 0.0], "moving": [1, 0]}, (), 0.5, 1),
    ("alive", {"fell": [1, 0]}, (), 0, 1),
    ("fall", {"fell": [1, 0]}, (), 1, 0),
    # sin(0.3)^2
    ("tilt", {"gravity": [[math.sin(0.3), 0, -math.cos(0.3)], [0, 0, -1]]}, (), math.sin(0.3) ** 2, 0),
    ("angular_velocity_xy", {"angular_velocity": [[1, -2, 9], [0, 0, 0]]}, (), 5, 0),
    ("vertical_velocity", {"velocity": [[9, 9, -0.5], [0, 0, 0]]}, (), 0.25, 0),
    ("base_height", {"height": [0.64, 0.74]}, (0.74,), 0.01, 0),
    # (0.5 - 0.2)^2 + (0 - 0.4)^2
    ("action_rate", {"action": [[0.5, 0, 0], [1, 1, 1]], "previous_action": [[0.2, 0.4, 0], [1, 1, 1]]}, (), 0.25, 0),
    # second difference of 0, 0.1, 0.5: 0.5 - 0.2 + 0 = 0.3; an action that grows steadily has none
    (
        "action_acceleration",
        {
            "action": [[0.5, 0, 0], [0.3, 0, 0]],
            "previous_action": [[0.1, 0, 0], [0.2, 0, 0]],
            "action_before_previous": [[0, 0, 0], [0.1, 0, 0]],
        },
        (),
        0.09,
        0,
    ),
    ("torque", {"torque": [[3, -4, 0], [0, 0, 0]]}, (), 25, 0),
    ("joint_acceleration", {"joint_acceleration": [[10, 0, -20], [0, 0, 0]]}, (), 500, 0),
    ("joint_limit", {"limit_violation": [[0.1, 0, 0.05], [0, 0, 0]]}, (), 0.15, 0),
    # hips are the first and the last joint
    ("hip_deviation", {"joint_position": [[0.3, 9, -0.4], [0, 9, 0]]}, ([0, 2],), 0.25, 0),
    ("waist_deviation", {"joint_position": [[0.6, 9, -0.8], [0, 9, 0]]}, ([0, 2],), 1.0, 0),
    # the left foot carries and slides with (0.3, 0.4) m/s, the right one moves fast in the air
    (
        "foot_slip",
        {"foot_velocity": [[[0.3, 0.4, 1], [2, 2, 2]], [[0, 0, 0], [0, 0, 0]]], "foot_force": [[300, 4], [160, 160]]},
        (),
        0.25,
        0,
    ),
    ("foot_tilt", {"foot_tilt": [[0.3, 0.4], [0, 0]]}, (), 0.25, 0),
    # 0.1 m apart instead of 0.17
    ("feet_apart", {"foot_offset": [[0.5, 0.1], [0.5, 0.3]]}, (), 0.07, 0),
    ("feet_yaw", {"foot_yaw": [[0.3, -0.4], [0, 0]]}, (), 0.25, 0),
    # told to stand: mean of 0.3, 0.6, 0; told to walk: nothing
    ("stand_still", {"joint_position": [[0.3, -0.6, 0], [1, 1, 1]], "moving": [0, 1]}, (), 0.3, 0),
    ("stand_velocity", {"joint_velocity": [[3, -6, 0], [1, 1, 1]], "moving": [0, 1]}, (), 3, 0),
    # told to stand, and steps; told to walk
    ("restless", {"command": [[0, 0, 0], [0.5, 0, 0]], "moving": [1, 1]}, (), 1, 0),
    ("gait_rate", {"gait_octaves": [-0.5, 0]}, (), 0.25, 0),
    # 700 N is 200 N too much; 400 N is fine
    ("landing_force", {"foot_force": [[700, 400], [300, 300]]}, (), 0.2, 0),
]


@pytest.mark.parametrize(("name", "changes", "extra", "first", "second"), CASES, ids=[c[0] for c in CASES])
def test_term(name: str, changes: dict[str, Any], extra: tuple[Any, ...], first: float, second: float) -> None:
    value = getattr(rewards, name)(step(**changes), *extra)
    np.testing.assert_allclose(value, [first, second], rtol=1e-12, atol=1e-12)


def test_every_weight_has_a_term_that_is_tested() -> None:
    names = [f.name for f in fields(RewardConfig)]
    assert sorted(names) == sorted(case[0] for case in CASES)


def test_swing_reference_is_an_arc_for_one_foot_at_a_time() -> None:
    phase = np.array([0.0, 0.125, 0.25, 0.5, 0.75])
    wanted = rewards.swing_reference(np.sin(2.0 * np.pi * phase), 0.08)
    # sin^2 of 0, 45 and 90 degrees, then the right foot
    np.testing.assert_allclose(wanted[:, 0], [0.0, 0.04, 0.08, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(wanted[:, 1], [0.0, 0.0, 0.0, 0.0, 0.08], atol=1e-12)


def test_contact_match_forgives_between_swing_and_stance() -> None:
    """Near the change of feet (|sin| < 0.2) either contact is right, for a robot that moves."""
    for force in ([0.0, 0.0], [200.0, 0.0], [0.0, 200.0], [200.0, 200.0]):
        value = rewards.contact_match(step(phase_sin=[0.1, 0.0], moving=[1, 1], foot_force=[force, [160, 160]]))
        assert value.tolist() == [1.0, 1.0]


def test_contact_match_wants_both_feet_down_at_rest() -> None:
    value = rewards.contact_match(step(phase_sin=[1.0, 1.0], moving=[0, 0], foot_force=[[0, 200], [0, 0]]))
    assert value.tolist() == [0.5, 0.0]
