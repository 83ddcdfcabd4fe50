# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The second opinion: one robot in MuJoCo, from the same URDF, with the same actuator model, and nothing tuned.

Contacts, integrator and solver are MuJoCo's defaults at the time step of the first engine. Rotor inertia is MuJoCo's
own armature. What touches what is as in ``PyBulletWorld``: everything the ground, left legs right legs.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tarsus_core.errors import DependencyError, SimulationError
from tarsus_core.robot_model import RobotModel
from tarsus_core.rotations import quat_rotate_inverse
from tarsus_core.state import GroundTruth, JointCommand, RobotState
from tarsus_sim.pybullet_scene import GRAVITY, WorldConfig
from tarsus_sim.urdf import BodyVariation, prepare_urdf

try:
    import mujoco

    # what goes wrong is raised, not written to a file in the user's folder
    mujoco.set_mju_user_warning(lambda text: None)
except ModuleNotFoundError:  # an optional extra
    mujoco = None

Array = NDArray[np.float64]
COMPILER = '<mujoco><compiler fusestatic="false" discardvisual="true" balanceinertia="false"/></mujoco>'
GROUND, LEFT = 1, 2
"""Bits of contype and conaffinity."""


class MujocoWorld:
    """One robot on flat ground. Arrays have a leading 1, in the order of ``joint_names``, as in ``PyBulletWorld``."""

    def __init__(
        self, robot: RobotModel, config: WorldConfig | None = None, variation: BodyVariation | None = None
    ) -> None:
        """Load the ground and the robot in the default pose.

        Args:
            robot: the model.
            config: of it, the time step, the movable joints, the capsules and the friction are used.
            variation: how its masses differ from the nominal ones.

        Raises:
            DependencyError: if MuJoCo is not installed.
            SimulationError: if MuJoCo cannot load the robot.
        """
        if mujoco is None:
            raise DependencyError("The second engine needs the package mujoco-core, which is absent: run 'make setup'.")
        self.config = config = config or WorldConfig()
        self.robot = robot
        self.joint_names = tuple(n for n in robot.joint_names if config.movable is None or n in config.movable)
        select = robot.indices(self.joint_names)
        self.default_pose, self.effort_limit_nm = robot.default_pose[select], robot.effort_limit_nm[select]
        self._model = model = _compile(robot, config, variation)
        self._data = mujoco.MjData(model)
        self._q = np.array([model.joint(n).qposadr[0] for n in self.joint_names])
        self._dof = np.array([model.joint(n).dofadr[0] for n in self.joint_names])
        model.dof_armature[self._dof] = robot.armature[select]
        self._base, self._torso = (model.body(n).id for n in (robot.base_link, _torso(robot, model)))
        self._feet = [model.body(n).id for n in robot.foot_links]
        self._foot_of_geom = {
            g: k for k, b in enumerate(self._feet) for g in range(model.ngeom) if _owner(model, g) == b
        }
        self.joint_effort = np.zeros((1, len(self.joint_names)))
        self._push: tuple[Array, int] = (np.zeros(3), 0)
        self._steps = 0
        self._velocity = np.zeros(3)
        self._acceleration = np.array([[0.0, 0.0, GRAVITY]])
        self.reset()

    @property
    def time_s(self) -> float:
        """Simulated time since the world was made, in s."""
        return self._steps * self.config.physics_dt_s

    @property
    def joint_position(self) -> Array:
        """(1, J) rad."""
        return self._data.qpos[None, self._q]

    @property
    def joint_velocity(self) -> Array:
        """(1, J) rad/s."""
        return self._data.qvel[None, self._dof]

    def reset(self, joint_position: Array | None = None) -> None:
        """Put the robot on its spot, at rest, in the default pose or with joints (1, J) in rad."""
        data = self._data
        mujoco.mj_resetData(self._model, data)
        data.qpos[:7] = [0.0, 0.0, self.robot.base_height_m, 1.0, 0.0, 0.0, 0.0]
        data.qpos[self._q] = self.default_pose if joint_position is None else joint_position[0]
        self.joint_effort[:] = 0.0
        self._push = np.zeros(3), 0
        mujoco.mj_forward(self._model, data)
        self._velocity = np.zeros(3)
        self._acceleration = np.array([[0.0, 0.0, GRAVITY]])

    def step(self, command: JointCommand) -> JointCommand:
        """Advance one physics step under the command, as ``PyBulletWorld.step`` does.

        Raises:
            SimulationError: once the state is no longer finite.
        """
        data = self._data
        torque = command.ordered(self.joint_names).torque(self.joint_position, self.joint_velocity)
        self.joint_effort[:] = np.clip(torque, -self.effort_limit_nm, self.effort_limit_nm)
        data.qfrc_applied[self._dof] = self.joint_effort[0]
        force, left = self._push
        data.xfrc_applied[self._torso, :3] = force if left > 0 else 0.0
        self._push = force, left - 1
        mujoco.mj_step(self._model, data)
        self._steps += 1
        if not (np.isfinite(data.qpos).all() and np.isfinite(data.qvel).all()):
            raise SimulationError(f"The simulation is no longer finite at {self.time_s:.3f} s: lower the gains.")
        mujoco.mj_forward(self._model, data)  # positions of links and contacts that belong to the new state
        velocity = data.qvel[:3].copy()
        pull = (velocity - self._velocity) / self.config.physics_dt_s + np.array([0.0, 0.0, GRAVITY])
        self._velocity, self._acceleration = velocity, quat_rotate_inverse(self._orientation(), pull[None])
        zeros = np.zeros_like(self.joint_effort)
        return JointCommand(self.time_s, self.joint_names, zeros, zeros, self.joint_effort.copy(), zeros, zeros)

    def _orientation(self) -> Array:
        """(1, 4) xyzw; MuJoCo has w first."""
        return self._data.qpos[None, [4, 5, 6, 3]]

    def read(self) -> tuple[RobotState, GroundTruth]:
        """Return what the sensors measure and what only the simulator knows, read in one go."""
        data, quat = self._data, self._orientation()
        state = RobotState(
            stamp_s=self.time_s,
            joint_names=self.joint_names,
            joint_position=self.joint_position.copy(),
            joint_velocity=self.joint_velocity.copy(),
            joint_effort=self.joint_effort.copy(),
            orientation_base_to_world=quat,
            angular_velocity_base_in_base=data.qvel[None, 3:6].copy(),
            linear_acceleration_imu_in_imu=self._acceleration.copy(),
            linear_velocity_base_in_base=quat_rotate_inverse(quat, data.qvel[None, :3]),
        )
        force = self.foot_contact_force()
        return state, GroundTruth(data.qpos[None, :3].copy(), data.qvel[None, :3].copy(), force > 1.0, force)

    def foot_contact_force(self) -> Array:
        """(1, F) normal force in N between each foot and the ground."""
        force, wrench = np.zeros((1, len(self._feet))), np.zeros(6)
        for i, contact in enumerate(self._data.contact):
            for ground, geom in ((contact.geom1, contact.geom2), (contact.geom2, contact.geom1)):
                if _owner(self._model, ground) == 0 and geom in self._foot_of_geom:
                    mujoco.mj_contactForce(self._model, self._data, i, wrench)
                    force[0, self._foot_of_geom[geom]] += wrench[0]
        return force

    def foot_poses(self) -> tuple[Array, Array, Array]:
        """Positions (1, F, 3), orientations (1, F, 4) of the feet; velocities (1, F, 3) of their mass centres."""
        data, twist = self._data, np.zeros(6)
        velocity = []
        for foot in self._feet:
            # about the body's centre of mass, in the axes of the world
            mujoco.mj_objectVelocity(self._model, data, mujoco.mjtObj.mjOBJ_BODY, foot, twist, 0)
            velocity.append(twist[3:].copy())
        return data.xpos[None, self._feet], data.xquat[None, self._feet][..., [1, 2, 3, 0]], np.array([velocity])

    def push(self, index: int, force_n: Array, duration_s: float) -> None:
        """Push the torso with a force (3,) in N in the world frame for a time, from the next step on; index is 0."""
        steps = max(1, round(duration_s / self.config.physics_dt_s))
        self._push = np.asarray(force_n, dtype=np.float64), steps

    def total_mass_kg(self) -> float:
        """Mass of the robot, as the simulator has it."""
        return float(self._model.body_mass.sum())

    def close(self) -> None:
        """Do nothing: MuJoCo's memory goes with the object. Worlds of every engine are closed the same way."""

    def __enter__(self) -> MujocoWorld:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _compile(robot: RobotModel, config: WorldConfig, variation: BodyVariation | None) -> Any:
    text = prepare_urdf(robot, config.movable, False, config.capsules, variation, rotor_inertia=False)
    start = text.index(">", text.index("<robot")) + 1
    try:
        spec = mujoco.MjSpec.from_string(text[:start] + COMPILER + text[start:])
        spec.body(robot.base_link).add_freejoint()
        ground = spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0.0, 0.0, 1.0])
        ground.contype, ground.conaffinity = GROUND, 0
        spec.option.timestep = config.physics_dt_s
        spec.option.gravity = [0.0, 0.0, -GRAVITY]
        model = spec.compile()
    except ValueError as error:
        raise SimulationError(f"MuJoCo cannot load robot '{robot.name}': {' '.join(str(error).split())}.") from None
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_AUTORESET  # what is not finite is told, not hidden
    for geom in range(model.ngeom):
        body = _owner(model, geom)
        if body == 0:
            continue
        name = model.body(body).name
        model.geom_contype[geom] = LEFT if name.startswith("left_") else 0
        model.geom_conaffinity[geom] = GROUND | (LEFT if name.startswith("right_") else 0)
        model.geom_friction[geom, 0] = config.friction
        model.geom_priority[geom] = 1  # the sole's friction counts, as PyBullet's product with the ground's 1.0
    return model


def _owner(model: Any, geom: int) -> int:
    return int(model.geom_bodyid[geom])


def _torso(robot: RobotModel, model: Any) -> str:
    """Name of the body that the torso is, or is merged into."""
    names = [model.body(i).name for i in range(model.nbody)]
    return robot.torso_link if robot.torso_link in names else robot.base_link
