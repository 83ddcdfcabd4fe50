# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Rotations, by hand and against rotation matrices."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarsus_core.rotations import (
    projected_gravity,
    quat_conjugate,
    quat_from_rpy,
    quat_multiply,
    quat_rotate,
    quat_rotate_inverse,
    quat_rotate_yaw_inverse,
    rpy_from_quat,
    tilt_angle,
    yaw_from_quat,
)

HALF = math.sqrt(0.5)
X, Y, Z = np.eye(3)
angles = st.floats(-3.0, 3.0)


def matrix(roll: float, pitch: float, yaw: float) -> np.ndarray:
    """Rz(yaw) Ry(pitch) Rx(roll), written out."""
    cr, sr, cp, sp, cy, sy = (f(a) for a in (roll, pitch, yaw) for f in (math.cos, math.sin))
    rx = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    ry = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    rz = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return rz @ ry @ rx


def test_quarter_turns_by_hand() -> None:
    # A quarter turn to the left: forward becomes left, left becomes back.
    left = np.array([0.0, 0.0, HALF, HALF])
    np.testing.assert_allclose(quat_rotate(left, X), Y, atol=1e-15)
    np.testing.assert_allclose(quat_rotate(left, Y), -X, atol=1e-15)
    np.testing.assert_allclose(quat_rotate_inverse(left, Y), X, atol=1e-15)
    np.testing.assert_allclose(quat_from_rpy(0.0, 0.0, math.pi / 2), left, atol=1e-15)
    # A nod forward (positive pitch) lowers the nose: forward becomes down.
    np.testing.assert_allclose(quat_rotate(quat_from_rpy(0.0, math.pi / 2, 0.0), X), -Z, atol=1e-15)
    # Positive roll lowers the right side: left becomes up.
    np.testing.assert_allclose(quat_rotate(quat_from_rpy(math.pi / 2, 0.0, 0.0), Y), Z, atol=1e-15)


def test_product_by_hand() -> None:
    # i j = k, and rotating by b first, then by a
    i, j, k = (np.array([*v, 0.0]) for v in (X, Y, Z))
    np.testing.assert_array_equal(quat_multiply(i, j), k)
    np.testing.assert_array_equal(quat_multiply(j, i), -k)
    left, nod = quat_from_rpy(0.0, 0.0, math.pi / 2), quat_from_rpy(0.0, math.pi / 2, 0.0)
    np.testing.assert_allclose(quat_rotate(quat_multiply(left, nod), Z), Y, atol=1e-15)  # Z -> X -> Y


@pytest.mark.parametrize(
    ("roll", "pitch", "gravity"),
    [
        (0.0, 0.0, [0.0, 0.0, -1.0]),
        (0.0, math.pi / 2, [1.0, 0.0, 0.0]),  # face down: gravity pulls forward
        (math.pi / 2, 0.0, [0.0, -1.0, 0.0]),  # on the right side: gravity pulls to the right
        (math.pi, 0.0, [0.0, 0.0, 1.0]),
        (0.0, 0.1, [math.sin(0.1), 0.0, -math.cos(0.1)]),
    ],
)
def test_projected_gravity_by_hand(roll: float, pitch: float, gravity: list[float]) -> None:
    quat = quat_from_rpy(roll, pitch, 0.7)  # the heading does not matter
    np.testing.assert_allclose(projected_gravity(quat), gravity, atol=1e-15)
    assert tilt_angle(quat) == pytest.approx(math.hypot(roll, pitch), abs=1e-7)


def test_tilt_of_roll_and_pitch_together() -> None:
    # cos tilt = cos roll cos pitch
    assert tilt_angle(quat_from_rpy(0.3, 0.4, 1.0)) == pytest.approx(math.acos(math.cos(0.3) * math.cos(0.4)))


@given(angles, angles, angles)
def test_agrees_with_rotation_matrices(roll: float, pitch: float, yaw: float) -> None:
    quat = quat_from_rpy(roll, pitch, yaw)
    rotation = matrix(roll, pitch, yaw)
    vector = np.array([0.3, -1.2, 2.5])
    assert np.linalg.norm(quat) == pytest.approx(1.0)
    np.testing.assert_allclose(quat_rotate(quat, vector), rotation @ vector, atol=1e-12)
    np.testing.assert_allclose(quat_rotate_inverse(quat, vector), rotation.T @ vector, atol=1e-12)
    np.testing.assert_allclose(projected_gravity(quat), rotation.T @ -Z, atol=1e-12)
    np.testing.assert_allclose(quat_rotate(quat_conjugate(quat), vector), rotation.T @ vector, atol=1e-12)


@given(angles, st.floats(-1.5, 1.5), angles)
def test_roll_pitch_yaw_come_back(roll: float, pitch: float, yaw: float) -> None:
    np.testing.assert_allclose(rpy_from_quat(quat_from_rpy(roll, pitch, yaw)), [roll, pitch, yaw], atol=1e-6)


def test_heading_frame_by_hand() -> None:
    quat = quat_from_rpy(0.2, -0.1, math.pi / 2)
    assert yaw_from_quat(quat) == pytest.approx(math.pi / 2)
    # The robot looks along world y: what moves along y moves forward, whatever the tilt.
    np.testing.assert_allclose(quat_rotate_yaw_inverse(quat, Y), X, atol=1e-12)
    np.testing.assert_allclose(quat_rotate_yaw_inverse(quat, X), -Y, atol=1e-12)
    np.testing.assert_array_equal(quat_rotate_yaw_inverse(quat, Z), Z)


def test_batches_equal_single_rotations() -> None:
    rng = np.random.default_rng(0)
    rpy, vectors = rng.uniform(-1.0, 1.0, (3, 5, 4)), rng.normal(size=(5, 4, 3))
    quats = quat_from_rpy(*rpy)
    assert quats.shape == (5, 4, 4)
    for function in (quat_rotate, quat_rotate_inverse, quat_rotate_yaw_inverse):
        batch = function(quats, vectors)
        single = [[function(q, v) for q, v in zip(a, b, strict=True)] for a, b in zip(quats, vectors, strict=True)]
        np.testing.assert_array_equal(batch, single)
    assert tilt_angle(quats).shape == (5, 4) and rpy_from_quat(quats).shape == (5, 4, 3)
