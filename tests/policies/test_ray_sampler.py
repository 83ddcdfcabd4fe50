# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Training on a real Ray cluster of two nodes on this machine: what it learns from, and who may die meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tarsus_core.cli import main
from tarsus_core.errors import ConfigError, SimulationError
from tarsus_policies import ray_sampler
from tarsus_policies.ray_sampler import RaySampler
from tarsus_policies.run_folder import RunFolder
from tarsus_policies.settings import TrainSettings, load_settings, task_settings
from tarsus_policies.trainer import Progress, Trainer

SMALL = ["robots=4", "workers=2", "ppo.steps_per_update=4", "ppo.epochs=1", "ppo.minibatches=1"]

pytestmark = pytest.mark.slow


def settings(*more: str) -> TrainSettings:
    return load_settings(task_settings("walk"), [*SMALL, *more])


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two nodes with one core each, for a worker each."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_AUTH_MODE"] = "disabled"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    yield cluster.address
    cluster.shutdown()
    del os.environ["RAY_AUTH_MODE"]


def train(folder: Path, address: str, updates: int) -> Progress:
    run = RunFolder(folder)
    run.create(settings())
    trainer = Trainer(run.settings(), run, ray=address)
    try:
        trainer.run(lambda p: p.update >= updates, lambda p: None)
    finally:
        trainer.close()
    return trainer.progress


def test_two_runs_of_one_seed_are_equal(tmp_path: Path, address: str, capfd: pytest.CaptureFixture[str]) -> None:
    first, second = train(tmp_path / "a", address, 2), train(tmp_path / "b", address, 2)
    assert first.steps == second.steps == 2 * 4 * 4
    one, two = (RunFolder(tmp_path / n).load()["actor_state_dict"] for n in "ab")
    assert all(torch.equal(v, two[k]) for k, v in one.items())
    assert any(v.any() for k, v in one.items() if k.endswith("bias"))
    assert "2 workers on 2 nodes of a Ray cluster." in capfd.readouterr().err


def test_a_killed_a_hanging_and_a_failing_worker(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(tmp_path / "a")
    run.create(settings())
    trainer = Trainer(run.settings(), run, ray=address)
    sampler = trainer.sampler
    assert isinstance(sampler, RaySampler)
    steps: list[int] = []

    def pids() -> list[int]:
        return [sampler._ray.get(p.worker.describe.remote())["pid"] for p in sampler._places]

    def train_until_all_take_part() -> list[int]:
        """Steps of each update."""
        first, until = len(steps), time.monotonic() + 90.0
        trainer.run(lambda p: steps[first + 1 :][-1:] == [16] or time.monotonic() > until, note)
        return steps[first:]

    def note(progress: Progress) -> None:
        steps.append(progress.steps - sum(steps))

    try:
        before = pids()
        os.kill(before[1], signal.SIGKILL)
        time.sleep(0.5)
        gained = train_until_all_take_part()
        assert "Worker 1 of the Ray cluster died: it is replaced" in capfd.readouterr().err
        assert gained[0] == 8, "the other worker's half is learned from"
        assert gained[-1] == 16, "the new worker takes part"
        after = pids()
        assert after[0] == before[0] and after[1] != before[1]

        hung = sampler._places[0].worker.__ray_call__.remote(lambda worker: time.sleep(600.0))
        with monkeypatch.context() as patience:
            patience.setattr(ray_sampler, "ANSWER_TIMEOUT_S", 3.0)
            trainer.run(lambda p: len(steps) > len(gained), note)
        del hung
        assert steps[-1] == 8
        assert "Worker 0 of the Ray cluster gave no answer in 3 s: it is replaced" in capfd.readouterr().err
        assert train_until_all_take_part()[-1] == 16
        saved = run.load()["iter"]
        assert saved == len(steps)

        monkeypatch.setattr(sampler, "_stage", (0.0, 1.0))  # the worker wants three
        with pytest.raises(SimulationError, match=r"cluster failed: .*not enough values.* The last second is in"):
            trainer.run(lambda p: p.update > saved, note)
        assert saved in run.updates()
    finally:
        trainer.close()


def test_a_worker_that_cannot_start_is_told(address: str) -> None:
    task = replace(settings().task, movable="nothing")
    with pytest.raises(SimulationError, match=r"worker of the Ray cluster .*'nothing'"):
        RaySampler(settings(), task, 1, address)


def test_other_code_on_the_cluster_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_sampler, "code_digest", lambda: "0123456789ab")
    with pytest.raises(ConfigError, match=r"has other Tarsus code .* than this machine \(0123456789ab\)"):
        RaySampler(settings(), settings().task, 1, address)


def test_more_workers_than_cores_are_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_sampler, "START_TIMEOUT_S", 15.0)
    with pytest.raises(SimulationError, match=r"of 4 workers did not start .* which has 2 CPUs: ask for fewer"):
        RaySampler(settings("workers=4"), settings().task, 1, address)


@pytest.mark.parametrize(
    ("where", "said"),
    [("nowhere", "no host:port"), ("127.0.0.1:9", "refused"), ("ray://127.0.0.1:9", "refused"), ("a:99999", "")],
)
def test_an_address_that_leads_nowhere_is_refused_and_leaves_nothing(
    where: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert main(["train", "walk", "--ray", where, "--run", str(folder), "--quiet"]) == 2
    printed = capsys.readouterr().err
    assert f"No Ray cluster answers at '{where}'" in printed and said in printed and "ray start --head" in printed
    assert printed.count("\n") == 1 and not folder.exists()


def test_no_workers_are_refused() -> None:
    with pytest.raises(ConfigError, match="--workers 0 leaves it none"):
        RaySampler(settings("workers=0"), settings().task, 1, "local")
