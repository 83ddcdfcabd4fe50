# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The simulator's loop, without ROS: states out, commands in, in real time or in lockstep."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tarsus_core.errors import ConfigError, SimulationError, StateError
from tarsus_core.rotations import quat_from_rpy, quat_rotate, yaw_from_quat
from tarsus_core.state import GroundTruth, JointCommand, RobotState, damping_command
from tarsus_edge.schedule import ControlSchedule
from tarsus_nodes.sim_timing import LoopStatistics, Pacer
from tarsus_sim.gantry import Gantry
from tarsus_sim.pybullet_world import PyBulletWorld
from tarsus_sim.recording import Recorder

START_SPREAD_RAD = 0.05
"""the joint angles of the hanging robot are drawn within this of the default pose"""
REPEAT_S = 0.1
"""s of steady time after which lockstep publishes a state again that has no answer: a reader may have come late"""
PUSH_S = 0.1
"""s that a push lasts"""
MOST_PUSH_NS = 1000.0
"""N.s: thirty times the weight of a G1 for 0.1 s"""
START_PATIENCE_S = 120.0
"""s of steady time for the first answer in lockstep: the other nodes are still loading"""


@dataclass(frozen=True)
class LoopConfig:
    """How the loop runs."""

    lockstep: bool = False
    """wait in each control period for the command that answers its first state, instead of for the clock"""
    control_period_s: float = 0.02
    command_timeout_s: float = 0.1
    """age of the newest command, in simulated time, at which the actuators only damp, as a safe driver does"""
    patience_s: float = 0.0
    """in real time: how long simulated time stands still for an answer that is late. A busy machine then slows the
    simulation instead of making the robot fall. It waits once: after that, not before the next answer."""
    lockstep_timeout_s: float = 5.0
    """steady time without an answer after which lockstep gives up"""
    seed: int = 0
    """draws the joint angles of the hanging robot"""


