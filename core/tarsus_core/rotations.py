# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Quaternions and frames, vectorised over leading dimensions.

Quaternions are (x, y, z, w), as in ROS (REP-103) and PyBullet, of unit norm, and turn vectors of the body frame
into the world frame unless a name says otherwise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def cross(a: Array, b: Array) -> Array:
    """Cross product of vectors (..., 3): as ``np.cross``, bit for bit, at a quarter of its time for small arrays."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return _vectors(ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)


def _vectors(x: Array, y: Array, z: Array) -> Array:
    """Vectors (..., 3) of their components, ``x`` of the full shape: ``np.stack`` takes twice as long."""
    result = np.empty((*x.shape, 3))
    result[..., 0], result[..., 1], result[..., 2] = x, y, z
    return result


def _components(quat: Array) -> tuple[Array, Array, Array, Array]:
    return quat[..., 0], quat[..., 1], quat[..., 2], quat[..., 3]


def quat_rotate(quat: Array, vector: Array) -> Array:
    """Rotate ``vector`` (..., 3) by ``quat`` (..., 4): body frame to world frame."""
    u = quat[..., :3]
    w = quat[..., 3:4]
    t = 2.0 * cross(u, vector)
    return vector + w * t + cross(u, t)


def quat_rotate_inverse(quat: Array, vector: Array) -> Array:
    """Rotate ``vector`` (..., 3) by the inverse of ``quat`` (..., 4): world frame to body frame."""
    u = -quat[..., :3]
    w = quat[..., 3:4]
    t = 2.0 * cross(u, vector)
    return vector + w * t + cross(u, t)


def matrix_from_quat(quat: Array) -> Array:
    """Rotation matrix (3, 3) of one quaternion (4,): body frame to world frame, the body's axes as its columns."""
    return quat_rotate(np.tile(quat, (3, 1)), np.eye(3)).T


def quat_multiply(a: Array, b: Array) -> Array:
    """Hamilton product a b, both (..., 4): rotate by b first, then by a."""
    ax, ay, az, aw = _components(a)
    bx, by, bz, bw = _components(b)
    return np.stack(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ],
        axis=-1,
    )


def quat_conjugate(quat: Array) -> Array:
    """Return the inverse of a unit quaternion (..., 4)."""
    return quat * np.array([-1.0, -1.0, -1.0, 1.0])


def quat_from_rpy(roll: Array | float, pitch: Array | float, yaw: Array | float) -> Array:
    """Quaternion (..., 4) of fixed-axis roll, pitch, yaw in rad (the URDF convention: Rz(yaw) Ry(pitch) Rx(roll))."""
    r, p, y = (np.asarray(a, dtype=np.float64) * 0.5 for a in (roll, pitch, yaw))
    cr, sr, cp, sp, cy, sy = np.cos(r), np.sin(r), np.cos(p), np.sin(p), np.cos(y), np.sin(y)
    return np.stack(
        [
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
            cr * cp * cy + sr * sp * sy,
        ],
        axis=-1,
    )


def rpy_from_quat(quat: Array) -> Array:
    """Roll, pitch, yaw (..., 3) in rad; pitch in [-pi/2, pi/2]."""
    x, y, z, w = _components(quat)
    roll = np.arctan2(2.0 * (w * x + y * z), 1.0 - 2.0 * (x * x + y * y))
    pitch = np.arcsin(np.clip(2.0 * (w * y - z * x), -1.0, 1.0))
    yaw = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    return np.stack([roll, pitch, yaw], axis=-1)


def yaw_from_quat(quat: Array) -> Array:
    """Heading (...) in rad of the body's x axis projected on the ground."""
    x, y, z, w = _components(quat)
    return np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def quat_rotate_yaw_inverse(quat: Array, vector: Array) -> Array:
    """Express a world vector (..., 3) in the heading frame: yaw of the body, z up."""
    yaw = yaw_from_quat(quat)
    c, s = np.cos(yaw), np.sin(yaw)
    x, y = vector[..., 0], vector[..., 1]
    return _vectors(c * x + s * y, -s * x + c * y, vector[..., 2])


def projected_gravity(quat: Array) -> Array:
    """Direction of gravity (..., 3) in the body frame, unit length: (0, 0, -1) when upright."""
    x, y, z, w = _components(quat)
    # R(q)^T (0, 0, -1): minus the third row of the rotation matrix
    return _vectors(-2.0 * (x * z - w * y), -2.0 * (y * z + w * x), -(1.0 - 2.0 * (x * x + y * y)))


def tilt_angle(quat: Array) -> Array:
    """Angle (...) in rad between the body's z axis and the vertical."""
    x, y = quat[..., 0], quat[..., 1]
    return np.arccos(np.clip(1.0 - 2.0 * (x * x + y * y), -1.0, 1.0))
