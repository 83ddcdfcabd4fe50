# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""What one sees of a training that runs: in a terminal, and in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tarsus_policies import progress_bar
from tarsus_policies.progress_bar import TrainingBar
from tarsus_policies.trainer import Progress

PROGRESS = Progress(steps=440_000, steps_per_s=1416.4, error=0.114, falls=0.52, difficulty=0.2)


def shown(terminal: bool, share: float | None, times: int = 1, hidden: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=80, color_system=None, highlight=False)
    with TrainingBar(hidden, console) as bar:
        for _ in range(times):
            bar.show(PROGRESS, share)
    return file.getvalue()


def test_the_bar_fits_in_eighty_columns() -> None:
    text = shown(terminal=True, share=0.5)
    assert "50%" in text
    assert "0.44 M steps, 1,416/s, error 0.11 m/s, 0.5 falls/20 s" in text


def test_a_log_gets_a_line_each_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter((100.0, 110.0, 129.9, 130.0, 140.0))
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: next(times))
    file = io.StringIO()
    with TrainingBar(console=Console(file=file, force_terminal=False, width=20)) as bar:
        for _ in range(5):
            bar.show(PROGRESS, 0.123)
    line = "tarsus train: 12%, 0.44 M steps, 1,416/s, error 0.11 m/s, 0.5 falls/20 s, difficulty 0.20"
    assert file.getvalue().splitlines() == [line, line]


def test_a_run_without_an_end_has_no_percentage() -> None:
    assert shown(terminal=False, share=None).startswith("tarsus train: 0.44 M steps")


@pytest.mark.parametrize("terminal", [True, False])
def test_a_hidden_bar_shows_nothing(terminal: bool) -> None:
    assert shown(terminal, 0.5, hidden=True) == ""
