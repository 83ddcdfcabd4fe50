# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``supervisor``: the one publisher of ``joint_command``."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from builtin_interfaces.msg import Time
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from sensor_msgs.msg import BatteryState, Imu, JointState
from std_srvs.srv import Trigger
from tarsus_msgs.msg import JointCommand as JointCommandMsg
from tarsus_msgs.msg import MotorStates, SupervisorState

from tarsus_core.errors import StateError
from tarsus_core.robot_model import load_robot
from tarsus_core.state import JointCommand
from tarsus_edge.policy_file import read_policy
from tarsus_edge.schedule import ControlSchedule
from tarsus_edge.supervisor import Answer, State, Supervisor
from tarsus_edge.supervisor_config import SupervisorConfig
from tarsus_nodes.age_clock import age_clock
from tarsus_nodes.conversions import (
    joint_command,
    joint_command_message,
    motor_reading,
    nanoseconds_from_stamp,
    robot_state,
    seconds_from_stamp,
    stamp_from_seconds,
)
from tarsus_nodes.diagnostics import Diagnostics, Latency, Rate, Report
from tarsus_nodes.lifeline import POLICY, SUPERVISOR, Lifeline, LifelineWatch
from tarsus_nodes.obstacles import Obstacles
from tarsus_nodes.pairing import Pairing
from tarsus_nodes.parameters import declare, declare_config
from tarsus_nodes.policy_source import PolicySource
from tarsus_nodes.process import run_process
from tarsus_nodes.qos import ANSWER_QOS, STATUS_QOS, command_qos, sensor_qos, subscribe_to_any
from tarsus_nodes.realtime import Realtime

LOOK_PERIOD_S = 0.1
"""s between two looks for what forbids to command"""
CHECK_PERIOD_S = 0.01
"""s between two looks at the ages when no message comes"""
STATUS_PERIOD_S = 0.1
LAST_WORD = Duration(seconds=0.2)
"""for the last command to arrive, before the process ends"""


