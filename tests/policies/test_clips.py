# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Films of checkpoints: made beside the training, never more than one at a time, and none unless asked for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tarsus_policies import clips
from tarsus_policies.clips import Clips
from tarsus_policies.run_folder import RunFolder
from tarsus_policies.settings import load_settings, task_settings
from tarsus_policies.trainer import Trainer

SMALL = ["robots=2", "workers=0", "ppo.steps_per_update=4", "ppo.epochs=1", "ppo.minibatches=1", "save_every_s=0.001"]


def test_checkpoints_are_filmed_one_at_a_time(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create(load_settings(task_settings("walk"), SMALL))
    films = Clips(run.path, 0.0, ("--seconds", "0.2"))
    trainer = Trainer(run.settings(), run)
    try:
        trainer.run(lambda p: p.update >= 4, lambda p: None, films.saved)
    finally:
        trainer.close()
        films.close()
    log = (run.path / "clips" / "log.txt").read_text(encoding="utf-8")
    made = [path.name for path in (run.path / "clips").glob("*.mp4")]
    assert made == ["update_1.mp4"], log  # the others came while it was being made
    assert "Film: " in log


def test_a_film_that_takes_too_long_is_ended_with_all_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print(p.pid, flush=True); p.wait()"
    monkeypatch.setattr(clips, "CODE", code)
    films = Clips(tmp_path, 0.0)
    films.saved(tmp_path / "model_1.pt")
    log, until = tmp_path / "clips" / "log.txt", time.monotonic() + 30.0
    while not log.read_text(encoding="utf-8").strip() and time.monotonic() < until:
        time.sleep(0.05)
    child = int(log.read_text(encoding="utf-8"))
    films.close(wait=False)
    while Path(f"/proc/{child}").exists() and "zombie" not in Path(f"/proc/{child}/status").read_text():
        assert time.monotonic() < until, "the film's own process lives on"
        time.sleep(0.05)


def test_a_film_that_cannot_be_made_does_not_stop_the_training(tmp_path: Path) -> None:
    (tmp_path / "clips").write_text("no folder")
    films = Clips(tmp_path, 0.0)
    films.saved(tmp_path / "model_1.pt")
    films.close()


def test_none_is_made_unless_asked_for(tmp_path: Path) -> None:
    films = Clips(tmp_path, None)
    films.saved(tmp_path / "model_1.pt")
    films.close()
    assert list(tmp_path.iterdir()) == []
