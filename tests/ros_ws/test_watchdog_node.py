# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Watchdog and supervisor as nodes: each damps when the other is gone, and nobody arms without both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.ros import Ros
from helpers.supervisor_bench import Bench
from rclpy.node import Node
from std_msgs.msg import Bool
from tarsus_msgs.msg import JointCommand, WatchdogState

from tarsus_edge.supervisor import State
from tarsus_nodes.qos import COMMAND_QOS, STATUS_QOS
from tarsus_nodes.watchdog_node import WatchdogNode


class Both:
    """A supervisor in lockstep, so that its ages stand still, a watchdog, and one who listens."""

    def __init__(self, session: Ros, policy: Path) -> None:
        self.session = session
        self.said: list[WatchdogState] = []
        self.bench = Bench(session, policy, lockstep=True, watchdog=True, lockstep_timeout_s=60.0)
        robot = self.bench.robot
        robot.create_subscription(WatchdogState, "watchdog/state", self.said.append, STATUS_QOS)
        self.stop = robot.create_publisher(Bool, "emergency_stop", STATUS_QOS)

    def start_watchdog(self, **parameters: Any) -> WatchdogNode:
        node: WatchdogNode = self.session.node(WatchdogNode, parameters={"lockstep": True, **parameters})
        self.session.spin_until(lambda: node._watch.tied == 1, what="the supervisor's line")
        obstacles = self.bench.supervisor._obstacles
        if node.watchdog.damps:  # by the steady clock it waits for a supervisor that commands
            self.session.spin_until(lambda: "has just started" in obstacles._sentence(), what="the latch")
        while node.watchdog.damps:
            self.bench.lockstep_period()
        self.session.spin_until(lambda: obstacles._sentence() == "", what="the watchdog")
        return node

    def end(self, node: Node) -> None:
        """End a node of this process as if its process had ended."""
        self.session.executor.remove_node(node)
        node.destroy_node()


@pytest.fixture
def both(session: Ros, policy: Path) -> Both:
    return Both(session, policy)


def test_nobody_arms_without_a_watchdog(both: Both) -> None:
    both.bench.lockstep_period()
    granted, why = both.bench.ask("arm")
    assert not granted and why == "There is no watchdog: start the node 'watchdog', as the launch files do."
    both.start_watchdog()
    both.bench.lockstep_period()
    assert both.bench.ask("arm")[0]


def test_the_end_of_the_watchdog_damps_a_standing_robot(both: Both) -> None:
    watchdog = both.start_watchdog()
    both.bench.lockstep_period()
    assert both.bench.ask("arm")[0] and both.bench.ask("stand")[0]
    both.end(watchdog)
    both.session.spin_until(lambda: both.bench.state() is State.DAMP, what="damping")
    assert both.bench.robot.status[-1].reason.startswith("There is no watchdog")


def test_the_end_of_the_supervisor_trips_the_watchdog_until_a_new_one_is_there(both: Both, policy: Path) -> None:
    watchdog = both.start_watchdog()
    bench = both.bench
    bench.lockstep_period()
    bench.ask("arm")
    bench.ask("stand")
    both.end(bench.supervisor)
    both.session.spin_until(lambda: both.said[-1].damp, what="the watchdog's word")
    assert both.said[-1].reason == "The supervisor has ended." and watchdog.watchdog.trips == 1
    again = Bench(both.session, policy, lockstep=True, watchdog=True, lockstep_timeout_s=60.0)
    both.session.spin_until(lambda: watchdog._watch.tied == 1, what="the new supervisor's line")
    assert both.said[-1].damp, "a new supervisor alone changes nothing: it has not commanded yet"
    again.lockstep_period()
    both.session.spin_until(lambda: not both.said[-1].damp, what="the end of the latch")
    assert again.state() is State.PASSIVE and not again.robot.status[-1].armed


