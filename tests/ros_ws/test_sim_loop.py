# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The simulator's loop with a real world and no ROS: lockstep, real time, gantry, commands that stop coming."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tarsus_core.errors import ConfigError, SimulationError, StateError
from tarsus_core.robot_model import RobotModel, load_robot
from tarsus_core.state import GroundTruth, JointCommand, RobotState
from tarsus_nodes.sim_loop import LoopConfig, SimLoop
from tarsus_sim.pybullet_world import PyBulletWorld
from tarsus_sim.recording import Recorder, Recording


@pytest.fixture(scope="module")
def robot() -> RobotModel:
    return load_robot("g1")


class Bench:
    """A loop, what it published, and a supervisor that answers the first state of each control period."""

    def __init__(self, robot: RobotModel, answers: bool = True, record: bool = False, **config: object) -> None:
        self.robot = robot
        self.world = PyBulletWorld(robot)
        self.states: list[RobotState] = []
        self.truths: list[GroundTruth] = []
        self.errors: list[Exception] = []
        self.changed = threading.Condition()
        self.answers = answers
        self.recorder = Recorder("g1", self.world.joint_names) if record else None
        self.loop = SimLoop(self.world, LoopConfig(**config), self._publish, self._fail, self.recorder)

    def _publish(self, state: RobotState, truth: GroundTruth, begins: bool) -> None:
        with self.changed:
            if not self.states or state.stamp_s != self.states[-1].stamp_s:
                self.states.append(state)
                self.truths.append(truth)
            self.changed.notify_all()
        if begins and self.answers:
            self.loop.take(self.stand(state.stamp_s))

    def _fail(self, error: Exception) -> None:
        with self.changed:
            self.errors.append(error)
            self.changed.notify_all()

    def stand(self, stamp_s: float, **changes: object) -> JointCommand:
        zeros = np.zeros(len(self.robot.joint_names))
        pose = self.robot.default_pose + 0.05 * np.sin(2.0 * np.pi * stamp_s)
        command = JointCommand(stamp_s, self.robot.joint_names, pose, zeros, zeros, self.robot.kp, self.robot.kd)
        return dataclasses.replace(command, **changes)

    def wait(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout_s), "waited too long for the loop"

    def run_to(self, time_s: float) -> None:
        """Lockstep: run until it holds with the state of ``time_s`` answered."""
        self.loop.run_until(time_s)
        self.loop.start()
        self.wait(lambda: bool(self.states) and self.states[-1].stamp_s >= time_s - 1e-9)

    def close(self) -> None:
        self.loop.stop()
        self.world.close()


