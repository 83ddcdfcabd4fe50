# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The policy that ships is found by the robot's name."""

from __future__ import annotations

import sys

import pytest

from tarsus_core.errors import ConfigError
from tarsus_core.robot_model import load_robot
from tarsus_edge.policy_file import read_policy
from tarsus_edge.pretrained import pretrained_policy


def test_the_policy_that_ships_fits_its_robot() -> None:
    read_policy(pretrained_policy("g1")).contract.check_robot(load_robot("g1"))


def test_it_is_found_without_loading_what_trains() -> None:
    loaded = set(sys.modules)
    pretrained_policy("g1")
    assert not {name for name in set(sys.modules) - loaded if name.startswith("tarsus_policies")}


def test_a_robot_without_one_is_told() -> None:
    with pytest.raises(ConfigError, match="No policy ships for robot 'h1': give the path of a policy file"):
        pretrained_policy("h1")
