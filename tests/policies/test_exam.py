# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Exams of checkpoints while training goes on: what they measure, what they leave alone, what is exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tarsus_core.cli import main
from tarsus_core.errors import SimulationError
from tarsus_edge.policy_file import PolicyFile
from tarsus_policies import exam as examining
from tarsus_policies import gate
from tarsus_policies.exam import Examiner
from tarsus_policies.gate import Gate
from tarsus_policies.run_folder import CheckpointError, Exam, RunFolder
from tarsus_policies.scorecard import CardSettings, Scorecard, measure
from tarsus_policies.settings import ExamSettings, TrainSettings, load_settings, task_settings
from tarsus_policies.trainer import Trainer
from tarsus_policies.trial import STAND, ScoreSettings

BRIEF = ScoreSettings(commands=(STAND, (0.5, 0.0, 0.0)), seconds=0.3, settle_s=0.1, stand_s=0.1, seeds=1)
SMALL = (
    *("robots=4", "workers=0", "ppo.steps_per_update=4", "ppo.epochs=1", "ppo.minibatches=1"),
    *("exam.from_difficulty=0", "exam.every_steps=32"),
)
A_STEP = 4 * 4
"""control periods of an update"""


def passing(update: int, error: float = 0.05, reasons: tuple[str, ...] = ()) -> Exam:
    return Exam(update, 1000 * update, 0.1 * update, reasons, 0, error, 0.01, 16, 16)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exams of trials that take a second."""

    def measure_briefly(file: PolicyFile, settings: CardSettings, workers: int) -> Scorecard:
        return measure(file, replace(settings, score=BRIEF, directions=1, push_s=0.2))

    monkeypatch.setattr(examining, "measure", measure_briefly)


def train(folder: Path, updates: int, *more: str, examined: bool = True) -> tuple[RunFolder, list[str]]:
    settings: TrainSettings = load_settings(task_settings("walk"), [*SMALL, *more])
    run, said = RunFolder(folder), []
    run.create(settings)
    trainer = Trainer(settings, run)
    try:
        examiner = Examiner(run, settings.exam, said.append) if examined else None
        trainer.run(lambda p: p.update / updates, lambda p: None, examiner=examiner)
    finally:
        trainer.close()
    return run, said


def test_the_best_that_passes_outlives_newer_checkpoints(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.checkpoints.mkdir()
    content: dict[str, Any] = {"iter": 0}
    assert run.exams() == [] and run.best() is None
    for update in range(1, 8):
        run.save(update, content, keep=2)
        if update == 2:
            run.add_exam(passing(2))
        if update == 3:
            run.add_exam(passing(3, 0.02))
        if update == 4:
            run.add_exam(passing(4, 0.01, ("It fell.",)))
    assert run.best() == passing(3, 0.02), "the fourth tracks better, and misses the gate"
    assert run.updates() == [3, 6, 7]
    run.add_exam(passing(6, 0.02))
    assert run.best() == passing(6, 0.02), "of equals the later one"
    run.add_exam(passing(6, 0.04))
    assert [e.update for e in run.exams()] == [2, 3, 4, 6], "one exam a checkpoint, the last one counts"
    run.save(8, content, keep=1)
    assert run.updates() == [3, 8]


def test_damaged_exams_are_refused_with_a_way_out(tmp_path: Path) -> None:
    for text in ("[{", '[{"update": 1}]', "{}x", "7"):
        (tmp_path / "exams.json").write_text(text)
        with pytest.raises(CheckpointError, match=r"exams\.json' cannot be read: delete the file"):
            RunFolder(tmp_path).exams()


def test_exams_come_when_they_are_due() -> None:
    folder = RunFolder(Path("absent"))
    examiner = Examiner(folder, ExamSettings("walk", from_difficulty=0.9, every_steps=100), print)
    assert not examiner.due(0.89, 1000)
    assert not examiner.due(0.9, 99)
    assert examiner.due(0.9, 100)
    assert examiner.ready(0.9) and not examiner.ready(0.89)
    assert not Examiner(folder, ExamSettings(""), print).ready(1.0)


def test_a_training_learns_the_same_with_and_without_exams(tmp_path: Path, brief: None) -> None:
    run, said = train(tmp_path / "a", 5)
    other, _ = train(tmp_path / "b", 5, examined=False)
    one, two = run.load()["actor_state_dict"], other.load()["actor_state_dict"]
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    # each 32 steps, which are 2 updates of 16, and at the end
    assert [(e.update, e.steps) for e in run.exams()] == [(2, 2 * A_STEP), (4, 4 * A_STEP), (5, 5 * A_STEP)]
    assert all(e.pushes == 2 and e.minutes > 0.0 for e in run.exams())
    assert [line[:6] for line in said] == ["After "] * 3
    events = EventAccumulator(str(run.path))
    events.Reload()
    assert [e.step for e in events.Scalars("exam/mean_lin_err")] == [2 * A_STEP, 4 * A_STEP, 5 * A_STEP]
    assert other.exams() == []


def test_an_exam_that_fails_stops_no_training(tmp_path: Path, brief: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Scorecard:
        raise SimulationError("A scoring process died.")

    monkeypatch.setattr(examining, "measure", fail)
    run, said = train(tmp_path / "a", 3)
    assert run.load()["iter"] == 3
    assert run.exams() == []
    assert said == [f"The exam of checkpoint {k} could not be held. A scoring process died." for k in (2, 3)]


def test_until_the_gate_is_passed(
    tmp_path: Path, brief: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run ends with the first checkpoint that passes, here by bars that anybody passes, and that one is exported."""
    monkeypatch.setitem(gate.GATES, "walk", Gate(falls=99, mean_lin_err=9.0, mean_ang_err=9.0, push_ns=0.001))
    folder = tmp_path / "run"
    options = [word for setting in SMALL for word in ("--set", setting)]
    assert main(["train", "walk", "--run", str(folder), "--steps", "800", "--quiet", "--until-gate", *options]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "checkpoint 2 passes the gate 'walk'" in said
    assert "Trained 32 steps" in said
    run = RunFolder(folder)
    best = run.best()
    assert best is not None and best.update == 2
    run.save(3, run.load(), keep=5)
    export = ["export", str(folder), "--no-score", "--no-calibrate", "--output", str(tmp_path / "policy.onnx")]
    assert main(export) == 0
    assert "model_2.pt, the best of those that passed the run's gate" in " ".join(capsys.readouterr().out.split())
    assert main([*export, "--checkpoint", "3"]) == 0
    assert "model_3.pt." in " ".join(capsys.readouterr().out.split())
