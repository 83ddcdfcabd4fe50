# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with the messages of one topic. It knows no ROS node and no clock; time and chance come in."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message

from tarsus_core.rotations import quat_from_rpy, quat_multiply

JOINT = 3
"""the joint that is spoiled where one is: the left knee of a G1"""

KINDS = {
    "drop": "lose this share of the messages (1: the cable is out)",
    "delay": "deliver them this many seconds late",
    "lag": "deliver them later and later, by this many seconds in a second",
    "repeat": "deliver each this many times more",
    "stale": "deliver the same message again and again, with its stamp",
    "freeze": "deliver the same readings under new stamps",
    "nan": "one number of each is no number",
    "shift": "add this to every position, in rad",
    "beyond": "add this to the position of the last joint, in rad",
    "stiffen": "add this to every stiffness, in N.m/rad",
    "garble": "a value is missing",
    "rename": "a joint has another name",
    "tilt": "turn the orientation by this much about the x axis, in rad",
    "back": "set the stamp back by this many seconds",
}
"""What ``Damage`` does, and what its value means."""

STAMP = slice(4, 12)
"""where the stamp is in a message that begins with it, behind the four bytes that say how it is serialised"""


class Damage:
    """Spoils serialised messages of one type."""

    def __init__(self, kind: str, value: float, message_type: Any, seed: int = 0, by_stamp: bool = False) -> None:
        """Choose what to do.

        Args:
            kind: one of ``KINDS``.
            value: what it means there.
            message_type: of the messages.
            seed: of the draws.
            by_stamp: draw by the stamp, with which each type begins here, so that messages of one moment share a fate.

        Raises:
            KeyError: for a kind that is not among ``KINDS``.
        """
        if kind not in KINDS:
            raise KeyError(kind)
        self._kind, self._value, self._type = kind, value, message_type
        self._seed, self._by_stamp = seed, by_stamp
        self._rng = np.random.default_rng(seed)
        self._first: bytes | None = None
        self._since_s: float | None = None

    def apply(self, data: bytes, now_s: float) -> list[tuple[float, bytes]]:
        """Return what is delivered in place of a message, each with its time."""
        kind, value = self._kind, self._value
        if kind == "drop":
            return [] if self._draw(data) < value else [(now_s, data)]
        if kind == "delay":
            return [(now_s + value, data)]
        if kind == "lag":
            self._since_s = now_s if self._since_s is None else self._since_s
            return [(now_s + value * (now_s - self._since_s), data)]
        if kind == "repeat":
            return [(now_s, data)] * (1 + int(value))
        self._first = self._first or data
        if kind == "stale":
            return [(now_s, self._first)]
        message = deserialize_message(data, self._type)
        if kind == "freeze":
            stamp = message.header.stamp
            message = deserialize_message(self._first, self._type)
            message.header.stamp = stamp
        else:
            _SPOIL[kind](message, value)
        return [(now_s, bytes(serialize_message(message)))]

    def _draw(self, data: bytes) -> float:
        """Number in 0..1 for a message."""
        if not self._by_stamp:
            return float(self._rng.random())
        digest = hashlib.blake2b(data[STAMP], key=self._seed.to_bytes(8, "little"), digest_size=8).digest()
        return int.from_bytes(digest, "little") / 2.0**64


def _nan(message: Any, _: float) -> None:
    if hasattr(message, "orientation"):
        message.orientation.x = math.nan
    else:
        message.position[JOINT] = math.nan


def _shift(message: Any, value: float) -> None:
    message.position = [position + value for position in message.position]


def _beyond(message: Any, value: float) -> None:
    message.position[-1] += value


def _stiffen(message: Any, value: float) -> None:
    message.kp = [kp + value for kp in message.kp]


def _garble(message: Any, _: float) -> None:
    message.position = list(message.position)[:-1]


def _rename(message: Any, _: float) -> None:
    message.name[JOINT] = "tail_joint"


def _tilt(message: Any, value: float) -> None:
    o = message.orientation
    turned = quat_multiply(quat_from_rpy(value, 0.0, 0.0), np.array([o.x, o.y, o.z, o.w]))
    o.x, o.y, o.z, o.w = (float(v) for v in turned)


def _back(message: Any, value: float) -> None:
    stamp = message.clock if hasattr(message, "clock") else message.header.stamp
    stamp.sec = max(0, stamp.sec - int(value))


_SPOIL: dict[str, Callable[[Any, float], None]] = {
    "nan": _nan,
    "shift": _shift,
    "beyond": _beyond,
    "stiffen": _stiffen,
    "garble": _garble,
    "rename": _rename,
    "tilt": _tilt,
    "back": _back,
}
