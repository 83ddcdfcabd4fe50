# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Faults that come from outside the loop: rivals, remotes, velocity commands, motors, batteries, parameters."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from sensor_msgs.msg import BatteryState
from std_msgs.msg import Bool
from tarsus_msgs.msg import JointCommand, MotorStates

from tarsus_edge.supervisor import State
from tarsus_nodes.faults.bench import FaultBench
from tarsus_nodes.faults.judge import arming_refused, both, comes_to_rest, damped, walks_on
from tarsus_nodes.faults.table import Line, Seen
from tarsus_nodes.faults.witness import RIVAL
from tarsus_nodes.operator_client import OperatorError
from tarsus_nodes.qos import COMMAND_QOS
from tarsus_nodes.tied import tied

REST_MS = 2000.0
"""half a second until a command is too old, and two strides of 0.64 s to stop in"""
SIT_MS = 2600.0
"""``halt_duration_s``, and a little"""
STOP_MS = 50.0
PRESSED = "The emergency stop is pressed"

# A remote: commands 0.5 m/s until it is killed.
_REMOTE = """
import time, rclpy
from geometry_msgs.msg import TwistStamped
rclpy.init()
node = rclpy.create_node("remote")
publisher = node.create_publisher(TwistStamped, "cmd_vel", 1)
message = TwistStamped()
message.twist.linear.x = 0.5
while True:
    publisher.publish(message)
    time.sleep(0.05)
"""


def silent_rival(bench: FaultBench) -> Seen:
    """Somebody else may publish what the policy alone has to say."""
    bench.to_walk()
    node = bench.client.node
    since_s = time.monotonic()
    other = node.create_publisher(JointCommand, "policy/command", COMMAND_QOS)
    try:
        seen = damped(bench, since_s, 1000.0, "publishers of 'policy/command'")
        refused = arming_refused(bench, "publishers of 'policy/command'")
    finally:
        node.destroy_publisher(other)
    return both(seen, refused)


def rival_that_commands(bench: FaultBench) -> Seen:
    """Somebody goes on with an old command, four times as often as the supervisor: only the watchdog can end that."""
    bench.to_walk()
    node, heard = bench.client.node, list[JointCommand]()
    listener = node.create_subscription(JointCommand, "joint_command", heard.append, COMMAND_QOS)
    bench.until(lambda: heard)
    stiff = copy.deepcopy(heard[-1])
    stiff.header.frame_id = RIVAL
    ended = threading.Event()
    since_s = time.monotonic()
    other = node.create_publisher(JointCommand, "joint_command", COMMAND_QOS)

    def command() -> None:
        while not ended.wait(0.005):
            own = [message.header.stamp for message in heard[-20:] if message.header.frame_id != RIVAL]
            stiff.header.stamp = own[-1] if own else stiff.header.stamp
            other.publish(stiff)

    thread = threading.Thread(target=command, name="rival", daemon=True)
    thread.start()
    try:
        seen = damped(bench, since_s, 1000.0, "publishers of ")  # both say so, whichever sees it first
        bench.until(lambda: bench.witness.watchdog_at(since_s) is not None, 2.0)
        at_s = bench.witness.watchdog_at(since_s)
        refused = arming_refused(bench, "publishers of ")
        bench.wait(0.3)
        holds = bench.witness.watchdog[-1][1].damp
    finally:
        ended.set()
        thread.join()
        node.destroy_subscription(listener)
        node.destroy_publisher(other)
    told_ms = None if at_s is None else (at_s - since_s) * 1e3
    told = "the watchdog does not see it" if told_ms is None else "the watchdog lets the actuators damp"
    return both(seen, both(Seen(told, holds and told_ms is not None and told_ms <= 1000.0, told_ms), refused))


def velocity_stops(bench: FaultBench) -> Seen:
    bench.to_walk()
    since_s = time.monotonic()
    bench.drives = None
    return comes_to_rest(bench, since_s, REST_MS)


def velocity_not_a_number(bench: FaultBench) -> Seen:
    bench.to_walk()
    before = int(bench.witness.value("policy", "cmd_vel rejected") or 0)
    bench.drives = np.array([math.nan, 0.0, 0.0])
    since_s = time.monotonic()
    seen = comes_to_rest(bench, since_s, REST_MS)
    bench.until(lambda: int(bench.witness.value("policy", "cmd_vel rejected") or 0) > before, 3.0)
    count = int(bench.witness.value("policy", "cmd_vel rejected") or 0) - before
    return both(Seen(f"{count} commands ignored", count > 0), seen)


