# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Reward terms of the walking task: one pure function each, (n,) out. Weights stand in RewardConfig."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass
class WalkStep:
    """What one control period of n robots did; J driven joints, F = 2 feet (left, right)."""

    command: Array
    """(n, 3) vx, vy (m/s), wz (rad/s)"""
    velocity: Array
    """(n, 3) m/s, base, heading frame"""
    yaw_rate: Array
    """(n,) rad/s"""
    mean_error: Array
    """(n, 3) low-passed velocity minus low-passed command"""
    angular_velocity: Array
    """(n, 3) rad/s, base frame"""
    gravity: Array
    """(n, 3) projected gravity"""
    height: Array
    """(n,) m, base link"""
    joint_position: Array
    """(n, J) rad, minus the default pose"""
    joint_velocity: Array
    joint_acceleration: Array
    """(n, J) rad/s^2, mean over the period"""
    torque: Array
    limit_violation: Array
    """(n, J) rad beyond 95 % of the joint's range"""
    action: Array
    previous_action: Array
    action_before_previous: Array
    foot_height: Array
    """(n, F) m, of the soles"""
    foot_velocity: Array
    """(n, F, 3) m/s"""
    foot_tilt: Array
    """(n, F) rad"""
    foot_force: Array
    """(n, F) N"""
    foot_offset: Array
    """(n, 2) m, left minus right foot, heading frame"""
    foot_yaw: Array
    """(n, F) rad, relative to the base"""
    phase_sin: Array
    """(n,) sine of the gait phase; left foot swings while positive"""
    moving: Array
    """(n,) 1 while the gait clock runs, else 0"""
    gait_octaves: Array
    """(n,) how much faster than its own rate the gait clock runs"""
    fell: Array
    """(n,) 1 where the robot fell"""


def track_linear(s: WalkStep) -> Array:
    """exp of the instantaneous horizontal velocity error, width 0.25 (m/s)^2, as in holosoma and legged_gym."""
    return np.exp(-np.sum((s.velocity[:, :2] - s.command[:, :2]) ** 2, axis=1) / 0.25)


def track_angular(s: WalkStep) -> Array:
    """exp of the instantaneous yaw rate error, width 0.25 (rad/s)^2."""
    return np.exp(-((s.yaw_rate - s.command[:, 2]) ** 2) / 0.25)


def track_mean_linear(s: WalkStep) -> Array:
    """exp of the error of the mean velocity: sharp, because the sway of each step is averaged out."""
    return np.exp(-np.sum(s.mean_error[:, :2] ** 2, axis=1) / 0.02)


def track_mean_angular(s: WalkStep) -> Array:
    """exp of the error of the mean yaw rate."""
    return np.exp(-(s.mean_error[:, 2] ** 2) / 0.04)


def mean_linear_error(s: WalkStep) -> Array:
    """Mean velocity error in m/s: a slope where the exponentials are flat."""
    return np.linalg.norm(s.mean_error[:, :2], axis=1)


def mean_angular_error(s: WalkStep) -> Array:
    """Mean yaw rate error in rad/s."""
    return np.abs(s.mean_error[:, 2])


def swing_reference(phase_sin: Array, swing_height_m: float) -> Array:
    """(n, 2) wanted sole heights: a sin^2 arc for the left foot in the first half of the phase, then for the right."""
    left = np.maximum(phase_sin, 0.0) ** 2
    right = np.maximum(-phase_sin, 0.0) ** 2
    return swing_height_m * np.stack([left, right], axis=1)


def swing_height(s: WalkStep, swing_height_m: float) -> Array:
    """exp of the squared distance between the soles' heights and the arc, width 0.002 m^2."""
    error = s.foot_height - swing_reference(s.phase_sin * s.moving, swing_height_m)
    return np.exp(-np.sum(error**2, axis=1) / 0.002)


def contact_match(s: WalkStep) -> Array:
    """Share of the feet that touch the ground when, and only when, the gait says so."""
    swinging = np.stack([s.phase_sin > 0.2, s.phase_sin < -0.2], axis=1) & (s.moving[:, None] > 0.0)
    standing = np.stack([s.phase_sin < -0.2, s.phase_sin > 0.2], axis=1) | (s.moving[:, None] == 0.0)
    contact = s.foot_force > 5.0
    wrong = (swinging & contact) | (standing & ~contact)
    return 1.0 - wrong.mean(axis=1)


