# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The walking task: what it measures, randomises, rewards and ends, on a few robots and short episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tarsus_core.robot_model import load_robot
from tarsus_core.rotations import tilt_angle
from tarsus_sim import rewards
from tarsus_sim.walk_config import AssistConfig, CommandConfig, RandomConfig, RewardConfig, WalkConfig
from tarsus_sim.walk_contract import nominal, walk_contract
from tarsus_sim.walk_random import draw_commands, draw_pushes, draw_steps, draw_variations
from tarsus_sim.walk_task import PRIVILEGED_SIZE, REWARD_NAMES, WalkTask

LEGS = WalkConfig(movable="legs", capsules=False)
PLAIN = replace(LEGS, randomise=False)

Make = Callable[..., WalkTask]


@pytest.fixture
def make() -> Iterator[Make]:
    tasks: list[WalkTask] = []

    def build(config: WalkConfig = PLAIN, count: int = 2, seed: int = 0) -> WalkTask:
        tasks.append(WalkTask(config, count, seed))
        return tasks[-1]

    yield build
    for task in tasks:
        task.close()


def zero(task: WalkTask) -> np.ndarray:
    return np.zeros((task.count, task.contract.action_size), dtype=np.float32)


def rollout(task: WalkTask, steps: int, seed: int = 5) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    observation, privileged = task.reset()
    kept: dict[str, list[Any]] = {"observation": [observation], "privileged": [privileged], "reward": [], "done": []}
    for _ in range(steps):
        result = task.step(rng.uniform(-0.3, 0.3, (task.count, task.contract.action_size)).astype(np.float32))
        kept["observation"].append(result["observation"])
        kept["privileged"].append(result["privileged"])
        kept["reward"].append(result["reward"])
        kept["done"].append(result["terminated"] | result["truncated"])
    return {k: np.array(v) for k, v in kept.items()}


def test_same_seed_gives_the_same_run_bit_for_bit(make: Make) -> None:
    config = replace(LEGS, robots_a_client=2, episode_s=0.3)
    runs = [rollout(make(config, count=3, seed=s), 25) for s in (7, 7, 8)]
    for name in runs[0]:
        np.testing.assert_array_equal(runs[0][name], runs[1][name])
    assert runs[0]["done"].any()  # the comparison covers resets too
    assert not np.array_equal(runs[0]["observation"], runs[2]["observation"])


def test_observation_is_what_the_contract_says(make: Make) -> None:
    """Nominal robot, first observation: gravity down, the command, pose and speed of the joints, no action yet."""
    task = make()
    task.fixed_command = np.array([0.5, 0.0, -0.2])
    observation, privileged = task.reset()
    assert observation.shape == (2, 47)
    assert observation.dtype == np.float32
    assert privileged.shape == (2, PRIVILEGED_SIZE)
    np.testing.assert_allclose(observation[:, 0:3], 0.0, atol=1e-6)
    np.testing.assert_allclose(observation[:, 3:6], [[0.0, 0.0, -1.0]] * 2, atol=1e-6)
    np.testing.assert_allclose(observation[:, 6:9], [[0.5, 0.0, -0.2]] * 2, atol=1e-6)
    np.testing.assert_allclose(observation[:, 9:45], 0.0, atol=1e-6)
    # the clock starts at phase 0 or 0.5: sin 0, cos +-1
    np.testing.assert_allclose(observation[:, 45], 0.0, atol=1e-6)
    np.testing.assert_allclose(np.abs(observation[:, 46]), 1.0, atol=1e-6)

    action = zero(task)
    action[0, 3], action[1, 3] = 0.1, 5.0
    observation = task.step(action)["observation"]
    assert observation[0, 36] == pytest.approx(0.1)
    assert observation[1, 36] == 1.0  # clipped
    assert observation[0, 12] > 0.0  # the knee follows
    # one period of 20 ms in a gait of 0.8 s: an angle of 2 pi / 40
    assert abs(observation[0, 45]) == pytest.approx(np.sin(2.0 * np.pi / 40.0), abs=1e-6)


def test_standing_command_rests_the_clock(make: Make) -> None:
    task = make()
    task.fixed_command = np.zeros(3)
    observation, _ = task.reset()
    assert not observation[:, 45:47].any()
    assert not task.step(zero(task))["observation"][:, 45:47].any()


