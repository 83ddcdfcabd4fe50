# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Walking over rough ground: tarsus train docs/examples/rough_ground.py --minutes 60

A task file holds SETTINGS, which go over those of walking (policies/tarsus_policies/settings/walk.yaml), and a class
Task, which may replace any part of WalkTask. Observation and action stay those of walking, so the policy that comes out
runs wherever a walking policy runs.
"""

import numpy as np

from tarsus_sim.rewards import WalkStep
from tarsus_sim.walk_task import WalkTask

SETTINGS = {
    "task": {
        "ground": {"bump_m": 0.05, "cell_m": 0.3},
        "gait": {"swing_height_m": 0.12},  # feet have to clear the bumps
        "command": {"vx": [-0.4, 0.8], "vy": [-0.3, 0.3], "wz": [-0.8, 0.8]},
        "reward": {"foot_tilt": -0.3, "swing_height": 1.0},  # a sole lies as the ground lies
    },
}


class Task(WalkTask):
    """Adds a price on stumbling."""

    TERMS = ("stumble",)

    def more_rewards(self, step: WalkStep) -> dict[str, np.ndarray]:
        """Feet that touch something while they swing fast have hit a bump."""
        speed = np.linalg.norm(step.foot_velocity[..., :2], axis=2)
        return {"stumble": -0.5 * np.sum((speed > 0.8) & (step.foot_force > 5.0), axis=1)}
