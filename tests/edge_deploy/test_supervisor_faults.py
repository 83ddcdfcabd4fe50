# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What damps the supervisor beside age and limits: holes, impossible stamps, rivals, the end of the policy."""

from __future__ import annotations

import pytest
from helpers.robots import state_of
from helpers.supervisor import ROBOT, Rig

from tarsus_edge.supervisor import State


@pytest.mark.parametrize(("hole", "state"), [(9, State.STAND), (10, State.DAMP)])
def test_a_hole_in_the_states_damps_even_if_nobody_looked_meanwhile(hole: int, state: State) -> None:
    rig = Rig().to_stand()
    rig.steps(10)
    rig.tick_count += hole - 1  # 45 ms and 50 ms from state to state
    command = rig.step()
    assert rig.supervisor.state is state
    assert command.kp.any() == (state is State.STAND)
    assert rig.supervisor.states_late == 1


@pytest.mark.parametrize("stamp", [-1.0, float("nan"), float("inf"), 2.0**31])
def test_a_stamp_that_no_message_can_hold_damps_and_leaves_the_last_good_state(stamp: float) -> None:
    rig = Rig().to_stand()
    rig.steps(3)
    rig.supervisor.on_state(state_of(ROBOT, stamp), rig.now_s)
    assert rig.supervisor.state is State.DAMP
    assert rig.supervisor.state_stamp_s == 0.02
    assert "stamp is" in rig.supervisor.reason
    assert rig.supervisor.states_rejected == 1


def test_what_forbids_to_command_the_robot_damps_it_and_refuses_arming() -> None:
    rig = Rig().to_stand()
    rig.supervisor.obstruct("")
    assert rig.supervisor.state is State.STAND
    rig.supervisor.obstruct("There are two.")
    assert (rig.supervisor.state, rig.supervisor.reason) == (State.DAMP, "There are two.")
    assert rig.supervisor.reset(rig.now_s)[0]
    assert rig.supervisor.arm(rig.now_s) == (False, "There are two.")
    rig.supervisor.obstruct("")
    assert rig.supervisor.arm(rig.now_s)[0]


def test_the_end_of_the_policy_damps_a_walking_robot_alone() -> None:
    rig = Rig().to_stand()
    rig.supervisor.lose_policy()
    assert rig.supervisor.state is State.STAND
    rig = Rig().to_walk()
    rig.supervisor.lose_policy()
    assert (rig.supervisor.state, rig.supervisor.reason) == (State.DAMP, "The policy has ended.")
