# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Distance, velocity and falls, from hand-made walks."""

import math

import numpy as np
import pytest

from tarsus_core.rotations import quat_from_rpy
from tarsus_nodes.walk_measure import WalkMeasure


def walk(measure: WalkMeasure, seconds: float, speed: tuple[float, float, float], yaw: float = 0.0) -> None:
    """Exact motion at a constant velocity of the body, sampled at 50 Hz from the origin."""
    vx, vy, wz = speed
    for k in range(round(seconds * 50) + 1):
        t = k * 0.02
        turned = wz * t
        if wz:
            # integral of the rotating velocity
            forward = (vx * math.sin(turned) - vy * (1.0 - math.cos(turned))) / wz
            left = (vx * (1.0 - math.cos(turned)) + vy * math.sin(turned)) / wz
        else:
            forward, left = vx * t, vy * t
        c, s = math.cos(yaw), math.sin(yaw)
        position = np.array([c * forward - s * left, s * forward + c * left, 0.77])
        measure.add(t, position, quat_from_rpy(0.0, 0.0, yaw + turned))


def test_straight_ahead_in_any_direction_of_the_world() -> None:
    for yaw in (0.0, 2.5, -3.1):
        measure = WalkMeasure(np.array([0.5, 0.0, 0.0]), 0.77)
        walk(measure, 4.0, (0.4, 0.0, 0.0), yaw)
        assert measure.distance_m == pytest.approx(1.6)
        assert measure.mean_velocity == pytest.approx([0.4, 0.0, 0.0], abs=1e-9)
        assert measure.velocity_error == pytest.approx([0.1, 0.0, 0.0], abs=1e-9)
        assert measure.duration_s == pytest.approx(4.0)


def test_a_circle_is_measured_along_the_heading_and_through_the_turn_of_pi() -> None:
    measure = WalkMeasure(np.array([0.5, 0.0, 1.0]), 0.77)
    walk(measure, 8.0, (0.5, 0.0, 1.0))
    assert measure.distance_m == pytest.approx(4.0, rel=1e-3)
    assert measure.mean_velocity == pytest.approx([0.5, 0.0, 1.0], abs=1e-3)
    assert measure.velocity_error == pytest.approx([0.0, 0.0, 0.0], abs=1e-3)


def test_distance_counts_along_the_command() -> None:
    measure = WalkMeasure(np.array([0.3, -0.4, 0.0]), 0.77)
    walk(measure, 2.0, (0.3, 0.0, 0.0))
    # 0.6 m forward, projected on the direction (0.6, -0.8)
    assert measure.distance_m == pytest.approx(0.36)
    backwards = WalkMeasure(np.array([0.5, 0.0, 0.0]), 0.77)
    walk(backwards, 2.0, (-0.1, 0.0, 0.0))
    assert backwards.distance_m == pytest.approx(-0.2)


def test_without_a_direction_the_path_counts_but_not_the_sway() -> None:
    measure = WalkMeasure(np.zeros(3), 0.77)
    upright = quat_from_rpy(0.0, 0.0, 0.0)
    for k in range(101):  # 2 s at 0.3 m/s, swaying by 2 cm to and fro twice a second
        sway = 0.02 * math.sin(2.0 * math.pi * 2.0 * k * 0.02)
        measure.add(k * 0.02, np.array([0.3 * k * 0.02, sway, 0.77]), upright)
    assert measure.distance_m == pytest.approx(0.6, abs=1e-6)


def test_the_error_leaves_out_the_start() -> None:
    measure = WalkMeasure(np.array([1.0, 0.0, 0.0]), 0.77)
    upright = quat_from_rpy(0.0, 0.0, 0.0)
    for k in range(151):  # still for 1 s, then as commanded for 2 s
        t = k * 0.02
        measure.add(t, np.array([max(0.0, t - 1.0), 0.0, 0.77]), upright)
    assert measure.mean_velocity[0] == pytest.approx(2.0 / 3.0)
    assert measure.velocity_error[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("height", "pitch", "fell"),
    [(0.77, 0.99, False), (0.77, 1.01, True), (0.39, 0.0, False), (0.38, 0.0, True)],
)
def test_tilted_or_low_is_fallen(height: float, pitch: float, fell: bool) -> None:
    measure = WalkMeasure(np.zeros(3), 0.77)
    measure.add(0.0, np.array([0.0, 0.0, height]), quat_from_rpy(0.0, pitch, 0.0))
    assert measure.falls == int(fell)


def test_each_time_it_goes_down_is_a_fall() -> None:
    measure = WalkMeasure(np.zeros(3), 0.77)
    for k, height in enumerate((0.77, 0.3, 0.2, 0.3, 0.77, 0.3)):
        measure.add(0.1 * k, np.array([0.0, 0.0, height]), quat_from_rpy(0.0, 0.0, 0.0), walking=False)
    assert measure.falls == 2


@pytest.mark.parametrize("command", [(0.5, 0.0, 0.0), (0.0, 0.0, 0.0)])
def test_only_the_motion_of_a_walking_robot_counts_and_no_jump(command: tuple[float, float, float]) -> None:
    measure = WalkMeasure(np.array(command), 0.77)
    upright = quat_from_rpy(0.0, 0.0, 0.0)
    for k in range(51):  # 1 s at 0.5 m/s
        measure.add(k * 0.02, np.array([0.5 * k * 0.02, 0.0, 0.77]), upright)
    for k in range(51, 101):  # damped, dragged on at the same speed
        measure.add(k * 0.02, np.array([0.5 * k * 0.02, 0.0, 0.77]), upright, walking=False)
    for k in range(101, 152):  # put back to its start while it walks: from the origin on, 1 s
        measure.add(k * 0.02, np.array([0.5 * (k - 101) * 0.02, 0.0, 0.77]), upright)
    measure.add(151 * 0.02 + 0.02, np.array([0.0, 0.0, 0.77]), upright)  # 0.5 m in 0.02 s: put back again
    assert measure.distance_m == pytest.approx(1.0)
    assert measure.duration_s == pytest.approx(2.0)


def test_a_repeated_or_older_sample_changes_nothing() -> None:
    measure = WalkMeasure(np.array([1.0, 0.0, 0.0]), 0.77)
    upright = quat_from_rpy(0.0, 0.0, 0.0)
    for t, x in ((0.0, 0.0), (0.02, 0.1), (0.02, 5.0), (0.01, 7.0)):
        measure.add(t, np.array([x, 0.0, 0.77]), upright)
    assert measure.distance_m == pytest.approx(0.1)


def test_nothing_measured_is_nothing_walked() -> None:
    measure = WalkMeasure(np.array([1.0, 0.0, 0.0]), 0.77)
    assert (measure.distance_m, measure.duration_s, measure.falls) == (0.0, 0.0, 0)
    assert measure.mean_velocity.tolist() == [0.0, 0.0, 0.0]
