# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The PyBullet world against numbers worked out by hand, and against itself."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pybullet
import pytest
from helpers.worlds import Make, hold, limp

from tarsus_core.errors import ConfigError, SimulationError, StateError
from tarsus_core.robot_model import RobotModel
from tarsus_core.rotations import quat_from_rpy, quat_multiply, quat_rotate, yaw_from_quat
from tarsus_core.state import JointCommand
from tarsus_sim.pybullet_world import PyBulletWorld, WorldConfig

G = 9.81
MASS = 33.34


def momentum(world: PyBulletWorld) -> np.ndarray:
    """Linear momentum (3,) of the first robot in kg.m/s, link by link."""
    client, body = world.handle()
    mass = pybullet.getDynamicsInfo(body, -1, physicsClientId=client)[0]
    total = mass * np.array(pybullet.getBaseVelocity(body, physicsClientId=client)[0])
    for link in range(pybullet.getNumJoints(body, physicsClientId=client)):
        mass = pybullet.getDynamicsInfo(body, link, physicsClientId=client)[0]
        state = pybullet.getLinkState(
            body, link, computeLinkVelocity=1, computeForwardKinematics=1, physicsClientId=client
        )
        total = total + mass * np.array(state[6])
    return total


def feet_by_urdf(robot: RobotModel, pose: dict[str, float]) -> list[np.ndarray]:
    """Positions of the foot frames in the base link frame, from the URDF file alone."""
    joints = {}
    for joint in ElementTree.parse(robot.urdf_path).getroot().findall("joint"):
        child, parent, origin = joint.find("child"), joint.find("parent"), joint.find("origin")
        assert child is not None and parent is not None
        if origin is not None:
            joints[child.get("link")] = (joint, parent.get("link"), origin)
    feet = []
    for foot in robot.foot_links:
        point, link = np.zeros(3), foot
        while link != robot.base_link:
            joint, parent, origin = joints[link]
            axis = joint.find("axis")
            turn = np.array([0.0, 0.0, 0.0, 1.0])
            angle = pose.get(str(joint.get("name")), 0.0)
            if axis is not None:
                unit = np.array([float(v) for v in str(axis.get("xyz")).split()])
                turn = np.append(unit * np.sin(angle / 2.0), np.cos(angle / 2.0))
            quat = quat_multiply(quat_from_rpy(*(float(v) for v in str(origin.get("rpy", "0 0 0")).split())), turn)
            point = quat_rotate(quat, point) + np.array([float(v) for v in str(origin.get("xyz")).split()])
            link = str(parent)
        feet.append(point)
    return feet


def test_mass_is_the_robots(make: Make) -> None:
    assert make().total_mass_kg() == pytest.approx(MASS, abs=0.005)


def test_base_frame_is_the_urdf_link_frame(make: Make, robot: RobotModel) -> None:
    world = make(2)
    world.reset(yaw=np.array([0.0, 0.7]), height_m=np.array([0.9, 1.1]))
    state, truth = world.read()
    np.testing.assert_allclose(truth.position_base_in_world, [[0.0, 0.0, 0.9], [0.0, 0.0, 1.1]], atol=1e-9)
    np.testing.assert_allclose(np.abs(state.orientation_base_to_world[0]), [0.0, 0.0, 0.0, 1.0], atol=1e-6)
    assert yaw_from_quat(state.orientation_base_to_world)[1] == pytest.approx(0.7, abs=1e-6)
    pose = dict(zip(robot.joint_names, robot.default_pose.tolist(), strict=True))
    local = np.array(feet_by_urdf(robot, pose))
    position, _, _ = world.foot_poses()
    for i in range(2):
        expected = quat_rotate(np.tile(state.orientation_base_to_world[i], (2, 1)), local)
        np.testing.assert_allclose(position[i], truth.position_base_in_world[i] + expected, atol=1e-5)


