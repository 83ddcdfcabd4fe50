# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""One robot or many in a PyBullet client: explicit PD in the actuator, rotor inertia, feet on flat ground.

Robots of one client stand apart and are kept from touching each other by collision masks. Every call names its
client, so that several worlds live in one process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pybullet
from numpy.typing import NDArray

from tarsus_core.errors import ConfigError, SimulationError
from tarsus_core.robot_model import RobotModel
from tarsus_core.rotations import cross, quat_conjugate, quat_multiply, quat_rotate, quat_rotate_inverse
from tarsus_core.state import GroundTruth, JointCommand, RobotState
from tarsus_sim.pybullet_scene import GRAVITY, WorldConfig, build_scene
from tarsus_sim.urdf import BodyVariation

Array = NDArray[np.float64]


class PyBulletWorld:
    """n robots of one model in one physics client. Arrays are (n, J) in the order of ``joint_names``."""

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
        if not 0.0005 <= config.physics_dt_s <= 0.005:
            raise ConfigError(f"physics_dt_s is {config.physics_dt_s}: explicit PD is stable from 0.0005 to 0.005 s.")
        self.robot = robot
        self.count = count
        self.joint_names = tuple(n for n in robot.joint_names if config.movable is None or n in config.movable)
        select = robot.indices(self.joint_names)
        self.default_pose = robot.default_pose[select]
        self.effort_limit_nm = robot.effort_limit_nm[select]
        self._scene = scene = build_scene(robot, config, self.joint_names, count, variations)
        self._client, self._bodies, self._joints, self._feet = scene.client, scene.bodies, scene.joints, scene.feet
        self._foot_place = {link: i for i, link in enumerate(scene.feet)}
        joints = len(self.joint_names)
        self.joint_position = np.zeros((count, joints))
        self.joint_velocity = np.zeros((count, joints))
        self.joint_effort = np.zeros((count, joints))
        self._acceleration = np.tile([0.0, 0.0, GRAVITY], (count, 1))
        self._imu_velocity = np.zeros((count, 3))
        self._pushes: dict[int, tuple[Array, int]] = {}
        self._torso_torque: Array | None = None
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
        index: Sequence[int] | NDArray[np.int64] | None = None,
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
        client = self._client
        robots = range(self.count) if index is None else index
        for k, i in enumerate(robots):
            body = self._bodies[i]
            q = self.default_pose if joint_position is None else joint_position[k]
            angle = 0.0 if yaw is None else float(yaw[k])
            quat = np.array([0.0, 0.0, np.sin(angle / 2.0), np.cos(angle / 2.0)])
            position = self._scene.origin[i].copy()
            position[2] = self.robot.base_height_m if height_m is None else height_m[k]
            com = position + quat_rotate(quat, self._scene.com_position[i])
            com_quat = quat_multiply(quat, quat_conjugate(self._scene.com_orientation_inverse[i]))
            pybullet.resetBasePositionAndOrientation(body, com.tolist(), com_quat.tolist(), physicsClientId=client)
            velocity = np.zeros(6) if base_velocity is None else base_velocity[k]
            pybullet.resetBaseVelocity(body, velocity[:3].tolist(), velocity[3:].tolist(), physicsClientId=client)
            for joint, angle_j in zip(self._joints, q.tolist(), strict=True):
                pybullet.resetJointState(body, joint, angle_j, 0.0, physicsClientId=client)
            self._pushes.pop(i, None)
            self._acceleration[i] = [0.0, 0.0, GRAVITY]
            self.joint_effort[i] = 0.0
        self._read_joints()
        if self.config.accelerometer:
            self._imu_velocity = self._velocity_at_imu()[0]

    def set_pose(
        self, position: Array, orientation: Array, joint_names: tuple[str, ...], joint_position: Array, index: int = 0
    ) -> None:
        """Put one robot's base link (m, xyzw, counted from its spot) and the named joints (rad) where they are told."""
        quat = np.asarray(orientation, dtype=np.float64)
        com = position + self._scene.origin[index] + quat_rotate(quat, self._scene.com_position[index])
        com_quat = quat_multiply(quat, quat_conjugate(self._scene.com_orientation_inverse[index]))
        body, client = self._bodies[index], self._client
        pybullet.resetBasePositionAndOrientation(body, com.tolist(), com_quat.tolist(), physicsClientId=client)
        place = dict(zip(self.joint_names, self._joints, strict=True))
        for name, angle in zip(joint_names, joint_position.tolist(), strict=True):
            pybullet.resetJointState(body, place[name], angle, 0.0, physicsClientId=client)
        self._read_joints()

    def step(self, command: JointCommand) -> JointCommand:
        """Advance one physics step under the command, whose arrays are (J,) or (n, J); return what was applied.

        The torque is effort + kp (position - q) + kd (velocity - dq), limited to the actuator's effort limit; what was
        applied comes back as effort, with zero gains.

        Raises:
            SimulationError: once the state is no longer finite.
        """
        if command.joint_names != self.joint_names:
            command = command.ordered(self.joint_names)
        torque = (
            command.effort
            + command.kp * (command.position - self.joint_position)
            + command.kd * (command.velocity - self.joint_velocity)
        )
        self.step_torque(np.clip(torque, -self.effort_limit_nm, self.effort_limit_nm))
        zeros = np.zeros_like(self.joint_effort)
        return JointCommand(self.time_s, self.joint_names, zeros, zeros, self.joint_effort.copy(), zeros, zeros)

    def step_torque(self, torque: Array) -> None:
        """Advance one physics step under joint torques (n, J) in N.m."""
        client = self._client
        control, mode = pybullet.setJointMotorControlArray, pybullet.TORQUE_CONTROL
        for body, row in zip(self._bodies, torque.tolist(), strict=True):
            control(body, self._joints, mode, forces=row, physicsClientId=client)
        if self._pushes:
            self._apply_pushes()
        if self._torso_torque is not None:
            self._apply_torso_torque(self._torso_torque)
        pybullet.stepSimulation(physicsClientId=client)
        self._steps += 1
        self.joint_effort[:] = torque
        self._read_joints()
        if self.config.accelerometer:
            before = self._imu_velocity
            self._imu_velocity, quat = self._velocity_at_imu()
            acceleration = (self._imu_velocity - before) / self.config.physics_dt_s + np.array([0.0, 0.0, GRAVITY])
            self._acceleration = quat_rotate_inverse(quat, acceleration)

    def _read_joints(self) -> None:
        client, joints = self._client, self._joints
        read = pybullet.getJointStates
        position, velocity = self.joint_position, self.joint_velocity
        for i, body in enumerate(self._bodies):
            states = read(body, joints, physicsClientId=client)
            position[i] = [s[0] for s in states]
            velocity[i] = [s[1] for s in states]
        if not np.isfinite(velocity).all():
            bad = int(np.argwhere(~np.isfinite(velocity))[0][0])
            raise SimulationError(
                f"The simulation of robot {bad} is no longer finite at {self.time_s:.3f} s: lower the gains."
            )

    def _base(self) -> tuple[Array, Array, Array, Array]:
        """Position, orientation, linear and angular velocity of the base links in the world."""
        client = self._client
        poses = [pybullet.getBasePositionAndOrientation(b, physicsClientId=client) for b in self._bodies]
        speeds = [pybullet.getBaseVelocity(b, physicsClientId=client) for b in self._bodies]
        com = np.array([p[0] for p in poses])
        quat = quat_multiply(np.array([p[1] for p in poses]), self._scene.com_orientation_inverse)
        offset = quat_rotate(quat, self._scene.com_position)
        angular = np.array([s[1] for s in speeds])
        linear = np.array([s[0] for s in speeds]) - cross(angular, offset)
        return com - offset, quat, linear, angular

    def _velocity_at_imu(self) -> tuple[Array, Array]:
        """Velocity of the IMU in the world, and the orientation that goes with it."""
        _, quat, linear, angular = self._base()
        arm = quat_rotate(quat, np.broadcast_to(self._scene.imu_offset, linear.shape))
        return linear + cross(angular, arm), quat

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
        )
        force = self.foot_contact_force()
        return state, GroundTruth(position - self._scene.origin, linear, force > 1.0, force)

    def state(self) -> RobotState:
        """Return what the sensors measure, with a leading n."""
        return self.read()[0]

    def ground_truth(self) -> GroundTruth:
        """Return what only the simulator knows, with a leading n; positions count from each robot's spot."""
        return self.read()[1]

    def foot_contact_force(self) -> Array:
        """(n, F) normal force in N between each foot and the ground."""
        force = np.zeros((self.count, len(self._feet)))
        place, first = self._foot_place, self._bodies[0]
        for contact in pybullet.getContactPoints(bodyA=self._scene.ground, physicsClientId=self._client):
            foot = place.get(contact[4])
            if foot is not None:
                force[contact[2] - first, foot] += contact[9]
        return force

    def foot_poses(self) -> tuple[Array, Array, Array]:
        """Position (n, F, 3), orientation (n, F, 4) of the foot frames; velocity (n, F, 3) of the feet's mass centres.

        All in the world: m, xyzw, m/s.
        """
        client = self._client
        states = [
            pybullet.getLinkStates(b, self._feet, computeLinkVelocity=1, physicsClientId=client) for b in self._bodies
        ]
        position = np.array([[s[4] for s in row] for row in states]) - self._scene.origin[:, None, :]
        orientation = np.array([[s[5] for s in row] for row in states])
        velocity = np.array([[s[6] for s in row] for row in states])
        return position, orientation, velocity

    def set_friction(self, friction: Array) -> None:
        """Set the Coulomb friction (n,) between each robot's soles and the ground."""
        for body, value in zip(self._bodies, np.broadcast_to(friction, self.count).tolist(), strict=True):
            for foot in self._feet:
                pybullet.changeDynamics(body, foot, lateralFriction=value, physicsClientId=self._client)

    def push(self, index: int, force_n: Array, duration_s: float) -> None:
        """Push a robot's torso with a force (3,) in N in the world frame for a time, from the next step on."""
        self._pushes[index] = (
            np.asarray(force_n, dtype=np.float64),
            max(1, round(duration_s / self.config.physics_dt_s)),
        )

    def change_base_velocity(self, index: Sequence[int] | NDArray[np.int64], delta: Array) -> None:
        """Add (k, 6) linear (m/s) and angular (rad/s) velocity, in the world, to the bases of k robots: a shove."""
        for k, i in enumerate(index):
            linear, angular = pybullet.getBaseVelocity(self._bodies[i], physicsClientId=self._client)
            pybullet.resetBaseVelocity(
                self._bodies[i],
                (np.array(linear) + delta[k, :3]).tolist(),
                (np.array(angular) + delta[k, 3:]).tolist(),
                physicsClientId=self._client,
            )

    def hold_torso_torque(self, torque_nm: Array | None) -> None:
        """Apply external torques (n, 3) in N.m, world frame, to the torsos in every step from now on; None ends it."""
        self._torso_torque = torque_nm

    def _apply_torso_torque(self, torque_nm: Array) -> None:
        client, torso = self._client, self._scene.torso
        for i in np.flatnonzero(torque_nm.any(axis=1)).tolist():
            pybullet.applyExternalTorque(
                self._bodies[i], torso, torque_nm[i].tolist(), pybullet.WORLD_FRAME, physicsClientId=client
            )

    def torso_motion(self) -> tuple[Array, Array]:
        """Orientation (n, 4) and angular velocity (n, 3), rad/s in the world, of the torso links."""
        torso, client = self._scene.torso, self._client
        if torso < 0:  # merged into the base
            _, quat, _, angular = self._base()
            return quat, angular
        states = [pybullet.getLinkState(b, torso, computeLinkVelocity=1, physicsClientId=client) for b in self._bodies]
        return np.array([s[5] for s in states]), np.array([s[7] for s in states])

    def _apply_pushes(self) -> None:
        for i, (force, left) in list(self._pushes.items()):
            body = self._bodies[i]
            if self._scene.torso >= 0:
                at = pybullet.getLinkState(body, self._scene.torso, physicsClientId=self._client)[0]
            else:
                at = pybullet.getBasePositionAndOrientation(body, physicsClientId=self._client)[0]
            pybullet.applyExternalForce(
                body, self._scene.torso, force.tolist(), at, pybullet.WORLD_FRAME, physicsClientId=self._client
            )
            if left <= 1:
                del self._pushes[i]
            else:
                self._pushes[i] = (force, left - 1)

    def total_mass_kg(self, index: int = 0) -> float:
        """Mass of one robot, as the simulator has it."""
        body, client = self._bodies[index], self._client
        links = range(-1, pybullet.getNumJoints(body, physicsClientId=client))
        return float(sum(pybullet.getDynamicsInfo(body, link, physicsClientId=client)[0] for link in links))

    def step_only(self) -> None:
        """Run the physics engine alone, with no control: the yardstick of benchmarks."""
        pybullet.stepSimulation(physicsClientId=self._client)
        self._steps += 1

    def close(self) -> None:
        """Disconnect from PyBullet; a second call does nothing."""
        if self._client >= 0:
            pybullet.disconnect(physicsClientId=self._client)
            self._client = -1

    def __enter__(self) -> PyBulletWorld:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
