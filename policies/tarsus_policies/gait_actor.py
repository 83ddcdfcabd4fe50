# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Actor and critic: rsl_rl's MLP models, made exactly mirror-symmetric, the actor on top of a reference gait."""

from __future__ import annotations

import copy
from typing import Any

import torch
from rsl_rl.models import MLPModel
from rsl_rl.modules.distribution import GaussianDistribution
from tensordict import TensorDict
from torch import Tensor, nn
from torch.distributions import Normal

from tarsus_core.contract import PolicyContract
from tarsus_core.robot_model import load_robot
from tarsus_policies.reference_gait import ReferenceGait
from tarsus_policies.settings import GaitReference
from tarsus_policies.symmetry import Mirror, action_mirror, observation_mirror, privileged_mirror


class MirrorMap(nn.Module):
    """A Mirror as a torch module, exact and exportable."""

    index: Tensor
    sign: Tensor

    def __init__(self, mirror: Mirror) -> None:
        super().__init__()
        self.register_buffer("index", torch.as_tensor(mirror.index, dtype=torch.long), persistent=False)
        self.register_buffer("sign", torch.as_tensor(mirror.sign, dtype=torch.float32), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """Mirror values (n, size)."""
        return torch.index_select(values, 1, self.index) * self.sign


class SymmetricActor(nn.Module):
    """action(o) = reference(o) + s/2 (f(o) + M f(M o)): equivariant, so that left and right are learned once.

    f is one network, or two: a second one that acts while the gait clock rests, which the mirror does not change.
    """

    def __init__(
        self,
        normalizer: nn.Module,
        mlp: nn.Module,
        head: dict[str, Any],
        standing: tuple[nn.Module, nn.Module] | None = None,
    ) -> None:
        """Put it together; ``standing``: normaliser and network for the time the gait clock rests."""
        super().__init__()
        contract: PolicyContract = head["contract"]
        robot = load_robot(contract.robot)
        self.normalizer = normalizer
        self.mlp = mlp
        self.stands = standing is not None
        if standing is not None:
            self.standing_normalizer, self.standing_mlp = standing
        self.reference = ReferenceGait(contract, head["reference"])
        self.observation_mirror = MirrorMap(observation_mirror(contract, robot))
        self.action_mirror = MirrorMap(action_mirror(contract, robot))
        self.output_scale = float(head["output_scale"])

    def forward(self, observation: Tensor) -> Tensor:
        """Return the mean action (n, action_size) of observations (n, observation_size)."""
        both = torch.cat([observation, self.observation_mirror(observation)], dim=0)
        out = self._equivariant(self.mlp(self.normalizer(both)))
        if self.stands:
            still = self._equivariant(self.standing_mlp(self.standing_normalizer(both)))
            out = torch.where(self.rests(observation), still, out)
        return out * (0.5 * self.output_scale) + self.reference(observation)

    def rests(self, observation: Tensor) -> Tensor:
        """(n, 1) whether the gait clock rests in observations (n, observation_size)."""
        start = self.reference.phase_start
        return torch.abs(observation[:, start : start + 2]).sum(dim=1, keepdim=True) <= 0.0

    def _equivariant(self, both: Tensor) -> Tensor:
        """Add the outputs (n, action_size) for observations and, mirrored back, those for mirrored ones."""
        count = both.shape[0] // 2
        return both[:count] + self.action_mirror(both[count:])


class RestingGaussian(GaussianDistribution):
    """Gaussian with one standard deviation for each action, which can be smaller for some of the robots."""

    def update_with(self, mean: Tensor, share: Tensor) -> None:
        """As ``update``, with a factor (n, 1) on the standard deviation."""
        self.update(mean)
        self._distribution = Normal(mean, self.std * share)


class GaitActor(MLPModel):
    """rsl_rl actor model around ``SymmetricActor``."""

    def __init__(
        self, obs: TensorDict, obs_groups: dict[str, list[str]], obs_set: str, output_dim: int, **options: Any
    ) -> None:
        """Build it; ``head`` among the options holds contract, reference, output_scale, rest_std, keep_standing."""
        head = options.pop("head")
        self.rest_std = float(head["rest_std"])
        super().__init__(obs, obs_groups, obs_set, output_dim, **options)
        last = [m for m in self.mlp.modules() if isinstance(m, nn.Linear)][-1]
        with torch.no_grad():  # start at the reference gait
            last.weight *= 0.01
            last.bias.zero_()
        standing = None
        if head["keep_standing"]:  # what it is comes with a checkpoint, and stays
            self.standing_normalizer = copy.deepcopy(self.obs_normalizer)
            self.standing_mlp = copy.deepcopy(self.mlp).requires_grad_(False)
            standing = self.standing_normalizer, self.standing_mlp
        self.body = SymmetricActor(self.obs_normalizer, self.mlp, head, standing)

    def forward(
        self, obs: TensorDict, masks: Tensor | None = None, hidden_state: Any = None, stochastic_output: bool = False
    ) -> Tensor:
        """Return the mean action, or a sample around it."""
        observation = torch.cat([obs[g] for g in self.obs_groups], dim=-1)
        mean = self.body(observation)
        if self.distribution is None or not stochastic_output:
            return mean
        assert isinstance(self.distribution, RestingGaussian)
        self.distribution.update_with(mean, torch.where(self.body.rests(observation), self.rest_std, 1.0))
        return self.distribution.sample()

    def export_module(self) -> nn.Module:
        """Return a copy for export: raw observation in, action out."""
        return copy.deepcopy(self.body).eval()


class SymmetricCritic(MLPModel):
    """rsl_rl critic model whose value does not change under mirroring."""

    def __init__(
        self, obs: TensorDict, obs_groups: dict[str, list[str]], obs_set: str, output_dim: int, **options: Any
    ) -> None:
        """Build it; ``contract`` among the options says how to mirror."""
        contract: PolicyContract = options.pop("contract")
        super().__init__(obs, obs_groups, obs_set, output_dim, **options)
        robot = load_robot(contract.robot)
        self.mirrors = nn.ModuleDict(
            {"policy": MirrorMap(observation_mirror(contract, robot)), "privileged": MirrorMap(privileged_mirror())}
        )

    def forward(
        self, obs: TensorDict, masks: Tensor | None = None, hidden_state: Any = None, stochastic_output: bool = False
    ) -> Tensor:
        """Return the value (n, 1)."""
        straight = torch.cat([obs[g] for g in self.obs_groups], dim=-1)
        mirrored = torch.cat([self.mirrors[g](obs[g]) for g in self.obs_groups], dim=-1)
        out = self.mlp(self.obs_normalizer(torch.cat([straight, mirrored], dim=0)))
        count = straight.shape[0]
        return 0.5 * (out[:count] + out[count:])


def fresh_actor(contract: PolicyContract, reference: GaitReference, ppo: Any) -> GaitActor:
    """Build an untrained actor with the shapes of the settings, ready to load a checkpoint into."""
    obs = TensorDict({"policy": torch.zeros(1, contract.observation_size)}, batch_size=[1])
    return GaitActor(
        obs, {"actor": ["policy"]}, "actor", contract.action_size, **actor_options(contract, reference, ppo)
    )


def actor_options(contract: PolicyContract, reference: GaitReference, ppo: Any) -> dict[str, Any]:
    """Constructor options of GaitActor for rsl_rl."""
    return {
        "hidden_dims": list(ppo.actor_hidden),
        "activation": "elu",
        "obs_normalization": True,
        "distribution_cfg": {
            "class_name": RestingGaussian,
            "init_std": ppo.init_std,
            "std_type": "log",
            "std_range": (ppo.least_std, 1.0),
        },
        "head": {
            "contract": contract,
            "reference": reference,
            "output_scale": ppo.output_scale,
            "rest_std": ppo.rest_std,
            "keep_standing": ppo.keep_standing,
        },
    }
