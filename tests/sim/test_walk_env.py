# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The single environment: the checkers of gymnasium and Stable-Baselines3, episodes, seeds, bad input, pictures."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import gymnasium
import numpy as np
import pytest

import tarsus_sim
from tarsus_core.errors import ConfigError
from tarsus_sim.walk_config import WalkConfig
from tarsus_sim.walk_env import G1WalkEnv

assert tarsus_sim.PyBulletWorld, "importing the package registers the environments"

SHORT = WalkConfig(movable="legs", episode_s=0.2)


@pytest.fixture
def env() -> Iterator[G1WalkEnv]:
    environment = G1WalkEnv(SHORT)
    yield environment
    environment.close()


def test_gymnasiums_checker_has_nothing_to_say() -> None:
    from gymnasium.utils.env_checker import check_env

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        environment = gymnasium.make("tarsus/G1Walk-v0")
        check_env(environment.unwrapped, skip_close_check=True)
        environment.close()


def test_stable_baselines_checker_has_nothing_to_say() -> None:
    from stable_baselines3.common.env_checker import check_env

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        environment = gymnasium.make("tarsus/G1Walk-v0")
        check_env(environment, warn=True)
        environment.close()


def test_same_seed_gives_the_same_episode_bit_for_bit() -> None:
    episodes = []
    for seed in (3, 3, 4):
        environment = G1WalkEnv(SHORT, randomise=True)
        observation, info = environment.reset(seed=seed)
        rows = [observation, info["privileged"]]
        rng = np.random.default_rng(0)
        for _ in range(12):
            observation, reward, terminated, truncated, _ = environment.step(
                rng.uniform(-0.2, 0.2, 12).astype(np.float32)
            )
            rows += [observation, np.array([reward])]
            if terminated or truncated:
                observation, info = environment.reset()
                rows.append(info["privileged"])
        episodes.append(np.concatenate(rows))
        environment.close()
    np.testing.assert_array_equal(episodes[0], episodes[1])
    assert not np.array_equal(episodes[0], episodes[2])


def test_command_is_held_for_the_episode(env: G1WalkEnv) -> None:
    observation, _ = env.reset(seed=0, options={"command": (0.4, -0.1, 0.2)})
    for _ in range(5):
        np.testing.assert_allclose(observation[6:9], [0.4, -0.1, 0.2], atol=1e-6)
        observation, *_ = env.step(np.zeros(12, dtype=np.float32))


def test_episode_is_truncated_and_tells_its_last_observation(env: G1WalkEnv) -> None:
    env.reset(seed=0)
    action = np.full(12, 0.1, dtype=np.float32)
    for k in range(10):
        observation, reward, terminated, truncated, info = env.step(action)
        assert (terminated, truncated) == (False, k == 9)
        assert reward == pytest.approx(sum(info["terms"].values()))
        np.testing.assert_allclose(observation[33:45], 0.1, atol=1e-6)  # not the next episode's zeros


def test_observations_lie_in_their_space(env: G1WalkEnv) -> None:
    observation, _ = env.reset(seed=1)
    rng = np.random.default_rng(0)
    for _ in range(25):
        assert env.observation_space.contains(observation)
        observation, _, terminated, truncated, _ = env.step(rng.uniform(-1.0, 1.0, 12).astype(np.float32))
        if terminated or truncated:
            observation, _ = env.reset()


def test_step_before_reset_is_refused(env: G1WalkEnv) -> None:
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.zeros(12, dtype=np.float32))


def test_unknown_render_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="no render mode 'human'"):
        G1WalkEnv(render_mode="human")


def test_picture_shows_the_robot_in_front_of_the_floor() -> None:
    environment = G1WalkEnv(render_mode="rgb_array")
    environment.reset(seed=0)
    picture = environment.render()
    environment.close()
    assert picture is not None
    assert picture.shape == (240, 320, 3)
    assert picture.dtype == np.uint8
    # the robot, in the middle, differs from the floor and the sky beside it
    middle, edge = picture[60:200, 140:180].astype(float), picture[60:200, 10:50].astype(float)
    assert abs(middle.mean() - edge.mean()) > 5.0
    assert middle.std() > 10.0


def test_without_a_render_mode_there_is_no_picture(env: G1WalkEnv) -> None:
    env.reset(seed=0)
    assert env.render() is None