class SimLoop:
    """Steps the world of one robot in a thread of its own, between ``start`` and ``stop``."""

    def __init__(
        self,
        world: PyBulletWorld,
        config: LoopConfig,
        publish: Callable[[RobotState, GroundTruth, bool], None],
        fail: Callable[[Exception], None],
        recorder: Recorder | None = None,
    ) -> None:
        """Hang the robot in its start pose.

        Args:
            world: with one robot.
            config: how to run.
            publish: called in the loop's thread with each state; the flag says whether it begins a control period.
            fail: called in the loop's thread with what ended it, if that was not ``stop``.
            recorder: collects a row for each control period.

        Raises:
            ConfigError: if the control period is no multiple of the physics step.
        """
        self._world = world
        self._config = config
        self._publish = publish
        self._fail = fail
        self._recorder = recorder
        try:
            self.schedule = ControlSchedule.of(config.control_period_s, world.config.physics_dt_s)
        except ConfigError as error:
            raise ConfigError(f"{error} The simulator's state period is its physics step.") from None
        self._gantry = Gantry(world)
        self._rng = np.random.default_rng(config.seed)
        self._damping = world.robot.kd[world.robot.indices(world.joint_names)]
        self._lock = threading.Condition(threading.RLock())
        self._stop = False
        self._thread: threading.Thread | None = None
        self._run_until_s = math.inf
        self._newest: tuple[JointCommand, float] | None = None
        self._applied: JointCommand | None = None
        self._pending: tuple[RobotState, GroundTruth] | None = None
        self._answered = False
        self._held = ""
        self._last_error = ""
        self.statistics = LoopStatistics(
            config.control_period_s, self.schedule.decimation, time.monotonic(), config.lockstep
        )
        self._put_in_place()

    # ---- from other threads ----

    def start(self) -> None:
        """Start to step."""
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="physics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the step under way, and wait for it."""
        with self._lock:
            self._stop = True
            self._lock.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def hangs(self) -> bool:
        """Whether the gantry holds the robot."""
        return self._gantry.holds

    @property
    def time_s(self) -> float:
        """Simulated time in s."""
        return self._world.time_s

    @property
    def last_rejection(self) -> str:
        """Why the last rejected command was rejected; empty if none was."""
        return self._last_error

    def take(self, command: JointCommand) -> bool:
        """Take a command from the next step on, or reject and count it.

        Returns:
            whether it was taken.
        """
        now = time.monotonic()
        try:
            command = command.ordered(self._world.joint_names)
            command.check()
        except StateError as error:
            self.reject(str(error))
            return False
        with self._lock:
            age_s = self._world.time_s - command.stamp_s
            if -1e-6 <= age_s < self._config.command_timeout_s:
                self._newest = (command, now)
                self._lock.notify_all()
                return True
        self.reject(f"A command answers the state of {command.stamp_s:.3f} s at {self._world.time_s:.3f} s.")
        return False

    def hold(self, reason: str) -> None:
        """Let the actuators only damp from the next step on, or obey again if the reason is empty."""
        with self._lock:
            self._held = reason

    @property
    def held(self) -> str:
        """Why the actuators only damp, whatever is commanded; empty if they obey."""
        return self._held

    def reject(self, reason: str) -> None:
        """Count a command that could not even be read."""
        with self._lock:
            self.statistics.commands_rejected += 1
            self._last_error = reason

    def run_until(self, time_s: float) -> None:
        """Lockstep: hold once the first state of the control period at or after this simulated time is answered."""
        with self._lock:
            self._run_until_s = time_s
            self._lock.notify_all()

    def release(self) -> bool:
        """Let the gantry go; return whether the robot hung."""
        with self._lock:
            hung = self._gantry.holds
            self._gantry.release()
        return hung

    def push(self, impulse_ns: NDArray[np.float64]) -> None:
        """Push the torso for ``PUSH_S``, by an impulse (3,) in N.s in the heading frame (x where the base faces, z up).

        Raises:
            StateError: for an impulse that is not finite, or larger than ``MOST_PUSH_NS``.
        """
        if not np.isfinite(impulse_ns).all() or np.linalg.norm(impulse_ns) > MOST_PUSH_NS:
            raise StateError(f"A push of {impulse_ns.tolist()} N.s cannot be: give at most {MOST_PUSH_NS:g} N.s.")
        with self._lock:
            yaw = yaw_from_quat(self._world.read()[0].orientation_base_to_world)
            force = quat_rotate(quat_from_rpy(0.0, 0.0, float(yaw[0])), impulse_ns) / PUSH_S
            self._world.push(0, force, PUSH_S)

    def put_back(self) -> None:
        """Hang the robot at its start again; simulated time goes on, and the command in force is dropped."""
        with self._lock:
            self._put_in_place()

    def reset_statistics(self) -> dict[str, object]:
        """Return what was counted since the last reset, and count anew."""
        with self._lock:
            now = time.monotonic()
            summary = self.statistics.summary(now)
            self.statistics.reset(now)
        return dict(summary)

    def summary(self) -> dict[str, object]:
        """What was counted since the last reset, with the latencies of the last minute: physics waits meanwhile."""
        with self._lock:
            return dict(self.statistics.summary(time.monotonic(), newest=round(60.0 / self._config.control_period_s)))

    # ---- the loop ----

    def _run(self) -> None:
        try:
            self._emit()
            if self._config.lockstep:
                self._run_lockstep()
            else:
                self._run_real_time()
        except Exception as error:  # whatever it is, the process must end and say so
            self._fail(error)

    def _run_real_time(self) -> None:
        pacer = Pacer(self._world.config.physics_dt_s, time.monotonic())
        while not self._stop:
            delay = pacer.next(time.monotonic()) - time.monotonic()
            if delay > 0.0:
                time.sleep(delay)
            with self._lock:
                self._wait_for_late_answer()
                self._step()
                self.statistics.skipped_cycles += pacer.skipped
            pacer.skipped = 0
            self._emit()

    def _wait_for_late_answer(self) -> None:
        """Before the last step of a control period, the last that can still apply its answer."""
        tick = self.schedule.tick(self._world.time_s)
        period = self.schedule.period(self._world.time_s)
        if (tick + 1) % self.schedule.decimation or not self.statistics.answered(tick - self.schedule.decimation):
            return

        def there() -> bool:
            newest = self._newest
            return self._stop or (newest is not None and self.schedule.period(newest[0].stamp_s) >= period)

        if self._config.patience_s and not self.statistics.answered(tick) and not there():
            start = time.monotonic()
            came = self._lock.wait_for(there, self._config.patience_s)
            if not self._stop:
                self.statistics.on_wait(time.monotonic() - start, came)

    def _run_lockstep(self) -> None:
        while not self._stop:
            if self.schedule.begins(self._world.time_s):
                self._await_answer()
                self._wait_for_leave()
            with self._lock:
                if self._stop:
                    return
                self._step()
            self._emit()

    def _await_answer(self) -> None:
        """Wait for the command with the stamp of the present state."""
        tick = self.schedule.tick(self._world.time_s)
        patience = self._config.lockstep_timeout_s if self._answered else START_PATIENCE_S
        end = time.monotonic() + patience
        while True:
            with self._lock:
                if self._lock.wait_for(lambda: self._stop or self._answers(tick), REPEAT_S):
                    self._answered = self._answered or not self._stop
                    return
            if time.monotonic() > end:
                raise SimulationError(
                    f"No joint command answered the state of {self._world.time_s:.3f} s within {patience:g} s: "
                    "start the supervisor and the policy with lockstep:=true too."
                )
            self._emit(again=True)

    def _wait_for_leave(self) -> None:
        """Hold. It comes after the answer: by then the supervisor has seen every state so far."""
        with self._lock:
            self._lock.wait_for(lambda: self._stop or self._world.time_s < self._run_until_s - 1e-9)

    def _answers(self, tick: int) -> bool:
        return self._newest is not None and self.schedule.tick(self._newest[0].stamp_s) == tick

    def _step(self) -> None:
        now = time.monotonic()
        if self._newest is not None and self._newest[0] is not self._applied:
            self._applied, arrived = self._newest
            self.statistics.on_applied(self.schedule.tick(self._applied.stamp_s), arrived, now)
            self._applied_at_s = self._world.time_s
        command = self._applied
        if command is not None and self._world.time_s - self._applied_at_s >= self._config.command_timeout_s - 1e-9:
            command = None
        if self._held:
            command = None
        world = self._world
        world.step(command or damping_command(world.joint_names, world.time_s, self._damping, world.joint_position[0]))
        self.statistics.on_step()
        if self._recorder is not None and self._pending is not None and self.schedule.begins(world.time_s):
            self._recorder.add(*self._pending, command)
            self._pending = None

    def _emit(self, again: bool = False) -> None:
        with self._lock:
            state, truth = self._world.read()
            state = state.robot(0)
            truth = replace(truth, **{name: getattr(truth, name)[0] for name in truth.__dataclass_fields__})
            tick = self.schedule.tick(state.stamp_s)
            begins = self.schedule.begins(state.stamp_s)
            if not again:
                self.statistics.on_state(tick, time.monotonic())
                if begins:
                    self._pending = (state, truth)
        self._publish(state, truth, begins)

    def _put_in_place(self) -> None:
        """Hang the robot at its start, its joints a little off the default pose."""
        self._gantry.release()
        joints = self._world.default_pose
        spread = self._rng.uniform(-START_SPREAD_RAD, START_SPREAD_RAD, len(joints))
        robot = self._world.robot
        select = robot.indices(self._world.joint_names)
        start = np.clip(joints + spread, robot.position_lower[select], robot.position_upper[select])
        self._world.reset(joint_position=start[None])
        self._gantry.hold()
        self._newest = self._applied = None
        self._applied_at_s = 0.0
