# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The policy as a lifecycle node: transitions in process, then real messages on a domain of its own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Twist, TwistStamped
from helpers.robots import state_of
from helpers.ros import Ros
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu, JointState
from tarsus_msgs.msg import JointCommand as JointCommandMsg
from tarsus_msgs.msg import SupervisorState

from tarsus_core.observation import PolicyInterface
from tarsus_core.robot_model import RobotModel, load_robot
from tarsus_core.state import RobotState
from tarsus_edge.policy_session import PolicySession
from tarsus_edge.signature import make_key_files, read_private_key, sign
from tarsus_edge.supervisor import State
from tarsus_nodes.conversions import imu_message, joint_state_message, stamp_from_seconds, twist
from tarsus_nodes.policy_node import PolicyNode
from tarsus_nodes.qos import COMMAND_QOS, STATUS_QOS, command_qos, sensor_qos


class Robot(Node):
    """What surrounds the policy: a robot, its supervisor, an operator."""

    def __init__(self, lockstep: bool, model: RobotModel, stamped: bool, **node_arguments: Any) -> None:
        super().__init__("robot", **node_arguments)
        self.model = model
        self.commands: list[JointCommandMsg] = []
        self.diagnostics: list[DiagnosticArray] = []
        qos = sensor_qos(lockstep)
        self.joints = self.create_publisher(JointState, "joint_states", qos)
        self.imu = self.create_publisher(Imu, "imu/data", qos)
        self.status = self.create_publisher(SupervisorState, "supervisor/state", STATUS_QOS)
        self.velocity = self.create_publisher(TwistStamped if stamped else Twist, "cmd_vel", COMMAND_QOS)
        self.create_subscription(JointCommandMsg, "policy/command", self.commands.append, command_qos(True))
        self.create_subscription(DiagnosticArray, "diagnostics", self.diagnostics.append, 10)

    def send(self, state: RobotState, mode: State | None) -> None:
        self.joints.publish(joint_state_message(state))
        self.imu.publish(imu_message(state, "imu_in_pelvis"))
        if mode is not None:
            message = SupervisorState(state=int(mode))
            message.header.stamp = stamp_from_seconds(state.stamp_s)
            self.status.publish(message)


class Bench:
    """One active policy node and its surroundings."""

    def __init__(self, session: Ros, policy: Path, lockstep: bool = True, **parameters: Any) -> None:
        self.ros = session
        self.lockstep = lockstep
        given = {"policy": str(policy), "allow_unsigned": True, "lockstep": lockstep, **parameters}
        self.policy = session.node(PolicyNode, parameters=given)
        stamped = parameters.get("cmd_vel_stamped", True)
        self.robot = session.node(lambda **k: Robot(lockstep, load_robot("g1"), stamped, **k))
        assert self.policy.trigger_configure() is TransitionCallbackReturn.SUCCESS
        assert self.policy.trigger_activate() is TransitionCallbackReturn.SUCCESS
        r = self.robot
        publishers = (r.joints, r.imu, r.status, r.velocity)
        session.spin_until(lambda: all(p.get_subscription_count() for p in publishers), what="discovery")
        session.spin_until(lambda: r.count_publishers("policy/command"), what="discovery")

    def ask(self, state: RobotState, mode: State | None) -> JointCommandMsg:
        """Send a state and return the answer."""
        count = len(self.robot.commands)
        self.robot.send(state, mode)
        self.ros.spin_until(lambda: len(self.robot.commands) > count, what="an answer")
        assert len(self.robot.commands) == count + 1
        return self.robot.commands[-1]

    def silent(self, state: RobotState, mode: State) -> bool:
        """Send a state; whether no answer came."""
        count = len(self.robot.commands)
        self.robot.send(state, mode)
        self.ros.spin_for(0.1)
        return len(self.robot.commands) == count

    def drive(self, vx: float, vy: float = 0.0, wz: float = 0.0) -> None:
        """Send a velocity and wait until the node has taken it."""
        message = twist(np.array([vx, vy, wz]))
        before = (self.policy._velocity._since_s, self.policy._velocity.rejected)
        stamped = self.robot.velocity.msg_type is TwistStamped
        self.robot.velocity.publish(TwistStamped(twist=message) if stamped else message)
        self.ros.spin_until(
            lambda: (self.policy._velocity._since_s, self.policy._velocity.rejected) != before, what="cmd_vel"
        )


