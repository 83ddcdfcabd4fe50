# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""One trial of a policy: the full robot in one engine, under one command, with whatever is done to it meanwhile.

The robot is a fresh one whose legs may touch each other, driven by the robot's own policy session, as the graph runs
it. It stands for ``stand_s`` at zero command, then gets one constant command for ``seconds``. Velocities are those of
the base link in its heading frame (x along the yaw of the base, z up), averaged from ``settle_s`` after the command
came to its end; the yaw rate is the change of yaw over that time. A robot that falls ends its trial and counts as
standing still from there on, so that falling early never looks like tracking.

A trial depends on the policy, what it says and its seed alone: it is equal bit for bit on one machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import ConfigError, SimulationError, StateError
from tarsus_core.observation import PolicyInterface
from tarsus_core.robot_model import RobotModel
from tarsus_core.rotations import quat_from_rpy, quat_multiply, quat_rotate_yaw_inverse, tilt_angle, yaw_from_quat
from tarsus_core.state import GroundTruth, JointCommand, RobotState
from tarsus_sim.arm_motion import ArmMotion
from tarsus_sim.mujoco_world import MujocoWorld
from tarsus_sim.pybullet_scene import GRAVITY
from tarsus_sim.pybullet_world import PyBulletWorld, WorldConfig
from tarsus_sim.urdf import BodyVariation
from tarsus_sim.walk_config import RandomConfig

Array = NDArray[np.float64]
Command = tuple[float, float, float]
STAND: Command = (0.0, 0.0, 0.0)
ENGINES = ("pybullet", "mujoco")
LOADED_N = 20.0
"""A foot that carries more than this is on the ground, and must not slip."""
ARMS = RandomConfig(arm_motion_rad=0.6, arm_rest=0.0)


def axis_grid(vx: Iterable[float], vy: Iterable[float], wz: Iterable[float]) -> tuple[Command, ...]:
    """Commands that move along one axis each: vx, vy in m/s, wz in rad/s."""
    return (*((v, 0.0, 0.0) for v in vx), *((0.0, v, 0.0) for v in vy), *((0.0, 0.0, v) for v in wz))


@dataclass(frozen=True)
class ScoreSettings:
    """What is measured, and under which conditions; what is drawn is uniform, and the same for each command."""

    commands: tuple[Command, ...] = axis_grid((-0.3, 0.0, 0.3, 0.5, 0.8), (-0.2, 0.2), (-0.5, 0.5))
    seconds: float = 10.0
    """of each command"""
    seeds: int = 3
    """runs of each command, with the seeds 0, 1, ...; even ones lift the left foot first, odd ones the right foot"""
    stand_s: float = 1.0
    """at zero command, before"""
    settle_s: float = 2.0
    """of the command, left out of the mean velocity"""
    physics_dt_s: float = 0.005
    friction: tuple[float, float] = (0.8, 1.2)
    initial_joint_position: float = 0.05
    """rad about the default pose, plus or minus"""
    noise_joint_position: float = 0.002
    """rad, plus or minus, in every reading"""
    noise_joint_velocity: float = 0.1
    """rad/s"""
    noise_angular_velocity: float = 0.05
    """rad/s"""
    noise_tilt: float = 0.005
    """rad, of roll and of pitch"""
    fall_tilt_rad: float = 1.0
    fall_height_m: float = 0.45
    """of the base link above the ground"""

    def check(self) -> None:
        """Refuse what cannot be measured.

        Raises:
            ConfigError: naming the value.
        """
        if not self.settle_s < self.seconds <= 3600.0:
            raise ConfigError(
                f"A score over {self.seconds:g} s cannot be: the first {self.settle_s:g} s are left out, so give more "
                "than that, and at most 3600."
            )
        if not 1 <= self.seeds <= 1000:
            raise ConfigError(f"A score needs 1 to 1000 seeds, not {self.seeds}.")


@dataclass(frozen=True)
class Push:
    """A horizontal push at the torso's centre of mass, 0.1 s long."""

    impulse_ns: float
    direction_deg: float
    """0 pushes forward, 90 to the left, in the heading frame"""
    at_s: float = 2.0
    """after the command came"""
    duration_s: float = 0.1


@dataclass(frozen=True)
class Conditions:
    """What is done to the robot beyond the settings."""

    engine: str = "pybullet"
    friction: float | None = None
    """None: drawn from the settings"""
    payload_kg: float = 0.0
    """added to the torso"""
    delay_s: float = 0.0
    """from an action to the motors"""
    noise: float = 1.0
    """factor on the settings' sensor noise"""
    arms: bool = False
    """the arms move at random, if the policy does not drive them"""
    push: Push | None = None
    stop_at_s: float | None = None
    """after the command came, it is zero again: the robot has to halt; None for never"""


