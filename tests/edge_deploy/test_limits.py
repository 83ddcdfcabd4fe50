# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Limits on two joints, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tarsus_core.state import JointCommand
from tarsus_edge.limits import CommandLimits, limit_slew, smooth_step

LIMITS = CommandLimits(
    position_lower=np.array([-1.0, -2.0]),
    position_upper=np.array([1.0, 2.0]),
    velocity=np.array([10.0, 10.0]),
    effort=np.array([20.0, 5.0]),
    kp=np.array([100.0, 10.0]),
    kd=np.array([2.0, 1.0]),
)
ZERO = np.zeros(2)


def command(position: list[float], kp: list[float] | None = None) -> JointCommand:
    gains = LIMITS.kp if kp is None else np.array(kp)
    return JointCommand(0.0, ("a", "b"), np.array(position), ZERO, ZERO, gains, LIMITS.kd)


@pytest.mark.parametrize(
    ("target", "q", "dq", "final", "change"),
    [
        ([0.1, 0.1], [0.0, 0.0], [0.0, 0.0], [0.1, 0.1], ""),  # 10 and 1 N.m
        ([0.5, 0.1], [0.0, 0.0], [0.0, 0.0], [0.2, 0.1], "a: torque"),  # 50 -> 20 N.m: 0.2 rad
        ([-0.5, 0.1], [0.0, 0.0], [0.0, 0.0], [-0.2, 0.1], "a: torque"),
        ([1.5, 0.0], [0.95, 0.0], [0.0, 0.0], [1.0, 0.0], "a: position"),  # 5 N.m at the limit
        ([0.3, 0.0], [0.0, 0.0], [5.0, 0.0], [0.3, 0.0], ""),  # 30 - 10 = 20 N.m: just right
        ([0.3, 0.0], [0.0, 0.0], [-5.0, 0.0], [0.1, 0.0], "a: torque"),  # 30 + 10 = 40 -> 20 N.m
        ([0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.5], "b: torque"),  # 10 -> 5 N.m
        # Damping alone is 24 N.m at 12 rad/s: the target moves 0.04 rad along, to the joint's end; see below.
        ([0.99, 0.0], [0.99, 0.0], [12.0, 0.0], [1.0, 0.0], "a: torque"),
    ],
)
def test_torque_and_position(
    target: list[float], q: list[float], dq: list[float], final: list[float], change: str
) -> None:
    limited, changed = LIMITS.apply(command(target), np.array(q), np.array(dq))
    np.testing.assert_allclose(limited.position, final)
    assert changed == change


def test_a_joint_without_stiffness_keeps_its_target_and_brakes_with_what_it_has() -> None:
    limited, changed = LIMITS.apply(command([0.5, 0.5], kp=[0.0, 0.0]), ZERO, np.array([50.0, 0.0]))
    np.testing.assert_array_equal(limited.position, [0.5, 0.5])
    np.testing.assert_allclose(limited.kd, [0.4, 1.0])  # 100 -> 20 N.m
    assert changed == "a: torque"


@pytest.mark.parametrize(
    ("target", "effort", "q", "dq", "kp", "kd"),
    [
        (0.99, 0.0, 0.99, 12.0, 100.0 * 20 / 23, 2.0 * 20 / 23),  # at its end: 100 * 0.01 - 24 = -23 -> -20 N.m
        (1.0, 0.0, 1.5, 0.0, 40.0, 0.8),  # beyond its range by 0.5 rad: -50 -> -20 N.m
        (-1.0, 0.0, -1.5, 0.0, 40.0, 0.8),
        (1.0, 10.0, 1.5, 0.0, 60.0, 1.2),  # 10 - 50 -> 10 - 30 N.m
        (1.0, -30.0, 1.5, 0.0, 0.0, 0.0),  # the feed-forward torque, itself limited to 20 N.m, leaves nothing
        (1.0, 0.0, 1.1, 0.0, 100.0, 2.0),  # -10 N.m
    ],
)
def test_gains_are_scaled_where_the_target_cannot_move(
    target: float, effort: float, q: float, dq: float, kp: float, kd: float
) -> None:
    asked = replace(command([target, 0.0]), effort=np.array([effort, 0.0]))
    limited, _ = LIMITS.apply(asked, np.array([q, 0.0]), np.array([dq, 0.0]))
    np.testing.assert_allclose((limited.kp[0], limited.kd[0]), (kp, kd), atol=1e-12)
    np.testing.assert_array_equal((limited.kp[1], limited.kd[1]), (10.0, 1.0))
    torque = limited.effort + limited.kp * (limited.position - [q, 0.0]) - limited.kd * [dq, 0.0]
    assert abs(torque[0]) <= 20.0 + 1e-9


def test_slew_by_hand() -> None:
    speed = np.array([10.0, 1.0])
    limited = limit_slew(np.array([1.0, 1.0]), np.array([0.9, 0.9]), speed, 0.02)
    np.testing.assert_allclose(limited, [1.0, 0.92])
    np.testing.assert_allclose(limit_slew(np.array([0.0, 0.0]), np.array([0.9, 0.9]), speed, 0.02), [0.7, 0.88])


@pytest.mark.parametrize(("x", "y"), [(-1.0, 0.0), (0.0, 0.0), (0.25, 0.15625), (0.5, 0.5), (1.0, 1.0), (2.0, 1.0)])
def test_smooth_step_by_hand(x: float, y: float) -> None:
    assert smooth_step(x) == y
