# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""One robot or many in PyBullet: explicit PD in the actuator, rotor inertia, feet on flat ground.

Many robots are spread over several PyBullet clients, some to each: a client's memory stays in the processor's cache
while it is stepped. Robots of one client stand apart and are kept from touching each other by collision masks. Every
call names its client, so that several worlds live in one process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pybullet
from numpy.typing import NDArray

from tarsus_core.errors import ConfigError, SimulationError
from tarsus_core.robot_model import RobotModel
from tarsus_core.rotations import cross, quat_conjugate, quat_multiply, quat_rotate, quat_rotate_inverse
from tarsus_core.state import GroundTruth, JointCommand, RobotState
from tarsus_sim.pybullet_readings import BASE_SIZE, FOOT_SIZE, read_bases, read_feet, read_forces, read_joints
from tarsus_sim.pybullet_scene import GRAVITY, STABLE_DT_S, Scene, WorldConfig, build_scene
from tarsus_sim.torso_forces import TorsoForces
from tarsus_sim.urdf import BodyVariation

Array = NDArray[np.float64]
Robots = Sequence[int] | NDArray[np.int64] | range


class PyBulletWorld:
    """n robots of one model. Arrays are (n, J) in the order of ``joint_names``."""

    def __init__(
        self,
        robot: RobotModel,
        config: WorldConfig | None = None,
        count: int = 1,
        variations: Sequence[BodyVariation] | None = None,
    ) -> None:
        """Load the ground and ``count`` robots in the default pose.

        Args:
            robot: the model.
            config: how to simulate it.
            count: number of robots.
            variations: per robot, how its masses differ from the nominal ones.

        Raises:
            ConfigError: for a count or step that cannot be used.
            SimulationError: if PyBullet cannot start or load the robot.
        """
        self.config = config = config or WorldConfig()
        if count < 1:
            raise ConfigError(f"A world needs at least 1 robot, not {count}.")
        if not STABLE_DT_S[0] <= config.physics_dt_s <= STABLE_DT_S[1]:
            raise ConfigError(
                f"physics_dt_s is {config.physics_dt_s}: explicit PD is stable from {STABLE_DT_S[0]} to "
                f"{STABLE_DT_S[1]} s."
            )
        self.robot = robot
        self.count = count
        self.joint_names = tuple(n for n in robot.joint_names if config.movable is None or n in config.movable)
        select = robot.indices(self.joint_names)
        self.default_pose = robot.default_pose[select]
        self.effort_limit_nm = robot.effort_limit_nm[select]
        self._scenes: list[Scene] = []
        self._slices: list[slice] = []
        for start in range(0, count, config.robots_a_client):
            part = slice(start, min(start + config.robots_a_client, count))
            varied = None if variations is None else variations[part]
            self._slices.append(part)
            try:
                self._scenes.append(
                    build_scene(robot, config, self.joint_names, part.stop - start, varied, len(self._scenes))
                )
            except BaseException:
                self.close()
                raise
        scene = self._scenes[0]
        self._joints, self._feet, self._torso = scene.joints, scene.feet, scene.torso
        self._robots = [(s.client, body) for s in self._scenes for body in s.bodies]
        self._origin = np.concatenate([s.origin for s in self._scenes])
        self._com_position = np.concatenate([s.com_position for s in self._scenes])
        self._com_orientation_inverse = np.concatenate([s.com_orientation_inverse for s in self._scenes])
        self._reports = {
            "base": (np.zeros((count, BASE_SIZE)), read_bases),
            "feet": (np.zeros((count, len(scene.feet), FOOT_SIZE)), read_feet),
            "force": (np.zeros((count, len(scene.feet))), read_forces),
        }
        self._fresh: set[tuple[str, int]] = set()
        self._base_now: tuple[Array, Array, Array, Array] | None = None
        self.joint_position, self.joint_velocity, self.joint_effort = np.zeros((3, count, len(self.joint_names)))
        self._acceleration = np.tile([0.0, 0.0, GRAVITY], (count, 1))
        self._imu_velocity = np.zeros((count, 3))
        self._outside = TorsoForces(self._robots, self._torso, config.physics_dt_s)
        self._steps = 0
        self.set_friction(np.full(count, config.friction))
        self.reset()

    @property
    def time_s(self) -> float:
        """Simulated time since the world was made, in s."""
        return self._steps * self.config.physics_dt_s

    @property
    def ticks(self) -> int:
        """Physics steps since the world was made."""
        return self._steps

    def reset(
        self,
        index: Robots | None = None,
        joint_position: Array | None = None,
        yaw: Array | None = None,
        base_velocity: Array | None = None,
        height_m: Array | None = None,
    ) -> None:
        """Put robots back on their spot, at rest in the default pose unless told otherwise.

        Args:
            index: which robots (k of them); None means all.
            joint_position: (k, J) rad.
            yaw: (k,) rad.
            base_velocity: (k, 6) linear (m/s) and angular (rad/s) velocity in the world.
            height_m: (k,) of the base link.
        """
        robots = range(self.count) if index is None else index
        for k, i in enumerate(robots):
            client, body = self._robots[i]
            q = self.default_pose if joint_position is None else joint_position[k]
            angle = 0.0 if yaw is None else float(yaw[k])
            quat = np.array([0.0, 0.0, np.sin(angle / 2.0), np.cos(angle / 2.0)])
            position = self._origin[i].copy()
            position[2] = self.robot.base_height_m if height_m is None else height_m[k]
            com = position + quat_rotate(quat, self._com_position[i])
            com_quat = quat_multiply(quat, quat_conjugate(self._com_orientation_inverse[i]))
            pybullet.resetBasePositionAndOrientation(body, com.tolist(), com_quat.tolist(), physicsClientId=client)
            velocity = np.zeros(6) if base_velocity is None else base_velocity[k]
            pybullet.resetBaseVelocity(body, velocity[:3].tolist(), velocity[3:].tolist(), physicsClientId=client)
            for joint, angle_j in zip(self._joints, q.tolist(), strict=True):
                pybullet.resetJointState(body, joint, angle_j, 0.0, physicsClientId=client)
            self._outside.stop_push(i)
            self._acceleration[i] = [0.0, 0.0, GRAVITY]
            self.joint_effort[i] = 0.0
        for k in self._groups(robots):
            self._store(k, self.joint_effort[self._slices[k]], *self._joint_states(k))
        if self.config.accelerometer:
            self._imu_velocity = self._velocity_at_imu()[0]

    def set_pose(
        self, position: Array, orientation: Array, joint_names: tuple[str, ...], joint_position: Array, index: int = 0
    ) -> None:
        """Put one robot's base link (m, xyzw, counted from its spot) and the named joints (rad) where they are told."""
        quat = np.asarray(orientation, dtype=np.float64)
        com = position + self._origin[index] + quat_rotate(quat, self._com_position[index])
        com_quat = quat_multiply(quat, quat_conjugate(self._com_orientation_inverse[index]))
        client, body = self._robots[index]
        pybullet.resetBasePositionAndOrientation(body, com.tolist(), com_quat.tolist(), physicsClientId=client)
        place = dict(zip(self.joint_names, self._joints, strict=True))
        for name, angle in zip(joint_names, joint_position.tolist(), strict=True):
            pybullet.resetJointState(body, place[name], angle, 0.0, physicsClientId=client)
        for k in self._groups([index]):
            self._store(k, self.joint_effort[self._slices[k]], *self._joint_states(k))

    def step(self, command: JointCommand) -> JointCommand:
        """Advance one physics step under the command, whose arrays are (J,) or (n, J); return what was applied.

        The torque is effort + kp (position - q) + kd (velocity - dq), limited to the actuator's effort limit; what was
        applied comes back as effort, with zero gains.

        Raises:
            SimulationError: once the state is no longer finite.
        """
        torque = command.ordered(self.joint_names).torque(self.joint_position, self.joint_velocity)
        self.step_torque(np.clip(torque, -self.effort_limit_nm, self.effort_limit_nm))
        zeros = np.zeros_like(self.joint_effort)
        return JointCommand(self.time_s, self.joint_names, zeros, zeros, self.joint_effort.copy(), zeros, zeros)

    def run_pd(self, position: Array, kp: Array, kd: Array, before: Callable[[slice], None] | None = None) -> None:
        """Advance some physics steps under explicit PD; ``step`` without its extras, for many robots at once.

        Args:
            position: (steps, n, J) rad, the targets of each physics step.
            kp: (n, J) N.m/rad.
            kd: (n, J) N.m.s/rad.
            before: called before each physics step of some robots, with their slice.
        """
        push = kp * position
        high, low = self.effort_limit_nm, -self.effort_limit_nm
        for k, part in enumerate(self._slices):
            p, d, q, dq = kp[part], kd[part], self.joint_position[part], self.joint_velocity[part]
            for bias in push[:, part]:
                if before is not None:
                    before(part)
                torque = bias - p * q
                torque -= d * dq
                np.minimum(torque, high, out=torque)
                np.maximum(torque, low, out=torque)
                q, dq = self._advance(k, torque)
            self._store(k, torque, q, dq)
            for what in self._reports:  # now, while this client's memory is in the cache
                self._refresh(what, k)
        self._steps += len(position)

    def step_torque(self, torque: Array) -> None:
        """Advance one physics step under joint torques (n, J) in N.m."""
        for k, part in enumerate(self._slices):
            self._store(k, torque[part], *self._advance(k, torque[part]))
        self._steps += 1
        if self.config.accelerometer:
            before = self._imu_velocity
            self._imu_velocity, quat = self._velocity_at_imu()
            acceleration = (self._imu_velocity - before) / self.config.physics_dt_s + np.array([0.0, 0.0, GRAVITY])
            self._acceleration = quat_rotate_inverse(quat, acceleration)

    def _advance(self, k: int, torque: Array) -> tuple[Array, Array]:
        """Advance the robots of client ``k`` one physics step; return their joints' positions and velocities."""
        scene = self._scenes[k]
        self._set_torque(scene, torque.tolist())
        self._outside.apply(self._slices[k])
        pybullet.stepSimulation(physicsClientId=scene.client)
        return self._joint_states(k)

    def _set_torque(self, scene: Scene, rows: list[list[float]]) -> None:
        """Set the joint torques of the robots of one client for the next physics step."""
        joints, client = self._joints, scene.client
        control, mode = pybullet.setJointMotorControlArray, pybullet.TORQUE_CONTROL
        for body, row in zip(scene.bodies, rows, strict=True):
            control(body, joints, mode, forces=row, physicsClientId=client)

    def _joint_states(self, k: int) -> tuple[Array, Array]:
        """Positions and velocities (m, J) of the joints of client ``k``'s m robots."""
        positions, velocities = read_joints(self._scenes[k])
        shape = -1, len(self._joints)
        if not math.isfinite(sum(velocities)):
            bad = int(np.argwhere(~np.isfinite(np.reshape(velocities, shape)))[0][0]) + self._slices[k].start
            raise SimulationError(
                f"The simulation of robot {bad} is no longer finite at {self.time_s:.3f} s: lower the gains."
            )
        count = len(positions)
        return np.fromiter(positions, float, count).reshape(shape), np.fromiter(velocities, float, count).reshape(shape)

    def _store(self, k: int, effort: Array, position: Array, velocity: Array) -> None:
        """Take over how client ``k`` was stepped; what else was read of it is out of date."""
        part = self._slices[k]
        self.joint_effort[part], self.joint_position[part], self.joint_velocity[part] = effort, position, velocity
        self._changed(k)

    def _refresh(self, what: str, k: int | None = None) -> Array:
        """Return what PyBullet reports of all robots; read client ``k``, or all, if it is not up to date."""
        rows, read = self._reports[what]
        for i in range(len(self._scenes)) if k is None else (k,):
            if (what, i) not in self._fresh:
                rows[self._slices[i]] = np.reshape(read(self._scenes[i]), (-1, *rows.shape[1:]))
                self._fresh.add((what, i))
        return rows

    def _changed(self, k: int) -> None:
        """Take note that what was read of client ``k`` is out of date."""
        self._fresh.difference_update([(what, k) for what in self._reports])
        self._base_now = None

    def _groups(self, robots: Robots) -> list[int]:
        """Return the clients, counted from 0, that these robots are in."""
        return sorted({int(i) // self.config.robots_a_client for i in robots})

    def _base(self) -> tuple[Array, Array, Array, Array]:
        """Position, orientation, linear and angular velocity of the base links in the world."""
        if self._base_now is None:
            rows = self._refresh("base").copy()
            com, orientation, speed, angular = rows[:, :3], rows[:, 3:7], rows[:, 7:10], rows[:, 10:]
            quat = quat_multiply(orientation, self._com_orientation_inverse)
            offset = quat_rotate(quat, self._com_position)
            self._base_now = com - offset, quat, speed - cross(angular, offset), angular
        return self._base_now

    def _velocity_at_imu(self) -> tuple[Array, Array]:
        """Velocity of the IMU in the world, and the orientation that goes with it."""
        _, quat, linear, angular = self._base()
        return linear + cross(angular, quat_rotate(quat, self._scenes[0].imu_offset)), quat

    def read(self) -> tuple[RobotState, GroundTruth]:
        """Return what the sensors measure and what only the simulator knows, read in one go."""
        position, quat, linear, angular = self._base()
        state = RobotState(
            stamp_s=self.time_s,
            joint_names=self.joint_names,
            joint_position=self.joint_position.copy(),
            joint_velocity=self.joint_velocity.copy(),
            joint_effort=self.joint_effort.copy(),
            orientation_base_to_world=quat,
            angular_velocity_base_in_base=quat_rotate_inverse(quat, angular),
            linear_acceleration_imu_in_imu=self._acceleration.copy(),
            linear_velocity_base_in_base=quat_rotate_inverse(quat, linear),
        )
        force = self.foot_contact_force()
        return state, GroundTruth(position - self._origin, linear, force > 1.0, force)

    def state(self) -> RobotState:
        """Return what the sensors measure, with a leading n."""
        return self.read()[0]

    def ground_truth(self) -> GroundTruth:
        """Return what only the simulator knows, with a leading n; positions count from each robot's spot."""
        return self.read()[1]

    def foot_contact_force(self) -> Array:
        """(n, F) normal force in N between each foot and the ground."""
        return self._refresh("force").copy()

    def foot_poses(self) -> tuple[Array, Array, Array]:
        """Position (n, F, 3), orientation (n, F, 4) of the foot frames; velocity (n, F, 3) of the feet's mass centres.

        All in the world: m, xyzw, m/s.
        """
        rows = self._refresh("feet").copy()
        return rows[..., :3] - self._origin[:, None, :], rows[..., 3:7], rows[..., 7:]

    def ground_height(self, position: Array) -> Array:
        """Height (n, ...) in m of the ground under points (n, ..., 2 or more) that count from each robot's spot."""
        height = np.zeros(position.shape[:-1])
        for scene, part in zip(self._scenes, self._slices, strict=True):
            if scene.bumps is not None:
                points = position[part, ..., :2] + self._origin[part, :2].reshape(-1, *[1] * (position.ndim - 2), 2)
                height[part] = scene.bumps.at(points[..., 0], points[..., 1])
        return height

    def set_friction(self, friction: Array, index: Robots | None = None) -> None:
        """Set the Coulomb friction (k,) between the soles of k robots (all by default) and the ground."""
        robots = range(self.count) if index is None else index
        for i, value in zip(robots, np.broadcast_to(friction, len(robots)).tolist(), strict=True):
            client, body = self._robots[i]
            for foot in self._feet:
                pybullet.changeDynamics(body, foot, lateralFriction=value, physicsClientId=client)

    def push(self, index: int, force_n: Array, duration_s: float) -> None:
        """Push a robot's torso with a force (3,) in N in the world frame for a time, from the next step on."""
        self._outside.push(index, force_n, duration_s)

    def hold_torso_torque(self, torque_nm: Array, part: slice = slice(None)) -> None:
        """Apply external torques (k, 3) in N.m, world frame, to the torsos of some robots in every step from now on."""
        self._outside.hold(torque_nm, part)

    def torso_motion(self, part: slice = slice(None)) -> tuple[Array, Array]:
        """Orientation (k, 4) and angular velocity (k, 3), rad/s in the world, of the torso links of some robots."""
        if self._torso < 0:  # merged into the base
            _, quat, _, angular = self._base()
            return quat[part], angular[part]
        states = [
            pybullet.getLinkState(body, self._torso, computeLinkVelocity=1, physicsClientId=client)
            for client, body in self._robots[part]
        ]
        return np.array([s[5] for s in states]), np.array([s[7] for s in states])

    def total_mass_kg(self, index: int = 0) -> float:
        """Mass of one robot, as the simulator has it."""
        client, body = self._robots[index]
        links = range(-1, pybullet.getNumJoints(body, physicsClientId=client))
        return float(sum(pybullet.getDynamicsInfo(body, link, physicsClientId=client)[0] for link in links))

    def handle(self, index: int = 0) -> tuple[int, int]:
        """PyBullet's client and body of one robot, for what this class does not do."""
        return self._robots[index]

    def time_engine(self, steps: int) -> float:
        """Return the seconds that ``stepSimulation`` alone takes for all robots: the yardstick of benchmarks.

        The robots go on from their present state under their present torques for so many steps; setting those is not
        timed. Then the state is put back.
        """
        seconds = 0.0
        for scene, part in zip(self._scenes, self._slices, strict=True):
            client = scene.client
            saved = pybullet.saveState(physicsClientId=client)
            rows = self.joint_effort[part].tolist()
            for _ in range(steps):
                self._set_torque(scene, rows)
                start = time.perf_counter()
                pybullet.stepSimulation(physicsClientId=client)
                seconds += time.perf_counter() - start
            pybullet.restoreState(stateId=saved, physicsClientId=client)
            pybullet.removeState(saved, physicsClientId=client)
        return seconds

    def close(self) -> None:
        """Disconnect from PyBullet; a second call does nothing."""
        for scene in self._scenes:
            pybullet.disconnect(physicsClientId=scene.client)
        self._scenes = []

    def __enter__(self) -> PyBulletWorld:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