HALT_S = 1.0
"""after the command came to zero: from there on a robot that halts may not drift"""


@dataclass(frozen=True)
class Run:
    """What came of one trial."""

    command: Command
    seed: int
    velocity: Command
    """mean vx, vy (m/s) and wz (rad/s)"""
    error: Command
    """absolute difference to the command"""
    fell_at_s: float | None
    """time since the world was made, None if it never fell"""
    drift_m: float
    """largest horizontal distance from where it stood when the command came, or ``HALT_S`` after it was told to stop"""
    economy: dict[str, float] = field(default_factory=dict, compare=False)
    """power_w: positive mechanical power, mean; cost_of_transport: that power over weight and speed, where it moves;
    saturation: share of joints and time at the effort limit; slip_mps: mean horizontal speed of feet that carry
    weight; action_rate_rps: root mean square of the change of the joint targets, rad/s"""


class Policy(Protocol):
    """What can be scored; ``PolicySession`` is one."""

    contract: PolicyContract

    def run(self, observation: NDArray[np.floating]) -> NDArray[np.float32]:
        """Actions (n, action_size) for observations (n, observation_size)."""
        ...


def run_trial(
    policy: Policy,
    robot: RobotModel,
    command: Command,
    seed: int,
    settings: ScoreSettings,
    watch: Callable[[NDArray[np.float32]], None] | None = None,
    conditions: Conditions | None = None,
    record: Callable[[RobotState, GroundTruth], None] | None = None,
) -> Run:
    """Walk one robot by one command.

    Args:
        policy: the policy; its contract says how it is to be run.
        robot: the whole robot.
        command: vx, vy (m/s), wz (rad/s).
        seed: of what is drawn.
        settings: how long, and what is drawn.
        watch: called with each observation (1, observation_size).
        conditions: what is done to the robot.
        record: called with each state and what only the simulator knows of it, one robot each.
    """
    contract, conditions = policy.contract, conditions or Conditions()
    period = contract.control_period_s
    decimation = round(period / settings.physics_dt_s)
    if decimation < 1 or abs(decimation * settings.physics_dt_s - period) > 1e-9:
        raise ConfigError(
            f"The policy's control period of {period} s is no multiple of the physics step of "
            f"{settings.physics_dt_s} s: export a policy with another period."
        )
    rng = np.random.default_rng(seed)
    stand, settle, end = (round(t / period) for t in (settings.stand_s, settings.settle_s, settings.seconds))
    stop = end if conditions.stop_at_s is None else round(conditions.stop_at_s / period)
    halted = stop + round(HALT_S / period)
    late = round(conditions.delay_s / settings.physics_dt_s)
    velocities, yaws, drift, fell_at = [], [], 0.0, None
    with _world(robot, settings, conditions, rng) as world:
        interface = PolicyInterface(contract, world.joint_names)
        interface.reset(phase=0.5 * (seed % 2))
        spread = settings.initial_joint_position
        noise: Array = rng.uniform(-spread, spread, (1, len(world.joint_names)))
        world.reset(joint_position=world.default_pose + noise)
        arms = None
        if conditions.arms:  # drawn on their own: what else is drawn stays as it is without moving arms
            own = np.random.default_rng((seed, 1))
            arms = ArmMotion.beside(own, ARMS, robot, interface, robot.groups.get("arms", ()))
        state, truth = world.read()
        start = truth.position_base_in_world[0]
        economy = Economy(world, interface)
        sent: deque[JointCommand] = deque(maxlen=late + 1)
        for k in range(stand + end):
            wanted = np.array([command if stand <= k < stand + stop else STAND])
            if record is not None:
                record(state, truth)
            if k in (stand, stand + halted):
                start, drift = truth.position_base_in_world[0], 0.0
            push = conditions.push
            if push is not None and k == stand + round(push.at_s / period):
                angle = np.radians(push.direction_deg) + yaw_from_quat(state.orientation_base_to_world)[0]
                force = push.impulse_ns / push.duration_s * np.array([np.cos(angle), np.sin(angle), 0.0])
                world.push(0, force, push.duration_s)
            try:
                observation = interface.observe(_measured(state, settings, conditions.noise, rng), wanted)
                if watch is not None:
                    watch(observation)
                target = interface.command(policy.run(observation), state.stamp_s)
                if arms is not None:
                    target.position[:, arms.joints] = arms.move()
                for _ in range(decimation):
                    sent.append(target)
                    world.step(sent[0])
                    if k >= stand + settle:
                        economy.add(world)
            except (SimulationError, StateError):  # nothing that stands gets here: no number is finite any more
                fell_at = world.time_s
                break
            state, truth = world.read()
            quat, position = state.orientation_base_to_world, truth.position_base_in_world[0]
            if tilt_angle(quat)[0] > settings.fall_tilt_rad or position[2] < settings.fall_height_m:
                fell_at = world.time_s
                break
            if k >= stand:
                drift = max(drift, float(np.hypot(*(position - start)[:2])))
            if k >= stand + settle - 1:
                yaws.append(float(yaw_from_quat(quat)[0]))
            if k >= stand + settle:
                velocities.append(quat_rotate_yaw_inverse(quat, truth.linear_velocity_base_in_world)[0, :2])
                economy.step(world, target)
    measured = end - settle
    linear = np.sum(velocities, axis=0) / measured if velocities else np.zeros(2)
    turned = float(np.sum(_wrap(np.diff(yaws))))
    velocity = np.array([*linear, turned / (measured * period)])
    error = np.abs(velocity - np.array(command))
    return Run(
        command, seed, _triple(velocity), _triple(error), fell_at, drift, economy.summary(float(np.hypot(*linear)))
    )


