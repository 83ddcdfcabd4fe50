# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Training settings: strict files, overrides, round trip."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tarsus_core.errors import ConfigError
from tarsus_policies.settings import TrainSettings, build, dump_settings, load_settings, task_settings


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_ships_loads_and_reads_back_equal() -> None:
    settings = load_settings(task_settings("walk"))
    again = build(TrainSettings, yaml.safe_load(dump_settings(settings)), "again.yaml")
    assert again == settings
    assert settings.task.gains["waist"] == (200.0, 5.0)


def test_overrides_reach_nested_settings_with_their_types(tmp_path: Path) -> None:
    path = _file(tmp_path, "seed: 3\n")
    settings = load_settings(path, ["ppo.gamma=0.9", "task.command.vx=[-1, 2]", "ppo.learning_rate=1e-3", "robots=8"])
    assert settings.seed == 3
    assert settings.ppo.gamma == 0.9
    assert settings.task.command.vx == (-1.0, 2.0)
    assert settings.ppo.learning_rate == 1e-3
    assert settings.robots == 8


@pytest.mark.parametrize(
    ("text", "overrides", "said"),
    [
        ("sed: 3\n", [], "'sed'.*did you mean 'seed'"),
        ("ppo: {gama: 0.9}\n", [], "'gama'.*did you mean 'gamma'"),
        ("seed: 1.5\n", [], "'seed' is 1.5"),
        ("seed: -1\n", [], "'seed' is -1"),
        ("robots: 7\n", [], "'robots' is 7.*multiple of workers"),
        ("ppo: 3\n", [], "'ppo' must be a mapping"),
        ("ppo: {gamma: .nan}\n", [], "ppo.gamma' is nan.*finite number"),
        ("ppo: {gamma: 1.5}\n", [], "ppo.gamma' is 1.5"),
        ("task: {control_period_s: 0.013}\n", [], "control_period_s' is 0.013.*multiple"),
        ("task: {command: {vx: [1]}}\n", [], "task.command.vx' is .1.*list of 2"),
        ("task: {physics_dt_s: 0}\n", [], "physics_dt_s' is 0.0: it must be 0.0005 to 0.005 s"),
        ("task: {command: {vx: [0.3, 1.0]}}\n", [], "make no policy. .*must contain 0"),
        ("task: {gains: {'*_hip_.*': [1, 1]}}\n", [], "make no policy. '.*_hip_.*' is neither a joint group"),
        ("task: {movable: nothing}\n", [], "make no policy. No joint or group .* matches 'nothing'"),
        ("task: {action_scale: -1}\n", [], "task.action_scale' is -1.0: it must be positive"),
        ("task: {random: {friction: [1.2, 0.4]}}\n", [], "friction' is .1.2, 0.4.: the lower end comes first"),
        ("ppo: {actor_hidden: []}\n", [], "ppo.actor_hidden' is .*list of positive sizes"),
        ("ppo: {critic_hidden: [64, 0]}\n", [], "ppo.critic_hidden' is .*list of positive sizes"),
        ("seed: [\n", [], "no YAML"),
        ("", ["seed"], "'seed' has no value"),
        ("seed: 2\n", ["seed.x=1"], "goes through 'seed'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load_settings(_file(tmp_path, text), overrides)
    assert "\n" not in str(caught.value)


def test_unknown_task_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no task 'wlak'.*did you mean 'walk'"):
        task_settings("wlak")
    with pytest.raises(ConfigError, match="no settings file"):
        load_settings(tmp_path / "absent.yaml")
