# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Learning curves: read back as they were written, over minutes of work, drawn as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch.utils.tensorboard import SummaryWriter

from tarsus_core.cli import main
from tarsus_core.errors import ConfigError
from tarsus_policies.curves import read_curves, smooth
from tarsus_policies.run_folder import Exam, RunFolder
from tarsus_policies.settings import TrainSettings


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of 10 updates, 6 s each, that was stopped for an hour after the fifth."""
    folder = RunFolder(tmp_path / "run")
    folder.create(TrainSettings())
    writer = SummaryWriter(str(folder.path))
    for k in range(10):
        wall = 1000.0 + 6.0 * k + (3600.0 if k >= 5 else 0.0)
        for name in ("train/velocity_error", "train/falls_per_20s", "speed/steps_per_s"):
            writer.add_scalar(name, 10.0 - k, 100 * (k + 1), walltime=wall)
    writer.close()
    return folder.path


def test_curves_leave_out_the_time_between_sessions(run: Path) -> None:
    curve = read_curves(run)["train/velocity_error"]
    np.testing.assert_array_equal(curve.steps, 100.0 * np.arange(1, 11))
    np.testing.assert_allclose(curve.values, 10.0 - np.arange(10))
    np.testing.assert_allclose(curve.minutes, 0.1 * np.arange(10), atol=1e-9)


def test_running_mean_by_hand() -> None:
    # half a window of 1: (1+2)/2, (1+2+6)/3, (2+6+4)/3, (6+4)/2
    np.testing.assert_allclose(smooth(np.array([1.0, 2.0, 6.0, 4.0]), 0.5), [1.5, 3.0, 4.0, 5.0])
    np.testing.assert_allclose(smooth(np.array([3.0]), 0.5), [3.0])


def test_command_draws_and_tells(run: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import matplotlib.image

    assert main(["curves", str(run)]) == 0
    out = capfd.readouterr().out
    assert "million steps" in out and "Plot: " in out
    (row,) = (line for line in out.splitlines() if "gate was passed" in line)
    assert row.split()[-2:] == ["not", "yet"]
    for update, reasons in ((3, ("It fell.",)), (5, ()), (7, ())):
        RunFolder(run).add_exam(Exam(update, 100, 1.5 * update, reasons, 0, 0.05, 0.01, 16, 16))
    assert main(["curves", str(run)]) == 0
    (row,) = (line for line in capfd.readouterr().out.splitlines() if "gate was passed" in line)
    assert row.split()[-1] == "7.5"
    picture = matplotlib.image.imread(run / "curves.png")
    blue = (picture[..., 2] > 0.6) & (picture[..., 0] < 0.3)
    assert blue.sum() > 300
    output = tmp_path / "both.png"
    (tmp_path / "other").mkdir()
    assert main(["curves", str(run), str(run), "--output", str(output)]) == 2
    assert "same name" in capfd.readouterr().err


def test_bad_input_is_one_sentence(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    empty = RunFolder(tmp_path / "empty")
    empty.create(TrainSettings())
    with pytest.raises(ConfigError, match="no curves yet"):
        read_curves(empty.path)
    for arguments, words in (
        ([str(tmp_path / "absent")], "is no training run"),
        ([str(run), "--over", "days"], "must be minutes or steps"),
        ([str(run), "--output", "a.pdf"], "must be a .png"),
    ):
        assert main(["curves", *arguments]) != 0
        (line,) = capfd.readouterr().err.splitlines()
        assert words in line