def moving(stamp_s: float) -> RobotState:
    """State that differs at each stamp."""
    model = load_robot("g1")
    joints = np.arange(len(model.joint_names))
    return state_of(
        model,
        stamp_s,
        joint_position=model.default_pose + 0.05 * np.sin(7.0 * stamp_s + joints),
        joint_velocity=0.3 * np.cos(7.0 * stamp_s + joints),
        angular_velocity_base_in_base=[0.1 * math.sin(stamp_s), 0.2, -0.1],
        roll=0.02 * math.sin(3.0 * stamp_s),
    )


class Reference:
    """The same answers from the cores alone."""

    def __init__(self, policy: Path) -> None:
        model = load_robot("g1")
        self.session = PolicySession(policy, model)
        self.interface = PolicyInterface(self.session.contract, model.joint_names)

    def answer(self, state: RobotState, velocity: tuple[float, float, float]) -> bytes:
        observation = self.interface.observe(state, np.array([velocity]))
        return self.interface.command(self.session.run(observation), state.stamp_s).position[0].tobytes()


def position(message: JointCommandMsg) -> bytes:
    return message.position.tobytes()


def test_transitions_in_process_and_a_refused_policy(session: Ros, policy: Path, tmp_path: Path) -> None:
    def make(**parameters: Any) -> PolicyNode:
        node: PolicyNode = session.node(
            lambda **k: PolicyNode(enable_communication_interface=False, **k),
            parameters={"use_sim_time": True, **parameters},
        )
        return node

    good = make(policy=str(policy))
    for trigger in ("configure", "activate", "deactivate", "cleanup", "configure", "activate", "shutdown"):
        assert getattr(good, f"trigger_{trigger}")() is TransitionCallbackReturn.SUCCESS
    broken = tmp_path / "broken.onnx"
    data = bytearray(policy.read_bytes())
    data[len(data) // 8] ^= 1  # one bit of the weights
    broken.write_bytes(data)
    for path in (str(tmp_path / "absent.onnx"), str(broken)):
        node = make(policy=path)
        assert node.trigger_configure() is TransitionCallbackReturn.FAILURE
        assert node._state_machine.current_state[1] == "unconfigured"
    make_key_files(tmp_path / "lab.key", tmp_path / "lab.pub")
    trusting = make(policy=str(policy), trusted_keys=str(tmp_path))
    assert trusting.trigger_configure() is TransitionCallbackReturn.FAILURE  # nobody has signed it
    signed = tmp_path / "signed.onnx"
    signed.write_bytes(sign(policy.read_bytes(), read_private_key(tmp_path / "lab.key")))
    assert make(policy=str(signed), trusted_keys=str(tmp_path)).trigger_configure() is TransitionCallbackReturn.SUCCESS
    other_period = make(policy=str(policy), state_period_s=0.003)
    assert other_period.trigger_configure() is TransitionCallbackReturn.FAILURE
    other_robot = make(policy=str(policy), robot="h1")
    assert other_robot.trigger_configure() is TransitionCallbackReturn.FAILURE


def test_walking_in_lockstep_equals_the_cores_byte_for_byte(session: Ros, policy: Path) -> None:
    bench, reference = Bench(session, policy, cmd_vel_timeout_s=60.0), Reference(policy)
    model = bench.robot.model
    for k in range(3):  # standing: each answer is of a policy that just woke up
        reference.interface.reset()
        answer = bench.ask(moving(k * 20 / 1000), State.STAND)
        assert position(answer) == reference.answer(moving(k * 20 / 1000), (0.0, 0.0, 0.0))
        assert answer.header.stamp == stamp_from_seconds(k * 20 / 1000)
    bench.drive(0.5, 0.1, -0.2)
    reference.interface.reset()
    for k in range(3, 30):
        stamp = k * 20 / 1000
        answer = bench.ask(moving(stamp), State.WALK)
        assert position(answer) == reference.answer(moving(stamp), (0.5, 0.1, -0.2)), k
        assert answer.header.stamp == stamp_from_seconds(stamp)
        for j in range(1, 4):  # states within the period are not answered
            bench.robot.send(moving(stamp + j * 5 / 1000), None)
    assert list(answer.name) == list(model.joint_names) and answer.sequence == 30
    np.testing.assert_array_equal(answer.kp, model.kp)
    np.testing.assert_array_equal(answer.kd, model.kd)
    # Out of WALK and in again: from rest.
    assert bench.silent(moving(0.6), State.DAMP)
    reference.interface.reset()
    assert position(bench.ask(moving(0.62), State.WALK)) == reference.answer(moving(0.62), (0.5, 0.1, -0.2))


def test_answers_only_while_active_and_asked(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy)
    assert bench.silent(moving(0.0), State.PASSIVE)
    assert bench.silent(moving(0.005), State.STAND)  # begins no control period
    bench.ask(moving(0.02), State.STAND)
    assert bench.silent(moving(0.02), State.STAND)  # repeated
    assert bench.policy.trigger_deactivate() is TransitionCallbackReturn.SUCCESS
    assert bench.silent(moving(0.04), State.WALK)


def test_cmd_vel_grows_stale_and_nan_is_ignored(session: Ros, policy: Path) -> None:
    bench, reference = Bench(session, policy), Reference(policy)
    bench.ask(moving(0.0), State.STAND)
    bench.drive(0.4)  # at stamp 0.0
    bench.drive(math.nan)
    reference.interface.reset()
    for k in range(1, 30):
        stamp = k * 20 / 1000
        expected = (0.4, 0.0, 0.0) if stamp <= 0.5 else (0.0, 0.0, 0.0)
        assert position(bench.ask(moving(stamp), State.WALK)) == reference.answer(moving(stamp), expected), stamp

    def values() -> dict[str, str]:
        reports = bench.robot.diagnostics
        return {v.key: v.value for v in reports[-1].status[0].values} if reports else {}

    session.spin_until(lambda: values().get("cmd_vel rejected") == "1", what="a report of the rejected command")
    assert values()["policy sha256"] == reference.session.policy_sha256


def test_a_clock_that_jumps_makes_the_policy_start_from_rest(session: Ros, policy: Path) -> None:
    bench, reference = Bench(session, policy), Reference(policy)

    def both(stamp: float) -> tuple[bytes, bytes]:
        return position(bench.ask(moving(stamp), State.WALK)), reference.answer(moving(stamp), (0.0, 0.0, 0.0))

    for stamp in (10.0, 10.02, 10.04, 10.08):  # one period is missing: no reason to forget
        got, expected = both(stamp)
        assert got == expected
    for stamp in (10.2, 0.0):  # 120 ms ahead, then back to the start
        reference.interface.reset()
        got, expected = both(stamp)
        assert got == expected
    assert bench.policy._runner is not None and bench.policy._runner.resets == 2


def test_a_state_that_is_not_finite_gets_no_answer_and_leaves_no_trace(session: Ros, policy: Path) -> None:
    bench, reference = Bench(session, policy), Reference(policy)
    for stamp in (0.0, 0.02):
        assert position(bench.ask(moving(stamp), State.WALK)) == reference.answer(moving(stamp), (0.0, 0.0, 0.0))
    broken = state_of(bench.robot.model, 0.04, joint_velocity=math.nan)
    assert bench.silent(broken, State.WALK)
    assert position(bench.ask(moving(0.06), State.WALK)) == reference.answer(moving(0.06), (0.0, 0.0, 0.0))
    said = bench.robot.diagnostics
    session.spin_until(lambda: said and "not finite" in said[-1].status[0].message, what="diagnostics that say why")


def test_real_time_answers_twice_by_the_newest_supervisor_state_and_a_plain_twist(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=False, cmd_vel_stamped=False, cmd_vel_timeout_s=60.0)
    reference = Reference(policy)
    bench.robot.status.publish(SupervisorState(state=SupervisorState.WALK))
    session.spin_until(lambda: bench.policy._supervisor.state == State.WALK, what="WALK")
    bench.drive(0.3, 0.0, 0.1)
    count, commands = 0, bench.robot.commands
    for k in range(20):  # states at 200 Hz; the one that begins period 2 is lost, and the next takes its place
        stamp = k * 5 / 1000
        if k in (8, 14):  # the one that begins the second half of period 3 is lost, too
            continue
        bench.robot.send(moving(stamp), None)
        if k % 4 == 0 or k == 9:
            count += 1
            session.spin_until(lambda count=count: len(commands) == count, what="an answer")
            assert position(commands[-1]) == reference.answer(moving(stamp), (0.3, 0.0, 0.1)), k
        elif k % 4 == 2 or k == 15:
            count += 1
            session.spin_until(lambda count=count: len(commands) == count, what="the answer again")
            assert commands[-1] == commands[-2], "half a period later the same is sent again"
    session.spin_for(0.1)
    assert len(commands) == 10
    for k in (20, 21):
        bench.robot.send(moving(k * 5 / 1000), None)
    session.spin_until(lambda: len(commands) == 11, what="an answer")
    bench.robot.status.publish(SupervisorState(state=SupervisorState.DAMP))
    session.spin_until(lambda: bench.policy._supervisor.state == State.DAMP, what="DAMP")
    for k in range(24, 28):
        bench.robot.send(moving(k * 5 / 1000), None)
    session.spin_for(0.1)
    assert len(commands) == 11, "an answer of another period is not sent again"


def test_messages_that_cannot_be_read_are_counted_and_the_node_goes_on(session: Ros, policy: Path) -> None:
    bench, reference = Bench(session, policy, lockstep=False), Reference(policy)
    robot, said = bench.robot, bench.robot.diagnostics
    state = moving(0.02)
    for data in (b"", b"\0\1\0\0\2", bytes(serialize_message(joint_state_message(state)))[:40]):
        bench.policy._on_sensor("joint_states", data)  # as the middleware would hand it on
        bench.policy._on_sensor("imu/data", bytes(serialize_message(imu_message(state, "imu")))[: len(data)])
    robot.status.publish(SupervisorState(state=9))
    session.spin_until(lambda: said and "says state 9" in said[-1].status[0].message, what="diagnostics that say why")
    robot.status.publish(SupervisorState(state=SupervisorState.WALK))
    session.spin_until(lambda: bench.policy._supervisor.state == State.WALK, what="WALK")
    robot.send(moving(0.04), None)
    session.spin_until(lambda: robot.commands, what="an answer")
    assert position(robot.commands[-1]) == reference.answer(moving(0.04), (0.0, 0.0, 0.0))


def test_a_report_says_that_states_stopped_and_forgets_what_is_over(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=False)
    bench.policy._diagnostics._timer.cancel()  # each report is asked for here
    assert bench.policy._report()[:2] == ("warn", "No robot state arrives.")
    bench.robot.status.publish(SupervisorState(state=SupervisorState.STAND))
    session.spin_until(lambda: bench.policy._supervisor.state == State.STAND, what="STAND")
    bench.ask(moving(0.0), None)
    assert bench.policy._report()[:2] == ("ok", "The policy answers.")
    bench.policy._on_sensor("joint_states", b"")
    bench.ask(moving(0.04), None)
    level, said, _ = bench.policy._report()
    assert level == "warn" and "cut short" in said
    bench.ask(moving(0.06), None)
    level, _, values = bench.policy._report()
    assert level == "ok" and values["states not answered"] == 1 and values["last reason"] == said
    assert bench.policy._report()[:2] == ("warn", "No robot state arrives.")
    bench.policy.trigger_deactivate()
    assert bench.policy._report()[:2] == ("ok", "The policy is not active.")
