# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""JSON from a file that somebody else may have made: what parses is safe to compute with, to print, and to walk."""

from __future__ import annotations

import json
import sys
from typing import Any

from tarsus_core.errors import printable

DEPTH = 32
"""lists and objects in each other; Python's own walks fail at about 1,000"""


def parse(text: str) -> Any:
    """Parse JSON.

    Raises:
        ValueError: for what is no JSON, and for what most programs trip over later: NaN, numbers beyond a double,
            lists and objects more than ``DEPTH`` deep, characters that a terminal would obey.
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEPTH} deep") from None
    level = [data]
    for _ in range(DEPTH):
        deeper: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                deeper += [*value, *value.values()]
            elif isinstance(value, list):
                deeper += value
            else:
                _check(value)
        level = deeper
    if level:
        raise ValueError(f"it is nested more than {DEPTH} deep")
    return data


def _check(value: object) -> None:
    if isinstance(value, str):
        plain = value.replace("\n", " ").replace("\t", " ")
        if printable(plain) != plain:
            raise ValueError(f"a text in it holds characters that cannot be shown: {plain[:40]!a}")
    elif isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
        raise ValueError("a number in it is beyond what a double holds")


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is no number")
