# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The watchdog's state machine, with times worked out by hand."""

from __future__ import annotations

import math

import pytest

from tarsus_core.errors import ConfigError
from tarsus_edge.supervisor import State
from tarsus_edge.watchdog import Watchdog, WatchdogConfig


def test_it_waits_for_the_first_command() -> None:
    watchdog = Watchdog(WatchdogConfig(), latched=False)
    watchdog.check(1e6)
    watchdog.lose_supervisor()
    assert not watchdog.damps and math.isinf(watchdog.command_age(1e6))


def test_one_that_starts_anew_damps_until_a_disarmed_supervisor_commands() -> None:
    watchdog = Watchdog(WatchdogConfig())  # its predecessor may have damped a supervisor that hangs
    assert (watchdog.reason, watchdog.trips) == ("The watchdog has just started.", 0)
    watchdog.on_supervisor(State.WALK, True, 1.0)
    watchdog.on_supervisor(State.PASSIVE, False, 1.0)
    assert watchdog.damps, "nobody commands"
    watchdog.on_command(1.0)
    watchdog.on_supervisor(State.PASSIVE, False, 1.05)
    assert not watchdog.damps


def test_silence_of_100_ms_damps() -> None:
    watchdog = Watchdog(WatchdogConfig(), latched=False)
    watchdog.on_command(5.0)
    watchdog.check(5.0999)
    assert not watchdog.damps
    watchdog.check(5.1)
    assert watchdog.damps and watchdog.reason == "No command of the supervisor for 100 ms." and watchdog.trips == 1


def test_a_watchdog_that_was_held_up_reads_what_has_come_before_it_judges() -> None:
    watchdog = Watchdog(WatchdogConfig(), latched=False)
    watchdog.on_command(5.0)
    watchdog.check(5.01)
    watchdog.check(5.12)  # nobody looked for 110 ms
    watchdog.on_command(5.12)
    watchdog.check(5.13)
    assert not watchdog.damps
    watchdog.check(5.25)
    assert not watchdog.damps
    watchdog.check(5.26)
    assert watchdog.damps, "there was nothing to read"


def test_a_watchdog_that_is_held_up_all_the_time_judges_each_second_look() -> None:
    watchdog = Watchdog(WatchdogConfig(), latched=False)
    watchdog.on_command(5.0)
    watchdog.check(5.0)
    watchdog.check(5.2)
    assert not watchdog.damps
    watchdog.check(5.4)
    assert watchdog.damps


def test_a_clock_that_goes_back_is_as_bad_as_silence() -> None:
    watchdog = Watchdog(WatchdogConfig(), latched=False)
    watchdog.on_command(5.0)
    for now_s in (5.01, 4.96, 4.93, 4.91):
        watchdog.check(now_s)
    assert not watchdog.damps
    watchdog.check(4.9)
    assert watchdog.damps


def test_the_end_of_the_supervisor_damps_at_once_and_the_first_reason_stays() -> None:
    watchdog = Watchdog(WatchdogConfig(), latched=False)
    watchdog.on_command(5.0)
    watchdog.lose_supervisor()
    watchdog.check(6.0)
    assert (watchdog.reason, watchdog.trips) == ("The supervisor has ended.", 1)


def test_a_second_publisher_damps_whatever_it_says_and_the_latch_outlasts_it() -> None:
    watchdog = Watchdog(WatchdogConfig(), latched=False)
    watchdog.on_command(5.0)
    watchdog.count(0)
    watchdog.count(1)
    assert not watchdog.damps
    watchdog.count(2)
    assert (watchdog.reason, watchdog.trips) == ("There are 2 publishers of joint commands.", 1)
    watchdog.on_command(5.02)
    watchdog.on_supervisor(State.PASSIVE, False, 5.02)
    assert watchdog.damps, "the rival is still there"
    watchdog.count(1)
    watchdog.on_command(5.04)
    watchdog.on_supervisor(State.DAMP, False, 5.04)
    assert watchdog.damps, "nobody has reset the supervisor"
    watchdog.on_supervisor(State.PASSIVE, False, 5.05)
    assert not watchdog.damps


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("armed", [False, True])
@pytest.mark.parametrize("age_s", [0.0, 0.1])
def test_only_a_supervisor_that_is_passive_disarmed_and_commands_ends_the_latch(
    state: State, armed: bool, age_s: float
) -> None:
    watchdog = Watchdog(WatchdogConfig())
    watchdog.on_command(5.0)
    watchdog.check(6.0)
    watchdog.on_command(7.0)
    watchdog.check(7.0)
    assert watchdog.damps, "commands alone do not end it"
    watchdog.on_supervisor(state, armed, 7.0 + age_s)
    assert watchdog.damps == (state is not State.PASSIVE or armed or age_s > 0.0)


@pytest.mark.parametrize("value", [0.0, 0.019, 1.1, math.nan, math.inf])
def test_thresholds_out_of_range_are_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="command_age_damp_s"):
        WatchdogConfig(value)
