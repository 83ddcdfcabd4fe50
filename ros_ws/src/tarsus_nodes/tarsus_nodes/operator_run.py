# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""An operator's run: arm, stand, walk, let the gantry go, command a velocity, and measure what happens."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from nav_msgs.msg import Odometry
from numpy.typing import NDArray

from tarsus_core.robot_model import load_robot
from tarsus_edge.supervisor import State
from tarsus_nodes.conversions import seconds_from_stamp
from tarsus_nodes.odometry import pose_of
from tarsus_nodes.operator_client import OperatorClient, OperatorError
from tarsus_nodes.walk_measure import WalkMeasure

Array = NDArray[np.float64]

MARGIN_S = 0.1
"""s of simulated time beyond the durations that the supervisor is set to"""
BALANCE_S = 1.0
"""s of simulated time for the robot to balance on its own, before it gets a command"""
COMMAND_PERIOD_S = 0.05
"""s of steady time between two velocity commands"""
START_S = 90.0
"""s of steady time for the graph to come up"""
ARM_S = 15.0
"""s of steady time for what forbids arming at first to go: a watchdog that is not tied yet, a rival that was killed"""
HALT_S = 0.2
"""s of steady time for the last messages of a simulator that was told to hold"""
SETTLE_S = 5.0
"""s of steady time for messages under way to arrive"""

Say = Callable[[str, float], None]
"""Called with what happens now, and the part of it that is done (0 to 1)."""


@dataclass(frozen=True)
class RunPlan:
    """What to command, and for how long."""

    command: tuple[float, float, float]
    """vx, vy in m/s, wz in rad/s"""
    duration_s: float
    """of simulated time"""


