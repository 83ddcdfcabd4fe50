# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Pairing by stamp, in every order that messages can come in."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import Imu, JointState

from tarsus_nodes.conversions import nanoseconds_from_stamp, stamp_from_seconds
from tarsus_nodes.pairing import Pairing


def message(kind: type, tick: int) -> Any:
    made = kind()
    made.header.stamp = stamp_from_seconds(tick * 5 / 1000)
    return made


def add(pairing: Pairing, topic: str, made: Any) -> dict[str, Any] | None:
    return pairing.add(topic, nanoseconds_from_stamp(made.header.stamp), made)


def feed(pairing: Pairing, events: list[tuple[str, int]]) -> list[int]:
    """Add messages (``j`` or ``i``, tick) and return the ticks of the pairs, in the order they came out."""
    out = []
    for topic, tick in events:
        pair = add(pairing, topic, message(JointState if topic == "j" else Imu, tick))
        if pair is not None:
            assert pair["j"].header.stamp == pair["i"].header.stamp
            assert isinstance(pair["j"], JointState) and isinstance(pair["i"], Imu)
            out.append(round((pair["j"].header.stamp.sec * 1e9 + pair["j"].header.stamp.nanosec) / 5e6))
    return out


def make() -> Pairing:
    return Pairing("j", "i")


def test_either_may_come_first() -> None:
    assert feed(make(), [("j", 0), ("i", 0), ("i", 1), ("j", 1)]) == [0, 1]


def test_one_topic_may_run_ahead() -> None:
    assert feed(make(), [("j", 0), ("j", 1), ("j", 2), ("i", 0), ("i", 1), ("i", 2)]) == [0, 1, 2]


def test_what_lost_its_partner_never_comes_out() -> None:
    pairing = make()
    assert feed(pairing, [("j", 0), ("j", 1), ("i", 1), ("i", 2), ("j", 3), ("i", 3)]) == [1, 3]
    assert not pairing._waiting


def test_a_repeated_stamp_is_no_news_and_the_first_counts() -> None:
    pairing = make()
    first = message(JointState, 1)
    assert add(pairing, "j", first) is None
    assert add(pairing, "j", message(JointState, 1)) is None
    pair = add(pairing, "i", message(Imu, 1))
    assert pair is not None and pair["j"] is first
    assert feed(pairing, [("j", 1), ("i", 1), ("i", 1), ("j", 1)]) == []


def test_a_clock_that_went_back_is_followed_at_once() -> None:
    assert feed(make(), [("j", 900), ("i", 900), ("j", 0), ("i", 0), ("j", 1), ("i", 1)]) == [900, 0, 1]
    # One topic is still in the old time when the other begins the new one.
    events = [("j", 900), ("i", 900), ("j", 901), ("j", 0), ("i", 901), ("i", 0), ("i", 1), ("j", 1)]
    assert feed(make(), events) == [900, 0, 1]


def test_three_topics() -> None:
    pairing = Pairing("a", "b", "c")
    ones = [message(Imu, 1) for _ in range(3)]
    assert add(pairing, "a", ones[0]) is None and add(pairing, "c", ones[2]) is None
    assert add(pairing, "b", ones[1]) == {"a": ones[0], "b": ones[1], "c": ones[2]}


def test_memory_is_bounded() -> None:
    pairing = Pairing("j", "i", memory=8)
    feed(pairing, [("j", k) for k in range(1000)])
    assert len(pairing._waiting) == 8
    assert feed(pairing, [("i", 999)]) == [999]


@given(st.lists(st.booleans(), max_size=40), st.sets(st.integers(0, 19)), st.sets(st.integers(0, 19)))
def test_any_interleaving_gives_every_complete_pair_in_order(
    turns: list[bool], lost_j: set[int], lost_i: set[int]
) -> None:
    queues = {"j": [k for k in range(20) if k not in lost_j], "i": [k for k in range(20) if k not in lost_i]}
    events = []
    for turn in [*turns, *([True] * 20), *([False] * 20)]:
        topic = "j" if turn else "i"
        if queues[topic]:
            events.append((topic, queues[topic].pop(0)))
    assert feed(make(), events) == [k for k in range(20) if k not in lost_j | lost_i]
