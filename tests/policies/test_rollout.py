# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""A worker's rollouts, and what PPO makes of them, against what it makes of its own steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.testing import assert_array_equal

from tarsus_policies.gait_actor import fresh_actor
from tarsus_policies.rollout import Rollout, RolloutWorker, code_digest, weights_of
from tarsus_policies.sampling import LocalSampler, act_as_given
from tarsus_policies.settings import load_settings, task_settings
from tarsus_policies.trainer import _build_algorithm
from tarsus_sim.walk_contract import walk_contract
from tarsus_sim.walk_task import PRIVILEGED_SIZE

SETTINGS = load_settings(
    task_settings("walk"), ["robots=3", "workers=0", "ppo.steps_per_update=4", "ppo.minibatches=1"]
)
STAGE = (0.5, 0.2, 0.4)


def weights(seed: int = 0) -> dict[str, Any]:
    torch.manual_seed(seed)
    actor = fresh_actor(walk_contract(SETTINGS.task), SETTINGS.reference, SETTINGS.ppo)
    return weights_of(actor)


def rollouts(key: tuple[int, ...], count: int = 1, periods: int = 5) -> list[Rollout]:
    worker = RolloutWorker(SETTINGS, SETTINGS.task, 3, 7, key)
    try:
        return [worker.rollout(weights(), STAGE, periods) for _ in range(count)]
    finally:
        worker.close()


def test_shapes_and_that_one_rollout_goes_on_where_the_last_one_ended() -> None:
    one, two = rollouts((0, 0), 2)
    contract = walk_contract(SETTINGS.task)
    assert one.observation.shape == (6, 3, contract.observation_size)
    assert one.privileged.shape == (6, 3, PRIVILEGED_SIZE)
    assert one.action.shape == (5, 3, contract.action_size)
    assert {a.shape for a in (one.reward, one.terminated, one.truncated, one.error)} == {(5, 3)}
    assert one.reward.dtype == np.float32
    assert_array_equal(two.observation[0], one.observation[5])
    assert np.abs(np.diff(one.observation, axis=0)).max() > 0.0
    np.testing.assert_allclose(sum(one.terms.values()), one.reward.sum(), rtol=1e-4)
    # float32: 6 rows of observations, 5 of actions, rewards, errors; a byte each for the two ends of an episode
    width = 6 * (contract.observation_size + PRIVILEGED_SIZE) + 5 * (contract.action_size + 2)
    assert one.nbytes() == 3 * (4 * width + 5 * 2)


def test_a_worker_repeats_by_its_key_and_differs_from_others() -> None:
    one, again, other = rollouts((0, 0))[0], rollouts((0, 0))[0], rollouts((1, 0))[0]
    assert_array_equal(one.observation, again.observation)
    assert_array_equal(one.action, again.action)
    assert not np.array_equal(one.observation, other.observation)
    assert not np.array_equal(rollouts((0, 1))[0].action, one.action), "one that replaces it draws anew"


def test_weights_travel_once_and_arrive() -> None:
    torch.manual_seed(5)
    contract = walk_contract(SETTINGS.task)
    actor = fresh_actor(contract, SETTINGS.reference, SETTINGS.ppo)
    sent = weights_of(actor)
    assert sum(v.size for v in sent.values()) < 0.6 * sum(v.numel() for v in actor.state_dict().values())
    worker = RolloutWorker(SETTINGS, SETTINGS.task, 3, 7, (0, 0))
    try:
        worker.rollout(sent, STAGE, 1)
        for name, value in worker._actor.state_dict().items():
            assert torch.equal(value, actor.state_dict()[name]), name
    finally:
        worker.close()


def test_given_actions_are_recorded_as_if_the_algorithm_had_drawn_them() -> None:
    sampler = LocalSampler(SETTINGS, SETTINGS.task, 1)
    try:
        algorithm = _build_algorithm(sampler, SETTINGS)
        with torch.inference_mode():
            obs = sampler.get_observations()
            actions = algorithm.act(obs)
            own = algorithm.transition
            algorithm.transition = type(own)()
            act_as_given(algorithm, obs, actions)
            given = algorithm.transition
    finally:
        sampler.close()
    for name in ("actions", "values", "actions_log_prob", "observations"):
        assert (getattr(own, name) == getattr(given, name)).all(), name
    assert all(torch.equal(a, b) for a, b in zip(own.distribution_params, given.distribution_params, strict=True))
    assert own.actions_log_prob.abs().max() > 0.0


def test_the_digest_of_the_code_is_stable() -> None:
    assert code_digest() == code_digest() and len(code_digest()) == 12
