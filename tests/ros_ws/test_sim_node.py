# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The simulator's node with real messages, in this process."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from helpers.ros import Ros
from nav_msgs.msg import Odometry
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from tarsus_msgs.msg import JointCommand as JointCommandMsg

from tarsus_core.robot_model import load_robot
from tarsus_core.state import JointCommand
from tarsus_nodes.conversions import joint_command_message, robot_state, seconds_from_stamp
from tarsus_nodes.qos import STATUS_QOS, command_qos, sensor_qos
from tarsus_nodes.sim_node import SimNode
from tarsus_sim.recording import Recording

ROBOT = load_robot("g1")


class Peer(Node):
    """The rest of the graph: hears everything, and can answer."""

    def __init__(self, **node_arguments: Any) -> None:
        super().__init__("peer", **node_arguments)
        self.joints: list[JointState] = []
        self.imu: list[Imu] = []
        self.odom: list[Odometry] = []
        self.clock: list[Clock] = []
        self.description: list[String] = []
        self.values: dict[str, str] = {}
        self.message = ""
        self.answers = True
        self.commands = self.create_publisher(JointCommandMsg, "joint_command", command_qos(True))
        self.create_subscription(JointState, "joint_states", self._on_joints, sensor_qos(True))
        self.create_subscription(Imu, "imu/data", self.imu.append, sensor_qos(True))
        self.create_subscription(Odometry, "ground_truth/odom", self.odom.append, 50)
        best_effort = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(Clock, "clock", self.clock.append, best_effort)
        self.create_subscription(String, "robot_description", self.description.append, STATUS_QOS)
        self.create_subscription(DiagnosticArray, "diagnostics", self._on_diagnostics, 10)
        self.triggers = {n: self.create_client(Trigger, f"sim/{n}") for n in ("release", "reset", "reset_statistics")}

    def _on_joints(self, message: JointState) -> None:
        self.joints.append(message)
        if self.answers and round(seconds_from_stamp(message.header.stamp) / 0.005) % 4 == 0:
            self.answer(seconds_from_stamp(message.header.stamp))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.message = message.status[0].message
        self.values = {pair.key: pair.value for pair in message.status[0].values}

    def answer(self, stamp_s: float, **changes: Any) -> None:
        zeros = np.zeros(len(ROBOT.joint_names))
        command = JointCommand(stamp_s, ROBOT.joint_names, ROBOT.default_pose, zeros, zeros, ROBOT.kp, ROBOT.kd)
        message = joint_command_message(command, len(self.joints) + 1)
        for name, value in changes.items():
            setattr(message, name, value)
        self.commands.publish(message)


def start(session: Ros, **parameters: Any) -> tuple[SimNode, Peer]:
    """A simulator in lockstep that has not started yet, and its peer."""
    peer = session.node(Peer)
    sim = session.node(SimNode, parameters={"lockstep": True, "run_until_s": 0.1, **parameters})
    assert sim.trigger_configure() == TransitionCallbackReturn.SUCCESS
    return sim, peer


def stamps_of(messages: list[Any]) -> list[float]:
    """Stamps in order, each once: a state that waits for its answer comes again."""
    return sorted({seconds_from_stamp(message.header.stamp) for message in messages})


def call(session: Ros, peer: Peer, name: str) -> Trigger.Response:
    client = peer.triggers[name]
    session.spin_until(client.service_is_ready, what=name)
    future = client.call_async(Trigger.Request())
    session.spin_until(future.done, what=name)
    return future.result()


def test_it_publishes_the_robot_each_physics_step(session: Ros) -> None:
    sim, peer = start(session)
    session.spin_until(lambda: peer.description, what="robot_description")
    assert peer.description[0].data == ROBOT.urdf_path.read_text(encoding="utf-8")
    assert not peer.joints, "time runs only when it is active"
    sim.trigger_activate()
    session.spin_until(lambda: all(stamps_of(heard)[-1:] == [0.1] for heard in (peer.joints, peer.imu, peer.odom)))
    assert stamps_of(peer.joints) == stamps_of(peer.imu) == pytest.approx([k * 0.005 for k in range(21)])
    assert stamps_of(peer.odom) == pytest.approx([0.0, 0.02, 0.04, 0.06, 0.08, 0.1])
    ticks = {round(seconds_from_stamp(message.clock) / 0.005) for message in peer.clock}
    assert ticks <= set(range(1, 21, 2)), "the clock goes with none of the states that are answered"
    joints, imu, odom = peer.joints[-1], peer.imu[-1], peer.odom[-1]
    assert tuple(joints.name) == ROBOT.joint_names
    assert len(joints.position) == len(joints.velocity) == len(joints.effort) == 29
    assert imu.header.frame_id == "imu_in_pelvis"
    assert (odom.header.frame_id, odom.child_frame_id) == ("odom", "base_link")
    assert odom.pose.pose.position.z == pytest.approx(ROBOT.base_height_m, abs=0.005)
    state = robot_state(joints, imu, ROBOT.joint_names)
    state.check()
    assert state.linear_acceleration_imu_in_imu[2] == pytest.approx(9.81, abs=0.5)  # REP-145: +g at rest


def test_sensors_are_best_effort_in_real_time_and_reliable_in_lockstep(session: Ros) -> None:
    for lockstep, expected in ((False, ReliabilityPolicy.BEST_EFFORT), (True, ReliabilityPolicy.RELIABLE)):
        sim = session.node(SimNode, parameters={"lockstep": lockstep})
        for topic in ("joint_states", "imu/data"):
            assert {i.qos_profile.reliability for i in sim.get_publishers_info_by_topic(topic)} >= {expected}
        session.executor.remove_node(sim)
        sim.destroy_node()
        session._nodes.remove(sim)