def velocity_too_fast(bench: FaultBench) -> Seen:
    bench.to_walk()
    bench.drives = np.array([5.0, 0.0, 0.0])
    bench.wait(1.5)
    since_s = time.monotonic()
    bench.wait(2.0)
    speed = bench.witness.mean_speed(since_s)
    walks = bench.client.state is State.WALK
    text = f"walks at {speed:.2f} m/s" if walks else f"damped: {bench.operator.reason}"
    return Seen(text, walks and 0.7 < speed < 1.4)


def remote_lost(bench: FaultBench) -> Seen:
    remote = subprocess.Popen(tied([sys.executable, "-c", _REMOTE]))
    try:
        bench.until(lambda: bench.client.node.count_publishers("cmd_vel") > 1)
        bench.to_walk()
        bench.drives = None
        bench.wait(2.0)
        walked = bench.witness.moved(time.monotonic() - 1.0)
        since_s = time.monotonic()
    finally:
        remote.kill()
        remote.wait()
    return both(
        Seen(f"{walked:.2f} m in the last second of the remote", walked > 0.25), comes_to_rest(bench, since_s, REST_MS)
    )


def _motors(bench: FaultBench, temperature_c: float, error: int = 0) -> float:
    names = bench.robot.joint_names
    temperatures, errors = [40.0] * len(names), [0] * len(names)
    temperatures[3], errors[3] = temperature_c, error
    return bench.report("motor_states", MotorStates(name=list(names), temperature=temperatures, error=errors))


def hot_motor(bench: FaultBench) -> Seen:
    _motors(bench, 40.0)
    bench.to_walk()
    _motors(bench, 110.0)
    warned = bench.until(lambda: bench.witness.view.level("supervisor", time.monotonic()) == "warn", 3.0)
    said = bench.witness.view.nodes["supervisor"].message if warned else "no warning"
    walks = bench.client.state is State.WALK
    seen = damped(bench, _motors(bench, 121.0), 50.0, "is at 121 C")
    _motors(bench, 40.0)
    limited = "is limited to 75%" in said
    return both(Seen(f"at 110 C: {said}", warned and walks and limited), replace(seen, text=f"at 121 C {seen.text}"))


def motor_error(bench: FaultBench) -> Seen:
    _motors(bench, 40.0)
    bench.to_walk()
    seen = damped(bench, _motors(bench, 40.0, 7), 50.0, "reports error 7")
    _motors(bench, 40.0)
    return seen


def silent_motors(bench: FaultBench) -> Seen:
    _motors(bench, 40.0)
    bench.to_walk()
    seen = damped(bench, bench.fall_silent("motor_states"), 1200.0, "The motors have not reported")
    _motors(bench, 40.0)
    return seen


def _battery(bench: FaultBench, share: float) -> float:
    since_s = bench.report("battery_state", BatteryState(percentage=share))
    bench.wait(0.2)
    return since_s


def low_battery(bench: FaultBench) -> Seen:
    bench.to_passive()
    _battery(bench, 0.15)
    refused = arming_refused(bench, "The battery is at 15%")
    _battery(bench, 1.0)
    bench.to_walk()
    since_s = _battery(bench, 0.05)
    sat = bench.until(lambda: bench.witness.in_state(State.SIT, since_s) is not None)
    halted = bench.witness.halted
    bench.until(lambda: bench.client.state is State.DAMP)
    reason = bench.operator.reason
    _battery(bench, 1.0)
    at_s = bench.witness.in_state(State.SIT, since_s)
    told_ms = None if at_s is None else (at_s - since_s) * 1e3
    text = f"at 5 %: {'halts, ' if halted else ''}{'sits' if sat else 'does not sit'}, then {reason or 'nothing'}"
    down = any(words in reason for words in ("has sat down", "is tilted by"))  # free, it topples as it sits down
    passed = halted and told_ms is not None and told_ms <= SIT_MS and down
    return both(Seen(f"at 15 %: {refused.text}", refused.passed), Seen(text, passed, told_ms))