def test_silence_of_the_supervisor_trips_by_the_steady_clock(both: Both) -> None:
    watchdog = both.start_watchdog(lockstep=False)
    both.bench.lockstep_period()
    both.session.spin_until(lambda: watchdog.watchdog.damps, what="the trip")
    assert watchdog.watchdog.reason == "No command of the supervisor for 100 ms."
    both.session.spin_until(lambda: both.said and both.said[-1].damp, what="the watchdog's word")
    granted, why = both.bench.ask("arm")
    assert not granted and why == "The watchdog damps the robot: No command of the supervisor for 100 ms."


def test_it_trips_again_and_again_whatever_the_supervisor_did(both: Both) -> None:
    """rclpy refuses a line of code that logs with two severities: it must be two, or the second trip ends the node."""
    watchdog = both.start_watchdog()
    core = watchdog.watchdog
    for trips, state in enumerate((State.DAMP, State.WALK, State.DAMP, State.STAND), start=1):
        core.on_command(0.0)
        watchdog._supervisor = state
        watchdog._on_supervisor_lost()
        assert core.damps and core.trips == trips
        core.on_command(0.0)
        core.on_supervisor(State.PASSIVE, False, 0.0)
        assert not core.damps
        watchdog._show()


def test_a_second_publisher_of_joint_commands_lets_the_actuators_damp(both: Both) -> None:
    watchdog = both.start_watchdog()
    rival = both.bench.robot.create_publisher(JointCommand, "joint_command", COMMAND_QOS)
    both.session.spin_until(lambda: both.said[-1].damp, what="the watchdog's word")
    assert both.said[-1].reason == "There are 2 publishers of joint commands."
    both.bench.lockstep_period()
    assert watchdog.watchdog.damps, "a passive supervisor commands, and so may the rival"
    both.bench.robot.destroy_publisher(rival)
    both.session.spin_until(lambda: not watchdog.watchdog._rivals, what="the end of the rival")
    both.bench.lockstep_period()
    both.session.spin_until(lambda: not both.said[-1].damp, what="the end of the latch")


def test_a_watchdog_that_is_stopped_counts_as_none(both: Both) -> None:
    watchdog = both.start_watchdog()
    both.bench.lockstep_period()
    assert both.bench.ask("arm")[0] and both.bench.ask("stand")[0]
    both.session.executor.remove_node(watchdog)  # its process is there and does nothing
    both.session.spin_until(lambda: both.bench.state() is State.DAMP, what="damping")
    assert both.bench.robot.status[-1].reason == "The watchdog has been silent for 500 ms: start it anew."


def test_the_emergency_stop_damps_in_any_state_and_forbids_arming_while_it_is_pressed(both: Both) -> None:
    both.start_watchdog()
    bench = both.bench
    bench.lockstep_period()
    assert bench.state() is State.PASSIVE
    both.stop.publish(Bool(data=True))
    both.session.spin_until(lambda: bench.state() is State.DAMP, what="damping in PASSIVE")
    assert bench.robot.status[-1].reason.startswith("The emergency stop is pressed")
    assert bench.ask("reset")[0]
    granted, why = bench.ask("arm")
    assert not granted and "emergency stop" in why
    both.stop.publish(Bool(data=False))
    both.session.spin_until(lambda: bench.supervisor._obstacles._sentence() == "", what="the release")
    bench.ask("reset")
    bench.lockstep_period()
    assert bench.ask("arm")[0]


def test_a_button_with_ros_default_quality_of_service_is_heard_for_sure(both: Both) -> None:
    """A best-effort subscription would hear it, too, but not what is lost on the way."""
    robot = both.bench.robot
    button = robot.create_publisher(Bool, "emergency_stop", 10)
    both.session.spin_until(lambda: button.get_subscription_count() == 2, what="the reliable one and the open one")
    button.publish(Bool(data=True))
    both.session.spin_until(lambda: both.bench.state() is State.DAMP, what="damping")