class SupervisorNode(Node):
    """Feeds the supervisor with messages and publishes what it decides.

    In real time the clock is steady, or simulated (``use_sim_time``). A command goes out for each new control period
    while the robot is passive, stands or is damped, at once for each policy command while it walks, and at once when it
    is damped. In lockstep the clock is the states' stamps, and the state that begins a control period gets exactly one
    command, with its stamp.
    """

    def __init__(self, **node_arguments: Any) -> None:
        """Declare the parameters, read the pose and the gains from the policy's contract, start PASSIVE.

        Raises:
            TarsusError: for a policy file, robot or threshold that cannot be used.
        """
        super().__init__("supervisor", **node_arguments)
        robot_name = declare(self, "robot", "g1", "Robot to supervise: a name or a YAML file")
        self._time = age_clock(self)
        self._lockstep = declare(self, "lockstep", False, "Answer each control period once, by stamps")
        source = PolicySource(self, self._lockstep)
        self._stamps_are_times = self._lockstep or self.get_parameter("use_sim_time").value
        state_period_s = declare(self, "state_period_s", 0.005, "Time between two states [s]", limits=(1e-4, 1.0))
        self._patience_s = declare(
            self,
            "lockstep_timeout_s",
            4.5,
            "Steady time without an answer of the policy at which lockstep damps [s]",
            limits=(0.05, 60.0),
        )
        needs_watchdog = declare(self, "watchdog", True, "Refuse to arm without the watchdog process")
        config = declare_config(self, SupervisorConfig)
        robot = load_robot(robot_name)
        contract = read_policy(*source.find(robot.name)).contract
        contract.check_robot(robot)
        self._names = robot.joint_names
        self._schedule = ControlSchedule.of(contract.control_period_s, state_period_s)
        self.supervisor = Supervisor.for_policy(config, robot, contract)

        self.realtime = Realtime.declare(self)
        self._sequence = 0
        self._sent: JointCommandMsg | None = None
        self._awaited_stamp_s: float | None = None
        self._awaited_since_s = 0.0
        self._answered_period: int | None = None
        self._shown: tuple[object, ...] = ()
        self._pairing = Pairing("joint_states", "imu/data")
        self._rate = Rate(time.monotonic())
        self._latency = Latency()
        self._asked = -1.0, 0.0
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        qos = sensor_qos(self._lockstep)
        commands_qos = command_qos(self._lockstep)
        answer_qos = ANSWER_QOS if self._lockstep else commands_qos
        self._commands = self.create_publisher(JointCommandMsg, "joint_command", answer_qos)
        self._status = self.create_publisher(SupervisorState, "supervisor/state", STATUS_QOS)
        self.create_subscription(JointState, "joint_states", lambda m: self._on_message("joint_states", m), qos)
        self.create_subscription(Imu, "imu/data", lambda m: self._on_message("imu/data", m), qos)
        policy = self.create_subscription(JointCommandMsg, "policy/command", self._on_policy_command, commands_qos)
        subscribe_to_any(self, MotorStates, "motor_states", self._on_motors)
        subscribe_to_any(self, BatteryState, "battery_state", self._on_battery)
        for name in ("arm", "stand", "walk", "damp", "reset"):
            self.create_service(Trigger, f"supervisor/{name}", self._service(name))
        self._policy_line = LifelineWatch(self, POLICY, self._on_policy_lost)
        self._obstacles = Obstacles(
            self,
            {self._commands.topic_name: "supervisor", policy.topic_name: "policy"},
            needs_watchdog,
            time.monotonic if self._lockstep else self._time,  # in lockstep time may run many times as fast
            self._on_obstacle,
        )
        self._own_line = Lifeline(self, SUPERVISOR)
        self.create_timer(CHECK_PERIOD_S, self._on_timer, clock=steady)
        self.create_timer(LOOK_PERIOD_S, self._obstacles.look, clock=steady)
        if not self._lockstep:
            self.create_timer(STATUS_PERIOD_S, lambda: self._show(always=True), clock=steady)
        self._diagnostics = Diagnostics(self, self._report, robot.name)
        self._show(always=True)

    def on_stop(self) -> None:
        """Damp the robot with the last command of this process."""
        self.supervisor.damp(self._now(), "The supervisor was stopped.")
        self._send(self.supervisor.tick(self._now()))
        self._show()
        self._commands.wait_for_all_acked(LAST_WORD)  # else it ends with this process, on its way

    def destroy_node(self) -> None:
        """Let go of the lifelines with the rest."""
        for line in (self._own_line, self._policy_line, self._obstacles):
            line.close()
        super().destroy_node()

    def _now(self) -> float:
        """Clock of all ages: the states' own in lockstep, where the simulator waits for us, else that of the node."""
        if self._lockstep:
            return self.supervisor.states.stamp_s or 0.0
        return self._time()

    # ---- what comes in ----

    def _on_message(self, topic: str, message: Any) -> None:
        messages = self._pairing.add(topic, nanoseconds_from_stamp(message.header.stamp), message)
        if messages is None:
            if self._lockstep and topic == "imu/data":
                self._send_again(message.header.stamp)
            return
        try:
            state = robot_state(messages["joint_states"], messages["imu/data"], self._names)
        except StateError as error:
            self.supervisor.states.reject(str(error))
            self.get_logger().error(str(error), throttle_duration_sec=1.0)
            return
        # by simulated time a state is as old as its stamp says: a clock that does not move with the stamps shows, too
        self.supervisor.on_state(state, state.stamp_s if self._stamps_are_times else self._time())
        self._rate.count()
        if self._schedule.begins(state.stamp_s):
            self._asked = state.stamp_s, time.monotonic()
        if self._lockstep:
            self._on_lockstep_state(state.stamp_s)
        else:
            self._on_real_time_state(state.stamp_s)

    def _on_real_time_state(self, stamp_s: float) -> None:
        now = self._time()
        self.supervisor.check(now)
        damped_now = self._show()
        period = self._schedule.period(stamp_s)
        walking = self.supervisor.state is State.WALK and not self.supervisor.holding(now)
        if damped_now or (period != self._answered_period and not walking):
            self._answered_period = period
            self._send(self.supervisor.tick(now))

    def _on_lockstep_state(self, stamp_s: float) -> None:
        if not self._schedule.begins(stamp_s):
            self._show()
            return
        self._awaited_stamp_s = stamp_s
        self._awaited_since_s = time.monotonic()
        self._show(always=True)  # of this stamp: the policy waits for it
        if self.supervisor.state is not State.WALK:
            self._answer_lockstep()

    def _on_policy_command(self, message: JointCommandMsg) -> None:
        taken = self.supervisor.commands.latest
        if not self._lockstep and taken is not None and seconds_from_stamp(message.header.stamp) == taken.stamp_s:
            return  # the policy sends each command twice
        try:
            command = joint_command(message)
        except StateError as error:
            self.supervisor.commands.reject(str(error))
            self.get_logger().error(str(error), throttle_duration_sec=1.0)
            return
        now = self._now()
        if not self.supervisor.on_policy_command(command):
            self.get_logger().warning(self.supervisor.commands.last_rejection, throttle_duration_sec=1.0)
        elif self.supervisor.state is State.WALK and not self._lockstep:
            self._send(self.supervisor.tick(now))
            self._show()
        if self._lockstep and command.stamp_s == self._awaited_stamp_s and self.supervisor.state is State.WALK:
            self._answer_lockstep()  # a rejected command is answered too, by holding the one before

    def _on_motors(self, message: MotorStates) -> None:
        self.supervisor.on_motors(motor_reading(message), self._now())
        self._act_on_news()

    def _on_battery(self, message: BatteryState) -> None:
        if not self.supervisor.on_battery(message.percentage, self._now()):
            self.get_logger().warning(
                f"The battery reports a charge of {message.percentage}, not 0 to 1: it is ignored.",
                throttle_duration_sec=10.0,
            )

    def _on_policy_lost(self) -> None:
        """The process of the policy was killed, or it was deactivated."""
        self.supervisor.lose_policy()
        self._act_on_news()

    def _act_on_news(self) -> None:
        """Outside the stream of states: show what has changed, and damp at once if that is the news."""
        if self._show():
            if self._awaited_stamp_s is not None:
                self._answer_lockstep()
            elif not self._lockstep:
                self._send(self.supervisor.tick(self._now()))

    def _on_obstacle(self, obstacle: str, emergency_stop: bool) -> None:
        if emergency_stop:
            self.supervisor.damp(self._now(), obstacle)
        self.supervisor.obstruct(obstacle)
        self._act_on_news()

    def _on_timer(self) -> None:
        """Notice what does not come."""
        if self._lockstep:
            waited_s = time.monotonic() - self._awaited_since_s
            if self._awaited_stamp_s is not None and waited_s > self._patience_s:
                self.supervisor.damp(self._now(), f"No policy command for {self._patience_s:g} s.")
                self._act_on_news()
            return
        self.supervisor.check(self._time())
        self._act_on_news()

    def _service(self, name: str) -> Callable[[Trigger.Request, Trigger.Response], Trigger.Response]:
        def answer(_: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            self._obstacles.look()
            request: Callable[[float], Answer] = getattr(self.supervisor, name)
            response.success, response.message = request(self._now())
            self.get_logger().info(f"{name}: {response.message}")
            self._act_on_news()
            return response

        return answer

    # ---- what goes out ----

    def _answer_lockstep(self) -> None:
        """Send the one command for the awaited stamp."""
        command = self.supervisor.tick(self._now())
        if command is not None and self._awaited_stamp_s is not None:
            self._send(dataclasses.replace(command, stamp_s=self._awaited_stamp_s))
            self._awaited_stamp_s = None

    def _send(self, command: JointCommand | None) -> None:
        if command is not None:
            asked_stamp_s, asked_s = self._asked
            if command.stamp_s == asked_stamp_s:
                self._latency.add(time.monotonic() - asked_s)
                self._asked = -1.0, 0.0  # the first answer counts
            self._sequence += 1
            self._sent = joint_command_message(command, self._sequence)
            self._commands.publish(self._sent)

    def _send_again(self, stamp: Time) -> None:
        """Repeat the answer to a state that came again: the simulator joined the topic too late to hear it."""
        if self._sent is not None and self._sent.header.stamp == stamp:
            self._commands.publish(self._sent)

    def _show(self, always: bool = False) -> bool:
        """Publish the status if it is news; return whether the news is that the robot is damped."""
        s, now = self.supervisor, self._now()
        status = (s.state, s.armed, s.ready, s.halting, s.reason)
        news = status != self._shown
        damped_now = s.state is State.DAMP and self._shown[:1] != (State.DAMP,)
        self._shown = status
        if damped_now:
            self.get_logger().error(f"Damped: {s.reason}")
        if news or always:
            self._publish_status(now)
        return damped_now

    def _publish_status(self, now: float) -> None:
        s = self.supervisor
        message = SupervisorState(
            state=int(s.state),
            armed=s.armed,
            ready=s.ready,
            halt=s.halting,
            reason=s.reason,
            state_age=s.states.age(now),
            command_age=s.command_age(now),
            commands_rejected=s.commands.rejected,
            commands_clamped=s.commands.clamped,
        )
        message.header.stamp = stamp_from_seconds(s.states.stamp_s or 0.0)
        self._status.publish(message)

    def _report(self) -> Report:
        s, now = self.supervisor, self._now()
        values: dict[str, object] = {
            "state": s.state.name,
            "states [Hz]": self._rate.look(time.monotonic()),
            "state age [ms]": s.states.age(now) * 1e3,
            "state delay [ms]": s.states.delay_s * 1e3,
            "states late": s.states.late,
            "states rejected": s.states.rejected,
            **self._latency.values("state to command"),
            "command age [ms]": s.command_age(now) * 1e3,
            "commands rejected": s.commands.rejected,
            "last rejection": s.commands.last_rejection,
            "commands clamped": s.commands.clamped,
            "last clamp": s.commands.last_clamp,
            "watchdog tied": self._obstacles.watched,
            "battery": s.health.battery_share,
            "hottest motor": s.health.hottest,
            "motor and battery readings rejected": s.health.rejected,
        }
        if s.state is State.DAMP:
            return "error", s.reason, values
        if s.health.warning:
            return "warn", s.health.warning, values
        if s.hindrance and s.state is State.PASSIVE:
            return "warn", s.hindrance, values
        if s.states.age(now) > s.config.state_age_warn_s and not self._lockstep:
            return "warn", "The robot state is late.", values
        return "ok", f"The robot is in {s.state.name}.", values


def main() -> None:
    """Run the node."""
    run_process(SupervisorNode)


if __name__ == "__main__":
    main()
