# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What the fault injector does to messages, kind by kind."""

from __future__ import annotations

import math
from typing import Any

import pytest
from builtin_interfaces.msg import Time
from rclpy.serialization import deserialize_message, serialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Imu, JointState
from tarsus_msgs.msg import JointCommand

from tarsus_nodes.faults.damage import JOINT, KINDS, Damage

NAMES = ["a", "b", "c", "d", "e"]


def joints(sec: int = 7, first: float = 0.5) -> bytes:
    message = JointState(name=NAMES, position=[first, 0.1, 0.2, 0.3, 0.4])
    message.header.stamp = Time(sec=sec, nanosec=5)
    return bytes(serialize_message(message))


def spoiled(kind: str, value: float, data: bytes, message_type: Any = JointState) -> Any:
    ((at_s, one),) = Damage(kind, value, message_type).apply(data, 10.0)
    assert at_s == 10.0
    return deserialize_message(one, message_type)


def test_share_of_messages_is_lost_by_a_seeded_draw() -> None:
    data = joints()
    left = [len(damage.apply(data, 0.0)) for damage in [Damage("drop", 0.2, JointState)] for _ in range(1000)]
    assert sum(left) == pytest.approx(800, abs=40)
    again = Damage("drop", 0.2, JointState)
    assert [len(again.apply(data, 0.0)) for _ in range(1000)] == left
    assert Damage("drop", 1.0, JointState).apply(data, 0.0) == []
    assert Damage("drop", 0.0, JointState).apply(data, 0.0) == [(0.0, data)]


def test_messages_of_one_moment_are_lost_together() -> None:
    angles, inertia = (Damage("drop", 0.2, kind, seed=7, by_stamp=True) for kind in (JointState, Imu))
    kept = []
    for tick in range(1000):
        stamp = Time(sec=tick // 200, nanosec=tick % 200 * 5_000_000)
        message, other = JointState(), Imu()
        message.header.stamp = other.header.stamp = stamp
        kept.append(bool(angles.apply(bytes(serialize_message(message)), 0.0)))
        if tick:  # which of the two comes first does not matter
            assert bool(inertia.apply(bytes(serialize_message(other)), 0.0)) == kept[-1]
    assert sum(kept) == pytest.approx(800, abs=40)
    another = Damage("drop", 0.2, JointState, seed=8, by_stamp=True)
    again = [bool(another.apply(joints(tick), 0.0)) for tick in range(1000)]
    assert again != kept


def test_late_and_repeated_messages_are_whole() -> None:
    data = joints()
    assert Damage("delay", 0.2, JointState).apply(data, 3.0) == [(3.2, data)]
    assert Damage("repeat", 2.0, JointState).apply(data, 3.0) == [(3.0, data)] * 3


def test_a_lag_grows_from_the_first_message_on() -> None:
    data = joints()
    lag = Damage("lag", 0.2, JointState)
    assert [lag.apply(data, now_s) for now_s in (3.0, 3.5, 5.0)] == [[(3.0, data)], [(3.6, data)], [(5.4, data)]]


def test_stale_has_the_old_stamp_and_frozen_the_new_one() -> None:
    stale, freeze = (Damage(kind, 0.0, JointState) for kind in ("stale", "freeze"))
    first, second = joints(7, 0.5), joints(8, 0.6)
    for damage in (stale, freeze):
        damage.apply(first, 0.0)
    assert stale.apply(second, 1.0) == [(1.0, first)]
    message = deserialize_message(freeze.apply(second, 1.0)[0][1], JointState)
    assert (message.header.stamp.sec, message.position[0]) == (8, 0.5)


def test_numbers_and_names_are_spoiled() -> None:
    assert math.isnan(spoiled("nan", 0.0, joints()).position[JOINT])
    assert list(spoiled("shift", 2.0, joints()).position) == pytest.approx([2.5, 2.1, 2.2, 2.3, 2.4])
    beyond = spoiled("beyond", 10.0, bytes(serialize_message(JointCommand(position=[0.5, 0.25]))), JointCommand)
    assert list(beyond.position) == [0.5, 10.25]
    stiff = spoiled("stiffen", 10.0, bytes(serialize_message(JointCommand(kp=[40.0, 0.0]))), JointCommand)
    assert list(stiff.kp) == [50.0, 10.0]
    cut = spoiled("garble", 0.0, joints())
    assert (len(cut.name), len(cut.position)) == (5, 4)
    assert list(spoiled("rename", 0.0, joints()).name) == ["a", "b", "c", "tail_joint", "e"]


def test_orientation_turns_and_stamps_go_back() -> None:
    upright = Imu()
    upright.header.stamp = Time(sec=7, nanosec=5)
    data = bytes(serialize_message(upright))
    tilted = spoiled("tilt", math.pi / 2.0, data, Imu).orientation
    assert (tilted.x, tilted.w) == pytest.approx((math.sqrt(0.5), math.sqrt(0.5)))
    assert math.isnan(spoiled("nan", 0.0, data, Imu).orientation.x)
    assert spoiled("back", 2.0, data, Imu).header.stamp == Time(sec=5, nanosec=5)
    assert spoiled("back", 2.0, bytes(serialize_message(Clock(clock=Time(sec=1)))), Clock).clock.sec == 0


def test_unknown_kind_is_refused_and_each_kind_does_something() -> None:
    with pytest.raises(KeyError):
        Damage("melt", 0.0, JointState)
    others = {"tilt": Imu(), "stiffen": JointCommand(kp=[1.0]), "beyond": JointCommand(position=[1.0])}
    for kind in KINDS:
        other = others.get(kind)
        damage = Damage(kind, 1.0, type(other) if other else JointState)
        first, second = (bytes(serialize_message(other)),) * 2 if other else (joints(7), joints(8, 0.6))
        damage.apply(first, 0.0)
        assert damage.apply(second, 1.0) != [(1.0, second)], kind
