# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""How a program that uses ROS without being run by it is interrupted."""

from __future__ import annotations

import os
import signal

import pytest
from helpers.domain import own_domain
from helpers.signalled import signalled

from tarsus_core import cli
from tarsus_nodes import cli_faults
from tarsus_nodes.faults.cable import UnavailableError
from tarsus_nodes.script import interruptible

SCRIPT = """
import time
from tarsus_core.cli import guard
from tarsus_nodes.script import ros_script

def run():
    try:
        with ros_script() as check:
            print("up", flush=True)
            while True:
                check()
                time.sleep(0.01)
    finally:
        print("tidied", flush=True)

raise SystemExit(guard(run))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_script_in_order(number: signal.Signals) -> None:
    with own_domain() as domain:
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
        assert signalled(SCRIPT, environment, number) == (130, "tidied\n", "tarsus: Stopped by Ctrl-C.\n")


def test_a_hangup_that_is_ignored_stays_so_and_handlers_come_back() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible() as check:
            os.kill(os.getpid(), signal.SIGHUP)
            check()
            os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(KeyboardInterrupt):
                check()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, hangup)
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_signal_while_a_cable_is_made_ends_it_all_once_it_is_tidy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Interrupted:
        def __enter__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            raise UnavailableError("The command that makes it has got the signal, too.")

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(cli_faults, "Cable", Interrupted)
    monkeypatch.setattr(cli_faults, "run_lines", lambda *_: pytest.fail("lines are run"))
    cabled = next(line for line in cli_faults.LINES if line.cabled)
    assert cli.main(["faults", f"{cabled.number:g}"]) == 130
    assert capsys.readouterr().err == "tarsus: Stopped by Ctrl-C.\n"