class OperatorRun:
    """Takes a graph that has just started to a walking robot, in steps.

    In lockstep the simulator holds whenever the operator acts, at simulated times that depend on nothing else, so that
    a run is the same each time.
    """

    def __init__(self, client: OperatorClient, say: Say) -> None:
        """Use a client of the graph; nothing is done yet."""
        self._client = client
        self._say = say
        self._lockstep = False
        self._period_s = 0.0
        self._height_m = 0.0
        self._hold_s = 0.0
        self._measure_from_s = -math.inf
        self._plan = RunPlan((0.0, 0.0, 0.0), math.inf)
        self._measure = WalkMeasure(np.zeros(3), 1.0)

    def wait_for_graph(self, calm_s: float = 0.0) -> None:
        """Wait until all nodes are there, and learn how the simulator runs.

        Args:
            calm_s: steady time to let pass after that. Processes that start take the others' cores, which a graph in
                strict real time takes for a fault.
        """
        self._say("starting", 0.0)
        client = self._client
        client.wait_for_graph(START_S)
        self._lockstep, self._period_s, robot, hold_s = client.parameters(
            "sim", "lockstep", "control_period_s", "robot", "run_until_s"
        )
        self._height_m = load_robot(robot).base_height_m
        if self._lockstep:
            client.follow_answers()
            if hold_s < 0.0:  # it runs freely, many times as fast as messages tell: stop it before a time is named
                client.set_simulator_parameter("run_until_s", 0.0)
                client.wait(lambda: math.isfinite(client.time_s), START_S, "The supervisor does not answer.")
                self._drive_for(None, HALT_S)
                hold_s = client.time_s + self._period_s
            self._hold_at(hold_s)
            client.wait_until(self._hold_s)
        else:
            client.wait(lambda: math.isfinite(client.time_s), START_S, "There is no 'ground_truth/odom'.")
            until_s = time.monotonic() + calm_s
            while time.monotonic() < until_s:
                client.spin()

    def stand_up(self) -> None:
        """Arm the supervisor, go to the standing pose, give the robot to the policy, and let the gantry go.

        Raises:
            OperatorError: when the supervisor refuses, or damps the robot.
        """
        client = self._client
        ramp_s, blend_s = client.parameters("supervisor", "stand_duration_s", "walk_blend_s")
        self._say("arming", 0.0)
        self._demand("supervisor/arm", ARM_S)
        client.demand("supervisor/stand")
        self._advance(ramp_s + MARGIN_S, "standing")
        client.wait(self._is_ready, SETTLE_S, "The robot does not stand in time: see 'diagnostics' of the supervisor.")
        self._demand("supervisor/walk", SETTLE_S)  # until the policy has answered the newest state
        self._advance(blend_s + MARGIN_S, "taking over")
        client.demand("sim/release")
        self._advance(BALANCE_S, "balancing")
        self._refuse_damped()

    def walk(self, plan: RunPlan) -> dict[str, Any]:
        """Command the velocity for the plan's duration, and return what was measured, ready for JSON.

        A fall ends it early; it is told in the results.
        """
        self.begin(plan)
        if self._lockstep:
            self._drive_until(lambda: math.isfinite(self._client.policy_value("cmd_vel age [s]")), "taking the command")
            self._hold_at(self._hold_s + plan.duration_s + self._period_s)
        self._drive_until(lambda: self._over, "walking")
        return self.finish()

    def walk_on(self, plan: RunPlan, tell: Callable[[str], None]) -> None:
        """Let the robot walk, whoever commands it, until something raises; ``finish`` gives the results then.

        Args:
            plan: a velocity to command until somebody else does; from then on it is theirs.
            tell: called with a sentence when the robot is damped.
        """
        self.begin(plan)
        if self._lockstep:
            self._client.set_simulator_parameter("run_until_s", -1.0)
        self._say("walking until Ctrl-C", 0.0)
        told, ours = "", any(plan.command)
        while True:
            ours = ours and self._client.drives_alone
            drive = ours and self._client.state is State.WALK
            self._drive_for(np.array(plan.command) if drive else None, COMMAND_PERIOD_S)
            if self.reason != told:
                told = self.reason
                if told:
                    tell(f"The robot is damped: {told}")

    def begin(self, plan: RunPlan) -> None:
        """Count and measure anew from here on."""
        self._client.demand("sim/reset_statistics")
        self._measure_from_s = self._client.time_s + 0.5 * self._period_s
        self._plan = plan
        self._measure = WalkMeasure(np.array(plan.command), self._height_m)
        self._client.on_odometry = self._on_odometry

    def finish(self) -> dict[str, Any]:
        """End the measurement, command zero velocity, and return what was measured, ready for JSON."""
        client, measure = self._client, self._measure
        client.on_odometry = None
        statistics = json.loads(client.demand("sim/reset_statistics"))
        client.drive(np.zeros(3))
        return {
            "distance_m": round(measure.distance_m, 4),
            "falls": int(self._fallen) if math.isfinite(self._plan.duration_s) else measure.falls,
            "real_time_factor": statistics["real_time_factor"],
            "loop_latency_ms": statistics["loop_latency_ms"],
            "answer_latency_ms": statistics["answer_latency_ms"],
            "deadline_misses": statistics["deadline_misses"],
            "waited_s": statistics["waited_s"],
            "skipped_cycles": statistics["skipped_cycles"],
            "policy_sha256": client.policy_values.get("policy sha256"),
            "duration_s": round(measure.duration_s, 4),
            "command": _axes(measure.command),
            "mean_velocity": _axes(measure.mean_velocity),
            "velocity_error": _axes(measure.velocity_error),
            "lockstep": self._lockstep,
        }

    @property
    def reason(self) -> str:
        """Why the robot is damped; empty if it is not."""
        return self._client.supervisor.reason if self._client.supervisor is not None else ""

    # ---- steps ----

    @property
    def _fallen(self) -> bool:
        return self._measure.falls > 0 or self._client.state is not State.WALK

    @property
    def _over(self) -> bool:
        return self._fallen or self._measure.duration_s >= self._plan.duration_s - 1e-6

    def _on_odometry(self, message: Odometry) -> None:
        stamp_s = seconds_from_stamp(message.header.stamp)
        if stamp_s <= self._measure_from_s:
            return
        if not math.isfinite(self._plan.duration_s):  # the robot may be damped and walk again
            self._measure.add(stamp_s, *pose_of(message), walking=self._client.state is State.WALK)
        elif not self._over:
            self._measure.add(stamp_s, *pose_of(message))
            self._say("walking", self._measure.duration_s / self._plan.duration_s)

    def _is_ready(self) -> bool:
        self._refuse_damped()
        return self._client.supervisor is not None and bool(self._client.supervisor.ready)

    def _demand(self, service: str, timeout_s: float) -> None:
        """Ask until it is granted: the graph may still be on its way."""
        said = ""

        def granted() -> bool:
            nonlocal said
            done, said = self._client.press(service)
            self._refuse_damped()
            return done

        self._client.wait(granted, timeout_s, lambda: f"'{service}' was refused: {said}")

    def _refuse_damped(self) -> None:
        if self._client.state is State.DAMP:
            raise OperatorError(f"The robot was damped: {self.reason}")

    def _drive_until(self, condition: Callable[[], bool], what: str) -> None:
        """Publish the plan's command at 20 Hz until the condition holds."""
        self._client.expect_news()
        while not condition():
            self._drive_for(np.array(self._plan.command), COMMAND_PERIOD_S)
            self._client.refuse_silence(what)

    def _drive_for(self, command: Array | None, duration_s: float) -> None:
        """Publish a command once, and let messages in for a while."""
        if command is not None:
            self._client.drive(command)
        end_s = time.monotonic() + duration_s
        while (left_s := end_s - time.monotonic()) > 0.0:
            self._client.spin(left_s)

    # ---- simulated time ----

    def _advance(self, duration_s: float, what: str) -> None:
        """Let simulated time pass; in lockstep, to the next hold."""
        start_s = self._client.time_s
        if self._lockstep:
            self._hold_at(self._hold_s + duration_s)
            end_s = self._hold_s
        else:
            end_s = start_s + duration_s

        def tell() -> None:
            self._refuse_damped()
            self._say(what, (self._client.time_s - start_s) / max(end_s - start_s, 1e-9))

        self._client.wait_until(end_s, tell)

    def _hold_at(self, time_s: float) -> None:
        """Let the lockstep simulator run to a control period whose first state is answered, and hold there."""
        self._hold_s = round(time_s / self._period_s) * self._period_s
        self._client.set_simulator_parameter("run_until_s", self._hold_s)


def _axes(velocity: Array) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(("vx", "vy", "wz"), velocity, strict=True)}
