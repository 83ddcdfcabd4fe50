# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Builds the scene of a world: the physics client, the ground, the robots, and where their parts are in PyBullet."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

import numpy as np
import pybullet
from numpy.typing import NDArray

from tarsus_core.errors import ConfigError, SimulationError
from tarsus_core.robot_model import RobotModel
from tarsus_core.rotations import quat_conjugate
from tarsus_sim.terrain import GroundConfig, HeightField, draw_field, load_field
from tarsus_sim.urdf import BodyVariation, prepare_urdf

Array = NDArray[np.float64]
GRAVITY = 9.81
STABLE_DT_S = (0.0005, 0.005)
"""physics steps at which explicit PD with the robots' gains is stable"""
GROUND_GROUP, ROBOT_GROUP = 1, 2


@dataclass(frozen=True)
class WorldConfig:
    """How a world is simulated."""

    physics_dt_s: float = 0.005
    """explicit PD with rotor inertia is stable at 200 Hz"""
    solver_iterations: int = 20
    movable: tuple[str, ...] | None = None
    """joints that are simulated; the others are frozen in the default pose. None: all"""
    capsules: bool = True
    """contacts of the whole body; False leaves the feet only (faster)"""
    accelerometer: bool = True
    """compute the accelerometer's reading (costs a base velocity a step)"""
    friction: float = 1.0
    """Coulomb friction of the soles on the ground"""
    visuals: bool = False
    """load the meshes, for rendering"""
    gui: bool = False
    """open PyBullet's window"""
    spacing_m: float = 4.0
    """between robots that share a client"""
    robots_a_client: int = 16
    """robots that share a PyBullet client, at most"""
    ground: GroundConfig = field(default_factory=GroundConfig)


@dataclass(frozen=True)
class Scene:
    """What a world needs to know of its PyBullet client."""

    client: int
    ground: int
    bumps: HeightField | None
    """of the ground, where it is not flat"""
    bodies: list[int]
    origin: Array
    """(n, 3) m, each robot's spot"""
    joints: list[int]
    """PyBullet's indices of the joints, in order; the same for every robot"""
    feet: list[int]
    """PyBullet's indices of the foot links"""
    torso: int
    """PyBullet's index of the torso link; -1, the base, where it is merged into that"""
    com_position: Array
    """(n, 3) m, centre of mass of the base in the base link"""
    com_orientation_inverse: Array
    """(n, 4) from the base's principal axes, which PyBullet reports, back to the base link"""
    imu_offset: Array
    """(3,) m, the IMU in the base link"""


