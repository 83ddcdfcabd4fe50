# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Films of checkpoints: made beside the training, never more than one at a time, and none unless asked for."""

from __future__ import annotations

from pathlib import Path

from tarsus_policies.clips import Clips
from tarsus_policies.run_folder import RunFolder
from tarsus_policies.settings import load_settings, task_settings
from tarsus_policies.trainer import Trainer

SMALL = ["robots=2", "workers=0", "ppo.steps_per_update=4", "ppo.epochs=1", "ppo.minibatches=1", "save_every_s=0.001"]


def test_checkpoints_are_filmed_one_at_a_time(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.create(load_settings(task_settings("walk"), SMALL))
    clips = Clips(run.path, 0.0, ("--seconds", "0.2"))
    trainer = Trainer(run.settings(), run)
    try:
        trainer.run(lambda p: p.update >= 4, lambda p: None, clips.saved)
    finally:
        trainer.close()
        clips.close()
    log = (run.path / "clips" / "log.txt").read_text(encoding="utf-8")
    films = [path.name for path in (run.path / "clips").glob("*.mp4")]
    assert films == ["update_1.mp4"], log  # the others came while it was being made
    assert "Film: " in log


def test_none_is_made_unless_asked_for(tmp_path: Path) -> None:
    clips = Clips(tmp_path, None)
    clips.saved(tmp_path / "model_1.pt")
    clips.close()
    assert list(tmp_path.iterdir()) == []
