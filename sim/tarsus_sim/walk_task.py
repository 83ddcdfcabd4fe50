# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The walking task for n robots in this process: the same code serves the single and the vectorised environment."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tarsus_core.observation import PolicyInterface
from tarsus_core.robot_model import load_robot
from tarsus_core.rotations import (
    projected_gravity,
    quat_from_rpy,
    quat_multiply,
    quat_rotate,
    quat_rotate_yaw_inverse,
    tilt_angle,
    yaw_from_quat,
)
from tarsus_core.state import RobotState
from tarsus_sim import rewards
from tarsus_sim.arm_motion import ArmMotion
from tarsus_sim.pybullet_world import PyBulletWorld, WorldConfig
from tarsus_sim.walk_config import RewardConfig, WalkConfig
from tarsus_sim.walk_contract import walk_contract
from tarsus_sim.walk_random import draw_commands, draw_pushes, draw_steps, draw_variations

Array = NDArray[np.float64]
JOINTS_A_CLIENT = 400
NEVER = 10**9
"""control periods"""
FALL_TILT_RAD = 0.9
FALL_HEIGHT_M = 0.45
REWARD_NAMES = tuple(f.name for f in fields(RewardConfig))
PRIVILEGED_SIZE = 18


class WalkTask:
    """n robots that follow velocity commands. Physics, observations, rewards, resets; arrays in, arrays out.

    Other tasks are classes on top of this one; see custom_task.py and docs/training.md.
    """

    TERMS: tuple[str, ...] = ()
    """names of the reward terms that ``more_rewards`` adds"""

    def __init__(self, config: WalkConfig, count: int, seed: int | np.random.SeedSequence) -> None:
        """Build the world.

        Args:
            config: the task.
            count: number of robots; they share PyBullet clients of ``config.robots_a_client`` each.
            seed: of every random draw.
        """
        self.config = config
        self.count = count
        self.rng = np.random.default_rng(seed)
        self.robot = load_robot(config.robot)
        movable = None if config.movable == "all" else self.robot.match(config.movable)
        ground = config.ground
        if ground.bump_m > 0.0:  # other bumps for each seed and each worker
            ground = replace(ground, seed=ground.seed + int(self.rng.integers(2**31)))
        world_config = WorldConfig(
            physics_dt_s=config.physics_dt_s,
            solver_iterations=config.solver_iterations,
            movable=movable,
            capsules=config.capsules,
            accelerometer=False,
            ground=ground,
            robots_a_client=config.robots_a_client or max(1, JOINTS_A_CLIENT // len(movable or self.robot.joint_names)),
        )
        variations = draw_variations(self.rng, config.random, count) if config.randomise else None
        self.world = PyBulletWorld(self.robot, world_config, count, variations)
        self.joint_names = self.world.joint_names
        self.contract = walk_contract(config, self.joint_names)
        self.interface = PolicyInterface(self.contract, self.joint_names, count)
        self._driven = self.interface._driven
        self._hips = [i for i, n in enumerate(self.contract.action_joint_names) if "hip_roll" in n or "hip_yaw" in n]
        self._waist = [i for i, n in enumerate(self.contract.action_joint_names) if n.startswith("waist")]
        select = self.robot.indices(self.joint_names)
        lower, upper = self.robot.position_lower[select], self.robot.position_upper[select]
        middle, half = (lower + upper) / 2.0, (upper - lower) / 2.0 * 0.95
        self._soft_lower, self._soft_upper = (middle - half)[self._driven], (middle + half)[self._driven]
        self.decimation = round(config.control_period_s / config.physics_dt_s)
        self.max_steps = round(config.episode_s / config.control_period_s)
        self.assistance = 0.0
        self.difficulty = 0.0
        self.penalty_scale = 1.0
        self._weights = {name: getattr(config.reward, name) for name in REWARD_NAMES}
        joints, act = len(self.joint_names), self.contract.action_size
        self._arms = self._free_arms()
        self.command = np.zeros((count, 3))
        self.fixed_command: Array | None = None
        self.steps = np.zeros(count, dtype=np.int64)
        self._command_left = np.zeros(count, dtype=np.int64)
        self._push_left = np.zeros(count, dtype=np.int64)
        self._gain_scale = np.ones((count, 2))
        self._offset = np.zeros((count, joints))
        self._delay = np.zeros(count, dtype=np.int64)
        self._assist_share = np.zeros(count)
        self._target = np.tile(self.interface.default_pose, (count, 1))
        self._mean = np.zeros((count, 3))
        self._mean_command = np.zeros((count, 3))
        self._actions = np.zeros((2, count, act))
        self.friction = np.ones(count)
        self._rough = config.ground.bump_m > 0.0
        self._ground, self._foot_ground = np.zeros(count), np.zeros((count, len(self.robot.foot_links)))
        self._read()

    # ---- one control period -----------------------------------------------------------------------------------

    def reset(self, index: NDArray[np.int64] | None = None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Start new episodes for the given robots (all by default); return observation and privileged state."""
        self._reset(np.arange(self.count) if index is None else index)
        self._read()
        return self.observe(), self.privileged()

    def step(self, action: NDArray[np.float32]) -> dict[str, Any]:
        """Run one control period under an action (n, action_size) and start new episodes where one ended.

        Returns:
            observation, privileged: of the next period, after the reset of those that ended;
            final_observation: before it;
            reward (n,), terms {name: (n,)}, terminated (n,), truncated (n,).
        """
        before = self._velocity.copy()
        self._apply(action)
        self._read()
        self.steps += 1
        step = self._describe(action, before)
        terms = self._rewards(step)
        reward = np.sum(list(terms.values()), axis=0)
        terminated = step.fell > 0.0
        truncated = (self.steps >= self.max_steps) & ~terminated
        self._actions[1], self._actions[0] = self._actions[0], self.interface.last_action
        self._push_and_command()
        result: dict[str, Any] = {
            "reward": reward,
            "terms": terms,
            "terminated": terminated,
            "truncated": truncated,
            "error": np.abs(step.mean_error),
            "length": self.steps.copy(),
        }
        ended = np.flatnonzero(terminated | truncated)
        if ended.size:
            result["final_observation"] = self.peek()[ended]
            result["ended"] = ended
            self._reset(ended)
            self._read()
        result["observation"], result["privileged"] = self.observe(), self.privileged()
        return result

    def observe(self) -> NDArray[np.float32]:
        """Build the (noisy) observation for the present command."""
        return self.interface.observe(self._measured(), self.command)

    def peek(self) -> NDArray[np.float32]:
        """Build the observation without remembering it."""
        self.interface.velocity_command = self.interface.clamp_command(self.command)
        return self.interface.peek(self._measured())

    def privileged(self) -> NDArray[np.float32]:
        """(n, PRIVILEGED_SIZE) what only the simulator knows, for the critic."""
        velocity = quat_rotate_yaw_inverse(self._quat, self._linear)
        return np.concatenate(
            [
                velocity * 2.0,
                (self._height() - self.config.base_height_m)[:, None] * 5.0,
                (self._mean - self._mean_command) * 2.0,
                self._force > 5.0,
                self._foot_height() * 5.0,
                self.friction[:, None] - 0.8,
                self._delay[:, None] / self.decimation,
                self._gain_scale * 5.0 - 5.0,
                self.steps[:, None] / self.max_steps,
                self.interface.clock.moving[:, None],
                (self.assistance * self._assist_share)[:, None],
            ],
            axis=1,
        ).astype(np.float32)

    def close(self) -> None:
        """Close the world."""
        self.world.close()

    # ---- parts ------------------------------------------------------------------------------------------------

    def _apply(self, action: NDArray[np.float32]) -> None:
        command = self.interface.command(action, 0.0)
        if self._arms is not None:
            command.position[:, self._arms.joints] = self._arms.move()
        old, self._target = self._target - self._offset, command.position
        # the encoder bias shifts what the motor holds by the same amount
        new = self._target - self._offset
        kp, kd = command.kp * self._gain_scale[:, :1], command.kd * self._gain_scale[:, 1:]
        late = np.arange(self.decimation)[:, None, None] < self._delay[:, None]
        target = np.where(late, old, new)
        if self.assistance <= 0.0:
            self.world.hold_torso_torque(np.zeros(3))
        self.world.run_pd(target, kp, kd, self._assist if self.assistance > 0.0 else None)

    def _assist(self, part: slice) -> None:
        """Hold the torsos of some robots upright as far as the curriculum still does."""
        a = self.config.assist
        quat, angular = self.world.torso_motion(part)
        share = (self.assistance * self._assist_share[part])[:, None]
        # the torso's z axis turns back to the vertical about their cross product, times the sine of the tilt
        up = quat_rotate(quat, np.broadcast_to([0.0, 0.0, 1.0], angular.shape))
        axis = np.stack([up[:, 1], -up[:, 0], np.zeros(len(up))], axis=1)
        rate = angular * np.array([1.0, 1.0, 0.0])
        self.world.hold_torso_torque(share * (a.stiffness * axis - a.damping * rate), part)

    def _read(self) -> None:
        state, truth = self.world.read()
        self._position, self._linear = truth.position_base_in_world, truth.linear_velocity_base_in_world
        self._force = truth.foot_contact_force_n
        self._quat, self._gyro = state.orientation_base_to_world, state.angular_velocity_base_in_base
        self._q, self._velocity, self._effort = state.joint_position, state.joint_velocity, state.joint_effort
        self._foot_position, self._foot_quat, self._foot_velocity = self.world.foot_poses()
        if self._rough:
            self._ground = self.world.ground_height(self._position)
            self._foot_ground = self.world.ground_height(self._foot_position)

    def _free_arms(self) -> ArmMotion | None:
        """Return what moves the arms, where they are simulated and the policy does not drive them."""
        if not self.config.randomise or self.config.random.arm_motion_rad <= 0.0:
            return None
        return ArmMotion.beside(self.rng, self.config.random, self.robot, self.interface, self.robot.match("arms"))

    def _measured(self) -> RobotState:
        q, dq, gyro, quat = self._q + self._offset, self._velocity, self._gyro, self._quat
        if self.config.randomise:
            r, u = self.config.random, self.rng.uniform
            q = q + u(-r.noise_joint_position, r.noise_joint_position, q.shape)
            dq = dq + u(-r.noise_joint_velocity, r.noise_joint_velocity, dq.shape)
            gyro = gyro + u(-r.noise_angular_velocity, r.noise_angular_velocity, gyro.shape)
            tilt = u(-r.noise_tilt, r.noise_tilt, (2, self.count))
            quat = quat_multiply(quat, quat_from_rpy(tilt[0], tilt[1], np.zeros(self.count)))
        return RobotState(0.0, self.joint_names, q, dq, self._effort, quat, gyro, np.zeros((self.count, 3)))

    def _foot_height(self) -> Array:
        return self._foot_position[..., 2] - self.robot.sole_height_m - self._foot_ground

    def _height(self) -> Array:
        return self._position[:, 2] - self._ground

    def _describe(self, action: NDArray[np.float32], velocity_before: Array) -> rewards.WalkStep:
        c = self.config
        velocity = quat_rotate_yaw_inverse(self._quat, self._linear)
        # yaw rate of the heading frame: the vertical part of the angular velocity
        yaw_rate = -np.sum(projected_gravity(self._quat) * self._gyro, axis=1)
        blend = c.control_period_s / c.tracking_time_s
        command = self.interface.velocity_command
        self._mean += blend * (np.column_stack([velocity[:, :2], yaw_rate]) - self._mean)
        self._mean_command += blend * (command - self._mean_command)
        driven = self._driven
        q = self._q[:, driven]
        foot_yaw = yaw_from_quat(self._foot_quat) - yaw_from_quat(self._quat)[:, None]
        offset = quat_rotate_yaw_inverse(self._quat, self._foot_position[:, 0] - self._foot_position[:, 1])
        fell = (tilt_angle(self._quat) > FALL_TILT_RAD) | (self._height() < FALL_HEIGHT_M)
        clock = self.interface.clock
        return rewards.WalkStep(
            command=command,
            velocity=velocity,
            yaw_rate=yaw_rate,
            mean_error=self._mean - self._mean_command,
            angular_velocity=self._gyro,
            gravity=projected_gravity(self._quat),
            height=self._height(),
            joint_position=q - self.interface.default_pose[driven],
            joint_velocity=self._velocity[:, driven],
            joint_acceleration=(self._velocity - velocity_before)[:, driven] / c.control_period_s,
            torque=self._effort[:, driven],
            limit_violation=np.maximum(q - self._soft_upper, 0.0) + np.maximum(self._soft_lower - q, 0.0),
            action=self.interface.last_action,
            previous_action=self._actions[0],
            action_before_previous=self._actions[1],
            foot_height=self._foot_height(),
            foot_velocity=self._foot_velocity,
            foot_tilt=tilt_angle(self._foot_quat),
            foot_force=self._force,
            foot_offset=offset[:, :2],
            foot_yaw=(foot_yaw + np.pi) % (2.0 * np.pi) - np.pi,
            phase_sin=np.sin(2.0 * np.pi * clock.phase),
            moving=clock.moving.astype(np.float64),
            gait_octaves=self.interface.gait_octaves,
            fell=fell.astype(np.float64),
        )

    def _rewards(self, step: rewards.WalkStep) -> dict[str, Array]:
        extra: dict[str, tuple[Any, ...]] = {
            "swing_height": (self.config.gait.swing_height_m,),
            "base_height": (self.config.base_height_m,),
            "hip_deviation": (self._hips,),
            "waist_deviation": (self._waist,),
        }
        terms = {}
        for name, weight in self._weights.items():
            if weight == 0.0:
                continue
            scale = self.config.control_period_s
            if weight < 0.0 and name not in ("fall", "mean_linear_error", "mean_angular_error"):
                scale *= self.penalty_scale
            terms[name] = weight * scale * getattr(rewards, name)(step, *extra.get(name, ()))
        for name, value in self.more_rewards(step).items():
            terms[name] = value * self.config.control_period_s
        return terms

    def more_rewards(self, step: rewards.WalkStep) -> dict[str, Array]:
        """Return further reward terms (n,) a second by name, those of TERMS: for tasks on top of this one."""
        return {}

    # ---- random draws -----------------------------------------------------------------------------------------

    def _reset(self, index: NDArray[np.int64]) -> None:
        c, r, k, u = self.config, self.config.random, len(index), self.rng.uniform
        q = np.tile(self.interface.default_pose, (k, 1))
        velocity = np.zeros((k, 6))
        yaw = u(-np.pi, np.pi, k)
        phase = 0.5 * self.rng.integers(0, 2, k).astype(np.float64)
        if c.randomise:
            q[:, self._driven] += u(-r.initial_joint_position, r.initial_joint_position, (k, len(self._driven)))
            velocity[:, :2] = u(-r.initial_velocity, r.initial_velocity, (k, 2))
            self._gain_scale[index] = u(*r.gain_scale, (k, 2))
            self._offset[index] = u(-r.joint_offset_rad, r.joint_offset_rad, (k, q.shape[1]))
            low, high = (round(d / c.physics_dt_s) for d in r.action_delay_s)
            self._delay[index] = self.rng.integers(low, high + 1, k)
            self.friction[index] = u(*r.friction, k)
        self.world.reset(index, q, yaw, velocity, self._spawn_height(index))
        if c.randomise:
            self.world.set_friction(self.friction[index], index)
        if self._arms is not None:
            self._arms.reset(index)
        self.interface.reset(index, phase)
        self._target[index] = q
        self._actions[:, index] = 0.0
        self._mean[index] = 0.0
        self._mean_command[index] = 0.0
        self.steps[index] = 0
        alone = u(size=k) < c.assist.alone
        self._assist_share[index] = np.where(alone, 0.0, u(0.5, 1.0, k))
        self._draw_commands(index)
        first = draw_steps(self.rng, r.push_interval_s, c.control_period_s, k)
        self._push_left[index] = np.where(u(size=k) < r.push_share, first, NEVER)

    def _spawn_height(self, index: NDArray[np.int64]) -> Array | None:
        """Height of the base links (k,) that puts both soles on top of what is under them."""
        if not self._rough:
            return None
        around = np.array([[x, y] for x in (-0.15, 0.0, 0.15) for y in (-0.2, 0.0, 0.2)])
        ground = self.world.ground_height(np.tile(around, (self.count, 1, 1)))
        return np.asarray(self.robot.base_height_m + ground[index].max(axis=1))

    def _draw_commands(self, index: NDArray[np.int64]) -> None:
        c, k = self.config, len(index)
        drawn = draw_commands(self.rng, c.command, k, self.difficulty)
        self.command[index] = drawn if self.fixed_command is None else self.fixed_command
        self._command_left[index] = draw_steps(self.rng, c.command.hold_s, c.control_period_s, k)

    def _push_and_command(self) -> None:
        self._command_left -= 1
        due = np.flatnonzero(self._command_left <= 0)
        if due.size:
            self._draw_commands(due)
        if not self.config.randomise:
            return
        self._push_left -= 1
        pushed = np.flatnonzero(self._push_left <= 0)
        if not pushed.size:
            return
        r, period = self.config.random, self.config.control_period_s
        impulses = draw_pushes(self.rng, r, pushed.size, self.difficulty)
        self._push_left[pushed] = draw_steps(self.rng, r.push_interval_s, period, pushed.size)
        for i, impulse in zip(pushed.tolist(), impulses, strict=True):
            self.world.push(i, impulse / r.push_duration_s, r.push_duration_s)