def test_in_real_time_the_truth_is_told_after_the_answer(session: Ros) -> None:
    """Two physics steps later, with the stamp of the state that it belongs to."""
    sim, peer = start(session, lockstep=False, run_until_s=-1.0)
    newest, told = [-1], []

    def on_joints(message: JointState) -> None:
        newest.append(round(seconds_from_stamp(message.header.stamp) / 0.005))

    def on_odometry(message: Odometry) -> None:
        told.append((round(seconds_from_stamp(message.header.stamp) / 0.005), newest[-1]))

    peer.create_subscription(JointState, "joint_states", on_joints, sensor_qos(False))
    peer.create_subscription(Odometry, "ground_truth/odom", on_odometry, 50)
    sim.trigger_activate()
    session.spin_until(lambda: len(told) > 5, what="odometry")
    assert all(tick % 4 == 0 and seen > tick for tick, seen in told), told


def test_run_until_can_be_moved_while_it_runs(session: Ros) -> None:
    sim, peer = start(session)
    sim.trigger_activate()
    session.spin_until(lambda: stamps_of(peer.joints)[-1:] == [0.1])
    session.spin_for(0.2)
    assert seconds_from_stamp(peer.joints[-1].header.stamp) == pytest.approx(0.1)
    sim.set_parameters([Parameter("run_until_s", value=0.2)])
    session.spin_until(lambda: stamps_of(peer.joints)[-1:] == [0.2])


def test_services_release_and_hang_the_robot(session: Ros) -> None:
    _, peer = start(session)
    assert call(session, peer, "release").message == "The robot stands on its own."
    assert call(session, peer, "release").message == "The robot does not hang."
    assert call(session, peer, "reset").success
    session.spin_until(lambda: peer.values.get("gantry") == "True", what="diagnostics")
    assert "sim/release" in peer.message


def test_services_of_an_unconfigured_simulator_say_so(session: Ros) -> None:
    peer = session.node(Peer)
    session.node(SimNode)
    for name in peer.triggers:
        answer = call(session, peer, name)
        assert not answer.success
        assert answer.message == "The simulator is not configured: configure it first."


def test_statistics_come_as_json_and_start_anew(session: Ros) -> None:
    sim, peer = start(session, run_until_s=0.2)
    sim.trigger_activate()
    session.spin_until(lambda: stamps_of(peer.joints)[-1:] == [0.2])
    statistics = json.loads(call(session, peer, "reset_statistics").message)
    assert statistics["simulated_s"] == pytest.approx(0.2)
    assert statistics["answers"] == 10
    assert statistics["deadline_misses"] == 0
    assert 0.0 < statistics["answer_latency_ms"]["p50"] <= statistics["loop_latency_ms"]["p50"]
    again = json.loads(call(session, peer, "reset_statistics").message)
    assert (again["simulated_s"], again["answers"]) == (0.0, 0)


def test_bad_commands_are_counted_and_not_used(session: Ros) -> None:
    sim, peer = start(session, run_until_s=0.0)
    sim.trigger_activate()
    session.spin_until(lambda: peer.joints)
    nan = [*ROBOT.default_pose[:-1], math.nan]
    peer.answer(0.0, position=nan)
    peer.answer(0.0, name=["elbow", *ROBOT.joint_names[1:]])
    peer.answer(0.0, kd=[1.0])
    session.spin_until(lambda: peer.values.get("commands_rejected") == "3", what="three rejections")
    assert peer.message.startswith("Commands were rejected: ")


def test_the_recording_is_written_when_it_stops(session: Ros, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    sim, peer = start(session, record=str(path))
    sim.trigger_activate()
    session.spin_until(lambda: stamps_of(peer.joints)[-1:] == [0.1])
    assert not path.exists()
    sim.on_stop()
    recording = Recording.load(path)
    assert recording.stamp_s == pytest.approx([0.0, 0.02, 0.04, 0.06, 0.08])
    shown = {seconds_from_stamp(m.header.stamp): m for m in peer.joints}
    assert recording.joint_position[3].tolist() == list(shown[recording.stamp_s[3]].position)


@pytest.mark.parametrize(
    "parameters",
    [{"robot": "g2"}, {"record": "/no/such/folder/run.npz"}, {"control_period_s": 0.0171}],
)
def test_what_cannot_be_configured_fails_the_transition(session: Ros, parameters: dict[str, Any]) -> None:
    sim = session.node(SimNode, parameters=parameters)
    assert sim.trigger_configure() == TransitionCallbackReturn.FAILURE


def test_it_can_be_deactivated_and_cleaned_up_and_started_again(session: Ros) -> None:
    sim, peer = start(session)
    for _ in range(2):
        sim.trigger_activate()
        session.spin_until(lambda: stamps_of(peer.joints)[-1:] == [0.1])
        sim.trigger_deactivate()
        sim.trigger_cleanup()
        peer.joints.clear()
        assert sim.trigger_configure() == TransitionCallbackReturn.SUCCESS


def test_every_parameter_is_described(session: Ros) -> None:
    sim = session.node(SimNode)
    for name in sim.get_parameters_by_prefix(""):
        if name in ("use_sim_time", "start_type_description_service"):
            continue
        descriptor = sim.describe_parameter(name)
        assert descriptor.description, name
        assert descriptor.read_only is (name != "run_until_s"), name