def test_turning_base_moves_its_own_origin_not_the_centre_of_mass(make: Make) -> None:
    """The G1's pelvis has its centre of mass 7.6 cm below the link's origin: rolling moves the origin sideways."""
    world = make()
    world.reset(height_m=np.array([2.0]), base_velocity=np.array([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]]))
    truth = world.ground_truth()
    # the centre of mass stands still; v = w x r with w = (1, 0, 0) and r = (0, 0, 0.076)
    np.testing.assert_allclose(truth.linear_velocity_base_in_world[0], [0.0, -0.076, 0.0], atol=1e-3)
    np.testing.assert_allclose(world.state().angular_velocity_base_in_base[0], [1.0, 0.0, 0.0], atol=1e-6)


def test_torque_is_pd_plus_feed_forward_then_limited(make: Make, robot: RobotModel) -> None:
    world = make()
    names = world.joint_names
    knee, hip, wrist = (names.index(n) for n in ("left_knee_joint", "right_hip_yaw_joint", "left_wrist_yaw_joint"))
    zeros = np.zeros(29)
    position, velocity, effort = world.default_pose.copy(), zeros.copy(), zeros.copy()
    kp, kd = zeros.copy(), zeros.copy()
    position[knee] += 0.1
    kp[knee], kd[knee], effort[knee] = 100.0, 2.0, 3.0
    velocity[hip], kd[hip] = -1.5, 4.0
    position[wrist] += 0.5
    kp[wrist] = 40.0
    applied = world.step(JointCommand(0.0, names, position, velocity, effort, kp, kd))
    # at rest in the default pose: 100 * 0.1 + 3 = 13; 4 * -1.5 = -6; 40 * 0.5 = 20, and the wrist's motor gives 5
    assert applied.effort[0, knee] == pytest.approx(13.0, abs=1e-9)
    assert applied.effort[0, hip] == pytest.approx(-6.0, abs=1e-9)
    assert applied.effort[0, wrist] == 5.0
    others = np.delete(applied.effort[0], [knee, hip, wrist])
    assert not others.any()
    assert not applied.kp.any() and not applied.kd.any()
    np.testing.assert_array_equal(world.state().joint_effort, applied.effort)

    # the second step sees the speed that the first one caused
    dq = world.state().joint_velocity[0]
    q = world.state().joint_position[0]
    assert dq[knee] > 0.0
    again = world.step(JointCommand(0.0, names, position, velocity, effort, kp, kd)).effort[0]
    assert again[knee] == pytest.approx(100.0 * (position[knee] - q[knee]) + 2.0 * (0.0 - dq[knee]) + 3.0, abs=1e-9)
    assert again[hip] == pytest.approx(4.0 * (-1.5 - dq[hip]), abs=1e-9)


def test_command_goes_by_name_not_by_place(make: Make, robot: RobotModel) -> None:
    straight, turned = make(), make()
    command = hold(straight)
    names = command.joint_names[::-1]
    backwards = JointCommand(
        0.0, names, *(getattr(command, f)[::-1] for f in ("position", "velocity", "effort", "kp", "kd"))
    )
    for _ in range(20):
        straight.step(command)
        turned.step(backwards)
    np.testing.assert_array_equal(straight.joint_position, turned.joint_position)
    with pytest.raises(StateError, match="12 joints"):
        straight.step(limp(make(movable=robot.group("legs"))))


def test_joint_answers_torque_with_its_inertia(make: Make, robot: RobotModel) -> None:
    """Ankle roll, free in the air: acceleration is torque over foot and rotor inertia about the axis, to 5 %."""
    ankles = ("left_ankle_roll_joint", "right_ankle_roll_joint")
    world = make(movable=ankles)
    world.reset(height_m=np.array([3.0]))
    world.step_torque(np.array([[1.0, 0.0]]))
    acceleration = world.joint_velocity[0, 0] / world.config.physics_dt_s
    foot = next(
        e for e in ElementTree.parse(robot.urdf_path).getroot().findall("link") if e.get("name") == robot.foot_links[0]
    )
    inertial = foot.find("inertial")
    assert inertial is not None
    values = {e.tag: e.attrib for e in inertial}
    z = float(values["origin"]["xyz"].split()[2])
    about_axis = float(values["inertia"]["ixx"]) + float(values["mass"]["value"]) * z * z
    rotor = robot.armature[robot.indices(ankles)[0]]
    assert acceleration == pytest.approx(1.0 / (about_axis + rotor), rel=0.05)


