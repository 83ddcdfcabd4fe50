# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The single walking environment, ``tarsus/G1Walk-v0``."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import ConfigError
from tarsus_sim.custom_task import make_task
from tarsus_sim.render import TrackingCamera
from tarsus_sim.walk_config import WalkConfig
from tarsus_sim.walk_contract import nominal, walk_contract
from tarsus_sim.walk_task import WalkTask


def observation_space(contract: PolicyContract) -> Box[np.float32]:
    """Bounds of the observation: each term's clip times its scale."""
    high = [abs(t.scale) * t.clip for t in contract.observation for _ in range(t.size * t.history)]
    bound = np.array(high, dtype=np.float32)
    return Box(-bound, bound, dtype=np.float32)


def action_space(contract: PolicyContract) -> Box[np.float32]:
    """Bounds of the action: the contract's clip."""
    clip = contract.action_clip
    return Box(-clip, clip, (contract.action_size,), dtype=np.float32)


class G1WalkEnv(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """A Unitree G1 follows velocity commands.

    Observation, 47 values, each clipped and scaled as the contract says:

    | index | term | raw unit |
    |---|---|---|
    | 0-2 | angular velocity of the base, base frame | rad/s |
    | 3-5 | direction of gravity, base frame | 1 |
    | 6-8 | velocity command vx, vy, wz | m/s, m/s, rad/s |
    | 9-20 | leg joint positions minus the default pose | rad |
    | 21-32 | leg joint velocities | rad/s |
    | 33-44 | last action | 1 |
    | 45-46 | sin and cos of the gait phase, zeros while standing | 1 |

    Action, 12 values in [-1, 1]: the offset of each leg joint's target from the default pose, in rad. An episode
    terminates when the robot falls (tilt over 0.9 rad, or base below 0.45 m) and is truncated after 20 s.
    ``options={"command": (vx, vy, wz)}`` at reset holds one command for the whole episode.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 (gymnasium declares it so)

    def __init__(
        self, config: WalkConfig | None = None, render_mode: str | None = None, randomise: bool = False
    ) -> None:
        """Prepare the environment; PyBullet starts at the first reset.

        Raises:
            ConfigError: for an unknown render mode.
        """
        if render_mode not in (None, "rgb_array"):
            raise ConfigError(f"There is no render mode '{render_mode}': use 'rgb_array' or none.")
        base = config or WalkConfig()
        self.config = base if randomise else nominal(base)
        self.render_mode = render_mode
        self.contract = walk_contract(self.config)
        self.observation_space = observation_space(self.contract)
        self.action_space = action_space(self.contract)
        self._task: WalkTask | None = None
        self._camera: TrackingCamera | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode; the same seed gives the same episode."""
        super().reset(seed=seed)
        if self._task is None or seed is not None:
            self.close()
            self._task = make_task(self.config, 1, int(self.np_random.integers(2**31)))
        self._task.fixed_command = None
        if options and "command" in options:
            self._task.fixed_command = np.asarray(options["command"], dtype=np.float64)
        observation, privileged = self._task.reset()
        return observation[0], {"privileged": privileged[0]}

    def step(self, action: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Run one control period of 20 ms."""
        if self._task is None:
            raise gymnasium.error.ResetNeeded("Call reset() before step().")
        result = self._task.step(np.asarray(action, dtype=np.float32)[None])
        ended = bool(result["terminated"][0] or result["truncated"][0])
        observation = result["final_observation"][0] if ended else result["observation"][0]
        info = {"terms": {k: float(v[0]) for k, v in result["terms"].items()}}
        return (
            observation,
            float(result["reward"][0]),
            bool(result["terminated"][0]),
            bool(result["truncated"][0]),
            info,
        )

    def render(self) -> NDArray[np.uint8] | None:
        """Return a picture (240, 320, 3) of the robot, when the render mode is 'rgb_array'."""
        if self.render_mode is None or self._task is None:
            return None
        if self._camera is None:
            self._camera = TrackingCamera(self._task.robot, 320, 240)
        state, truth = self._task.world.read()
        return self._camera.render(
            truth.position_base_in_world[0],
            state.orientation_base_to_world[0],
            state.joint_names,
            state.joint_position[0],
        )

    def close(self) -> None:
        """Close PyBullet; a second call does nothing."""
        if self._task is not None:
            self._task.close()
            self._task = None
        if self._camera is not None:
            self._camera.close()
            self._camera = None
