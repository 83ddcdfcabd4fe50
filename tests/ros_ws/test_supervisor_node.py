# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor as a node: real messages, services and timers in this process, on a domain of its own."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from helpers.robots import state_of
from helpers.ros import Ros
from helpers.supervisor_bench import Bench
from rcl_interfaces.srv import DescribeParameters
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import BatteryState
from std_msgs.msg import Bool
from std_srvs.srv import Trigger
from tarsus_msgs.msg import JointCommand as JointCommandMsg
from tarsus_msgs.msg import MotorStates

from tarsus_core.errors import ConfigError, PolicyFileError
from tarsus_edge.signature import make_key_files
from tarsus_edge.supervisor import State
from tarsus_nodes.conversions import imu_message, joint_state_message, seconds_from_stamp
from tarsus_nodes.supervisor_node import SupervisorNode

RELAXED = {
    "state_age_warn_s": 0.2,
    "state_age_damp_s": 0.5,
    "command_age_hold_s": 0.3,
    "command_age_damp_s": 0.4,
}
"""Ages for real time on a busy machine; test_supervisor.py tests the real ones with hand-worked times."""


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

    # The policy sends each command twice: the second is neither answered nor counted.
    session.spin_for(0.1)  # what was sent arrives
    heard = bench.supervisor.supervisor.commands
    before = len(robot.commands), heard.rejected
    for _ in range(3):
        robot.send_policy(heard.latest.stamp_s)
    session.spin_for(0.05)
    assert (len(robot.commands), heard.rejected) == before

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
                self.bench.ros.spin_until(lambda s=stamp: supervisor.supervisor.states.stamp_s == s, what="the state")
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


@pytest.mark.parametrize(("topic", "name"), [("joint_command", "supervisor"), ("policy/command", "policy")])
def test_a_second_publisher_of_commands_damps_and_refuses_arming(
    session: Ros, policy: Path, topic: str, name: str
) -> None:
    simulated = SimulatedTime(session, policy)
    bench = simulated.bench
    second = bench.robot.create_publisher(JointCommandMsg, topic, 1)
    session.spin_until(lambda: bench.state() is State.DAMP, what="damping")
    assert bench.robot.status[-1].reason.startswith(f"There are 2 publishers of '{topic}' on ROS domain ")
    assert bench.ask("reset")[0]
    granted, why = bench.ask("arm")
    assert not granted
    assert f"end all but one {name} " in why
    bench.robot.destroy_publisher(second)
    session.spin_until(lambda: bench.ask("arm")[0], what="arming without it")


def test_states_that_contradict_themselves_are_counted_and_unused(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=False)
    state = state_of(bench.robot.model, 0.0)
    joints = joint_state_message(state)
    joints.position = joints.position[:-1]
    bench.robot.joints.publish(joints)
    bench.robot.imu.publish(imu_message(state, "imu"))
    states = bench.supervisor.supervisor.states
    session.spin_until(lambda: states.rejected == 1, what="the rejection")
    assert states.stamp_s is None
    granted, why = bench.ask("arm")
    assert (
        not granted and "what comes is dropped: The joint state names 29 joints but holds 28 values of position" in why
    )


def test_diagnostics_name_state_and_counters(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=False)
    session.spin_until(lambda: bench.robot.diagnostics, what="diagnostics")
    status = bench.robot.diagnostics[-1].status[0]
    values = {v.key: v.value for v in status.values}
    assert status.name == "supervisor" and status.hardware_id == "g1"
    assert values["state"] == "PASSIVE" and values["commands clamped"] == "0"
    assert values["state to command p99 [ms]"] == "None"
    count = len(bench.robot.diagnostics)
    bench.pace(lambda: len(bench.robot.diagnostics) > count + 1, what="diagnostics of a running supervisor")
    values = {v.key: v.value for v in bench.robot.diagnostics[-1].status[0].values}
    p50, p99, most = (float(values[f"state to command {key} [ms]"]) for key in ("p50", "p99", "max"))
    assert 0.0 < p50 <= p99 <= most < 1000.0


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
        session.node(SupervisorNode, parameters={"policy": str(tmp_path / "absent.onnx"), "allow_unsigned": True})
    make_key_files(tmp_path / "lab.key", tmp_path / "lab.pub")
    with pytest.raises(PolicyFileError, match="is not signed"):
        session.node(SupervisorNode, parameters={"policy": str(policy), "trusted_keys": str(tmp_path)})
    with pytest.raises(ConfigError, match="does not divide"):
        session.node(SupervisorNode, parameters={"state_period_s": 0.003})
    with pytest.raises(ConfigError, match=r"command_age_hold_s is 0\.2: it must not exceed command_age_damp_s"):
        session.node(SupervisorNode, parameters={"command_age_hold_s": 0.2})


def test_buttons_batteries_and_motors_are_heard_from_any_publisher(session: Ros, policy: Path) -> None:
    bench = Bench(session, policy, lockstep=False, **RELAXED)
    health = bench.supervisor.supervisor.health
    names = list(bench.robot.model.joint_names)
    motors = MotorStates(name=names, temperature=[40.0] * len(names), error=[0] * len(names))
    for kind, topic, message, heard in (
        (BatteryState, "battery_state", BatteryState(percentage=0.5), lambda: health.battery_share == 0.5),
        (MotorStates, "motor_states", motors, lambda: "40 C" in health.hottest),
        (Bool, "emergency_stop", Bool(data=True), lambda: bench.state() is State.DAMP),
    ):
        for qos in (10, qos_profile_sensor_data):
            publisher = bench.robot.create_publisher(kind, topic, qos)
            session.spin_until(publisher.get_subscription_count, what=f"a subscription of {topic}")
            publisher.publish(message)
        session.spin_until(heard, what=topic)