class Economy:
    """What a walk costs: power, saturated actuators, slipping feet, restless targets."""

    def __init__(self, world: Any, interface: PolicyInterface) -> None:
        """Prepare for one trial."""
        self._limit = interface.effort_limit_nm * (1.0 - 1e-6)
        self._mass_kg = world.total_mass_kg()
        self._period_s = interface.contract.control_period_s
        self._last: Array | None = None
        self._power: list[float] = []
        self._saturated: list[float] = []
        self._slip: list[float] = []
        self._rate: list[float] = []

    def add(self, world: Any) -> None:
        """Take one physics step."""
        effort = world.joint_effort[0]
        self._power.append(float(np.maximum(effort * world.joint_velocity[0], 0.0).sum()))
        self._saturated.append(float(np.mean(np.abs(effort) >= self._limit)))

    def step(self, world: Any, target: JointCommand) -> None:
        """Take one control period."""
        loaded = world.foot_contact_force()[0] > LOADED_N
        if loaded.any():
            speed = np.linalg.norm(world.foot_poses()[2][0, :, :2], axis=1)
            self._slip.append(float(speed[loaded].mean()))
        if self._last is not None:
            change = (target.position - self._last) / self._period_s
            self._rate.append(float(np.mean(change**2)))
        self._last = target.position.copy()

    def summary(self, speed_mps: float) -> dict[str, float]:
        """Return the means; none where the robot fell before anything was measured."""
        if not self._power:
            return {}
        power = float(np.mean(self._power))
        found = {
            "power_w": power,
            "saturation": float(np.mean(self._saturated)),
            "slip_mps": float(np.mean(self._slip)) if self._slip else 0.0,
            "action_rate_rps": float(np.sqrt(np.mean(self._rate))) if self._rate else 0.0,
        }
        if speed_mps > 0.1:
            found["cost_of_transport"] = power / (self._mass_kg * GRAVITY * speed_mps)
        return found


def _world(robot: RobotModel, settings: ScoreSettings, conditions: Conditions, rng: np.random.Generator) -> Any:
    drawn = float(rng.uniform(*settings.friction))
    config = WorldConfig(
        physics_dt_s=settings.physics_dt_s,
        friction=drawn if conditions.friction is None else conditions.friction,
        accelerometer=False,
    )
    variation = BodyVariation(torso_payload_kg=conditions.payload_kg)
    if conditions.engine == "mujoco":
        return MujocoWorld(robot, config, variation)
    return PyBulletWorld(robot, config, variations=[variation])


def _measured(state: RobotState, settings: ScoreSettings, factor: float, rng: np.random.Generator) -> RobotState:
    """Add sensor noise."""
    s = settings

    def u(low: float, high: float, shape: Any) -> Array:
        return factor * rng.uniform(low, high, shape)

    shape = state.joint_position.shape
    tilt = u(-s.noise_tilt, s.noise_tilt, (2, 1))
    return replace(
        state,
        joint_position=state.joint_position + u(-s.noise_joint_position, s.noise_joint_position, shape),
        joint_velocity=state.joint_velocity + u(-s.noise_joint_velocity, s.noise_joint_velocity, shape),
        angular_velocity_base_in_base=state.angular_velocity_base_in_base
        + u(-s.noise_angular_velocity, s.noise_angular_velocity, (1, 3)),
        orientation_base_to_world=quat_multiply(
            state.orientation_base_to_world, quat_from_rpy(tilt[0], tilt[1], np.zeros(1))
        ),
    )


def _wrap(angle: Array) -> Array:
    return (angle + np.pi) % (2.0 * np.pi) - np.pi


def _triple(values: Array) -> Command:
    x, y, z = values.tolist()
    return x, y, z