def bad_parameter(bench: FaultBench) -> Seen:
    """Values out of range and read-only ones, some of them together with a good one, which must not be taken either."""
    bench.to_walk()
    good, outside = Parameter("run_until_s", value=1e6), Parameter("run_until_s", value=-5.0)
    fixed = Parameter("lockstep", value=True)
    asked = (("sim", (outside,)), ("sim", (good, fixed)), ("supervisor", (Parameter("tilt_damp_rad", value=3.0),)))
    granted = 0
    for node, parameters in asked:
        client = bench.client.node.create_client(SetParametersAtomically, f"{node}/set_parameters_atomically")
        bench.client.wait(client.service_is_ready, 10.0, f"The node '{node}' has no parameter service.")
        future = client.call_async(
            SetParametersAtomically.Request(parameters=[p.to_parameter_msg() for p in parameters])
        )
        bench.client.wait(future.done, 10.0, f"The node '{node}' did not answer.")
        granted += future.result().result.successful
        bench.client.node.destroy_client(client)
    kept = bench.client.parameters("sim", "run_until_s")[0] < 0.0
    text = f"{len(asked) - granted} of {len(asked)} rejected, {'nothing' if kept else 'a part'} was taken"
    return both(Seen(text, not granted and kept), walks_on(bench, 1.0))


def _to_sit(bench: FaultBench) -> None:
    """Let the robot sit down; nothing balances it, so there is no time to lose."""
    bench.to_walk()
    _battery(bench, 0.05)
    if not bench.until(lambda: bench.client.state is State.SIT):
        raise OperatorError("The robot does not sit down.")
    bench.witness.begin()


def emergency_stop(state: State) -> Line:
    """The button, in one state."""

    def run(bench: FaultBench) -> Seen:
        publisher = bench.publisher(Bool, "emergency_stop")
        publisher.publish(Bool(data=False))
        before = {
            State.PASSIVE: bench.to_passive,
            State.STAND: bench.to_stand,
            State.WALK: bench.to_walk,
            State.SIT: lambda: _to_sit(bench),
        }
        before[state]()
        try:
            since_s = time.monotonic()
            publisher.publish(Bool(data=True))
            bench.until(lambda: bench.witness.in_state(State.DAMP, since_s) is not None)
            at_s = bench.witness.in_state(State.DAMP, since_s)
            bench.until(lambda: bench.client.state is State.DAMP)  # hears the reason by another way than the witness
            if state is State.PASSIVE:  # its commands damp already
                reaction = math.inf if at_s is None else (at_s - since_s) * 1e3
                good = reaction <= STOP_MS and PRESSED in bench.operator.reason and not bench.latched()
                seen = Seen(f"damped: {bench.operator.reason}", good, reaction)
            else:
                seen = damped(bench, since_s, STOP_MS, PRESSED)
            refused = arming_refused(bench, PRESSED)
        finally:
            publisher.publish(Bool(data=False))
            if state is State.SIT:
                _battery(bench, 1.0)
            bench.wait(0.3)
        return both(seen, refused)

    number = {State.PASSIVE: 32.1, State.STAND: 32.2, State.WALK: 32.3, State.SIT: 32.4}[state]
    return Line(
        number, f"emergency stop in {state.name}", f"damped within {STOP_MS:g} ms; no arming while pressed", run
    )


LINES = (
    Line(
        17.1,
        "a second publisher of joint_command, stiff",
        "damped within 1 s, by the watchdog too; arming is refused",
        rival_that_commands,
    ),
    Line(
        17.2,
        "a second publisher of policy/command",
        "damped within 1 s; arming is refused",
        silent_rival,
    ),
    Line(21.1, "cmd_vel stops", "zero after 0.5 s, then stands", velocity_stops),
    Line(21.2, "cmd_vel is no number", "ignored; zero after 0.5 s, then stands", velocity_not_a_number),
    Line(21.3, "cmd_vel of 5 m/s", "clamped to what was trained", velocity_too_fast),
    Line(22, "the remote's process killed", "zero after 0.5 s, then stands", remote_lost),
    Line(27.1, "a motor at 110, then 121 C", "warns and takes torque; damped within 50 ms", hot_motor),
    Line(27.2, "a motor's error flag", "damped within 50 ms", motor_error),
    Line(27.3, "motors that reported fall silent", "damped within 1.2 s", silent_motors),
    Line(28, "battery at 15 %, then 5 %", "arming is refused; halts and sits", low_battery),
    Line(29, "parameters that cannot be, at run time", "rejected; walks on", bad_parameter),
    emergency_stop(State.PASSIVE),
    emergency_stop(State.STAND),
    emergency_stop(State.WALK),
    emergency_stop(State.SIT),
)
