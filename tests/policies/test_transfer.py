# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Networks that start with more joints do what they did with fewer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tarsus_core.cli import main
from tarsus_core.contract import PolicyContract
from tarsus_policies.gait_actor import fresh_actor
from tarsus_policies.run_folder import RunFolder
from tarsus_policies.settings import TrainSettings, load_settings, load_task, task_settings
from tarsus_policies.trainer import made_for
from tarsus_policies.transfer import NEW_STD, standing, widened
from tarsus_sim.walk_contract import walk_contract

WALK = load_task("walk")
ROBUST = load_task("walk_robust")
LEGS, WAIST = walk_contract(WALK.task), walk_contract(ROBUST.task)


def _checkpoint(settings: TrainSettings, contract: PolicyContract) -> dict[str, Any]:
    torch.manual_seed(0)
    actor = fresh_actor(contract, settings.reference, settings.ppo)
    with torch.no_grad():
        for value in actor.parameters():
            value.copy_(torch.randn(value.shape) * 0.3)
        actor.obs_normalizer._mean.copy_(torch.randn(1, contract.observation_size))
    size = contract.observation_size + 3  # the critic sees three things more
    critic = {
        "obs_normalizer._mean": torch.arange(float(size))[None],
        "mlp.0.weight": torch.arange(float(size))[None].repeat(4, 1),
        "mlp.0.bias": torch.ones(4),
        "mlp.2.weight": torch.ones(1, 4),
        "mlp.2.bias": torch.ones(1),
    }
    return {"actor_state_dict": actor.state_dict(), "critic_state_dict": critic, "made_for": made_for(contract)}


def test_the_old_joints_do_what_they_did_whatever_the_new_ones_read() -> None:
    content = _checkpoint(WALK, LEGS)
    old, new = fresh_actor(LEGS, WALK.reference, WALK.ppo), fresh_actor(WAIST, ROBUST.reference, ROBUST.ppo)
    old.load_state_dict(content["actor_state_dict"])
    new.load_state_dict(standing(widened(content, LEGS, WAIST))["actor_state_dict"])
    # 12 leg joints first, then 3 of the waist; the last action ends with the gait clock's rate
    assert (LEGS.observation_size, WAIST.observation_size) == (50, 59)
    kept = [*range(9), *range(9, 21), *range(24, 36), *range(39, 51), 54, *range(55, 59)]
    wide = torch.randn(5, 59)
    wide[:2, 55:57] = 0.0  # two stand
    with torch.no_grad():
        before, after = old.export_module()(wide[:, kept]), new.export_module()(wide)
    torch.testing.assert_close(after[:, [*range(12), 15]], before, rtol=1e-5, atol=1e-5)
    assert torch.equal(after[:, 12:15], torch.zeros(5, 3))
    std = torch.exp(new.state_dict()["distribution.log_std_param"])
    torch.testing.assert_close(std[12:15], torch.full((3,), NEW_STD))


def test_the_critic_keeps_what_it_alone_sees() -> None:
    critic = widened(_checkpoint(WALK, LEGS), LEGS, WAIST)["critic_state_dict"]
    weight = critic["mlp.0.weight"][0]
    assert weight.shape == (59 + 3,)
    assert weight[:9].tolist() == list(range(9))
    assert weight[20:26].tolist() == [20.0, 0.0, 0.0, 0.0, 21.0, 22.0]  # the waist between position and velocity
    assert weight[-3:].tolist() == [50.0, 51.0, 52.0]
    assert torch.equal(critic["mlp.2.weight"], torch.ones(1, 4))


def test_what_a_finished_run_explored_with_comes_along() -> None:
    content = {**_checkpoint(WALK, LEGS), "explored_log_std": torch.arange(13.0)}
    assert widened(content, LEGS, WAIST)["explored_log_std"][[0, 11, 15]].tolist() == [0.0, 11.0, 12.0]


