# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor as a node: real messages, services and timers in this process, on a domain of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from helpers.policies import make_policy
from helpers.robots import state_of
from helpers.ros import Ros, ros
from rcl_interfaces.srv import DescribeParameters
from rclpy.node import Node
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Imu, JointState
from std_srvs.srv import Trigger
from tarsus_msgs.msg import JointCommand as JointCommandMsg
from tarsus_msgs.msg import SupervisorState

from tarsus_core.errors import ConfigError, PolicyFileError
from tarsus_core.robot_model import RobotModel, load_robot
from tarsus_core.state import JointCommand
from tarsus_edge.supervisor import State
from tarsus_nodes.conversions import imu_message, joint_command_message, joint_state_message, seconds_from_stamp
from tarsus_nodes.lifeline import POLICY, Lifeline
from tarsus_nodes.qos import STATUS_QOS, command_qos, sensor_qos
from tarsus_nodes.supervisor_node import SupervisorNode

RELAXED = {
    "state_age_warn_s": 0.2,
    "state_age_damp_s": 0.5,
    "command_age_hold_s": 0.3,
    "command_age_damp_s": 0.4,
}
"""Ages for real time on a busy machine; test_supervisor.py tests the real ones with hand-worked times."""


class Robot(Node):
    """What surrounds the supervisor: a robot that rests, a policy that repeats one pose, an operator."""

    def __init__(self, lockstep: bool, model: RobotModel, **node_arguments: Any) -> None:
        super().__init__("robot", **node_arguments)
        self.model = model
        self.commands: list[JointCommandMsg] = []
        self.status: list[SupervisorState] = []
        self.diagnostics: list[DiagnosticArray] = []
        qos = sensor_qos(lockstep)
        self.joints = self.create_publisher(JointState, "joint_states", qos)
        self.imu = self.create_publisher(Imu, "imu/data", qos)
        self.clock_publisher = self.create_publisher(Clock, "clock", 1)
        self.policy = self.create_publisher(JointCommandMsg, "policy/command", command_qos(lockstep))
        self.create_subscription(JointCommandMsg, "joint_command", self.commands.append, command_qos(True))
        self.create_subscription(SupervisorState, "supervisor/state", self.status.append, STATUS_QOS)
        self.create_subscription(DiagnosticArray, "diagnostics", self.diagnostics.append, 10)
        names = ("arm", "stand", "walk", "damp", "reset")
        self.requests = {name: self.create_client(Trigger, f"supervisor/{name}") for name in names}
        self.tick = 0

    def send_state(self, **changes: Any) -> float:
        """Publish the next state, 5 ms on, and return its stamp."""
        stamp = self.tick * 5 / 1000  # the double nearest to it, as read from a message
        self.tick += 1
        state = state_of(self.model, stamp, **changes)
        self.joints.publish(joint_state_message(state))
        self.imu.publish(imu_message(state, "imu_in_pelvis"))
        return stamp

    def send_policy(self, stamp: float, offset: float = 0.0) -> None:
        """Publish a policy command that holds the default pose plus an offset (rad)."""
        zeros = np.zeros(len(self.model.joint_names))
        position = self.model.default_pose + offset
        command = JointCommand(stamp, self.model.joint_names, position, zeros, zeros, self.model.kp, self.model.kd)
        self.policy.publish(joint_command_message(command, 1))


class Bench:
    """One supervisor node and its surroundings."""

    def __init__(self, ros: Ros, policy: Path, lockstep: bool, **parameters: Any) -> None:
        self.ros = ros
        self.lockstep = lockstep
        self.supervisor = ros.node(
            SupervisorNode, parameters={"policy": str(policy), "lockstep": lockstep, **parameters}
        )
        self.robot = ros.node(lambda **k: Robot(lockstep, load_robot("g1"), **k))
        ros.spin_until(self._connected, what="discovery")

    def _connected(self) -> bool:
        r = self.robot
        publishers = (r.joints, r.imu, r.policy)
        return (
            all(p.get_subscription_count() for p in publishers)
            and bool(r.status)
            and all(s.service_is_ready() for s in r.requests.values())
            and r.count_publishers("joint_command") == 1
        )

    def ask(self, name: str) -> tuple[bool, str]:
        future = self.robot.requests[name].call_async(Trigger.Request())
        self.ros.spin_until(future.done, what=f"supervisor/{name}")
        return future.result().success, future.result().message

    def state(self) -> State:
        return State(self.robot.status[-1].state)

    def pace(self, condition: Any, timeout_s: float = 40.0, what: str = "the condition", policy: bool = False) -> None:
        """Send states (and policy commands for each fourth) until the condition holds.

        They come at 200 Hz of the steady clock, or as fast as a busy machine takes them in.
        """
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, f"waited {timeout_s:g} s for {what}"
            stamp = self.robot.send_state()
            if policy and (self.robot.tick - 1) % 4 == 0:
                self.robot.send_policy(stamp)
            sent = time.monotonic()
            while time.monotonic() < sent + 0.005 or self.supervisor.supervisor.state_stamp_s != stamp:
                self.ros.executor.spin_once(timeout_sec=0.001)
                assert time.monotonic() < sent + timeout_s, "the supervisor got no state"

    def lockstep_period(self, policy: bool = True, offset: float = 0.0) -> JointCommandMsg:
        """Send the four states of a control period and return its one command; policy: answer in WALK."""
        count = len(self.robot.commands)
        seen = len(self.robot.status)
        stamp = self.robot.send_state()
        status = self.robot.status
        self.ros.spin_until(
            lambda: any(seconds_from_stamp(s.header.stamp) == stamp for s in status[seen:]), what="the status"
        )
        if policy:
            self.robot.send_policy(stamp, offset)
        self.ros.spin_until(lambda: len(self.robot.commands) > count, what="the command")
        assert len(self.robot.commands) == count + 1
        assert seconds_from_stamp(self.robot.commands[-1].header.stamp) == stamp
        for _ in range(3):
            self.robot.send_state()
        return self.robot.commands[-1]

    def lockstep_to_walk(self) -> None:
        self.lockstep_period()
        assert self.ask("arm")[0] and self.ask("stand")[0]
        for _ in range(151):  # 3 s
            self.lockstep_period()
        self.ros.spin_until(lambda: self.supervisor.supervisor.command_age(self.supervisor._now()) < 0.06)
        assert self.ask("walk") == (True, "The policy has the robot.")


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_policy(tmp_path_factory.mktemp("policy") / "policy.onnx", load_robot("g1"))


