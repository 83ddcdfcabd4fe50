# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a training run: resolved settings, checkpoints, TensorBoard events. Written so that nothing is lost."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import torch

from tarsus_core.errors import ConfigError, TarsusError
from tarsus_core.files import write_atomically
from tarsus_policies.settings import TrainSettings, dump_settings, load_settings


class CheckpointError(TarsusError):
    """A checkpoint that is missing, cut short, or cannot be written."""


class RunFolder:
    """``settings.yaml``, ``checkpoints/model_<update>.pt`` and ``events.*`` of one run."""

    def __init__(self, path: Path) -> None:
        """Name a run folder; nothing is read or made yet."""
        self.path = path
        self.settings_file = path / "settings.yaml"
        self.checkpoints = path / "checkpoints"

    def create(self, settings: TrainSettings) -> None:
        """Make the folder and write the resolved settings.

        Raises:
            ConfigError: if it holds something already, or cannot be made.
        """
        if self.settings_file.exists():
            raise ConfigError(
                f"The folder '{self.path}' holds a run already: go on with 'tarsus train --resume {self.path}', "
                "or name another --run."
            )
        try:
            if self.path.exists() and any(self.path.iterdir()):
                raise ConfigError(f"The folder '{self.path}' holds other files: name a new folder with --run.")
            self.checkpoints.mkdir(parents=True)
            self.write_settings(settings)
        except OSError as error:
            raise ConfigError(
                f"The run folder '{self.path}' cannot be made ({error.strerror}): name another with --run."
            ) from None

    def write_settings(self, settings: TrainSettings) -> None:
        """Write the resolved settings, whole or not at all."""
        write_atomically(self.settings_file, dump_settings(settings).encode())

    def settings(self, overrides: list[str] | None = None) -> TrainSettings:
        """Read the resolved settings back.

        Raises:
            ConfigError: if this is no run folder, or of a version with other settings.
        """
        self.check()
        return load_settings(self.settings_file, overrides)

    def check(self) -> None:
        """Refuse a folder that is no run.

        Raises:
            ConfigError: naming it.
        """
        if not self.settings_file.is_file():
            raise ConfigError(
                f"'{self.path}' is no training run (it has no settings.yaml): give a folder that 'tarsus train' made."
            )

    def updates(self) -> list[int]:
        """Updates that have a checkpoint, oldest first."""
        found = (re.fullmatch(r"model_(\d+)\.pt", p.name) for p in self.checkpoints.glob("model_*.pt"))
        return sorted(int(m.group(1)) for m in found if m)

    def save(self, update: int, content: dict[str, Any], keep: int) -> Path:
        """Write a checkpoint whole or not at all, then drop all but the newest ``keep``.

        Raises:
            CheckpointError: if the disk is full or the folder cannot be written; older checkpoints stay.
        """
        path = self.checkpoints / f"model_{update}.pt"
        buffer = io.BytesIO()
        torch.save(content, buffer)
        try:
            write_atomically(path, buffer.getvalue())
        except (OSError, TarsusError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            newest = self.updates()
            last = f"the last good one is model_{newest[-1]}.pt" if newest else "there is no earlier one"
            raise CheckpointError(
                f"The checkpoint '{path}' cannot be written ({reason}); {last}: free some space, then --resume."
            ) from None
        for old in self.updates()[:-keep]:
            os.unlink(self.checkpoints / f"model_{old}.pt")
        return path

    def load(self, update: int | None = None) -> dict[str, Any]:
        """Read a checkpoint, by default the newest.

        Raises:
            CheckpointError: if there is none, or it was cut short.
        """
        known = self.updates()
        if not known:
            raise CheckpointError(
                f"The run '{self.path}' has no checkpoint yet: train it with 'tarsus train --resume {self.path}'."
            )
        if update is not None and update not in known:
            raise CheckpointError(
                f"The run '{self.path}' has no checkpoint {update}: it has {', '.join(map(str, known))}."
            )
        path = self.checkpoints / f"model_{known[-1] if update is None else update}.pt"
        try:
            content = torch.load(path, weights_only=True, map_location="cpu")
            if not {"actor_state_dict", "critic_state_dict", "iter", "infos"} <= set(content):
                raise ValueError("it lacks a part")
        except Exception as error:  # torch raises many kinds for a damaged file
            reason = " ".join(str(error).split())[:120] or "it is cut short"
            mend = "delete it to fall back to an older one" if len(known) > 1 else "begin a new run, it is the only one"
            raise CheckpointError(
                f"The checkpoint '{path}' cannot be read ({type(error).__name__}: {reason}): {mend}."
            ) from None
        return dict(content)
