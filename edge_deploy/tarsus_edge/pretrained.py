# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The policies that ship."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tarsus_core.errors import ConfigError


def pretrained_policy(robot: str) -> Path:
    """Path of the walking policy that ships for a robot; its package is not imported.

    Raises:
        ConfigError: if none ships.
    """
    spec = importlib.util.find_spec("tarsus_policies")
    for folder in (spec.submodule_search_locations or []) if spec is not None else []:
        path = Path(folder, "pretrained", f"{robot}_walk.onnx")
        if path.is_file():
            return path
    raise ConfigError(f"No policy ships for robot '{robot}': give the path of a policy file.")
