# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Where frames are: against PyBullet's own kinematics, which read the same URDF."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pybullet
import pytest

from tarsus_core.errors import RobotModelError
from tarsus_core.kinematics import read_chain
from tarsus_core.robot_model import load_robot

ROBOT = load_robot("g1")


def test_the_chain_of_a_leg_has_its_six_joints_in_order() -> None:
    chain = read_chain(ROBOT, ROBOT.foot_links[0])
    assert [n.removeprefix("left_").removesuffix("_joint") for n in chain.joint_names] == [
        *("hip_pitch", "hip_roll", "hip_yaw", "knee", "ankle_pitch", "ankle_roll"),
    ]
    np.testing.assert_array_equal(chain.end_rotation, np.eye(3))  # a link is where its joint is


@pytest.mark.parametrize("frame", [ROBOT.camera_frame, ROBOT.torso_link, *ROBOT.foot_links])
def test_frames_are_where_pybullet_has_them(frame: str) -> None:
    chain = read_chain(ROBOT, frame)
    client = pybullet.connect(pybullet.DIRECT)
    try:
        body = pybullet.loadURDF(str(ROBOT.urdf_path), useFixedBase=True, physicsClientId=client)
        found = [pybullet.getJointInfo(body, k, client) for k in range(pybullet.getNumJoints(body, client))]
        places = {info[1].decode(): info[0] for info in found}
        links = {info[12].decode(): info[0] for info in found}
        rng = np.random.default_rng(0)
        for _ in range(5):
            angles = dict(zip(ROBOT.joint_names, rng.uniform(-1.0, 1.0, len(ROBOT.joint_names)), strict=True))
            for name, angle in angles.items():
                pybullet.resetJointState(body, places[name], angle, physicsClientId=client)
            base = pybullet.getBasePositionAndOrientation(body, client)  # of its centre of mass
            middle = pybullet.getDynamicsInfo(body, -1, client)
            base = pybullet.multiplyTransforms(*base, *pybullet.invertTransform(middle[3], middle[4]))
            state = pybullet.getLinkState(body, links[frame], computeForwardKinematics=1, physicsClientId=client)
            there = pybullet.multiplyTransforms(*pybullet.invertTransform(*base), state[4], state[5])
            position, axes = chain.pose(angles)
            np.testing.assert_allclose(position, there[0], atol=1e-6)
            np.testing.assert_array_equal(chain.places(angles)[-1], position)
            np.testing.assert_allclose(axes, np.reshape(pybullet.getMatrixFromQuaternion(there[1]), (3, 3)), atol=1e-6)
    finally:
        pybullet.disconnect(client)


def test_the_places_of_a_leg_go_down_from_the_hip() -> None:
    chain = read_chain(ROBOT, ROBOT.foot_links[0])
    places = chain.places(dict.fromkeys(chain.joint_names, 0.0))
    assert places.shape == (7, 3)
    assert (np.diff(places[:, 2]) <= 1e-9).all()
    np.testing.assert_array_equal(places[5], places[6])  # the last joint is where its link is


def test_the_base_is_where_it_is() -> None:
    position, axes = read_chain(ROBOT, ROBOT.base_link).pose({})
    np.testing.assert_array_equal(position, np.zeros(3))
    np.testing.assert_array_equal(axes, np.eye(3))


def test_what_does_not_hang_on_the_base_is_refused() -> None:
    with pytest.raises(RobotModelError, match="The frame 'nose' of robot 'g1' does not hang on 'pelvis': mend"):
        read_chain(ROBOT, "nose")
    with pytest.raises(RobotModelError, match="The URDF's joint 'waist_yaw_joint' is none of robot 'g1'"):
        read_chain(replace(ROBOT, joint_names=ROBOT.joint_names[:12]), ROBOT.torso_link)
