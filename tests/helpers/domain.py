# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""ROS domains of tests."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

FIRST_DOMAIN, LAST_DOMAIN = 50, 101  # above 101 a domain's ports reach into the ephemeral range


@contextlib.contextmanager
def own_domain() -> Iterator[int]:
    """Take a ROS domain that no other test on this machine has; it is free again when the block ends.

    An abstract socket holds the number, so that it is let go whatever ends the process.
    """
    for domain in range(FIRST_DOMAIN, LAST_DOMAIN + 1):
        with socket.socket(socket.AF_UNIX) as claim:
            try:
                claim.bind(f"\0tarsus-test-domain-{domain}")
            except OSError:
                continue
            yield domain
            return
    raise RuntimeError(f"no ROS domain from {FIRST_DOMAIN} to {LAST_DOMAIN} is free: end the other test runs")


def free_domain() -> dict[str, str]:
    """Environment in which ``tarsus`` takes a free ROS domain by itself."""
    return {name: value for name, value in os.environ.items() if name != "ROS_DOMAIN_ID"}
