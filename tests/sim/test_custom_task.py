# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks in one file: what they may change, and what is said of one that fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tarsus_core.errors import ConfigError
from tarsus_sim.custom_task import load_code, make_task, task_class, term_names
from tarsus_sim.vector_env import WalkVectorEnv
from tarsus_sim.walk_config import WalkConfig
from tarsus_sim.walk_task import REWARD_NAMES, WalkTask

CODE = """
import numpy as np
from tarsus_sim.walk_task import WalkTask

SETTINGS = {"robots": 8}

class Task(WalkTask):
    TERMS = ("tall",)

    def more_rewards(self, step):
        return {"tall": 3.0 * np.ones_like(step.height)}
"""
CONFIG = WalkConfig(movable="legs", capsules=False)


def test_walking_needs_no_file() -> None:
    assert task_class(CONFIG) is WalkTask
    assert term_names(CONFIG) == REWARD_NAMES


def test_a_file_of_settings_alone_is_walking_with_other_settings() -> None:
    assert task_class(replace(CONFIG, code="SETTINGS = {}")) is WalkTask


def test_a_term_is_paid_a_second_and_is_listed() -> None:
    config = replace(CONFIG, code=CODE)
    assert term_names(config) == (*REWARD_NAMES, "tall")
    task, plain = make_task(config, 2, 0), make_task(CONFIG, 2, 0)
    try:
        task.reset()
        plain.reset()
        action = np.zeros((2, 12), dtype=np.float32)
        result, other = task.step(action), plain.step(action)
    finally:
        task.close()
        plain.close()
    np.testing.assert_allclose(result["terms"]["tall"], 3.0 * 0.02)
    np.testing.assert_allclose(result["reward"] - other["reward"], 0.06)


@pytest.mark.parametrize("workers", [0, 1])
def test_the_vector_environment_and_its_workers_know_it(workers: int) -> None:
    env = WalkVectorEnv(replace(CONFIG, code=CODE), 2, workers)
    try:
        env.reset()
        infos = env.step(np.zeros((2, 12), dtype=np.float32))[-1]
    finally:
        env.close()
    assert infos["terms"]["tall"] == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("x = 1\ny = 1 / 0\n", r"fails in line 2 \(ZeroDivisionError: division by zero\)"),
        ("def f(:\n", "fails in line 1 .SyntaxError"),
        ("import numpyy\n", "fails in line 1 .ModuleNotFoundError"),
        ("def f():\n    raise ValueError('no')\n\nf()\n", "fails in line 2 .ValueError: no"),
        ("class Task:\n    pass\n", "is no WalkTask"),
        ("Task = 3\n", "is no WalkTask"),
        (CODE.replace('"tall"', '"tilt"'), "'tilt' is one of walking's"),
        ("SETTINGS = [1]\n", "SETTINGS is no dict"),
    ],
)
def test_files_that_fail_say_where(code: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_code(code)