def build_scene(
    robot: RobotModel,
    config: WorldConfig,
    joint_names: tuple[str, ...],
    count: int,
    variations: Sequence[BodyVariation] | None,
    number: int = 0,
) -> Scene:
    """Start a client and load the ground and the robots; ``number`` tells its bumps from those of other clients.

    Raises:
        ConfigError: if a foot is no link of its own, for the joint above it is frozen.
        SimulationError: if PyBullet cannot start or load the robot.
    """
    client = _connect(config)
    try:
        side = int(np.ceil(np.sqrt(count)))
        spots = [[i % side * config.spacing_m, i // side * config.spacing_m, 0.0] for i in range(count)]
        origin = np.array(spots)
        x, y, _ = origin.mean(axis=0).tolist()
        rng = np.random.default_rng([config.ground.seed, number])
        bumps = draw_field(config.ground, rng, (x, y)) if config.ground.bump_m > 0.0 else None
        ground = _load_ground(client, bumps)
        bodies = _load_robots(client, robot, config, joint_names, origin, variations)
        joints, links = _indices(client, bodies[0], robot)
        for foot in robot.foot_links:
            if foot not in links:
                raise ConfigError(f"The foot '{foot}' is frozen to its leg: let the joint above it move.")
        for body in bodies:
            _make_passive(client, body)
        if count == 1 and config.capsules:
            _let_legs_collide(client, bodies[0], robot, links)
        info = [pybullet.getDynamicsInfo(body, -1, physicsClientId=client) for body in bodies]
        return Scene(
            client=client,
            ground=ground,
            bumps=bumps,
            bodies=bodies,
            origin=origin,
            joints=[joints[n] for n in joint_names],
            feet=[links[n] for n in robot.foot_links],
            torso=links.get(robot.torso_link, -1),
            com_position=np.array([i[3] for i in info]),
            com_orientation_inverse=quat_conjugate(np.array([i[4] for i in info])),
            imu_offset=_imu_offset(robot),
        )
    except BaseException:
        pybullet.disconnect(physicsClientId=client)
        raise


def _connect(config: WorldConfig) -> int:
    try:
        client = int(pybullet.connect(pybullet.GUI if config.gui else pybullet.DIRECT))
    except pybullet.error as error:
        raise SimulationError(f"PyBullet cannot open its window ({error}): run without the GUI.") from None
    if client < 0:
        raise SimulationError("PyBullet cannot start: run without the GUI, or close other simulators.")
    pybullet.setGravity(0.0, 0.0, -GRAVITY, physicsClientId=client)
    pybullet.setPhysicsEngineParameter(
        fixedTimeStep=config.physics_dt_s,
        numSolverIterations=config.solver_iterations,
        numSubSteps=0,
        deterministicOverlappingPairs=1,
        enableFileCaching=0,  # else each robot's URDF, written to the same path, would be the first one's
        physicsClientId=client,
    )
    return client


def _load_ground(client: int, bumps: HeightField | None) -> int:
    if bumps is None:
        shape = pybullet.createCollisionShape(pybullet.GEOM_PLANE, physicsClientId=client)
        ground = int(pybullet.createMultiBody(0.0, shape, physicsClientId=client))
    else:
        ground = load_field(client, bumps)
    pybullet.changeDynamics(ground, -1, lateralFriction=1.0, restitution=0.0, physicsClientId=client)
    pybullet.setCollisionFilterGroupMask(ground, -1, GROUND_GROUP, ROBOT_GROUP, physicsClientId=client)
    return ground


def _load_robots(
    client: int,
    robot: RobotModel,
    config: WorldConfig,
    joint_names: tuple[str, ...],
    origin: Array,
    variations: Sequence[BodyVariation] | None,
) -> list[int]:
    bodies: list[int] = []
    with tempfile.TemporaryDirectory(prefix="tarsus-urdf-") as folder:
        path = os.path.join(folder, f"{robot.name}.urdf")
        flags = pybullet.URDF_USE_INERTIA_FROM_FILE
        if len(origin) == 1 and config.capsules:
            flags |= pybullet.URDF_USE_SELF_COLLISION  # without it PyBullet ignores the pairs of _let_legs_collide
        for i, spot in enumerate(origin):
            if variations is not None or i == 0:
                variation = variations[i] if variations is not None else None
                text = prepare_urdf(robot, joint_names, config.visuals, config.capsules, variation)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)
            try:
                body = pybullet.loadURDF(path, [spot[0], spot[1], 1.0], flags=flags, physicsClientId=client)
            except pybullet.error as error:
                raise SimulationError(f"PyBullet cannot load robot '{robot.name}': {error}.") from None
            bodies.append(int(body))
    return bodies


def _indices(client: int, body: int, robot: RobotModel) -> tuple[dict[str, int], dict[str, int]]:
    """PyBullet's indices of joints and links by name."""
    joints: dict[str, int] = {}
    links: dict[str, int] = {robot.base_link: -1}
    for index in range(pybullet.getNumJoints(body, physicsClientId=client)):
        info = pybullet.getJointInfo(body, index, physicsClientId=client)
        joints[info[1].decode()] = index
        links[info[12].decode()] = index
    return joints, links


def _make_passive(client: int, body: int) -> None:
    """Take away what PyBullet adds on its own: damping, joint motors, sleep, contacts between robots."""
    count = pybullet.getNumJoints(body, physicsClientId=client)
    for link in range(-1, count):
        # a link without a shape has a place in the broad phase all the same: it is kept from meeting the ground there
        shaped = pybullet.getCollisionShapeData(body, link, physicsClientId=client)
        mask = GROUND_GROUP if shaped else 0
        pybullet.setCollisionFilterGroupMask(body, link, ROBOT_GROUP, mask, physicsClientId=client)
        pybullet.changeDynamics(
            body,
            link,
            linearDamping=0.0,
            angularDamping=0.0,
            jointDamping=0.0,
            restitution=0.0,
            rollingFriction=0.0,
            spinningFriction=0.0,
            activationState=pybullet.ACTIVATION_STATE_DISABLE_SLEEPING,
            maxJointVelocity=1000.0,
            physicsClientId=client,
        )
    pybullet.setJointMotorControlArray(
        body, list(range(count)), pybullet.VELOCITY_CONTROL, forces=[0.0] * count, physicsClientId=client
    )


def _let_legs_collide(client: int, body: int, robot: RobotModel, links: dict[str, int]) -> None:
    shaped = [n for n in (*robot.collision_capsules, *robot.foot_links) if n in links]
    for left in (n for n in shaped if n.startswith("left_")):
        for right in (n for n in shaped if n.startswith("right_")):
            pybullet.setCollisionFilterPair(body, body, links[left], links[right], 1, physicsClientId=client)


def _imu_offset(robot: RobotModel) -> Array:
    """Position (3,) of the IMU in the base link, from the URDF; zero if it sits elsewhere."""
    for joint in ElementTree.parse(robot.urdf_path).getroot().findall("joint"):
        child, parent, origin = joint.find("child"), joint.find("parent"), joint.find("origin")
        if child is None or parent is None or origin is None:
            continue
        if child.get("link") == robot.imu_frame and parent.get("link") == robot.base_link:
            return np.array([float(v) for v in str(origin.get("xyz")).split()])
    return np.zeros(3)
