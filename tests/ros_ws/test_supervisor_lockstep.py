# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor as a node in lockstep: each control period has one command, of the stamp of its state."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from helpers.ros import Ros, ros
from helpers.supervisor_bench import Bench

from tarsus_edge.supervisor import State
from tarsus_nodes.conversions import seconds_from_stamp
from tarsus_nodes.lifeline import POLICY, Lifeline
from tarsus_nodes.operator_client import OperatorClient


def test_the_end_of_the_policy_damps_a_walking_robot_at_once(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=True, lockstep_timeout_s=60.0)
    Lifeline(bench.robot, POLICY).close()
    bench.lockstep_period()
    session.spin_for(0.1)
    assert bench.state() is State.PASSIVE, "only a walking robot needs the policy"
    bench.lockstep_to_walk()
    line = Lifeline(bench.robot, POLICY)
    stamp = bench.robot.send_state()
    line.close()
    session.spin_until(lambda: bench.state() is State.DAMP, what="damping")
    assert bench.robot.status[-1].reason == "The policy has ended."
    session.spin_until(lambda: seconds_from_stamp(bench.robot.commands[-1].header.stamp) == stamp, what="the answer")
    assert set(bench.robot.commands[-1].kp) == {0.0}


def test_lockstep_gives_each_control_period_one_command_of_its_stamp(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=True, walk_blend_s=0.1)
    model = bench.robot.model
    bench.lockstep_to_walk()
    # In WALK the command is made from the policy's answer of the same stamp: five periods of blending, then all of it.
    for _ in range(6):
        command = bench.lockstep_period(offset=0.02)
    np.testing.assert_allclose(np.array(command.position) - model.default_pose, 0.02, atol=1e-12)
    command = bench.lockstep_period(offset=0.05)
    np.testing.assert_allclose(np.array(command.position) - model.default_pose, 0.05, atol=1e-12)
    session.spin_for(0.1)
    stamps = [seconds_from_stamp(c.header.stamp) for c in bench.robot.commands]
    assert stamps == [k * 20 / 1000 for k in range(len(stamps))]
    assert [c.sequence for c in bench.robot.commands] == list(range(1, len(stamps) + 1))


def test_who_joins_after_the_last_answer_hears_it(session: Ros, policy: Path) -> None:
    """The simulator may hold already when an operator looks for where it is: no answer follows then."""
    bench = Bench(session, policy, lockstep=True)
    bench.lockstep_period()
    bench.lockstep_period()
    client = OperatorClient(session.context)
    try:
        client.follow_answers()
        assert client.time_s == -math.inf
        client.wait_until(0.02)
        assert client.time_s == 0.02
    finally:
        client.close()


def test_lockstep_answers_a_rejected_command_by_holding(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=True, walk_blend_s=0.0)
    bench.lockstep_to_walk()
    good = np.array(bench.lockstep_period(offset=0.03).position)
    for age in (0.02, 0.04, 0.06, 0.08):
        held = bench.lockstep_period(offset=math.nan)
        np.testing.assert_array_equal(held.position, good, err_msg=f"{age} s old")
        assert bench.state() is State.WALK
    damped = bench.lockstep_period(offset=math.nan)  # 0.1 s old
    assert set(damped.kp) == {0.0} and np.isfinite(damped.position).all()
    session.spin_until(lambda: bench.state() is State.DAMP, what="the status")
    assert bench.robot.status[-1].commands_rejected == 5


def test_lockstep_damps_when_the_policy_is_dead(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=True, lockstep_timeout_s=0.2)
    bench.lockstep_to_walk()
    bench.lockstep_period()
    command = bench.lockstep_period(policy=False)
    assert set(command.kp) == {0.0}
    session.spin_until(lambda: bench.state() is State.DAMP, what="the status")
    assert bench.robot.status[-1].reason == "No policy command for 0.2 s."
    assert set(bench.lockstep_period(policy=False).kp) == {0.0}


def test_lockstep_damp_request_answers_the_awaited_state(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=True)
    bench.lockstep_to_walk()
    count = len(bench.robot.commands)
    stamp = bench.robot.send_state()
    session.spin_until(lambda: seconds_from_stamp(bench.robot.status[-1].header.stamp) == stamp)
    assert bench.ask("damp") == (True, "The robot is damped: Damped by the operator.")
    session.spin_until(lambda: len(bench.robot.commands) > count, what="the command")
    assert set(bench.robot.commands[-1].kp) == {0.0}
    bench.robot.send_policy(stamp)  # too late
    session.spin_for(0.1)
    assert len(bench.robot.commands) == count + 1


def test_two_lockstep_runs_agree_bit_for_bit(policy: Path) -> None:
    runs = []
    for _ in range(2):
        with ros() as session:
            bench = Bench(session, policy, lockstep=True)
            bench.lockstep_to_walk()
            for k in range(20):
                bench.lockstep_period(offset=0.1 * math.sin(k))
            runs.append([(c.header.stamp.nanosec, c.position.tobytes(), c.kp.tobytes()) for c in bench.robot.commands])
    assert runs[0] == runs[1]


def test_stopping_sends_one_last_damping_command(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=True)
    bench.lockstep_to_walk()
    count = len(bench.robot.commands)
    bench.supervisor.on_stop()
    session.spin_until(lambda: len(bench.robot.commands) == count + 1, what="the last command")
    assert set(bench.robot.commands[-1].kp) == {0.0}
    session.spin_until(lambda: bench.robot.status[-1].reason == "The supervisor was stopped.")
