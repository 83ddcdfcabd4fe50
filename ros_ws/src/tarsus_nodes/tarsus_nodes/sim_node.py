# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Node ``sim``: the robot in PyBullet, as a driver would show it. A lifecycle node, since it owns the "hardware"."""

from __future__ import annotations

import gc
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import Vector3
from nav_msgs.msg import Odometry
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock as ClockMsg
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from tarsus_msgs.msg import JointCommand as JointCommandMsg
from tarsus_msgs.msg import WatchdogState

from tarsus_core.errors import ConfigError, SimulationError, StateError, TarsusError
from tarsus_core.robot_model import RobotModel, load_robot
from tarsus_core.state import GroundTruth, RobotState
from tarsus_nodes.conversions import damping_reason, imu_message, joint_command, joint_state_message
from tarsus_nodes.diagnostics import Diagnostics, Report
from tarsus_nodes.lifecycle import RobustLifecycleNode, declare_autostart, sentence
from tarsus_nodes.odometry import odometry_message
from tarsus_nodes.parameters import declare
from tarsus_nodes.process import run_process
from tarsus_nodes.qos import COMMAND_QOS, NEWEST_QOS, STATUS_QOS, TRUTH_QOS, command_qos, sensor_qos
from tarsus_nodes.realtime import Realtime
from tarsus_nodes.sim_loop import LoopConfig, SimLoop
from tarsus_sim.camera import follow_in_window
from tarsus_sim.pybullet_world import PyBulletWorld, WorldConfig
from tarsus_sim.recording import Recorder

CLOCK_TICKS = 2
"""physics steps between two messages of ``clock``: each of them wakes every node that lives by simulated time, so it
goes with none of the states that the policy answers"""


