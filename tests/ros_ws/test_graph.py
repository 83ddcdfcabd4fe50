# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The whole graph, in processes of its own: it walks, repeats itself, answers as the cores do, damps when it must."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.domain import free_domain
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from tarsus_msgs.msg import JointCommand, SupervisorState, WatchdogState

from tarsus_core.robot_model import load_robot
from tarsus_edge.launcher import LaunchRun, find_launch_file, load_plan
from tarsus_edge.policy_runner import PolicyRunner
from tarsus_edge.policy_session import PolicySession
from tarsus_edge.pretrained import pretrained_policy
from tarsus_edge.supervisor import State
from tarsus_nodes.conversions import seconds_from_stamp
from tarsus_nodes.operator_client import OperatorClient
from tarsus_nodes.operator_run import OperatorRun
from tarsus_nodes.qos import STATUS_QOS, command_qos
from tarsus_nodes.script import ros_script
from tarsus_nodes.sim_request import SimRequest, make_request
from tarsus_nodes.sim_session import Display, Session, launch_arguments
from tarsus_sim.recording import Recording

pytestmark = [pytest.mark.graph, pytest.mark.slow]
TARSUS = [sys.executable, "-c", "import sys; from tarsus_core.cli import main; sys.exit(main(sys.argv[1:]))"]


class Listener:
    """Hears commands and supervisor states in a thread and a context of its own."""

    def __init__(self, topic: str, domain: int, lockstep: bool) -> None:
        self.commands: list[JointCommand] = []
        self.states: list[tuple[float, int]] = []
        """(stamp, state)"""
        self.watchdog: list[WatchdogState] = []
        self._context = Context()
        self._context.init(domain_id=domain)
        self._node = Node("listener", context=self._context)
        self._node.create_subscription(JointCommand, topic, self._on_command, command_qos(lockstep))
        self._node.create_subscription(SupervisorState, "supervisor/state", self._on_state, STATUS_QOS)
        self._node.create_subscription(WatchdogState, "watchdog/state", self.watchdog.append, STATUS_QOS)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

    def _on_command(self, message: JointCommand) -> None:
        self.commands.append(message)

    def _on_state(self, message: SupervisorState) -> None:
        self.states.append((seconds_from_stamp(message.header.stamp), message.state))

    def close(self) -> None:
        self._context.try_shutdown()
        self._thread.join(10.0)


@contextmanager
def listening(topic: str, domain: int, lockstep: bool) -> Iterator[Listener]:
    listener = Listener(topic, domain, lockstep)
    try:
        yield listener
    finally:
        listener.close()


def request(seed: int = 0, duration_s: float = 2.0) -> SimRequest:
    return make_request(
        duration_s=duration_s,
        command=(0.5, 0.0, 0.0),
        policy=None,
        robot="g1",
        seed=seed,
        gui=False,
        video=None,
        lockstep=True,
    )


def lockstep_run(folder: Path, domain: int, seed: int = 0) -> tuple[dict[str, Any], Recording]:
    folder.mkdir()
    asked = request(seed)
    plan = load_plan(find_launch_file("sim"), launch_arguments(asked, folder / "recording.npz"))
    with Display() as display:
        result = Session(asked, domain, display).run(plan)
    return result, Recording.load(folder / "recording.npz")


def test_lockstep_walks_repeats_bit_for_bit_and_acts_as_the_cores_do(tmp_path: Path, ros_domain: int) -> None:
    with listening("policy/command", ros_domain, lockstep=True) as heard:
        result, first = lockstep_run(tmp_path / "first", ros_domain)
    assert result["falls"] == 0
    assert result["distance_m"] > 0.6
    assert result["deadline_misses"] == 0

    again, second = lockstep_run(tmp_path / "second", ros_domain)
    assert again["distance_m"] == result["distance_m"]
    assert len(first) == len(second)
    for name in ("stamp_s", "joint_position", "joint_velocity", "position_base_in_world", "command_position"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name), err_msg=name)

    compare_with_cores(first, heard)


