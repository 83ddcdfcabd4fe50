# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Arms that move on their own, as they do when somebody else drives them: a disturbance for who walks."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from tarsus_core.observation import PolicyInterface
from tarsus_core.robot_model import RobotModel
from tarsus_sim.walk_config import RandomConfig
from tarsus_sim.walk_random import draw_steps

Array = NDArray[np.float64]


class ArmMotion:
    """Targets of n robots' arms: each moves to a random place at limited speed, stays, and goes on to the next."""

    def __init__(
        self,
        rng: np.random.Generator,
        config: RandomConfig,
        control_period_s: float,
        joints: Sequence[int],
        rest: Array,
        limits: tuple[Array, Array],
        count: int,
    ) -> None:
        """Start at rest.

        Args:
            rng: of what is drawn.
            config: how far, how fast, how often.
            control_period_s: time between two calls of ``move``.
            joints: places of the arm joints among the robot's.
            rest: (A,) rad, where the arms rest.
            limits: lower and upper bounds (A,) in rad.
            count: number of robots.
        """
        self.joints = list(joints)
        self._rng, self._config, self._period_s = rng, config, control_period_s
        self._rest, self._limits = rest, limits
        self._now = np.tile(rest, (count, 1))
        self._goal = self._now.copy()
        self._left = np.zeros(count, dtype=np.int64)
        self._busy = np.ones(count, dtype=bool)

    @classmethod
    def beside(
        cls,
        rng: np.random.Generator,
        config: RandomConfig,
        robot: RobotModel,
        interface: PolicyInterface,
        arms: Collection[str],
    ) -> ArmMotion | None:
        """Move those of the named joints that are simulated and that the policy does not drive; None if none is."""
        free = set(arms) - set(interface.contract.action_joint_names)
        joints = [i for i, name in enumerate(interface.joint_names) if name in free]
        if not joints:
            return None
        select = robot.indices(tuple(interface.joint_names[i] for i in joints))
        limits = robot.position_lower[select], robot.position_upper[select]
        period_s = interface.contract.control_period_s
        return cls(rng, config, period_s, joints, interface.default_pose[joints], limits, interface.count)

    def reset(self, index: NDArray[np.int64]) -> None:
        """Put the arms of some robots at rest; some stay there for the episode."""
        self._now[index] = self._goal[index] = self._rest
        self._busy[index] = self._rng.uniform(size=len(index)) >= self._config.arm_rest
        self._left[index] = draw_steps(self._rng, self._config.arm_hold_s, self._period_s, len(index))

    def move(self) -> Array:
        """Let one control period pass and return the targets (n, A) in rad."""
        self._left -= 1
        due = np.flatnonzero((self._left <= 0) & self._busy)
        if due.size:
            reach = self._config.arm_motion_rad
            drawn = self._rest + self._rng.uniform(-reach, reach, (due.size, len(self._rest)))
            self._goal[due] = np.clip(drawn, *self._limits)
            self._left[due] = draw_steps(self._rng, self._config.arm_hold_s, self._period_s, due.size)
        most = self._config.arm_speed * self._period_s
        self._now += np.clip(self._goal - self._now, -most, most)
        return self._now
