# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What tests of nodes start from: a session on a ROS domain of its own, and a policy file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.policies import make_policy
from helpers.ros import Ros, ros

from tarsus_core.robot_model import load_robot
from tarsus_nodes.transport import use_udp

use_udp(os.environ)  # the middleware reads it but once, when the first node of a process is made


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy for the G1 whose network is random."""
    return make_policy(tmp_path_factory.mktemp("policy") / "policy.onnx", load_robot("g1"))


@pytest.fixture
def session() -> Iterator[Ros]:
    """Nodes and their executor, on a domain of the test's own."""
    with ros() as session:
        yield session
