# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""No sequence of events, however odd, makes the supervisor walk unasked or say what no actuator may get."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from helpers.robots import state_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tarsus_core.robot_model import load_robot
from tarsus_core.state import JointCommand
from tarsus_edge.health import MotorReading
from tarsus_edge.supervisor import State, Supervisor
from tarsus_edge.supervisor_config import SupervisorConfig

ROBOT = load_robot("g1")
COUNT = len(ROBOT.joint_names)
CONFIG = SupervisorConfig()

broken = st.sampled_from([math.nan, math.inf, -math.inf])
numbers = st.one_of(st.floats(-4.0, 4.0), st.floats(allow_nan=False, allow_infinity=False), broken)
joints = st.integers(0, COUNT - 1)
fields = st.sampled_from(["position", "velocity", "effort", "kp", "kd"])


class Events(RuleBasedStateMachine):
    """Plays states, commands, requests and silence in any order; keeps its own short book of what was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.supervisor = Supervisor(CONFIG, ROBOT, ROBOT.default_pose, ROBOT.kp, ROBOT.kd)
        self.tick = 0
        self.now_s = 0.0
        self.armed = False
        self.stand_since_s = math.inf
        self.walk_granted = False
        self.previous = State.PASSIVE
        self.q = ROBOT.default_pose
        self.dq = np.zeros(COUNT)

    @property
    def stamp_s(self) -> float:
        return self.tick * 5 / 1000

    @initialize()
    def first_state(self) -> None:
        self.state()

    def pass_time(self, ticks: int) -> None:
        self.tick += ticks
        self.now_s += ticks * 0.005

    @rule()
    def state(self, **changes: Any) -> None:
        self.pass_time(1)
        good = not changes
        self.supervisor.on_state(state_of(ROBOT, self.stamp_s, **changes), self.now_s)
        if good:
            self.q, self.dq = ROBOT.default_pose, np.zeros(COUNT)

    @rule(joint=joints, offset=st.floats(-3.0, 3.0), speed=st.floats(-60.0, 60.0))
    def moving_state(self, joint: int, offset: float, speed: float) -> None:
        self.pass_time(1)
        q, dq = ROBOT.default_pose.copy(), np.zeros(COUNT)
        q[joint] += offset
        dq[joint] = speed
        self.supervisor.on_state(state_of(ROBOT, self.stamp_s, joint_position=q, joint_velocity=dq), self.now_s)
        margin = CONFIG.joint_range_margin_rad
        believed = ROBOT.position_lower[joint] - margin <= q[joint] <= ROBOT.position_upper[joint] + margin
        assert (self.supervisor.states.stamp_s == self.stamp_s) == believed
        if believed:
            self.q, self.dq = q, dq

    @rule(joint=joints, value=broken, velocity=st.booleans())
    def broken_state(self, joint: int, value: float, velocity: bool) -> None:
        values = np.zeros(COUNT)
        values[joint] = value
        self.state(**{"joint_velocity" if velocity else "joint_position": values})

    @rule(roll=st.floats(-3.0, 3.0))
    def tilted_state(self, roll: float) -> None:
        self.state(roll=roll)
        self.q, self.dq = ROBOT.default_pose, np.zeros(COUNT)

    @rule(ticks=st.integers(1, 30))
    def silence(self, ticks: int) -> None:
        self.pass_time(ticks)

    @rule(joint=joints, field=fields, value=numbers, lag=st.integers(-8, 20))
    def command(self, joint: int, field: str, value: float, lag: int) -> None:
        arrays = {
            "position": ROBOT.default_pose.copy(),
            "velocity": np.zeros(COUNT),
            "effort": np.zeros(COUNT),
            "kp": ROBOT.kp.copy(),
            "kd": ROBOT.kd.copy(),
        }
        arrays[field][joint] = value
        command = JointCommand((self.tick - lag) * 5 / 1000, ROBOT.joint_names, **arrays)
        taken = self.supervisor.on_policy_command(command)
        assert not (taken and not math.isfinite(value))

    @rule()
    def good_command(self) -> None:
        self.command(0, "position", float(ROBOT.default_pose[0]), 0)

    @rule()
    def arm(self) -> None:
        was = self.supervisor.state
        ok, _ = self.supervisor.arm(self.now_s)
        if was is State.PASSIVE:
            self.armed = self.armed or ok

    @rule()
    def stand(self) -> None:
        was = self.supervisor.state
        ok, _ = self.supervisor.stand(self.now_s)
        if ok and was is State.PASSIVE:
            self.stand_since_s = self.now_s

    @precondition(lambda self: self.supervisor.state is State.STAND)
    @rule()
    def stand_through_the_ramp(self) -> None:
        for _ in range(151):
            self.pass_time(4)
            self.supervisor.on_state(state_of(ROBOT, self.stamp_s), self.now_s)
            self.supervisor.tick(self.now_s)
        self.q, self.dq = ROBOT.default_pose, np.zeros(COUNT)

    @rule()
    def walk(self) -> None:
        self.walk_granted = self.supervisor.walk(self.now_s)[0]

    @precondition(lambda self: self.supervisor.state is State.PASSIVE)
    @rule()
    def all_the_way(self) -> None:
        self.state()
        self.arm()
        self.stand()
        if self.supervisor.state is not State.STAND:  # something forbids it
            assert self.supervisor.hindrance or self.supervisor.states.trouble
            return
        self.previous = State.STAND
        self.stand_through_the_ramp()
        self.good_command()
        self.walk()
        if not self.supervisor.health.must_sit and self.supervisor.state is not State.DAMP:
            assert self.supervisor.state is State.WALK

    @rule(share=st.one_of(st.floats(0.0, 1.0), broken))
    def battery(self, share: float) -> None:
        assert self.supervisor.on_battery(share, self.now_s) == (0.0 <= share <= 1.0)

    @rule(joint=joints, temperature=st.one_of(st.floats(20.0, 130.0), broken), error=st.sampled_from([0, 0, 0, 7]))
    def motors(self, joint: int, temperature: float, error: int) -> None:
        temperatures, errors = np.full(COUNT, 40.0), np.zeros(COUNT, np.uint32)
        temperatures[joint], errors[joint] = temperature, error
        self.supervisor.on_motors(MotorReading(ROBOT.joint_names, temperatures, errors), self.now_s)

    @rule(obstacle=st.sampled_from(["", "A rival commands."]))
    def obstacle(self, obstacle: str) -> None:
        self.supervisor.obstruct(obstacle)

    @rule()
    def lost_policy(self) -> None:
        self.supervisor.lose_policy()

    @precondition(lambda self: self.supervisor.state in (State.STAND, State.WALK))
    @rule()
    def flat_battery(self) -> None:
        """Halts for 2 s, then sits down for 3."""
        self.supervisor.on_battery(0.05, self.now_s)
        for _ in range(110):
            self.pass_time(4)
            self.supervisor.on_state(state_of(ROBOT, self.stamp_s), self.now_s)
            self.good_command()
            self.q, self.dq = ROBOT.default_pose, np.zeros(COUNT)
            self.what_leaves_is_safe_and_states_change_only_as_allowed()

    @rule()
    def damp(self) -> None:
        self.supervisor.damp(self.now_s)
        assert self.supervisor.state is State.DAMP

    @rule()
    def reset(self) -> None:
        ok, _ = self.supervisor.reset(self.now_s)
        assert ok == (self.previous in (State.PASSIVE, State.DAMP))
        if ok:
            self.armed = False

    @invariant()
    def what_leaves_is_safe_and_states_change_only_as_allowed(self) -> None:
        s = self.supervisor
        command = s.tick(self.now_s)
        state = s.state
        if state in (State.STAND, State.WALK, State.SIT):
            assert self.armed and s.armed
        if state is State.SIT:
            assert self.previous in (State.STAND, State.WALK, State.SIT)
        if state is State.WALK:
            assert self.walk_granted and self.now_s - self.stand_since_s >= CONFIG.stand_duration_s - 1e-6
            assert s.states.age(self.now_s) < CONFIG.state_age_damp_s
            assert s.command_age(self.now_s) < CONFIG.command_age_damp_s
        if state is State.DAMP:
            assert s.reason and not s.armed
            self.armed = False
        if self.previous is State.DAMP:
            assert state in (State.DAMP, State.PASSIVE)  # latched: only reset leads out
        if self.previous is State.PASSIVE:
            assert state is not State.WALK
        self.previous = state
        if command is None:
            return
        command.check()  # finite, no negative gain
        if state in (State.PASSIVE, State.DAMP):
            assert not command.kp.any() and not command.effort.any() and not command.velocity.any()
            return
        assert np.all(command.position >= ROBOT.position_lower) and np.all(command.position <= ROBOT.position_upper)
        assert np.all(command.kp <= ROBOT.kp) and np.all(command.kd <= ROBOT.kd)
        assert np.all(np.abs(command.effort) <= ROBOT.effort_limit_nm)
        torque = command.effort + command.kp * (command.position - self.q) + command.kd * (command.velocity - self.dq)
        assert np.all(np.abs(torque) <= ROBOT.effort_limit_nm * s.health.effort_scale + 1e-6)


Events.TestCase.settings = settings(stateful_step_count=40, deadline=None)
TestEvents = pytest.mark.fuzz(Events.TestCase)