def test_reward_is_the_sum_of_weighted_terms(make: Make) -> None:
    weights = RewardConfig(**dict.fromkeys(REWARD_NAMES, 0.0) | {"alive": 2.0, "torque": -1e-3, "fall": -50.0})
    task = make(replace(PLAIN, reward=weights))
    task.penalty_scale = 0.5
    task.reset()
    result = task.step(np.full((2, 12), 0.1, dtype=np.float32))
    assert set(result["terms"]) == {"alive", "torque", "fall"}
    # 0.02 s a period: 2.0 * 0.02; penalties are halved, but a fall is not
    np.testing.assert_allclose(result["terms"]["alive"], 0.04)
    torque = np.sum(task._effort[:, task._driven] ** 2, axis=1)
    assert (torque > 1.0).all()
    np.testing.assert_allclose(result["terms"]["torque"], -1e-3 * 0.02 * 0.5 * torque)
    np.testing.assert_allclose(result["terms"]["fall"], 0.0)
    np.testing.assert_allclose(result["reward"], 0.04 + result["terms"]["torque"])


def test_all_terms_are_used_by_default(make: Make) -> None:
    task = make()
    task.reset()
    result = task.step(zero(task))
    assert tuple(result["terms"]) == REWARD_NAMES
    np.testing.assert_allclose(result["reward"], np.sum([result["terms"][n] for n in REWARD_NAMES], axis=0))


def test_mean_velocity_is_a_low_pass(make: Make) -> None:
    """The mean of the velocity and that of the command follow with the time constant, both from zero."""
    task = make()
    task.fixed_command = np.array([0.4, 0.0, 0.0])
    task.reset()
    task.step(zero(task))
    # 0.02 / 0.4 of the way a period
    np.testing.assert_allclose(task._mean_command[:, 0], 0.4 * 0.05)
    task.step(zero(task))
    np.testing.assert_allclose(task._mean_command[:, 0], 0.4 * (1.0 - 0.95**2))


def test_episode_ends_in_time_and_starts_anew(make: Make) -> None:
    task = make(replace(PLAIN, episode_s=0.1))
    task.fixed_command = np.array([0.3, 0.0, 0.0])
    first, _ = task.reset()
    action = np.full((2, 12), 0.05, dtype=np.float32)
    for k in range(5):
        result = task.step(action)
        assert result["truncated"].tolist() == [k == 4] * 2
        assert not result["terminated"].any()
    assert result["ended"].tolist() == [0, 1]
    assert result["length"].tolist() == [5, 5]
    # what the episode ended with still shows the action; what comes next is a fresh start
    np.testing.assert_allclose(result["final_observation"][:, 33:45], 0.05)
    np.testing.assert_allclose(result["observation"][:, :45], first[:, :45], atol=1e-6)
    assert task.steps.tolist() == [0, 0]


def test_falling_robot_ends_its_episode_alone(make: Make) -> None:
    task = make(PLAIN, count=2)
    task.reset()
    task.step(zero(task))
    tilted = np.array([0.0, np.sin(0.6), 0.0, np.cos(0.6)])  # pitched by 1.2 rad
    task.world.set_pose(np.array([0.0, 0.0, 0.7]), tilted, task.joint_names, task.interface.default_pose, index=1)
    result = task.step(zero(task))
    assert result["terminated"].tolist() == [False, True]
    assert not result["truncated"].any()
    assert result["terms"]["fall"][1] == pytest.approx(-100.0 * 0.02)
    assert result["terms"]["alive"][1] == 0.0
    assert result["ended"].tolist() == [1]
    assert task.steps.tolist() == [2, 0]
    assert tilt_angle(task._quat)[1] < 0.1


def test_low_base_is_a_fall_too(make: Make) -> None:
    task = make(PLAIN, count=1)
    task.reset()
    upright = np.array([0.0, 0.0, 0.0, 1.0])
    squat = task.interface.default_pose.copy()
    names = task.joint_names
    for side in ("left", "right"):
        squat[names.index(f"{side}_hip_pitch_joint")] = -1.8
        squat[names.index(f"{side}_knee_joint")] = 2.6
    task.world.set_pose(np.array([0.0, 0.0, 0.4]), upright, names, squat)
    assert task.step(zero(task))["terminated"].tolist() == [True]


def test_encoder_bias_shows_in_the_reading_and_shifts_the_motor(make: Make) -> None:
    """A biased joint that holds its target reads the target, and truly stands beside it by the bias."""
    task = make(PLAIN, count=1)
    task.reset()
    knee = task.joint_names.index("left_knee_joint")
    task._offset[0, knee] = 0.1
    observation = task.observe()
    assert observation[0, 9 + 3] == pytest.approx(0.1)
    task.step(zero(task))
    assert task._q[0, knee] < task.interface.default_pose[knee] - 0.005


