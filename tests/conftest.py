# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of all tests: what tests share lies in tests/helpers, imported as ``helpers``."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def ros_domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A ROS domain of the test's own, for this process and those it starts; nothing leaves this machine.

    An abstract socket holds the number: no other test on this machine gets it, and it is free when the test ends.
    """
    for domain in range(50, 100):
        with socket.socket(socket.AF_UNIX) as claim:
            try:
                claim.bind(f"\0tarsus-test-domain-{domain}")
            except OSError:
                continue
            monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
            monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
            yield domain
            return
    pytest.fail("no ROS domain from 50 to 99 is free: end the other test runs on this machine")
