# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""JSON that somebody else has made: what is not refused can be computed with and printed."""

from __future__ import annotations

import json

import pytest

from tarsus_core import strict_json


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "line 1"),
        ("NaN", "NaN is no number"),
        ('{"a": -Infinity}', "-Infinity is no number"),
        ("1e999", "beyond what a double holds"),
        ("[-1" + "0" * 309 + "]", "beyond what a double holds"),
        (nested(33), "nested more than 32 deep"),
        (nested(900), "nested more than 32 deep"),
        (nested(100_000), "nested more than 32 deep"),
        ('"\\u001b[2J"', "cannot be shown"),
        ('{"\\u0007": 1}', "cannot be shown"),
        ('["\\ud800"]', "cannot be shown"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        strict_json.parse(text)


def test_what_is_taken_is_what_python_reads() -> None:
    for text in (nested(32)[1:-1], '{"a": [1, -1e308, true, null, "grün\\n\\t"]}', '"x"', "1" + "0" * 308):
        assert strict_json.parse(text) == json.loads(text)
