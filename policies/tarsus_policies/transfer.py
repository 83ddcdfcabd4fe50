# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Networks of one run as the start of another, whose policy drives more joints or keeps how it stands."""

from __future__ import annotations

import math
import re
from typing import Any

import torch
from torch import Tensor

from tarsus_core.contract import PolicyContract
from tarsus_policies.layout import places
from tarsus_policies.trainer import made_for

NEW_STD = 0.03
"""of the action of a joint that was not driven before: who walks already explores it gently"""
NEW_SPREAD = 0.2
"""standard deviation by which what was not observed before is normalised at first: about that of a joint's readings"""


def widened(content: dict[str, Any], before: PolicyContract, now: PolicyContract) -> dict[str, Any]:
    """Return a checkpoint whose networks fit the contract ``now`` and do what they did before: new joints rest.

    The weights of what is observed for the first time are zero, and so are those of the new joints' actions. Where the
    contracts differ in more than joints that come in, the checkpoint is returned as it is, for the trainer to refuse.

    Args:
        content: a checkpoint, as ``RunFolder.load`` returns it.
        before: contract of the policy that was trained.
        now: contract of the policy to be trained.
    """
    if made_for(before) == made_for(now) or not _comes_in(before, now):
        return content
    inputs, actions = places(before, now)
    actor = _networks(content["actor_state_dict"], inputs, now.observation_size, actions, now.action_size)
    state: dict[str, Tensor] = content["critic_state_dict"]
    more = state["mlp.0.weight"].shape[1] - len(inputs)  # what only the critic sees, behind the observation
    seen = inputs + [now.observation_size + k for k in range(more)]
    critic = _networks(state, seen, now.observation_size + more, [0], 1)
    wide = {**content, "actor_state_dict": actor, "critic_state_dict": critic, "made_for": made_for(now)}
    if "explored_log_std" in content:
        wide["explored_log_std"] = _spread(content["explored_log_std"], 0, actions, now.action_size, math.log(NEW_STD))
    return wide


def standing(content: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint whose actor has a second network for standing (``ppo.keep_standing``): the one it had.

    Args:
        content: a checkpoint; one whose actor has two networks already is returned as it is.
    """
    actor: dict[str, Tensor] = content["actor_state_dict"]
    if any(name.startswith("standing_mlp.") for name in actor):
        return content
    modules = {"mlp": "standing_mlp", "obs_normalizer": "standing_normalizer"}
    both = {"body.mlp": "body.standing_mlp", "body.normalizer": "body.standing_normalizer"} | modules
    copies = {
        f"{copy}.{name.removeprefix(module + '.')}": value.clone()
        for module, copy in both.items()
        for name, value in actor.items()
        if name.startswith(module + ".")
    }
    return {**content, "actor_state_dict": {**actor, **copies}}


def _comes_in(before: PolicyContract, now: PolicyContract) -> bool:
    """Whether nothing but joints was added."""
    kept = set(before.action_joint_names) <= set(now.action_joint_names)
    terms = [(t.name, t.history) for t in before.observation] == [(t.name, t.history) for t in now.observation]
    same = all(c.action_joint_names == c.observed_joint_names for c in (before, now))
    clocks = [c.action_size - len(c.action_joint_names) for c in (before, now)]
    return kept and terms and same and clocks[0] == clocks[1] and before.urdf_sha256 == now.urdf_sha256


def _networks(
    state: dict[str, Tensor], inputs: list[int], input_size: int, outputs: list[int], output_size: int
) -> dict[str, Tensor]:
    """Put the values of a state dict at their new places; ``body.*`` of the actor are the same modules again."""
    last = max(int(found[1]) for name in state if (found := re.search(r"mlp\.(\d+)\.weight$", name)))
    fills = {"_mean": 0.0, "_var": NEW_SPREAD**2, "_std": NEW_SPREAD}
    wide: dict[str, Tensor] = {}
    for name, value in state.items():
        part = name.rpartition("normalizer.")[2]
        if part in fills:
            wide[name] = _spread(value, 1, inputs, input_size, fills[part])
        elif name.endswith("mlp.0.weight"):
            wide[name] = _spread(value, 1, inputs, input_size, 0.0)
        elif name.endswith((f"mlp.{last}.weight", f"mlp.{last}.bias")):
            wide[name] = _spread(value, 0, outputs, output_size, 0.0)
        elif name.endswith("log_std_param"):
            wide[name] = _spread(value, 0, outputs, output_size, math.log(NEW_STD))
        else:
            wide[name] = value
    return wide


def _spread(value: Tensor, dim: int, places: list[int], size: int, fill: float) -> Tensor:
    shape = list(value.shape)
    shape[dim] = size
    return torch.full(shape, fill, dtype=value.dtype).index_copy_(dim, torch.tensor(places), value)