@pytest.fixture
def bench(robot: RobotModel) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(**arguments: object) -> Bench:
        made.append(Bench(robot, **arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()


def rows(bench: Bench) -> Recording:
    assert bench.recorder is not None
    return bench.recorder.recording()


def test_lockstep_holds_where_it_is_told_and_publishes_each_physics_step(bench: Callable[..., Bench]) -> None:
    b = bench(lockstep=True)
    b.run_to(0.1)
    time.sleep(0.05)  # nothing more may come
    assert [s.stamp_s for s in b.states] == pytest.approx([k * 0.005 for k in range(21)])
    assert b.loop.time_s == pytest.approx(0.1)
    b.loop.run_until(0.12)
    b.wait(lambda: len(b.states) == 25)


def test_a_state_without_an_answer_comes_again_and_then_ends_the_loop(bench: Callable[..., Bench]) -> None:
    b = bench(lockstep=True, lockstep_timeout_s=0.3)
    b.run_to(0.02)
    b.answers = False
    b.loop.run_until(1.0)
    b.wait(lambda: bool(b.errors))
    assert isinstance(b.errors[0], SimulationError)
    assert "0.040 s within 0.3 s" in str(b.errors[0])
    assert b.states[-1].stamp_s == pytest.approx(0.04)


def test_lockstep_runs_of_one_seed_agree_bit_for_bit_and_of_another_do_not(bench: Callable[..., Bench]) -> None:
    runs = []
    for seed in (3, 3, 4):
        b = bench(lockstep=True, seed=seed, record=True)
        b.run_to(0.2)
        assert b.loop.release()
        b.loop.run_until(0.4)
        b.wait(lambda b=b: b.states[-1].stamp_s >= 0.4 - 1e-9)
        runs.append(rows(b))
    first, again, other = runs
    assert len(first) == 20
    for field in dataclasses.fields(Recording)[2:]:
        assert getattr(first, field.name).tobytes() == getattr(again, field.name).tobytes(), field.name
    assert first.joint_position.tobytes() != other.joint_position.tobytes()
    assert np.abs(first.joint_position[0] - other.joint_position[0]).max() > 1e-3


def test_the_recording_holds_the_states_and_the_commands_that_answered_them(bench: Callable[..., Bench]) -> None:
    b = bench(lockstep=True, record=True)
    b.run_to(0.1)
    record = rows(b)
    assert record.stamp_s == pytest.approx([0.0, 0.02, 0.04, 0.06, 0.08])
    assert record.command_stamp_s.tolist() == record.stamp_s.tolist()
    for row in range(len(record)):
        shown, kept = b.states[4 * row], record.state(row)
        for field in dataclasses.fields(RobotState)[2:-1]:  # the last is what no robot measures
            assert getattr(shown, field.name).tobytes() == getattr(kept, field.name).tobytes()
        assert record.command_position[row].tobytes() == b.stand(shown.stamp_s).position.tobytes()


def test_a_push_goes_where_the_robot_faces(bench: Callable[..., Bench]) -> None:
    """Its trunk swings more than the 6 N.s of 33 kg say, 0.18 m/s: the feet stay where they are."""
    gained = []
    for side in (1.0, -1.0):
        b = bench(lockstep=True)
        b.run_to(0.4)
        b.loop.release()
        b.loop.run_until(0.6)
        b.wait(lambda b=b: b.states[-1].stamp_s >= 0.6 - 1e-9)
        b.loop.push(np.array([6.0 * side, 0.0, 0.0]))
        b.loop.run_until(0.7)
        b.wait(lambda b=b: b.states[-1].stamp_s >= 0.7 - 1e-9)
        gained.append(b.truths[-1].linear_velocity_base_in_world)
    between = 0.5 * (gained[0] - gained[1])
    assert 0.1 < between[0] < 0.6
    assert abs(between[1]) < 0.05
    for impossible in ([np.nan, 0.0, 0.0], [0.0, 2000.0, 0.0]):
        with pytest.raises(StateError, match="push"):
            b.loop.push(np.array(impossible))


def test_the_gantry_holds_until_released(bench: Callable[..., Bench]) -> None:
    b = bench(lockstep=True)
    b.run_to(0.4)
    assert b.loop.hangs
    height = [t.position_base_in_world[2] for t in b.truths]
    assert max(height) - min(height) < 0.002
    assert b.loop.release()
    assert not b.loop.release()  # it hangs no more
    b.loop.run_until(2.4)
    b.wait(lambda: b.states[-1].stamp_s >= 2.4 - 1e-9, 120.0)
    assert b.truths[-1].position_base_in_world[2] < 0.5, "stiffness alone does not balance the robot"
    before = b.loop.time_s
    b.loop.put_back()
    assert b.loop.hangs
    assert b.loop.time_s == before
    b.loop.run_until(2.44)
    b.wait(lambda: b.states[-1].stamp_s >= 2.44 - 1e-9)
    assert b.truths[-1].position_base_in_world[2] == pytest.approx(b.robot.base_height_m, abs=0.01)


def test_real_time_keeps_the_pace_and_counts_answers(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.loop.start()
    b.wait(lambda: len(b.states) > 40)
    summary = b.loop.reset_statistics()
    assert summary["answers"] >= 4
    assert summary["loop_latency_ms"]["max"] > 0.0
    assert 0.0 < summary["real_time_factor"] < 1.2


def test_time_waits_for_a_late_answer_and_makes_up_for_it(bench: Callable[..., Bench]) -> None:
    b = bench(patience_s=20.0)
    b.loop.start()
    b.wait(lambda: len(b.states) > 10)
    b.answers = False
    b.wait(lambda: b.states[-1].stamp_s * 200 % 4 > 2.5 and not b.loop.statistics.answered(len(b.states) - 1))
    stuck = b.loop.time_s
    time.sleep(0.2)
    assert b.loop.time_s == stuck, "the last step of the period waits"
    b.loop.reset_statistics()
    b.answers = True
    b.loop.take(b.stand(stuck - 0.015))
    b.wait(lambda: b.states[-1].stamp_s > stuck + 0.1)
    b.loop.stop()
    assert 0.15 < b.loop.summary()["waited_s"] < 20.0


def test_time_does_not_wait_long_nor_twice(bench: Callable[..., Bench]) -> None:
    b = bench(patience_s=0.3)
    b.loop.start()
    b.wait(lambda: len(b.states) > 10)
    b.answers = False
    b.loop.reset_statistics()
    count = len(b.states)
    b.wait(lambda: len(b.states) > count + 40)
    summary = b.loop.summary()
    assert 0.29 < summary["waited_s"] < 0.59, "once"
    assert summary["deadline_misses"] >= 8


def test_a_loop_that_waits_can_be_stopped(bench: Callable[..., Bench]) -> None:
    b = bench(patience_s=600.0)
    b.loop.start()
    b.wait(lambda: len(b.states) > 10)
    b.answers = False
    b.wait(lambda: b.states[-1].stamp_s * 200 % 4 > 2.5 and not b.loop.statistics.answered(len(b.states) - 1))
    b.loop.stop()
    assert not b.errors


def test_without_commands_the_actuators_damp(bench: Callable[..., Bench]) -> None:
    b = bench(command_timeout_s=0.04, record=True)
    b.answers = False
    b.loop.take(b.stand(0.0))
    b.loop.start()
    b.wait(lambda: b.states[-1].stamp_s > 0.12 if b.states else False)
    b.loop.stop()
    record = rows(b)
    # the command is in force for the first two periods, and dropped from the third on
    assert record.command_stamp_s[:2].tolist() == [0.0, 0.0]
    assert np.isnan(record.command_stamp_s[2:]).all()
    assert len(record) > 3
    state = next(s for s in b.states if s.stamp_s > 0.1)
    before = b.states[b.states.index(state) - 1]
    damping = -b.robot.kd * before.joint_velocity
    assert state.joint_effort == pytest.approx(np.clip(damping, -b.robot.effort_limit_nm, b.robot.effort_limit_nm))


@pytest.mark.parametrize("field", ["position", "kp"])
def test_a_command_that_is_not_finite_is_rejected_and_counted(bench: Callable[..., Bench], field: str) -> None:
    b = bench(lockstep=True)
    bad = np.array(getattr(b.stand(0.0), field))
    bad[5] = np.nan
    assert not b.loop.take(b.stand(0.0, **{field: bad}))
    assert "left_ankle_roll_joint" in b.loop.last_rejection
    assert b.loop.summary()["commands_rejected"] == 1


@pytest.mark.parametrize(
    ("stamp_s", "taken"), [(0.1, True), (0.005, True), (0.0, False), (-1.0, False), (0.105, False)]
)
def test_a_command_for_another_time_is_rejected(bench: Callable[..., Bench], stamp_s: float, taken: bool) -> None:
    b = bench(lockstep=True)
    b.run_to(0.1)
    assert b.loop.take(b.stand(stamp_s)) is taken
    if not taken:
        assert b.loop.last_rejection == f"A command answers the state of {stamp_s:.3f} s at 0.100 s."
        assert b.loop.summary()["commands_rejected"] == 1


def test_a_command_for_other_joints_is_rejected_and_one_in_another_order_is_not(bench: Callable[..., Bench]) -> None:
    b = bench(lockstep=True)
    names = b.robot.joint_names
    assert not b.loop.take(b.stand(0.0, joint_names=("left_knee", *names[1:])))
    assert b.loop.take(b.stand(0.0).ordered(names[::-1]))
    assert b.loop.summary()["commands_rejected"] == 1


def test_a_control_period_that_is_no_multiple_of_the_physics_step_is_refused(robot: RobotModel) -> None:
    with pytest.raises(ConfigError, match=r"0\.017"):
        Bench(robot, control_period_s=0.017)