def test_free_fall_is_weightless_and_parabolic(make: Make) -> None:
    world = make()
    world.reset(height_m=np.array([3.0]))
    for _ in range(40):
        world.step(limp(world))
    state, truth = world.read()
    assert world.time_s == pytest.approx(0.2)
    assert state.stamp_s == world.time_s
    # semi-implicit Euler: z = z0 - g dt^2 n (n + 1) / 2 with dt = 0.005 s and n = 40
    assert truth.position_base_in_world[0, 2] == pytest.approx(3.0 - G * 0.005**2 * 40 * 41 / 2.0, abs=1e-6)
    assert truth.linear_velocity_base_in_world[0, 2] == pytest.approx(-G * 0.2, abs=1e-6)
    np.testing.assert_allclose(state.linear_acceleration_imu_in_imu[0], 0.0, atol=1e-6)
    assert not truth.foot_contact.any()
    assert not truth.foot_contact_force_n.any()


def test_standing_robot_feels_its_weight(make: Make) -> None:
    world = make()
    command = hold(world, stiffness=3.0)
    for _ in range(60):
        world.step(command)
    forces, accelerations = [], []
    for _ in range(40):
        world.step(command)
        state, truth = world.read()
        forces.append(truth.foot_contact_force_n[0])
        accelerations.append(state.linear_acceleration_imu_in_imu[0])
        assert truth.foot_contact.all()
    assert np.mean(np.sum(forces, axis=1)) == pytest.approx(MASS * G, rel=0.05)
    assert np.mean(accelerations, axis=0)[2] == pytest.approx(G, abs=0.3)


def test_tilted_imu_reads_gravity_in_its_own_frame(make: Make) -> None:
    """At rest, rolled to the right by 0.5 rad: (0, g sin 0.5, g cos 0.5)."""
    world = make()
    world.set_pose(np.array([0.0, 0.0, 2.0]), quat_from_rpy(0.5, 0.0, 0.0), world.joint_names, world.default_pose)
    # without gravity it floats at rest, and the sensor adds what it would feel on the ground
    pybullet.setGravity(0.0, 0.0, 0.0, physicsClientId=world.handle()[0])
    world.step(limp(world))
    world.step(limp(world))
    expected = [0.0, G * np.sin(0.5), G * np.cos(0.5)]
    np.testing.assert_allclose(world.state().linear_acceleration_imu_in_imu[0], expected, atol=1e-4)


@pytest.mark.parametrize("friction", [0.2, 0.5])
def test_sliding_friction_is_the_coefficient_times_the_normal_force(make: Make, friction: float) -> None:
    world = make(friction=friction)
    command = hold(world, stiffness=3.0)
    for _ in range(60):
        world.step(command)
    client, body = world.handle()

    def forces() -> tuple[float, float]:
        normal = tangential = 0.0
        for point in pybullet.getContactPoints(world._scenes[0].ground, body, physicsClientId=client):
            side = np.hypot(point[10], point[12])
            assert side <= friction * point[9] * 1.01 + 1e-6  # inside the cone
            normal += point[9]
            tangential += side
        return normal, tangential

    normal, tangential = forces()
    assert normal == pytest.approx(MASS * G, rel=0.3)
    assert tangential < 0.9 * friction * normal  # stands still: the cone is not exhausted
    for _ in range(5):
        client, body = world.handle()
        speed, turn = pybullet.getBaseVelocity(body, physicsClientId=client)
        pybullet.resetBaseVelocity(body, [speed[0] + 1.0, *speed[1:]], turn, physicsClientId=client)
        world.step(command)
    normal, tangential = forces()
    assert tangential == pytest.approx(friction * normal, rel=0.02)


