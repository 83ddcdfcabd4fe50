# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The keyboard's meaning: key and velocity in, velocity and request out. No terminal, no ROS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

KEY_MAP = """\
  w / s   faster forward / backward     1   arm           space   stop (zero velocity)
  a / d   faster to the left / right    2   stand         x       damp (emergency stop)
  q / e   turn left / right             3   walk          r       reset after damping
                                        4   gantry off    Ctrl-C  quit"""


class Request(Enum):
    """What a key asks for beside a velocity; the value names the services to call, in order."""

    ARM = ("supervisor/arm",)
    STAND = ("supervisor/stand",)
    WALK = ("supervisor/walk",)
    DAMP = ("supervisor/damp",)
    RELEASE = ("sim/release",)
    RESET = ("supervisor/reset", "sim/reset")


REQUESTS = {
    "1": Request.ARM,
    "2": Request.STAND,
    "3": Request.WALK,
    "4": Request.RELEASE,
    "x": Request.DAMP,
    "r": Request.RESET,
}
DIRECTIONS = {
    "w": ("vx", 1),
    "s": ("vx", -1),
    "a": ("vy", 1),
    "d": ("vy", -1),
    "q": ("wz", 1),
    "e": ("wz", -1),
}


@dataclass(frozen=True)
class Limits:
    """Step of one key press, and the largest velocity."""

    linear_step: float = 0.1
    """m/s"""
    angular_step: float = 0.1
    """rad/s"""
    linear_max: float = 1.0
    """m/s"""
    angular_max: float = 1.0
    """rad/s"""


@dataclass(frozen=True)
class Velocity:
    """The velocity that is commanded until the next key."""

    vx: float = 0.0
    """m/s, forward"""
    vy: float = 0.0
    """m/s, to the left"""
    wz: float = 0.0
    """rad/s, counter-clockwise"""


def press(key: str, velocity: Velocity, limits: Limits) -> tuple[Velocity, Request | None]:
    """Return the velocity after a key, and what else the key asks for.

    A request to damp, to reset, to arm or to stand stops the robot: it must not start with an old velocity. A key
    without a meaning changes nothing. Upper case is as lower case.
    """
    key = key.lower()
    if key == " ":
        return Velocity(), None
    if key in DIRECTIONS:
        axis, sign = DIRECTIONS[key]
        step, most = (
            (limits.angular_step, limits.angular_max) if axis == "wz" else (limits.linear_step, limits.linear_max)
        )
        value = round(getattr(velocity, axis) + sign * step, 6)  # so that steps back end at exactly 0
        return replace(velocity, **{axis: max(-most, min(most, value))}), None
    request = REQUESTS.get(key)
    if request in (None, Request.WALK, Request.RELEASE):
        return velocity, request
    return Velocity(), request