@pytest.fixture
def session() -> Iterator[Ros]:
    with ros() as session:
        yield session


def test_real_time_from_passive_to_walk_to_damp_and_back(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=False, **RELAXED)
    robot = bench.robot
    assert bench.state() is State.PASSIVE and not robot.status[-1].armed
    assert math.isinf(robot.status[-1].state_age)
    assert bench.ask("arm") == (
        False,
        "No robot state has arrived: start the simulator or the driver, then arm again.",
    )
    bench.pace(lambda: len(robot.commands) > 3, what="commands in PASSIVE")
    assert set(robot.commands[-1].kp) == {0.0}
    np.testing.assert_array_equal(robot.commands[-1].kd, robot.model.kd)
    stamps = [seconds_from_stamp(c.header.stamp) for c in robot.commands]
    assert stamps == sorted(stamps) and robot.commands[-1].sequence == len(robot.commands)

    arm = robot.requests["arm"].call_async(Trigger.Request())
    bench.pace(arm.done, what="arm")
    assert arm.result().success
    stand = robot.requests["stand"].call_async(Trigger.Request())
    bench.pace(stand.done, what="stand")
    assert stand.result().success
    walk = robot.requests["walk"].call_async(Trigger.Request())
    bench.pace(walk.done, what="walk")
    assert not walk.result().success and "ramp" in walk.result().message
    bench.pace(lambda: robot.status[-1].ready, what="the ramp", policy=True)
    np.testing.assert_allclose(robot.commands[-1].position, robot.model.default_pose, atol=1e-12)
    np.testing.assert_array_equal(robot.commands[-1].kp, robot.model.kp)

    walk = robot.requests["walk"].call_async(Trigger.Request())
    bench.pace(walk.done, what="walk", policy=True)
    assert walk.result().success, walk.result().message
    count = len(robot.commands)
    bench.pace(lambda: len(robot.commands) > count + 10, what="commands in WALK", policy=True)
    assert bench.state() is State.WALK

    # The policy falls silent while the states go on.
    bench.pace(lambda: bench.state() is State.DAMP, what="damping")
    assert robot.status[-1].reason == "No policy command for 400 ms."
    bench.pace(lambda: set(robot.commands[-1].kp) == {0.0}, what="the damping command")

    # Latched: a policy that comes back changes nothing.
    count = len(robot.commands)
    bench.pace(lambda: len(robot.commands) > count + 10, what="commands in DAMP", policy=True)
    assert bench.state() is State.DAMP and set(robot.commands[-1].kp) == {0.0}
    reset = robot.requests["reset"].call_async(Trigger.Request())
    bench.pace(reset.done, what="reset")
    assert reset.result().success
    bench.pace(lambda: bench.state() is State.PASSIVE, what="PASSIVE")
    assert not robot.status[-1].armed


def test_real_time_states_that_stop_damp_a_standing_robot(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=False, **RELAXED)
    for name in ("arm", "stand"):
        bench.pace(lambda: bench.robot.tick > 2)
        future = bench.robot.requests[name].call_async(Trigger.Request())
        bench.pace(future.done)
        assert future.result().success
    session.spin_until(lambda: bench.state() is State.DAMP, what="damping")
    assert bench.robot.status[-1].reason == "No robot state for 500 ms."
    session.spin_until(lambda: set(bench.robot.commands[-1].kp) == {0.0}, what="the damping command")