class SimNode(RobustLifecycleNode):
    """Simulates one robot. Configure loads it, hanging in a gantry; activate lets time run.

    Publishes ``joint_states`` and ``imu/data`` each physics step (200 Hz), ``clock`` each second one,
    ``ground_truth/odom`` for each control period, ``robot_description`` once; subscribes ``joint_command``,
    ``watchdog/state`` and ``sim/push`` (an impulse on the torso in N.s, heading frame). Services: ``sim/release`` lets
    the gantry go, ``sim/reset`` hangs the robot at its start again, ``sim/reset_statistics`` answers with the
    statistics so far as JSON and counts anew. Physics runs in a thread of its own; this node's executor only hands it
    the newest command.
    """

    def __init__(self, **node_arguments: Any) -> None:
        """Declare the parameters; nothing is loaded yet."""
        super().__init__("sim", **node_arguments)
        self._robot_name = declare(self, "robot", "g1", "Robot to simulate: a name or a YAML file")
        self._lockstep = declare(self, "lockstep", False, "Wait for the answer to each control period's first state")
        self._loop_config = LoopConfig(
            lockstep=self._lockstep,
            control_period_s=declare(
                self, "control_period_s", 0.02, "Time between two commands [s]", limits=(0.001, 0.1)
            ),
            command_timeout_s=declare(
                self, "command_timeout_s", 0.1, "Age of a command at which the actuators damp [s]", limits=(0.005, 10.0)
            ),
            patience_s=declare(
                self,
                "patience_s",
                0.5,
                "Real time: how long simulated time may wait for a late command [s]",
                limits=(0.0, 10.0),
            ),
            lockstep_timeout_s=declare(
                self,
                "lockstep_timeout_s",
                5.0,
                "Steady time without an answer that ends lockstep [s]",
                limits=(0.1, 600.0),
            ),
            seed=declare(self, "seed", 0, "Draws the start pose of the hanging robot", limits=(0, 2**31 - 1)),
        )
        self._world_config = WorldConfig(
            gui=declare(self, "gui", False, "Open PyBullet's window"),
            friction=declare(self, "friction", 1.0, "Friction of soles and ground", limits=(0.05, 2.0)),
        )
        self._record = declare(self, "record", "", "File (.npz) to record to, written at the end; empty for none")
        declare(
            self,
            "run_until_s",
            -1.0,
            "Lockstep: hold the simulation at this simulated time [s]; negative for never",
            limits=(-1.0, 1e9),
            read_only=False,
        )

        self.realtime = Realtime.declare(self)
        self._robot: RobotModel | None = None
        self._world: PyBulletWorld | None = None
        self._loop: SimLoop | None = None
        self._recorder: Recorder | None = None
        self._error: Exception | None = None
        self._truth: tuple[RobotState, GroundTruth] | None = None
        self._failed = self.create_guard_condition(self._raise)
        qos = sensor_qos(self._lockstep)
        self._joints = self.create_lifecycle_publisher(JointState, "joint_states", qos)
        self._imu = self.create_lifecycle_publisher(Imu, "imu/data", qos)
        self._odom = self.create_lifecycle_publisher(Odometry, "ground_truth/odom", TRUTH_QOS)
        self._clock_publisher = self.create_lifecycle_publisher(ClockMsg, "clock", NEWEST_QOS)
        self._description = self.create_publisher(String, "robot_description", STATUS_QOS)
        self.create_subscription(JointCommandMsg, "joint_command", self._on_command, command_qos(self._lockstep))
        self.create_subscription(WatchdogState, "watchdog/state", self._on_watchdog, STATUS_QOS)
        self.create_subscription(Vector3, "sim/push", self._on_push, COMMAND_QOS)
        for name in ("release", "reset", "reset_statistics"):
            self.create_service(Trigger, f"sim/{name}", getattr(self, f"_on_{name}"))
        self.add_on_set_parameters_callback(self._on_parameters)
        self._diagnostics = Diagnostics(self, self._report, self._robot_name)
        declare_autostart(self)

    # ---- lifecycle ----

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the robot; a refusal is logged as one sentence and fails the transition."""
        try:
            if self._record and not Path(self._record).absolute().parent.is_dir():
                raise ConfigError(f"The folder of record:='{self._record}' does not exist: make it, or name another.")
            self._robot = robot = load_robot(self._robot_name)
            self._world = PyBulletWorld(robot, self._world_config)
            self._recorder = Recorder(robot.name, self._world.joint_names) if self._record else None
            self._loop = SimLoop(self._world, self._loop_config, self._publish, self._fail, self._recorder)
            self._description.publish(String(data=robot.urdf_path.read_text(encoding="utf-8")))
        except Exception as error:  # rclpy would swallow it
            self.get_logger().error(sentence(error))
            self._let_go()
            return TransitionCallbackReturn.FAILURE
        self._hold_at(self.get_parameter("run_until_s").value)
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let simulated time run."""
        result = super().on_activate(state)
        assert self._loop is not None
        gc.collect()
        gc.freeze()  # what is loaded by now stays: the collector need not walk through it while physics runs
        self._loop.start()
        self.get_logger().info("The robot hangs in the gantry: 'sim/release' lets it go.")
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop simulated time."""
        assert self._loop is not None
        self._loop.stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Write the recording and let go of the world."""
        self._let_go()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Write the recording and let go of the world."""
        self._let_go()
        return super().on_shutdown(state)

    def on_stop(self) -> None:
        """Let go of the world when the process ends."""
        self._let_go()

    def destroy_node(self) -> None:
        """Let go of the world before the publishers go."""
        self._let_go()
        super().destroy_node()

    def _let_go(self) -> None:
        if self._loop is not None:
            self._loop.stop()
        if self._recorder is not None and len(self._recorder):
            try:
                self._recorder.recording().save(Path(self._record))
            except OSError as error:
                self.get_logger().error(f"The recording '{self._record}' could not be written: {error.strerror}.")
        if self._world is not None:
            self._world.close()
        self._loop = self._world = self._recorder = None

    # ---- out, in the thread of the loop ----

    def _publish(self, state: RobotState, truth: GroundTruth, begins: bool) -> None:
        assert self._robot is not None and self._world is not None and self._loop is not None
        joints, imu = joint_state_message(state), imu_message(state, self._robot.imu_frame)
        self._joints.publish(joints)  # one right after the other: a subscriber wakes up once for both
        self._imu.publish(imu)
        schedule = self._loop.schedule
        tick = schedule.tick(state.stamp_s)
        if tick % CLOCK_TICKS == CLOCK_TICKS - 1:
            self._clock_publisher.publish(ClockMsg(clock=joints.header.stamp))
        if begins:
            self._truth = state, truth
        if self._truth is not None and (self._lockstep or tick % schedule.decimation == schedule.decimation // 2):
            self._show_truth(*self._truth)  # in real time when the policy's answer is through: nobody drives by it
            self._truth = None

    def _show_truth(self, state: RobotState, truth: GroundTruth) -> None:
        assert self._world is not None
        self._odom.publish(odometry_message(state, truth, "odom", "base_link"))
        if self._world_config.gui:
            follow_in_window(self._world, truth.position_base_in_world)

    def _fail(self, error: Exception) -> None:
        if self._world_config.gui and not isinstance(error, TarsusError):
            error = SimulationError("PyBullet's window was closed: the simulation ends.")
        self._error = error
        self._failed.trigger()

    def _raise(self) -> None:
        """In the executor's thread: end the process with what ended the loop."""
        if self._error is not None:
            raise self._error

    # ---- in ----

    def _on_command(self, message: JointCommandMsg) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            taken = loop.take(joint_command(message))
        except StateError as error:
            loop.reject(str(error))
            taken = False
        if not taken:
            self.get_logger().warning(f"Command rejected: {loop.last_rejection}", once=True)

    def _on_watchdog(self, message: WatchdogState) -> None:
        if self._loop is not None:
            self._loop.hold(damping_reason(message))

    def _on_push(self, message: Vector3) -> None:
        if self._loop is None:
            return
        try:
            self._loop.push(np.array([message.x, message.y, message.z]))
        except StateError as error:
            self.get_logger().warning(str(error))

    def _on_release(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._loop is None:
            response.message = "The simulator is not configured: configure it first."
        elif self._loop.release():
            response.success, response.message = True, "The robot stands on its own."
        else:
            response.success, response.message = True, "The robot does not hang."
        return response

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._loop is None:
            response.message = "The simulator is not configured: configure it first."
            return response
        self._loop.put_back()
        response.success, response.message = True, "The robot hangs in the gantry."
        return response

    def _on_reset_statistics(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._loop is None:
            response.message = "The simulator is not configured: configure it first."
            return response
        response.success, response.message = True, json.dumps(self._loop.reset_statistics())
        return response

    def _on_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        for parameter in parameters:
            if parameter.name == "run_until_s":
                self._hold_at(parameter.value)
        return SetParametersResult(successful=True)

    def _hold_at(self, time_s: float) -> None:
        if self._loop is not None:
            self._loop.run_until(time_s if time_s >= 0.0 else math.inf)

    def _report(self) -> Report:
        if self._loop is None:
            return "ok", "The simulator is not configured.", {}
        values: dict[str, object] = {"gantry": self._loop.hangs, "simulated time [s]": self._loop.time_s}
        for key, value in self._loop.summary().items():
            if isinstance(value, dict):
                values.update({f"{key} {name}": number for name, number in value.items()})
            else:
                values[key] = value
        if self._loop.held:
            return "error", f"The watchdog lets the actuators only damp: {self._loop.held}", values
        if self._loop.last_rejection:
            return "warn", f"Commands were rejected: {self._loop.last_rejection}", values
        if self._loop.hangs:
            return "ok", "The robot hangs in the gantry: call sim/release to let it go.", values
        return "ok", "The simulation runs.", values


def main() -> None:
    """Run the node."""
    run_process(SimNode)


if __name__ == "__main__":
    main()
