# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Which policy file a node runs, and who must have signed it: the parameters that supervisor and policy node share."""

from __future__ import annotations

from pathlib import Path

from rclpy.node import Node

from tarsus_core.errors import ConfigError, PolicyFileError
from tarsus_edge.pretrained import pretrained_policy
from tarsus_edge.signature import TrustedKeys
from tarsus_nodes.parameters import declare


class PolicySource:
    """The parameters ``policy``, ``trusted_keys`` and ``allow_unsigned`` of a node.

    In simulation (``use_sim_time``, or lockstep) a policy may be unsigned. On a robot it may not, unless
    ``allow_unsigned`` says so. The policy that ships needs no signature: it comes with the code that would check it.
    """

    def __init__(self, node: Node, lockstep: bool) -> None:
        """Declare the parameters; nothing is read."""
        self._policy = declare(node, "policy", "", "Path of the policy file (.onnx); empty for the one that ships")
        self._keys = declare(
            node,
            "trusted_keys",
            "",
            "Public key file, or folder of them (*.pub): a policy that none of them has signed is refused",
        )
        unsigned = declare(
            node, "allow_unsigned", False, "On a robot, without trusted_keys: take a policy whoever made it"
        )
        self._unsigned = unsigned or lockstep or bool(node.get_parameter("use_sim_time").value)

    def find(self, robot: str) -> tuple[Path, TrustedKeys | None]:
        """Path of the policy file, and the keys of which one must have signed it, if any must.

        Args:
            robot: name of the robot, for the policy that ships.

        Raises:
            ConfigError: if no policy is named and none ships.
            PolicyFileError: for keys that cannot be read, and on a robot for a policy without any.
        """
        path = Path(self._policy) if self._policy else pretrained_policy(robot)
        if self._keys:
            return path, TrustedKeys.load(self._keys)
        if self._unsigned:
            return path, None
        try:
            ours = pretrained_policy(robot)
            if path.samefile(ours):
                return ours, None  # by its own name: a link to it may lead elsewhere when it is opened
        except (ConfigError, OSError, ValueError):
            pass
        raise PolicyFileError(
            f"On a robot nobody runs '{path}' unsigned: sign it with 'tarsus sign' and set trusted_keys, or set "
            "allow_unsigned."
        )
