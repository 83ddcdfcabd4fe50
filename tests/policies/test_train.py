# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Training end to end, small: it runs, saves, resumes, survives Ctrl-C and a full disk, and repeats by its seed."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tarsus_core.cli import main
from tarsus_core.errors import ConfigError, SimulationError
from tarsus_policies import run_folder
from tarsus_policies.run_folder import CheckpointError, RunFolder
from tarsus_policies.settings import TrainSettings, load_settings, task_settings
from tarsus_policies.trainer import Progress, Trainer, TrainingError
from tarsus_sim.vector_env import WalkVectorEnv
from tarsus_sim.walk_contract import walk_contract

SMALL = ["robots=4", "workers=0", "ppo.steps_per_update=4", "ppo.epochs=1", "ppo.minibatches=1"]


def _settings(*more: str) -> TrainSettings:
    return load_settings(task_settings("walk"), [*SMALL, *more])


def _train(folder: Path, updates: int, resume: bool = False, *more: str) -> Progress:
    run = RunFolder(folder)
    if not resume:
        run.create(_settings(*more))
    trainer = Trainer(run.settings(), run, resume)
    first = trainer.progress.update
    try:
        trainer.run(lambda p: p.update - first >= updates, lambda p: None)
    finally:
        trainer.close()
    return trainer.progress


@pytest.fixture
def command() -> Iterator[list[str]]:
    """A training command for a process of its own."""
    code = "import sys; from tarsus_core.cli import main; sys.exit(main(sys.argv[1:]))"
    options = [x for s in SMALL for x in ("--set", s)]
    yield [sys.executable, "-c", code, "train", "walk", "--quiet", *options]


def test_same_seed_same_weights_and_resume_counts_on(tmp_path: Path) -> None:
    first, second = _train(tmp_path / "a", 2), _train(tmp_path / "b", 2)
    assert first.steps == second.steps == 2 * 4 * 4
    one, two = RunFolder(tmp_path / "a").load(), RunFolder(tmp_path / "b").load()
    for name, value in one["actor_state_dict"].items():
        assert torch.equal(value, two["actor_state_dict"][name]), name
    assert one["infos"]["reward"] == two["infos"]["reward"]

    third = _train(tmp_path / "a", 1, resume=True)
    assert third.update == 3
    assert third.steps == 3 * 4 * 4
    assert RunFolder(tmp_path / "a").updates() == [2, 3]
    changed = RunFolder(tmp_path / "a").load()["actor_state_dict"]
    assert any(not torch.equal(v, one["actor_state_dict"][k]) for k, v in changed.items())


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    _train(tmp_path / "a", 1)
    _train(tmp_path / "b", 1, False, "seed=9")
    one, two = (RunFolder(tmp_path / n).load()["actor_state_dict"] for n in "ab")
    assert any(not torch.equal(v, two[k]) for k, v in one.items())


