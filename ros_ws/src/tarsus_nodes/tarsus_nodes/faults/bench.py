# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The real graph with its robot walking, ready to be harmed: processes to kill, a wire to damage, buttons to press."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.context import Context
from rclpy.publisher import Publisher
from std_msgs.msg import String
from std_srvs.srv import Trigger

from tarsus_core.robot_model import load_robot
from tarsus_edge.launcher import LaunchPlan, LaunchRun, ProcessSpec, find_launch_file, load_plan
from tarsus_edge.policy_file import read_policy
from tarsus_edge.pretrained import pretrained_policy
from tarsus_edge.supervisor import State
from tarsus_nodes.faults import relay
from tarsus_nodes.faults.cable import Cable
from tarsus_nodes.faults.wall_clock import WallClock
from tarsus_nodes.faults.witness import Witness
from tarsus_nodes.operator_client import OperatorClient, OperatorError
from tarsus_nodes.operator_run import OperatorRun
from tarsus_nodes.qos import STATUS_QOS
from tarsus_nodes.realtime import Realtime
from tarsus_nodes.ros_domain import VARIABLE

ROBOT = "g1"
SPEED = np.array([0.5, 0.0, 0.0])
"""m/s: what the robot walks at when a fault comes"""
CALM_S = 1.0
"""s between the start of the graph and that of the robot"""
DRIVE_PERIOD_S = 0.05
REPORT_PERIOD_S = 0.1
PATIENCE_S = 10.0
"""steady time to wait for what has to happen, beyond any limit: then it has not"""
TRIES = 3
"""to bring the robot to walk: a machine that is held up may damp it on the way"""