def compare_with_cores(recording: Recording, heard: Listener) -> None:
    """Each command of the graph's policy is, byte for byte, what the cores give for the recorded states."""
    sent = {round(seconds_from_stamp(m.header.stamp), 4): np.array(m.position) for m in heard.commands}
    first_state: dict[float, int] = {}  # the service call is told with the stamp of a state that was answered already
    for stamp, state in heard.states:
        first_state.setdefault(round(stamp, 4), state)
    walking = min(stamp for stamp, state in first_state.items() if state == SupervisorState.WALK)
    robot = load_robot("g1")

    def replay(commanded_from_s: float) -> tuple[int, float | None]:
        """How many commands agree from the first step on, and the stamp of the first that does not."""
        runner = PolicyRunner(PolicySession(pretrained_policy("g1"), robot), recording.joint_names, 0.005)
        count = 0
        for row in range(len(recording)):
            state = recording.state(row)
            stamp = round(state.stamp_s, 4)
            mode = State.WALK if stamp >= walking else State.STAND
            command = np.array([0.5 if stamp >= commanded_from_s else 0.0, 0.0, 0.0])
            answer = runner.step(state, mode, command)
            if stamp not in sent or stamp < walking or answer is None:
                continue
            if not np.array_equal(answer.position, sent[stamp]):
                return count, stamp
            count += 1
        return count, None

    balanced, commanded = replay(np.inf)
    assert balanced >= 50, "while it balances it gets no command"
    assert commanded is not None, "the velocity command reached the policy at some state"
    walked, differs = replay(commanded)
    assert differs is None, f"the graph's policy and the cores part at {differs} s"
    assert walked - balanced >= 95


@contextmanager
def walking_graph() -> Iterator[tuple[OperatorClient, Callable[[str], int]]]:
    """The real graph, its robot walking at 0.5 m/s; and the process id of a node by name."""
    plan = load_plan(find_launch_file("sim"), {"policy": str(pretrained_policy("g1"))})
    launch = LaunchRun(plan, screen=io.StringIO())
    with ros_script(own_signals=False), launch:
        client = OperatorClient()
        try:
            operator = OperatorRun(client, lambda what, part: None)
            operator.wait_for_graph()
            operator.stand_up()
            operator.begin(replace(request().plan, duration_s=100.0))
            until = client.time_s + 1.5
            while client.time_s < until:
                client.drive(np.array([0.5, 0.0, 0.0]))
                client.spin(0.05)
            assert client.state is State.WALK
            yield client, lambda name: next(p.pid for p in launch.processes if p.name.startswith(name) and p.pid)
        finally:
            client.close()


@pytest.mark.realtime
def test_killed_policy_process_damps_the_robot_and_it_stays_down(ros_domain: int) -> None:
    with walking_graph() as (client, pid_of), listening("joint_command", ros_domain, lockstep=False) as heard:
        client.wait(lambda: len(heard.commands) > 5, 20.0, "no joint_command")
        os.kill(pid_of("policy"), signal.SIGKILL)
        client.wait(lambda: client.state is State.DAMP, 10.0, "the robot was not damped")
        count = len(heard.commands)
        client.wait(lambda: len(heard.commands) > count + 20, 10.0, "commands ended")
        check_reaction(heard)
        check_latched(client)


