# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""docs/safety.md lists every threshold with its default and range, and a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tarsus_edge.supervisor_config import SupervisorConfig, limits_of
from tarsus_edge.watchdog import AGE_RANGE_S, WatchdogConfig
from tarsus_perception.collision_config import CollisionConfig

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    [cell.strip(" `") for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "safety.md").read_text(encoding="utf-8").splitlines()
    if "`pytest -k " in line
]
TESTS = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("edge_deploy", "perception", "ros_ws")
    for path in (ROOT / "tests" / folder).glob("test_*.py")
)


def test_every_threshold_is_listed_once_with_its_value_and_range() -> None:
    default = SupervisorConfig()
    expected = [
        (name, f"{getattr(default, name):g}", "{:g}..{:g}".format(*limits_of(name)))
        for name in SupervisorConfig.__dataclass_fields__
    ]
    watchdog = ("command_age_damp_s", f"{WatchdogConfig().command_age_damp_s:g}", "{:g}..{:g}".format(*AGE_RANGE_S))
    monitor = [
        (field.name, f"{field.default:g}", "{:g}..{:g}".format(*field.metadata["range"]))
        for field in CollisionConfig.__dataclass_fields__.values()
    ]
    assert sorted((row[0], row[1], row[2]) for row in ROWS) == sorted([*expected, watchdog, *monitor])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_line_gives_a_reason_and_a_test_that_exists(row: list[str]) -> None:
    assert row[3]
    word = row[4].removeprefix("pytest -k ")
    assert re.search(rf"def test_\w*{word}", TESTS), word