def test_events_hold_the_reward_terms(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _train(tmp_path / "a", 1)
    events = EventAccumulator(str(tmp_path / "a"))
    events.Reload()
    assert {"reward/track_linear", "reward/fall", "train/velocity_error", "loss/value"} <= set(events.Tags()["scalars"])


def _group(leader: int) -> str:
    """Process ids of a process group, one a line."""
    return subprocess.run(["pgrep", "-g", str(leader)], capture_output=True, text=True).stdout


@pytest.mark.slow
def test_ctrl_c_saves_and_leaves_no_process(tmp_path: Path, command: list[str]) -> None:
    folder = tmp_path / "run"
    command += ["--set", "workers=1", "--set", "save_every_s=0.001", "--run", str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120.0
    while not RunFolder(folder).updates() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    try:
        _, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # it would train on, beside all that is measured after
        raise
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "Go on: tarsus train --resume" in said
    assert RunFolder(folder).load()["iter"] >= 1
    deadline = time.monotonic() + 20.0  # Python's own resource tracker ends a moment after its parent
    while (left := _group(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left, f"still running: {left}"


def test_full_disk_keeps_the_last_good_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _train(tmp_path / "a", 1)

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    run = RunFolder(tmp_path / "a")
    trainer = Trainer(run.settings(), run, resume=True)
    monkeypatch.setattr(run_folder, "write_atomically", full)
    try:
        with pytest.raises(CheckpointError, match=r"No space left.*last good one is model_1\.pt"):
            trainer.run(lambda p: p.update >= 2, lambda p: None)
    finally:
        trainer.close()
    assert run.updates() == [1]
    assert run.load()["iter"] == 1


def test_checkpoints_cut_short_or_absent_are_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    with pytest.raises(ConfigError, match="no training run"):
        run.settings()
    _train(tmp_path / "a", 1)
    with pytest.raises(CheckpointError, match="no checkpoint 7: it has 1"):
        run.load(7)
    path = run.checkpoints / "model_1.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="cannot be read"):
        run.load()
    path.unlink()
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        run.load()


def test_resuming_with_another_network_is_refused(tmp_path: Path) -> None:
    _train(tmp_path / "a", 1)
    run = RunFolder(tmp_path / "a")
    with pytest.raises(ConfigError, match="does not fit the settings"):
        Trainer(run.settings(["ppo.actor_hidden=[16, 16]"]), run, resume=True)


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    RunFolder(tmp_path).create(_settings())
    with pytest.raises(ConfigError, match="holds a run already"):
        RunFolder(tmp_path).create(_settings())


def test_a_run_that_was_stopped_before_its_first_checkpoint_begins_anew(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    run.create(_settings())
    arguments = ["train", "--resume", str(run.path), "--steps", "16", "--quiet"]
    assert main(arguments) == 0
    assert run.load()["iter"] == 1
    _train(tmp_path / "b", 1)
    one, two = run.load()["actor_state_dict"], RunFolder(tmp_path / "b").load()["actor_state_dict"]
    assert all(torch.equal(one[name], two[name]) for name in one), "as if it had never been stopped"


def test_a_dead_worker_loses_nothing(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    run.create(_settings("workers=1"))
    trainer = Trainer(run.settings(), run)

    def kill(progress: Progress) -> None:
        if progress.update == 2:
            for child in multiprocessing.active_children():
                child.kill()

    try:
        with pytest.raises(SimulationError, match="worker 0"):
            trainer.run(lambda p: False, kill)
    finally:
        trainer.close()
    assert run.load()["iter"] == 2


@pytest.mark.parametrize("name", ["file", "file/below", "/proc/run"])
def test_a_run_folder_that_cannot_be_made_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["train", "walk", "--run", str(tmp_path / name)]) == 2
    assert "cannot be made" in capsys.readouterr().err


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other files"):
        RunFolder(tmp_path).create(_settings())
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["wlak"], "no task 'wlak'"),
        (["walk", "--minutes", "-1"], "--minutes is -1"),
        (["walk", "--minutes", "soon"], "'--minutes'"),
        (["walk", "--colour", "red"], "--colour"),
        (["walk", "--set", "ppo.gama=1"], "did you mean 'gamma'"),
        (["walk", "--set", "exam.gate=wlak"], "no gate 'wlak' (did you mean 'walk'?)"),
        (["walk", "--set", "exam.gate=''", "--until-gate"], "--set exam.gate=walk"),
        (["walk", "--set", "exam.every_steps=0"], "'exam.every_steps' is 0"),
        (["walk", "--resume", "absent"], "no training run"),
        (["walk", "--config", "absent.yaml"], "no settings file"),
        (["walk", "--init-from", "absent"], "'absent' is no training run"),
        (["walk", "--resume", "absent", "--init-from", "absent"], "leave out --init-from"),
        (["walk", "--seed", "99999999999999999999"], "'seed' is 99999999999999999999: it must be 0 to 2147483647"),
    ],
)
def test_bad_options_say_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["reward", "simulation"])
def test_what_is_not_finite_stops_training_and_leaves_the_last_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    _train(tmp_path / "a", 1)
    run = RunFolder(tmp_path / "a")
    trainer = Trainer(run.settings(), run, True)
    step, calls = WalkVectorEnv.step, []

    def broken(env: WalkVectorEnv, actions: Any) -> Any:
        calls.append(actions)
        if kind == "simulation" and len(calls) == 3:
            raise SimulationError("The simulation of robot 2 is no longer finite at 1.000 s: lower the gains.")
        observation, reward, *rest = step(env, actions)
        if len(calls) == 3:
            reward[2] = np.nan
        return observation, reward, *rest

    monkeypatch.setattr(WalkVectorEnv, "step", broken)
    words = "reward of robot 2 is nan" if kind == "reward" else "robot 2 is no longer finite"
    try:
        with pytest.raises((TrainingError, SimulationError), match=words) as caught:
            trainer.run(lambda p: False, lambda p: None)
    finally:
        trainer.close()
    dump = run.path / "last_second_1.npz"
    assert f"'{dump}'" in str(caught.value)
    with np.load(dump) as data:
        assert len(data["reward"]) == (3 if kind == "reward" else 2)
        assert data["observation"].shape[1:] == (4, trainer.sampler.contract.observation_size)
    assert 1 in run.updates()  # nothing is lost
    run.load(1)


EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "rough_ground.py"


def test_another_task_is_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [x for s in SMALL for x in ("--set", s)]
    folder = tmp_path / "run"
    assert main(["train", str(EXAMPLE), "--run", str(folder), "--steps", "32", "--quiet", *options]) == 0
    run = RunFolder(folder)
    settings = run.settings()
    assert settings.task.ground.bump_m == 0.05 and settings.task.gait.period_s == 0.64, "its settings over walking's"
    assert settings.task.code == EXAMPLE.read_text()
    events = EventAccumulator(str(folder))
    events.Reload()
    assert "reward/stumble" in events.Tags()["scalars"]
    assert main(["train", "--resume", str(folder), "--steps", "16", "--quiet"]) == 0
    assert run.load()["iter"] == 3
    assert (
        walk_contract(settings.task).action_size == walk_contract(load_settings(task_settings("walk")).task).action_size
    )


def test_a_resume_that_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    _train(tmp_path / "a", 1)
    run = RunFolder(tmp_path / "a")
    kept = run.settings_file.read_bytes()
    for change, said in (
        ("task.gait.rate_octaves=0", "another action: it has gait clock where the settings have nothing"),
        ("ppo.actor_hidden=[16, 16]", "does not fit the settings"),
        ("task.driven=legs|waist_.*", "another action: it has left_hip_pitch_joint"),
    ):
        with pytest.raises(ConfigError, match=said):
            Trainer(run.settings([change]), run, resume=True)
        assert main(["train", "--resume", str(run.path), "--set", change, "--steps", "16"]) == 2
        assert run.settings_file.read_bytes() == kept
    content = run.load()
    content["made_for"]["robot"] = "h1"
    run.save(1, content, 5)
    with pytest.raises(ConfigError, match="another robot: it has h1 where the settings have g1"):
        Trainer(run.settings(), run, resume=True)


def test_the_last_part_of_a_training_polishes(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    run.create(_settings("ppo.anneal_from=0.5", "ppo.anneal_to=0.2", "ppo.entropy_coef=0.01"))
    trainer = Trainer(run.settings(), run)
    seen, std = [], []

    def report(_: Progress) -> None:
        seen.append(trainer.algorithm.entropy_coef)
        std.append(trainer.algorithm.actor.distribution.log_std_param.detach().exp().max().item())

    try:
        trainer.run(lambda p: p.update / 10, report)
    finally:
        trainer.close()
    resumed = Trainer(run.settings(), run, resume=True)
    resumed.close()
    assert resumed.algorithm.actor.distribution.log_std_param.exp().min() > 0.1  # explores as before the end
    # full until half is done; then what is left of the second half, but never below a fifth
    np.testing.assert_allclose(seen, 0.01 * np.array([1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2]))
    # from 0.15 to 0.03, a fifth, in equal factors; an update may add a little to it
    most = 0.15 * 0.2 ** np.array([0.2, 0.4, 0.6, 0.8])
    assert np.all(np.abs(np.array(std[6:]) / most - 1.0) < 0.1) and min(std[:5]) > 0.1


def test_all_joints_are_simulated_once_the_task_is_hard_enough(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "a")
    run.create(_settings("curriculum.whole_robot_at=0.5"))
    trainer = Trainer(run.settings(), run)
    first = trainer.sampler
    trainer.progress.assistance = 0.0
    seen = []

    def report(progress: Progress) -> None:
        assert (trainer.sampler is first) == (not progress.whole_robot)
        seen.append(progress.whole_robot)
        progress.difficulty = 0.2 * progress.update

    try:
        trainer.run(lambda p: p.update / 4, report)
    finally:
        trainer.close()
    assert seen == [False, False, False, True]  # after the fourth update it is 0.6, and a rate's change more or less
    content = run.load()
    assert content["infos"]["whole_robot"]
