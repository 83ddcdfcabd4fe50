# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Puts checkpoints to the test of a gate while training goes on, so that a run knows when it got there, and its best.

What is measured is what ``tarsus score --gate`` measures, of the policy that ``tarsus export --no-calibrate`` makes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.utils.tensorboard import SummaryWriter

from tarsus_core.errors import TarsusError
from tarsus_core.processes import available_cores
from tarsus_policies.export import export_policy, read_checkpoint
from tarsus_policies.gate import find_gate
from tarsus_policies.run_folder import Exam, RunFolder
from tarsus_policies.scorecard import CardSettings, measure
from tarsus_policies.settings import ExamSettings


class Examiner:
    """Examines checkpoints of one run."""

    def __init__(self, folder: RunFolder, settings: ExamSettings, say: Callable[[str], None]) -> None:
        """Prepare the exams of a run.

        Args:
            folder: of the run; its ``exams.json`` gets the results.
            settings: which gate, and how often; no gate: never.
            say: told of each result, one sentence.

        Raises:
            ConfigError: for an unknown gate.
        """
        self._folder, self._settings, self._say = folder, settings, say
        self._gate = find_gate(settings.gate) if settings.gate else None
        self.passed = False
        """whether a checkpoint passed its exam since this was made"""

    def ready(self, difficulty: float) -> bool:
        """Whether a policy at this difficulty of the curriculum is examined at all."""
        return self._gate is not None and difficulty >= self._settings.from_difficulty

    def due(self, difficulty: float, steps: int) -> bool:
        """Whether it is time for the next exam, ``steps`` control periods after the last one."""
        return self.ready(difficulty) and steps >= self._settings.every_steps

    def examine(self, update: int, steps: int, seconds: float, writer: SummaryWriter) -> Exam | None:
        """Examine a saved checkpoint; None if that cannot be done, which stops no training.

        Args:
            update: number of the checkpoint.
            steps: control periods of all robots until then.
            seconds: wall clock of training until then.
            writer: gets the figures.
        """
        assert self._gate is not None, "who is not ready is not examined"
        started = time.monotonic()
        try:
            with torch.random.fork_rng():  # the training draws the same numbers with and without exams
                file = export_policy(read_checkpoint(self._folder.path, update)).file
            card = measure(file, self._gate.settings(CardSettings()), available_cores())
            score = card.score.as_dict()
            rows = [row for impulses in card.engines["pybullet"]["pushes"].values() for row in impulses.values()]
            exam = Exam(
                update=update,
                steps=steps,
                minutes=(seconds + time.monotonic() - started) / 60.0,
                reasons=tuple(self._gate.reasons(card)),
                falls=score["falls"],
                mean_lin_err=score["mean_lin_err"],
                mean_ang_err=score["mean_ang_err"],
                survived=sum(row["survived"] for row in rows),
                pushes=sum(row["of"] for row in rows),
            )
            self._folder.add_exam(exam)
        except (OSError, TarsusError) as error:
            self._say(f"The exam of checkpoint {update} could not be held. {error}")
            return None
        self.passed |= exam.passed
        for name in ("falls", "mean_lin_err", "mean_ang_err", "survived"):
            writer.add_scalar(f"exam/{name}", getattr(exam, name), steps)
        verdict = "passes" if exam.passed else "misses"
        self._say(
            f"After {exam.minutes:.1f} minutes, checkpoint {update} {verdict} the gate '{self._settings.gate}': "
            f"{exam.mean_lin_err:.3f} m/s, {exam.mean_ang_err:.3f} rad/s, {exam.falls} falls, "
            f"{exam.survived} of {exam.pushes} pushes."
        )
        return exam