def test_delay_holds_the_old_target_for_so_many_physics_steps(make: Make) -> None:
    task = make(PLAIN, count=2)
    task.reset()
    task._delay[:] = [0, 4]
    seen = []
    world = task.world
    original = world.run_pd

    def watch(position: Any, *rest: Any) -> None:
        seen.extend(position)
        original(position, *rest)

    world.run_pd = watch
    action = zero(task)
    action[:, 3] = 0.2
    task.step(action)
    task.step(action)
    knee = task.joint_names.index("left_knee_joint")
    moved = np.array([p[:, knee] for p in seen]) - task.interface.default_pose[knee]
    np.testing.assert_allclose(moved[:, 0], 0.2)  # at once
    np.testing.assert_allclose(moved[:, 1], [0.0] * 4 + [0.2] * 4)  # 4 steps of 5 ms later


def test_helping_hand_holds_the_base_upright(make: Make) -> None:
    """Legs that merely hold their pose topple within 2 s, whichever way they face; with help they do not."""
    gains = {".*_hip_.*": (100.0, 2.0), ".*_knee_joint": (150.0, 4.0), ".*_ankle_.*": (40.0, 2.0)}
    fallen = {}
    for assistance in (0.0, 1.0):
        task = make(replace(PLAIN, assist=AssistConfig(alone=0.0), gains=gains), count=1)
        task.assistance = assistance
        task.fixed_command = np.zeros(3)
        task.reset()
        task._assist_share[:] = 1.0
        fallen[assistance] = any(task.step(zero(task))["terminated"][0] for _ in range(100))
    assert fallen == {0.0: True, 1.0: False}


def test_yaw_rate_and_velocity_are_those_of_the_heading_frame(make: Make) -> None:
    """A base that faces +y and moves along +y with 0.5 m/s while it turns left goes forward in its own frame."""
    task = make(PLAIN, count=1)
    task.reset()
    task.world.reset(yaw=np.array([np.pi / 2.0]), base_velocity=np.array([[0.0, 0.5, 0.0, 0.0, 0.0, 0.7]]))
    task._read()
    task._mean[:] = 0.0
    step = task._describe(zero(task), task._velocity)
    # the velocity is given at the centre of mass, 5 mm beside the origin of the base
    np.testing.assert_allclose(step.velocity[0], [0.5, 0.0, 0.0], atol=5e-3)
    assert step.yaw_rate[0] == pytest.approx(0.7, abs=1e-6)
    np.testing.assert_allclose(task._mean[0], 0.05 * np.array([0.5, 0.0, 0.7]), atol=5e-4)
    np.testing.assert_allclose(step.foot_yaw, 0.0, atol=1e-6)
    # left foot is on the left, by the hip width
    assert step.foot_offset[0, 1] == pytest.approx(0.24, abs=0.02)
    assert abs(step.foot_offset[0, 0]) < 0.01
    np.testing.assert_allclose(step.foot_tilt, np.abs(-0.312 + 0.669 - 0.363), atol=1e-4)
    assert rewards.feet_apart(step)[0] == 0.0


def test_full_robot_is_driven_by_its_legs_alone(make: Make) -> None:
    task = make(nominal(LEGS), count=1)
    assert task.joint_names == load_robot("g1").joint_names
    assert task.contract.action_joint_names == load_robot("g1").group("legs")
    observation, _ = task.reset()
    assert observation.shape == (1, 47)
    task.step(np.full((1, 12), 0.3, dtype=np.float32))
    others = [n for n in task.joint_names if n not in task.contract.action_joint_names]
    held = task._target[0][[task.joint_names.index(n) for n in others]]
    wanted = load_robot("g1").default_pose[load_robot("g1").indices(tuple(others))]
    np.testing.assert_array_equal(held, wanted)


def test_training_and_full_contract_differ_in_the_joints_alone() -> None:
    legs = load_robot("g1").group("legs")
    reduced, full = walk_contract(LEGS, legs), walk_contract(LEGS)
    assert reduced.joint_names == legs
    assert len(full.joint_names) == 29
    for name in ("observation", "action_joint_names", "action_scale", "observed_joint_names", "command_range", "gait"):
        assert getattr(reduced, name) == getattr(full, name)
    index = [full.joint_names.index(n) for n in legs]
    assert reduced.kp == tuple(full.kp[i] for i in index)


def test_gains_of_the_settings_reach_the_contract() -> None:
    contract = walk_contract(replace(LEGS, gains={".*_knee_joint": (150.0, 4.0)}))
    knee, ankle = (contract.joint_names.index(f"left_{n}_joint") for n in ("knee", "ankle_roll"))
    assert (contract.kp[knee], contract.kd[knee]) == (150.0, 4.0)
    assert contract.kp[ankle] == pytest.approx(28.50124619)


