# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What PyBullet reports of the robots of a client, as flat lists: numbers become arrays once, for many robots.

Every call into PyBullet makes tuples of Python floats, and small numpy arrays cost more than the numbers in them; so
these functions only collect.
"""

from __future__ import annotations

import pybullet

from tarsus_sim.pybullet_scene import Scene

BASE_SIZE, FOOT_SIZE = 13, 10


def read_joints(scene: Scene) -> tuple[list[float], list[float]]:
    """Positions (rad) and velocities (rad/s) of all joints, robot by robot."""
    read, joints, client = pybullet.getJointStates, scene.joints, scene.client
    positions: list[float] = []
    velocities: list[float] = []
    for body in scene.bodies:
        for position, velocity, _, _ in read(body, joints, physicsClientId=client):
            positions.append(position)
            velocities.append(velocity)
    return positions, velocities


def read_bases(scene: Scene) -> list[float]:
    """Per robot, in the world: centre of mass (3), principal axes (4, xyzw), linear (3) and angular velocity (3)."""
    client = scene.client
    numbers: list[float] = []
    for body in scene.bodies:
        place, turn = pybullet.getBasePositionAndOrientation(body, physicsClientId=client)
        linear, angular = pybullet.getBaseVelocity(body, physicsClientId=client)
        numbers += (*place, *turn, *linear, *angular)
    return numbers


def read_feet(scene: Scene) -> list[float]:
    """Per robot and foot, in the world: position (3), orientation (4, xyzw), velocity of the centre of mass (3)."""
    read, feet, client = pybullet.getLinkStates, scene.feet, scene.client
    numbers: list[float] = []
    for body in scene.bodies:
        for state in read(body, feet, computeLinkVelocity=1, physicsClientId=client):
            numbers += (*state[4], *state[5], *state[6])
    return numbers


def read_forces(scene: Scene) -> list[float]:
    """Per robot and foot: the normal force between it and the ground, in N."""
    feet = {link: i for i, link in enumerate(scene.feet)}
    first = scene.bodies[0]
    force = [0.0] * (len(scene.bodies) * len(feet))
    for contact in pybullet.getContactPoints(bodyA=scene.ground, physicsClientId=scene.client):
        foot = feet.get(contact[4])
        if foot is not None:
            force[(contact[2] - first) * len(feet) + foot] += contact[9]
    return force
