# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of all tests: what tests share lies in tests/helpers, imported as ``helpers``."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))


from helpers.domain import own_domain

for _number, _handler in (  # a shell's background jobs ignore these, nohup's the last, and so does all that they start:
    (signal.SIGINT, signal.default_int_handler),  # tests that send them would wait for ever
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")  # nothing leaves this machine

settings.register_profile("repeatable", derandomize=True)  # the same cases each time: a test fails or it does not
settings.register_profile("fuzz", max_examples=10_000, print_blob=True)  # make fuzz: new ones each time
settings.load_profile("repeatable")


@pytest.fixture
def ros_domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A ROS domain of the test's own, for this process and those it starts."""
    with own_domain() as domain:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        yield domain