# ---- random draws ---------------------------------------------------------------------------------------------


def test_commands_widen_with_the_difficulty() -> None:
    config = CommandConfig(stand_probability=0.0, one_axis_probability=0.0, initial_fraction=0.5)
    for difficulty, fraction in ((0.0, 0.5), (0.25, 0.75), (0.5, 1.0), (1.0, 1.0)):
        drawn = draw_commands(np.random.default_rng(0), config, 4000, difficulty)
        for k, pair in enumerate((config.vx, config.vy, config.wz)):
            assert drawn[:, k].min() == pytest.approx(pair[0] * fraction, abs=0.01)
            assert drawn[:, k].max() == pytest.approx(pair[1] * fraction, abs=0.01)


def test_commands_stand_and_go_along_one_axis_as_often_as_told() -> None:
    drawn = draw_commands(
        np.random.default_rng(1), CommandConfig(stand_probability=0.2, one_axis_probability=0.5), 8000, 1.0
    )
    moving = np.count_nonzero(drawn, axis=1)
    assert np.mean(moving == 0) == pytest.approx(0.2, abs=0.02)
    assert np.mean(moving == 1) == pytest.approx(0.8 * 0.5, abs=0.02)
    assert np.mean(moving == 3) == pytest.approx(0.8 * 0.5, abs=0.02)


def test_pushes_grow_with_the_difficulty_and_never_lift() -> None:
    config = RandomConfig(push_impulse_ns=40.0)
    for difficulty, largest in ((0.0, 4.0), (0.5, 22.0), (1.0, 40.0)):
        drawn = draw_pushes(np.random.default_rng(0), config, 4000, difficulty)
        assert not drawn[:, 2].any()
        assert np.linalg.norm(drawn, axis=1).max() == pytest.approx(largest, rel=0.01)
        assert np.abs(drawn.mean(axis=0)).max() < 0.03 * largest  # from all sides
    least = draw_pushes(np.random.default_rng(0), replace(config, push_least=0.5), 4000, 0.5)
    assert np.linalg.norm(least, axis=1).min() == pytest.approx(11.0, rel=0.01)
    assert np.linalg.norm(least, axis=1).max() == pytest.approx(22.0, rel=0.01)


def test_times_are_drawn_in_control_periods() -> None:
    drawn = draw_steps(np.random.default_rng(0), (4.0, 8.0), 0.02, 2000)
    assert drawn.dtype == np.int64
    assert 200 <= drawn.min() <= 204
    assert 396 <= drawn.max() <= 400


def test_robots_of_a_task_differ_in_mass(make: Make) -> None:
    task = make(LEGS, count=4)
    masses = [task.world.total_mass_kg(i) for i in range(4)]
    assert len({round(m, 3) for m in masses}) == 4
    drawn = draw_variations(np.random.default_rng(0), LEGS.random, 4)
    expected = [33.34 * v.mass_scale + v.torso_payload_kg for v in drawn]
    np.testing.assert_allclose(masses, expected, atol=0.01)


def test_noise_stays_within_its_bounds(make: Make) -> None:
    """Between what is measured and what is true lie the bias of the encoder and the noise, and no more."""
    task = make(LEGS, count=4)
    task.reset()
    r = LEGS.random
    measured = [task._measured() for _ in range(200)]
    q = np.array([m.joint_position for m in measured]) - task._q - task._offset
    dq = np.array([m.joint_velocity for m in measured]) - task._velocity
    assert np.abs(q).max() == pytest.approx(r.noise_joint_position, rel=0.02)
    assert np.abs(dq).max() == pytest.approx(r.noise_joint_velocity, rel=0.02)
    assert np.abs(task._offset).max() <= r.joint_offset_rad
    assert r.friction[0] <= task.friction.min() < task.friction.max() <= r.friction[1]
    assert task._delay.max() <= 4


@pytest.mark.parametrize(("share", "pushed"), [(0.0, [0, 0]), (1.0, [2, 2])])
def test_a_share_of_the_episodes_has_pushes(
    make: Make, monkeypatch: pytest.MonkeyPatch, share: float, pushed: list[int]
) -> None:
    random = RandomConfig(push_share=share, push_interval_s=(0.1, 0.1), push_impulse_ns=1.0)
    task = make(replace(LEGS, random=random))
    counts = [0, 0]

    def count(index: int, force: np.ndarray, duration: float) -> None:
        counts[index] += 1

    monkeypatch.setattr(task.world, "push", count)
    task.reset()
    for _ in range(10):  # 0.2 s
        task.step(zero(task))
    assert counts == pushed