def test_the_same_layout_and_another_one_stay_as_they_are() -> None:
    content = _checkpoint(WALK, LEGS)
    assert widened(content, LEGS, LEGS) is content
    assert widened(content, WAIST, LEGS) is content  # joints that go: the trainer says so
    assert widened(content, LEGS, replace(WAIST, urdf_sha256="another")) is content


def test_a_run_starts_from_one_with_fewer_joints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["robots=4", "workers=0", "ppo.steps_per_update=4", "ppo.epochs=1", "ppo.minibatches=1", "exam.gate=''"]
    options = [word for setting in small for word in ("--set", setting)] + ["--steps", "16", "--quiet"]
    first, second, third = (str(tmp_path / name) for name in "abc")
    assert main(["train", "walk", "--run", first, *options]) == 0
    assert main(["train", "walk_robust", "--run", second, "--init-from", first, *options]) == 0
    started = RunFolder(Path(first)).load()
    assert main(["train", "--resume", second, *options[:-2], "32", "--quiet"]) == 0
    ended = RunFolder(Path(second)).load()
    assert ended["made_for"] == made_for(WAIST) and ended["infos"]["steps"] == 16 + 32
    began = ended["infos"]["began_from"]
    assert (began["checkpoint_sha256"], began["seed"], began["steps"]) == (started["sha256"], 1, 16)
    assert "began_from" not in started["infos"]
    capsys.readouterr()
    assert main(["train", "walk", "--run", third, "--init-from", second, *options]) == 2
    assert "trained for another action: it has waist_yaw_joint" in capsys.readouterr().err


def test_who_stands_stands_as_before_whatever_is_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["robots=4", "workers=0", "ppo.steps_per_update=8", "ppo.epochs=2", "ppo.minibatches=1", "exam.gate=''"]
    options = [word for setting in small for word in ("--set", setting)] + ["--quiet", "--steps"]
    first, second, third = (str(tmp_path / name) for name in "abc")
    assert main(["train", "walk", "--run", first, *options, "32"]) == 0
    assert main(["train", "walk_robust", "--run", second, "--init-from", first, *options, "64"]) == 0
    assert main(["train", "walk_robust", "--run", third, "--init-from", second, *options, "64"]) == 0
    assert main(["train", "--resume", second, *options, "96"]) == 0
    before = standing(widened(RunFolder(Path(first)).load(), LEGS, WAIST))["actor_state_dict"]
    kept = [name for name in before if "standing_" in name]
    assert len(kept) == 2 * (4 + 8)  # normaliser and four layers, each named twice
    for run in (second, third):
        after = RunFolder(Path(run)).load()["actor_state_dict"]
        assert all(torch.equal(after[name], before[name]) for name in kept)
        assert not torch.equal(after["mlp.0.weight"], before["mlp.0.weight"])
    capsys.readouterr()
    assert main(["train", "walk_robust", "--run", str(tmp_path / "d"), *options, "32"]) == 2
    assert "and none is given: train one with 'tarsus train walk', and add --init-from RUN." in capsys.readouterr().err
    assert not (tmp_path / "d").exists()
    for checkpoint in (Path(third) / "checkpoints").iterdir():
        checkpoint.unlink()
    assert main(["train", "--resume", third, *options, "32"]) == 2
    assert "has no checkpoint yet, and ppo.keep_standing needs a policy that stands" in capsys.readouterr().err


def test_a_settings_file_says_what_differs_from_the_one_it_extends(tmp_path: Path) -> None:
    assert ROBUST.task.driven != WALK.task.driven
    assert ROBUST.task.random.push_least == 0.35
    assert ROBUST.task.random.arm_motion_rad == WALK.task.random.arm_motion_rad == 0.6
    assert load_settings(task_settings("walk_robust"), ["task.driven=legs"]).task.driven == "legs"
    own = tmp_path / "own.yaml"
    own.write_text("extends: walk_robust\nseed: 7\n")
    assert replace(load_settings(own), seed=1) == ROBUST
    own.write_text("extends: wlak\n")
    with pytest.raises(Exception, match=r"There is no task 'wlak' \(did you mean 'walk'\?\)"):
        load_settings(own)