@pytest.mark.realtime
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_supervisor_that_is_killed_or_stopped_is_damped_by_the_watchdog(ros_domain: int, how: signal.Signals) -> None:
    with walking_graph() as (client, pid_of), listening("joint_command", ros_domain, lockstep=False) as heard:
        client.wait(lambda: bool(heard.watchdog), 20.0, "no watchdog")
        assert not heard.watchdog[-1].damp
        supervisor = pid_of("supervisor")
        os.kill(supervisor, how)
        start = time.monotonic()
        try:
            while not heard.watchdog[-1].damp:
                assert time.monotonic() < start + 5.0, "the watchdog did not damp"
                time.sleep(0.001)
        finally:
            if how is signal.SIGSTOP:
                os.kill(supervisor, signal.SIGCONT)
        took_s = time.monotonic() - start
        if how is signal.SIGKILL:
            assert heard.watchdog[-1].reason == "The supervisor has ended."
            assert took_s < 1.0  # how fast it is, `tarsus faults 2` measures
            return
        # Simulated time waits for the late answer up to 0.5 s; 0.1 s of its own time later it is damped.
        assert heard.watchdog[-1].reason == "No command of the supervisor for 100 ms."
        client.wait(lambda: client.state is State.DAMP, 10.0, "the supervisor that goes on does not damp")
        assert not client.press("supervisor/arm")[0]


@pytest.mark.realtime
def test_a_watchdog_that_is_killed_damps_the_robot(ros_domain: int) -> None:
    with walking_graph() as (client, pid_of):
        os.kill(pid_of("watchdog"), signal.SIGKILL)
        client.wait(lambda: client.state is State.DAMP, 10.0, "the robot was not damped")
        assert client.supervisor is not None and client.supervisor.reason.startswith("There is no watchdog")
        assert client.press("supervisor/reset")[0]
        granted, why = client.press("supervisor/arm")
        assert not granted and why.startswith("There is no watchdog")


def check_reaction(heard: Listener) -> None:
    """The first damping command came within 100 ms of the robot's time after the last command that was not."""
    damping = [not np.any(np.array(m.kp)) for m in heard.commands]
    first = damping.index(True)
    assert first > 0
    assert all(damping[first:]), "it went on after it was damped"
    before, after = (seconds_from_stamp(heard.commands[i].header.stamp) for i in (first - 1, first))
    assert after - before <= 0.1
    assert np.all(np.array(heard.commands[first].kd) > 0.0)


def check_latched(client: OperatorClient) -> None:
    for service in ("supervisor/walk", "supervisor/stand", "supervisor/arm"):
        done, why = client.press(service)
        assert not done, service
        assert why.endswith("."), why
    assert client.state is State.DAMP
    done, why = client.press("supervisor/reset")
    assert done, why
    client.wait(lambda: client.state is State.PASSIVE, 5.0, "reset did not lead to PASSIVE")
    done, why = client.press("supervisor/walk")
    assert not done, "it must be armed and stand first"


@pytest.mark.realtime
def test_tarsus_sim_walks_in_real_time_and_reports() -> None:
    command = [*TARSUS, "sim", "--duration", "3", "--vx", "0.4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, env=free_domain())
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["falls"] == 0
    assert result["distance_m"] > 0.5
    assert set(result["loop_latency_ms"]) == {"p50", "p99", "max"}
    assert result["policy_sha256"] == PolicySession(pretrained_policy("g1"), load_robot("g1")).policy_sha256
    assert {"real_time_factor", "deadline_misses"} <= set(result)


@pytest.mark.realtime
def test_ctrl_c_ends_an_endless_run_and_leaves_no_process() -> None:
    process = subprocess.Popen(
        [*TARSUS, "sim"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=free_domain(),
    )
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if "Ctrl-C here ends the simulation" in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    out, rest = process.communicate(timeout=60)
    assert "Traceback" not in said + rest
    assert process.returncode == 0, rest
    result = json.loads(out.splitlines()[-1])
    assert result["falls"] == 0
    mine = f"ROS_DOMAIN_ID={result['ros_domain_id']}\0".encode()
    deadline = time.monotonic() + 10.0
    while (left := nodes_with(mine)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


def nodes_with(variable: bytes) -> list[str]:
    """Command lines of the nodes whose environment holds the variable."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if variable in (folder / "environ").read_bytes() and b"_node" in (folder / "cmdline").read_bytes():
                found.append((folder / "cmdline").read_text())
        except OSError:  # it has ended meanwhile, or is not ours
            continue
    return found