class SimulatedTime:
    """A supervisor that goes by simulated time, standing."""

    def __init__(self, session: Ros, policy: Path) -> None:
        self.bench = Bench(session, policy, lockstep=False, use_sim_time=True)
        self.robot = self.bench.robot
        session.spin_until(lambda: self.robot.clock_publisher.get_subscription_count() == 1, what="discovery")
        for name in ("arm", "stand"):
            self.run(0.1)
            granted, message = self.bench.ask(name)
            assert granted, message
        self.run(0.1)

    def run(self, duration_s: float, clock: bool = True, states: bool = True) -> None:
        """Let simulated time pass, a step each 5 ms, as fast as the supervisor takes it in."""
        supervisor = self.bench.supervisor
        for _ in range(round(duration_s / 0.005)):
            if states:
                stamp = self.robot.send_state()
                self.bench.ros.spin_until(lambda s=stamp: supervisor.supervisor.state_stamp_s == s, what="the state")
            else:
                stamp = self.robot.tick * 5 / 1000
                self.robot.tick += 1
            if clock:
                message = Clock()
                message.clock.sec, message.clock.nanosec = divmod(round(stamp * 1e9), 1_000_000_000)
                self.robot.clock_publisher.publish(message)
                self.bench.ros.spin_until(
                    lambda s=stamp: supervisor.get_clock().now().nanoseconds == round(s * 1e9), what="the clock"
                )


def test_by_simulated_time_a_simulator_that_is_held_up_is_no_fault(session: Ros, policy: Path) -> None:
    simulated = SimulatedTime(session, policy)
    session.spin_for(0.3)
    assert simulated.bench.supervisor.supervisor.state is State.STAND
    simulated.run(0.1)
    assert simulated.bench.supervisor.supervisor.state is State.STAND


@pytest.mark.parametrize("missing", ["states", "clock"])
def test_by_simulated_time_states_and_clock_that_part_damp(session: Ros, policy: Path, missing: str) -> None:
    simulated = SimulatedTime(session, policy)
    simulated.run(0.06, **{missing: False})
    session.spin_until(lambda: simulated.bench.state() is State.DAMP, what="damping")
    assert simulated.robot.status[-1].reason == "No robot state for 50 ms."


def test_a_second_publisher_of_commands_damps_and_refuses_arming(session: Ros, policy: Path) -> None:
    simulated = SimulatedTime(session, policy)
    bench = simulated.bench
    second = bench.robot.create_publisher(JointCommandMsg, "joint_command", 1)
    session.spin_until(lambda: bench.state() is State.DAMP, what="damping")
    assert bench.robot.status[-1].reason.startswith("There are 2 publishers of 'joint_command' on ROS domain ")
    assert bench.ask("reset")[0]
    granted, why = bench.ask("arm")
    assert not granted
    assert "end all but one supervisor" in why
    bench.robot.destroy_publisher(second)
    session.spin_until(lambda: bench.ask("arm")[0], what="arming without it")


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


def test_states_that_contradict_themselves_are_counted_and_unused(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=False)
    state = state_of(bench.robot.model, 0.0)
    joints = joint_state_message(state)
    joints.position = joints.position[:-1]
    bench.robot.joints.publish(joints)
    bench.robot.imu.publish(imu_message(state, "imu"))
    session.spin_until(lambda: bench.supervisor._messages_rejected == 1, what="the rejection")
    assert bench.supervisor.supervisor.state_stamp_s is None


def test_stopping_sends_one_last_damping_command(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=True)
    bench.lockstep_to_walk()
    count = len(bench.robot.commands)
    bench.supervisor.on_stop()
    session.spin_until(lambda: len(bench.robot.commands) == count + 1, what="the last command")
    assert set(bench.robot.commands[-1].kp) == {0.0}
    session.spin_until(lambda: bench.robot.status[-1].reason == "The supervisor was stopped.")


def test_diagnostics_name_state_and_counters(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=False)
    session.spin_until(lambda: bench.robot.diagnostics, what="diagnostics")
    status = bench.robot.diagnostics[-1].status[0]
    values = {v.key: v.value for v in status.values}
    assert status.name == "supervisor" and status.hardware_id == "g1"
    assert values["state"] == "PASSIVE" and values["commands clamped"] == "0"


def test_parameters_are_described_bounded_and_fixed(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=False)
    client = bench.robot.create_client(DescribeParameters, "supervisor/describe_parameters")
    session.spin_until(client.service_is_ready)
    future = client.call_async(DescribeParameters.Request(names=["tilt_damp_rad", "policy", "stand_duration_s"]))
    session.spin_until(future.done)
    tilt, path, duration = future.result().descriptors
    assert tilt.read_only and path.read_only and "[rad]" in tilt.description
    assert tilt.floating_point_range[0].to_value == pytest.approx(math.pi)
    assert duration.floating_point_range[0].from_value == 3.0


def test_refuses_what_it_cannot_use(session: Ros, policy: Path, tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match="no policy file"):
        session.node(SupervisorNode, parameters={"policy": str(tmp_path / "absent.onnx")})
    with pytest.raises(ConfigError, match="does not divide"):
        session.node(SupervisorNode, parameters={"policy": str(policy), "state_period_s": 0.003})
    with pytest.raises(ConfigError, match=r"command_age_hold_s is 0\.2: it must not exceed command_age_damp_s"):
        session.node(SupervisorNode, parameters={"policy": str(policy), "command_age_hold_s": 0.2})
