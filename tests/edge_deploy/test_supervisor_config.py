# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor's thresholds: their defaults, ranges and order."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from tarsus_core.errors import ConfigError
from tarsus_edge.supervisor_config import SupervisorConfig, limits_of


def test_every_threshold_has_a_range_a_description_and_a_default_within() -> None:
    default = SupervisorConfig()
    for field in dataclasses.fields(SupervisorConfig):
        low, high = limits_of(field.name)
        assert low < high and low <= getattr(default, field.name) <= high
        assert field.metadata["description"]
    assert (default.state_age_damp_s, default.command_age_hold_s, default.tilt_damp_rad) == (0.05, 0.06, 1.0)
    assert default.command_age_damp_s + 2 * 0.005 <= 0.1  # damped within 100 ms, the reaction included
    assert default.stand_duration_s == 3.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tilt_damp_rad", math.nan),
        ("tilt_damp_rad", 4.0),
        ("state_age_damp_s", 0.0),
        ("stand_duration_s", 1.0),
        ("walk_blend_s", -0.1),
        ("damping_scale", math.inf),
        ("joint_speed_factor", "1"),
        ("joint_speed_factor", True),
    ],
)
def test_thresholds_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"The supervisor's {name} is"):
        SupervisorConfig(**{name: value})


@pytest.mark.parametrize(
    "values", [{"state_age_warn_s": 0.06}, {"command_age_hold_s": 0.095}, {"stand_gain_ramp_s": 4.0}]
)
def test_thresholds_in_the_wrong_order_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must not exceed"):
        SupervisorConfig(**values)


def test_a_robot_that_may_be_armed_does_not_sit_down_at_once() -> None:
    SupervisorConfig(battery_sit_share=0.1, battery_sit_margin=0.1, battery_arm_share=0.2)
    with pytest.raises(ConfigError, match="their sum must not exceed battery_arm_share"):
        SupervisorConfig(battery_sit_share=0.1, battery_sit_margin=0.11, battery_arm_share=0.2)