def alive(s: WalkStep) -> Array:
    """One for each robot that has not fallen."""
    return 1.0 - s.fell


def fall(s: WalkStep) -> Array:
    """One for each robot that fell."""
    return s.fell


def tilt(s: WalkStep) -> Array:
    """Squared sine of the base's tilt."""
    return np.sum(s.gravity[:, :2] ** 2, axis=1)


def angular_velocity_xy(s: WalkStep) -> Array:
    """Squared roll and pitch rate."""
    return np.sum(s.angular_velocity[:, :2] ** 2, axis=1)


def vertical_velocity(s: WalkStep) -> Array:
    """Squared vertical velocity."""
    return s.velocity[:, 2] ** 2


def base_height(s: WalkStep, wanted_m: float) -> Array:
    """Squared height error of the base."""
    return (s.height - wanted_m) ** 2


def action_rate(s: WalkStep) -> Array:
    """Squared change of the action."""
    return np.sum((s.action - s.previous_action) ** 2, axis=1)


def action_acceleration(s: WalkStep) -> Array:
    """Squared second difference of the action."""
    return np.sum((s.action - 2.0 * s.previous_action + s.action_before_previous) ** 2, axis=1)


def torque(s: WalkStep) -> Array:
    """Sum of squared torques."""
    return np.sum(s.torque**2, axis=1)


def joint_acceleration(s: WalkStep) -> Array:
    """Sum of squared joint accelerations."""
    return np.sum(s.joint_acceleration**2, axis=1)


def joint_limit(s: WalkStep) -> Array:
    """How far joints reach beyond 95 % of their range, in rad."""
    return np.sum(s.limit_violation, axis=1)


def hip_deviation(s: WalkStep, hips: list[int]) -> Array:
    """Squared distance of the hips' roll and yaw from the default pose."""
    return np.sum(s.joint_position[:, hips] ** 2, axis=1)


def waist_deviation(s: WalkStep, waist: list[int]) -> Array:
    """Squared distance of the driven waist joints from the default pose."""
    return np.sum(s.joint_position[:, waist] ** 2, axis=1)


def foot_slip(s: WalkStep) -> Array:
    """Squared horizontal speed of the feet that carry weight."""
    carrying = s.foot_force > 5.0
    return np.sum(np.sum(s.foot_velocity[..., :2] ** 2, axis=2) * carrying, axis=1)


def foot_tilt(s: WalkStep) -> Array:
    """Squared tilt of the feet."""
    return np.sum(s.foot_tilt**2, axis=1)


def feet_apart(s: WalkStep, least_m: float = 0.17) -> Array:
    """How much closer than the least distance the feet are sideways, in m."""
    return np.maximum(least_m - s.foot_offset[:, 1], 0.0)


def feet_yaw(s: WalkStep) -> Array:
    """Squared yaw of the feet relative to the base."""
    return np.sum(s.foot_yaw**2, axis=1)


def stand_still(s: WalkStep) -> Array:
    """While told to stand: distance from the default pose."""
    return np.mean(np.abs(s.joint_position), axis=1) * (1.0 - s.moving)


def stand_velocity(s: WalkStep) -> Array:
    """While told to stand: joint speed."""
    return np.mean(np.abs(s.joint_velocity), axis=1) * (1.0 - s.moving)


def restless(s: WalkStep) -> Array:
    """One for each robot that steps though it is told to stand: the sooner it is calm, the better."""
    return s.moving * ~s.command.any(axis=1)


def landing_force(s: WalkStep, limit_n: float = 500.0) -> Array:
    """Foot forces beyond about one and a half times the weight, in kN."""
    return np.sum(np.maximum(s.foot_force - limit_n, 0.0), axis=1) / 1000.0


def gait_rate(s: WalkStep) -> Array:
    """Squared octaves by which the gait clock is hurried or slowed."""
    return s.gait_octaves**2
