# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Where a policy's observations and actions are in those of one that drives more joints."""

from __future__ import annotations

from tarsus_core.contract import PolicyContract


def places(few: PolicyContract, more: PolicyContract) -> tuple[list[int], list[int]]:
    """Return where each value of an observation, and of an action, of the contract ``few`` is in those of ``more``.

    Both have the same observation terms; ``more`` drives all joints of ``few``, and others.

    Raises:
        ValueError: if a joint of ``few`` is not driven by ``more``, or the terms are others.
    """
    joints = [more.action_joint_names.index(name) for name in few.action_joint_names]
    actions = joints + list(range(len(more.action_joint_names), more.action_size))  # and the gait clock, if driven
    inputs: list[int] = []
    start = 0
    for old, new in zip(few.observation, more.observation, strict=True):
        kept = {"joint_position": joints, "joint_velocity": joints, "last_action": actions}
        for age in range(new.history):
            inputs += [start + age * new.size + k for k in kept.get(old.name, range(old.size))]
        start += new.size * new.history
    return inputs, actions