class FaultBench:
    """Brings the graph up when entered, and down again; nothing of it is left."""

    def __init__(
        self,
        *,
        wired: bool = False,
        simulated_time: bool = False,
        arguments: Mapping[str, str] | None = None,
        own_wall_clock: bool = False,
        cable: Cable | None = None,
        realtime: Realtime | None = None,
        calm_s: float = CALM_S,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepare; nothing starts.

        Args:
            wired: put the relay between the nodes.
            simulated_time: let ages be of simulated time, as in simulation; else of the steady clock, as on a robot.
            arguments: of the launch file, beyond those that make it strict real time.
            own_wall_clock: let ``wall_clock`` shift that of its processes.
            cable: put it between the simulator and everybody.
            realtime: what the nodes and the relay ask of the kernel to be on time; nothing if None.
            calm_s: steady time that the graph is left alone when it is up.
            check: called again and again while waiting; what it raises ends the wait.
        """
        given = {"policy": str(pretrained_policy(ROBOT)), "robot": ROBOT, "patience_s": "0.0", **(arguments or {})}
        plan = load_plan(find_launch_file("sim"), given)
        plan = plan if simulated_time else plan.with_parameters(use_sim_time="false")
        plan = _with_wire(plan) if wired else plan
        self.plan = plan.with_parameters(**(realtime or Realtime()).parameters())
        self.robot = load_robot(ROBOT)
        self.domain = int(os.environ[VARIABLE])
        self.said = io.StringIO()
        """what the processes wrote"""
        self.drives: np.ndarray | None = SPEED
        """velocity command (3,) that is published while waiting; None for none"""
        self._own_wall_clock, self.cable, self._calm_s = own_wall_clock, cable, calm_s
        self._reports: dict[Publisher, Any] = {}
        self.check = check
        self._injections = 0
        self._publishers: dict[str, Publisher] = {}

    def __enter__(self) -> FaultBench:
        with contextlib.ExitStack() as stack:
            plan = self.plan
            if self._own_wall_clock:
                self.wall_clock = WallClock(Path(stack.enter_context(tempfile.TemporaryDirectory())))
                stack.callback(self.wall_clock.tidy)
                plan = plan.with_environment(self.wall_clock.environment)
            if self.cable is not None:
                plan = self.cable.lay(plan)
            self.launch = stack.enter_context(LaunchRun(plan, screen=self.said))
            self.witness = Witness(self.robot, read_policy(pretrained_policy(ROBOT)).contract, self.domain)
            stack.callback(self.witness.close)
            context = Context()  # of its own, which ends with the graph
            context.init(domain_id=self.domain)
            stack.callback(context.try_shutdown)
            self.client = OperatorClient(context, self.check)
            stack.callback(self.client.close)
            self._reset = self.client.node.create_client(Trigger, "sim/reset")
            self.client.node.create_timer(REPORT_PERIOD_S, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))
            self._inject = self.client.node.create_publisher(String, "faults/inject", STATUS_QOS)
            self.operator = OperatorRun(self.client, lambda what, part: None)
            try:
                self.operator.wait_for_graph(self._calm_s)
            except OperatorError as error:
                errors = [line for line in self.said.getvalue().splitlines() if "Error" in line or "[ERROR]" in line]
                raise OperatorError(f"{error} {' '.join(errors[:1])}".rstrip()) from None
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # ---- where the robot is ----

    def to_walk(self) -> None:
        """Let the robot walk at ``SPEED`` on its own feet, whatever it did before; all that was heard is forgotten.

        Raises:
            OperatorError: if it cannot be brought to walk.
        """
        for left in reversed(range(TRIES)):
            self.to_passive()
            try:
                self.operator.stand_up()
                self.drives = SPEED
                self.wait(1.5)
                if self.client.state is not State.WALK:
                    raise OperatorError(f"The robot did not walk before the fault came: {self.operator.reason}")
                break
            except OperatorError:
                if not left:
                    raise
        self.witness.begin()

    def to_stand(self) -> None:
        """Let the robot stand in its gantry, on the way to its pose."""
        self.to_passive()
        self.client.demand("supervisor/arm")
        self.client.demand("supervisor/stand")
        self.wait(0.5)
        self.witness.begin()

    def to_passive(self) -> None:
        """Let the robot hang in its gantry, passive; what was done to it is mended first."""
        self.drives = None
        self.mend()
        if self.client.state not in (None, State.PASSIVE, State.DAMP):
            self.client.press("supervisor/damp")
        self.until(lambda: self.client.press("supervisor/reset")[0] and self.client.state is State.PASSIVE)
        answer = self._reset.call_async(Trigger.Request())
        self.client.wait(answer.done, PATIENCE_S, "'sim/reset' was not answered.")
        self.wait(0.3)
        armed = self.until(
            lambda: self.client.press("supervisor/arm")[0], 2.0 * PATIENCE_S
        )  # all that it needs is there
        if not armed:
            raise OperatorError(f"The supervisor cannot be armed: {self.client.press('supervisor/arm')[1]}")
        self.client.demand("supervisor/damp")
        self.client.demand("supervisor/reset")
        self.until(lambda: self.client.state is State.PASSIVE)
        self.witness.begin()

    # ---- time ----

    def until(self, condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> bool:
        """Wait, commanding the robot's velocity meanwhile; return whether the condition came to hold."""
        end, next_s = time.monotonic() + timeout_s, 0.0
        while not condition():
            now_s = time.monotonic()
            if now_s > end:
                return False
            if self.drives is not None and now_s >= next_s:
                self.client.drive(self.drives)
                next_s = now_s + DRIVE_PERIOD_S
            self.client.spin(0.005)
        return True

    def wait(self, duration_s: float) -> None:
        """Let time pass."""
        self.until(lambda: False, duration_s)

    def damping_ms(self, since_s: float) -> float | None:
        """Wait for the supervisor's first damping command after a time, and return how long it took in ms."""
        self.until(lambda: self.witness.damped_at(since_s) is not None)
        damped_s = self.witness.damped_at(since_s)
        return None if damped_s is None else (damped_s - since_s) * 1e3

    # ---- harm ----

    def inject(self, kind: str, topics: tuple[str, ...], value: float = 0.0) -> float:
        """Damage topics of the wire; return the steady time of the first message that was spoiled."""
        self._injections += 1
        number = self._injections
        asked = {"id": number, "kind": kind, "topics": topics, "value": value}
        self._inject.publish(String(data=json.dumps(asked)))
        if not self.until(lambda: number in self.witness.injected):
            raise OperatorError(f"The relay did not take the fault '{kind}': it has ended, perhaps.")
        return self.witness.injected[number]

    def mend(self) -> None:
        """Let the wire pass everything as it is."""
        if self._injections:
            self.inject("", ())

    def publisher(self, message_type: Any, topic: str) -> Publisher:
        """Publisher of a status topic, which lasts as long as the bench and is heard by then."""
        if topic not in self._publishers:
            self._publishers[topic] = self.client.node.create_publisher(message_type, topic, STATUS_QOS)
            self.until(lambda: self._publishers[topic].get_subscription_count() > 0)
            self.wait(0.5)  # until the other end knows, too
        return self._publishers[topic]

    def report(self, topic: str, message: Any) -> float:
        """Publish a reading now, and again and again, as who has reported once must; return the steady time."""
        publisher = self.publisher(type(message), topic)
        since_s = time.monotonic()
        publisher.publish(message)
        self._reports[publisher] = message
        return since_s

    def fall_silent(self, topic: str) -> float:
        """Report no more; return the steady time."""
        self._reports.pop(self._publishers[topic], None)
        return time.monotonic()

    def _report(self) -> None:
        for publisher, message in self._reports.items():
            publisher.publish(message)

    def pid(self, name: str) -> int:
        """Process id of a node, such as ``policy``."""
        for process in self.launch.processes:
            if process.name.startswith(name) and process.pid is not None:
                return process.pid
        raise KeyError(name)

    def signal(self, name: str, number: signal.Signals) -> float:
        """Send a signal to a node's process; return the steady time."""
        pid = self.pid(name)
        now_s = time.monotonic()
        os.kill(pid, number)
        return now_s

    # ---- what follows ----

    def latched(self) -> str:
        """Why the robot is not at rest for good: what an operator can do who does not reset; empty if nothing."""
        for service in ("arm", "stand", "walk"):
            if self.client.press(f"supervisor/{service}")[0]:
                return f"supervisor/{service} was granted"
        self.wait(0.2)
        if self.client.state is not State.DAMP:
            return f"it went on to {self.client.state.name if self.client.state is not None else 'nothing'}"
        damped_s = self.witness.damped_at(0.0)
        if any(not c.damps for c in list(self.witness.commands) if damped_s is not None and c.time_s > damped_s):
            return "a command with stiffness followed"
        return ""


def _with_wire(plan: LaunchPlan) -> LaunchPlan:
    """Lead the topics of simulator and policy over the relay."""
    processes = [replace(p, command=(*p.command, *relay.remappings(p.name.partition("_")[0]))) for p in plan.processes]
    command = (sys.executable, "-m", relay.__name__, "--ros-args")
    processes.insert(0, ProcessSpec("fault_relay", command, dict(plan.processes[0].environment), output="screen"))
    return replace(plan, processes=tuple(processes))


def processes_of(domain: int) -> list[str]:
    """Command lines of this machine's nodes on a ROS domain, this process left out."""
    mark, found = f"{VARIABLE}={domain}\0".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile, or is not ours
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if mark in (folder / "environ").read_bytes() and any(b"_node" in word for word in words[:2]):
                found.append(b" ".join(words).decode(errors="replace"))
    return found


@contextlib.contextmanager
def stopped(bench: FaultBench, name: str) -> Iterator[float]:
    """Stop a process (SIGSTOP) while the block runs; gives the steady time."""
    since_s = bench.signal(name, signal.SIGSTOP)
    try:
        yield since_s
    finally:
        bench.signal(name, signal.SIGCONT)
