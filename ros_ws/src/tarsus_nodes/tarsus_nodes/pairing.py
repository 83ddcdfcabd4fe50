# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Bringing together messages of several topics that carry the same stamp."""

from __future__ import annotations

from typing import Any


class Pairing:
    """Collects one message per topic and gives them out together once all of one stamp are there.

    Each topic is in order, as DDS delivers it. A repeated stamp is ignored, so the first message of a stamp counts. A
    stamp that goes back means that the clock was set back (a simulator began anew), and is followed.
    """

    def __init__(self, *topics: str, memory: int = 64) -> None:
        """Wait for one message of each topic; keep at most ``memory`` incomplete sets."""
        self._topics = frozenset(topics)
        self._memory = memory
        self._waiting: dict[int, dict[str, Any]] = {}
        self._newest: dict[str, int] = {}

    def add(self, topic: str, stamp_ns: int, message: Any) -> dict[str, Any] | None:
        """Add a message of a stamp; return the whole set by topic if it is now complete, else None."""
        newest = self._newest.get(topic, -1)
        if stamp_ns == newest:
            return None
        if stamp_ns < newest:
            for messages in self._waiting.values():
                messages.pop(topic, None)
        self._newest[topic] = stamp_ns
        messages = self._waiting.setdefault(stamp_ns, {})
        messages[topic] = message
        if len(messages) == len(self._topics):
            for older in [s for s in self._waiting if s <= stamp_ns]:
                del self._waiting[older]
            return messages
        if len(self._waiting) > self._memory:
            del self._waiting[next(iter(self._waiting))]  # the one that has waited longest
        return None
