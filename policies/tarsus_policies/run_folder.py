# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a training run: resolved settings, checkpoints, TensorBoard events. Written so that nothing is lost."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tarsus_core.errors import ConfigError, TarsusError
from tarsus_core.files import write_atomically
from tarsus_policies.settings import TrainSettings, dump_settings, load_settings


class CheckpointError(TarsusError):
    """A checkpoint that is missing, cut short, or cannot be written."""


@dataclass(frozen=True)
class Exam:
    """What a gate measured of one checkpoint."""

    update: int
    """number of the checkpoint"""
    steps: int
    """control periods of all robots until then"""
    minutes: float
    """wall clock of training until the result was there"""
    reasons: tuple[str, ...]
    """why it misses the gate, one sentence each; none: it passes"""
    falls: int
    """on the grid of commands"""
    mean_lin_err: float
    """m/s"""
    mean_ang_err: float
    """rad/s"""
    survived: int
    """pushes, walking and standing"""
    pushes: int

    @property
    def passed(self) -> bool:
        """Whether it passes the gate."""
        return not self.reasons


class RunFolder:
    """``settings.yaml``, ``checkpoints/model_<update>.pt``, ``exams.json`` and ``events.*`` of one run."""

    def __init__(self, path: Path) -> None:
        """Name a run folder; nothing is read or made yet."""
        self.path = path
        self.settings_file = path / "settings.yaml"
        self.checkpoints = path / "checkpoints"
        self._exams_file = path / "exams.json"

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

    def exams(self) -> list[Exam]:
        """Exams of this run, oldest first.

        Raises:
            CheckpointError: if their file is damaged.
        """
        try:
            rows = json.loads(self._exams_file.read_bytes())
            return [Exam(**{**row, "reasons": tuple(row["reasons"])}) for row in rows]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError):
            raise CheckpointError(
                f"The exams '{self._exams_file}' cannot be read: delete the file to go by the newest checkpoint."
            ) from None

    def add_exam(self, exam: Exam) -> None:
        """Write down an exam, whole or not at all."""
        rows = [asdict(e) for e in (*(e for e in self.exams() if e.update != exam.update), exam)]
        write_atomically(self._exams_file, (json.dumps(rows, indent=1) + "\n").encode())

    def best(self) -> Exam | None:
        """Return the exam of the checkpoint that tracks best of those that pass their gate and are still there."""
        known = self.updates()
        passed = [e for e in self.exams() if e.passed and e.update in known]
        return min(passed, key=lambda e: (e.mean_lin_err + e.mean_ang_err, -e.update), default=None)

    def save(self, update: int, content: dict[str, Any], keep: int) -> Path:
        """Write a checkpoint whole or not at all, then drop all but the newest ``keep`` and the best.

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
        best = self.best()
        for old in self.updates()[:-keep]:
            if best is None or old != best.update:
                os.unlink(self.checkpoints / f"model_{old}.pt")
        return path

    def load(self, update: int | None = None) -> dict[str, Any]:
        """Read a checkpoint, by default the newest; ``sha256`` is its file's digest.

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
            data = path.read_bytes()
            content = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
            if not {"actor_state_dict", "critic_state_dict", "iter", "infos"} <= set(content):
                raise ValueError("it lacks a part")
        except Exception as error:  # torch raises many kinds for a damaged file
            reason = " ".join(str(error).split())[:120] or "it is cut short"
            mend = "delete it to fall back to an older one" if len(known) > 1 else "begin a new run, it is the only one"
            raise CheckpointError(
                f"The checkpoint '{path}' cannot be read ({type(error).__name__}: {reason}): {mend}."
            ) from None
        return {**content, "sha256": hashlib.sha256(data).hexdigest()}