@pytest.mark.parametrize("movable", ["all", "legs"])
def test_push_gives_its_impulse(make: Make, robot: RobotModel, movable: str) -> None:
    """In the air, 50 N for 0.1 s change the momentum by 5 N.s, whether the torso is a link or part of the base."""
    world = make(movable=None if movable == "all" else robot.group("legs"))
    world.reset(height_m=np.array([5.0]))
    world.step(limp(world))
    before = momentum(world)
    world.push(0, np.array([30.0, -40.0, 0.0]), 0.1)
    for _ in range(20):
        world.step(limp(world))
    after = momentum(world)
    np.testing.assert_allclose((after - before)[:2], [3.0, -4.0], atol=0.02)
    assert (after - before)[2] == pytest.approx(-MASS * G * 0.1, rel=0.01)
    for _ in range(10):
        world.step(limp(world))
    np.testing.assert_allclose(momentum(world)[:2], after[:2], atol=0.02)  # and then it ends


def test_feet_on_the_ground_and_in_the_air(make: Make, robot: RobotModel) -> None:
    world = make()
    names = world.joint_names
    lifted = world.default_pose.copy()
    lifted[names.index("right_hip_pitch_joint")] -= 0.6
    lifted[names.index("right_knee_joint")] += 0.8
    world.reset(joint_position=lifted[None], height_m=np.array([0.75]))
    command = hold(world, stiffness=3.0)
    held = JointCommand(0.0, names, lifted, command.velocity, command.effort, command.kp, command.kd)
    for _ in range(20):
        world.step(held)
    truth = world.ground_truth()
    assert truth.foot_contact[0].tolist() == [True, False]
    assert truth.foot_contact_force_n[0, 1] == 0.0
    position, _, velocity = world.foot_poses()
    assert position[0, 0, 2] == pytest.approx(robot.sole_height_m, abs=0.01)
    assert position[0, 1, 2] > 0.1
    assert np.abs(velocity[0, 0]).max() < 0.3


def test_same_commands_give_the_same_motion_bit_for_bit(make: Make) -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(0.0, 0.1, (50, 29))
    runs = []
    for _ in range(2):
        world = make()
        world.push(0, np.array([40.0, 20.0, 0.0]), 0.05)
        command = hold(world)
        for row in noise:
            world.step(
                JointCommand(
                    0.0, command.joint_names, command.position + row, *(np.zeros(29),) * 2, command.kp, command.kd
                )
            )
        runs.append(world.read())
    (a, x), (b, y) = runs
    for name in ("joint_position", "joint_velocity", "orientation_base_to_world", "linear_acceleration_imu_in_imu"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    np.testing.assert_array_equal(x.position_base_in_world, y.position_base_in_world)
    np.testing.assert_array_equal(x.foot_contact_force_n, y.foot_contact_force_n)


def test_reduced_robot_has_the_same_weight(make: Make, robot: RobotModel) -> None:
    world = make(movable=robot.group("legs"))
    assert world.joint_names == robot.group("legs")
    assert world.total_mass_kg() == pytest.approx(MASS, abs=0.005)


def test_reading_is_a_copy(make: Make) -> None:
    world = make()
    state = world.state()
    before = state.joint_position.copy()
    for _ in range(10):
        world.step(limp(world))
    np.testing.assert_array_equal(state.joint_position, before)
    state.check()


def test_bad_settings_are_refused(robot: RobotModel) -> None:
    with pytest.raises(ConfigError, match="at least 1 robot, not 0"):
        PyBulletWorld(robot, count=0)
    with pytest.raises(ConfigError, match=r"physics_dt_s is 0\.02"):
        PyBulletWorld(robot, WorldConfig(physics_dt_s=0.02))
    with pytest.raises(ConfigError, match="'left_ankle_roll_link' is frozen"):
        PyBulletWorld(robot, WorldConfig(movable=robot.group("arms")))


def test_exploding_simulation_is_told(make: Make) -> None:
    world = make()
    with pytest.raises(SimulationError, match="no longer finite"):
        for _ in range(200):
            world.step_torque(np.full((1, 29), np.inf))


def test_closing_twice_is_harmless(make: Make) -> None:
    world = make()
    with world:
        world.step(limp(world))
    world.close()
