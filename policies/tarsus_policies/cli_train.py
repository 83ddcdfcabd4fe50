# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""``tarsus train``: a policy from nothing, on CPU cores."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tarsus_core.cli import run_typer
from tarsus_core.errors import ConfigError, SimulationError
from tarsus_core.processes import available_cores

if TYPE_CHECKING:
    from tarsus_policies.settings import TrainSettings

app = typer.Typer(add_completion=False)


@app.command()
def train(
    task: Annotated[str, typer.Argument(help="What to train: walk, walk_robust, or a task file of your own.")] = "walk",
    minutes: Annotated[float | None, typer.Option(help="Stop after so much wall clock.")] = None,
    steps: Annotated[
        int | None, typer.Option(help="Stop after so many control periods of all robots, e.g. 5000000.")
    ] = None,
    run: Annotated[Path | None, typer.Option(help="Folder of the run; by default runs/<task>-<date>-<time>.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run.")] = None,
    init_from: Annotated[
        Path | None,
        typer.Option(help="Start from the networks of this run, with new settings, which may drive more joints."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Settings file; by default the task's own.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override a setting: --set ppo.gamma=0.98")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Simulation processes; by default as many as set (walk: 2), at most one a core.")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Simulate on a Ray cluster: its host:port, 'auto' for the one this machine belongs to, or 'local' for "
            "one of this run's own. --workers says how many processes, of one core each."
        ),
    ] = None,
    until_gate: Annotated[
        bool, typer.Option("--until-gate", help="Stop as soon as a checkpoint passes the task's gate.")
    ] = False,
    clip_every: Annotated[
        float | None, typer.Option(help="Film a checkpoint every so many minutes, into the run's folder clips.")
    ] = None,
    quiet: Annotated[bool, typer.Option(help="No progress bar.")] = False,
) -> None:
    """Train a policy with PPO in PyBullet.

    With --minutes or --steps, the last quarter polishes: the steps become small. Without either it trains until Ctrl-C,
    which saves. On the way the task's gate examines checkpoints (see 'tarsus score --help'); the best that passes is
    what 'tarsus export' takes. Reward terms, errors and speed are in TensorBoard: tensorboard --logdir runs
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers inherit it: one thread a simulation process
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads must not spin on the workers' cores
    for name, value in (("--minutes", minutes), ("--steps", steps), ("--clip-every", clip_every)):
        if value is not None and not value > 0:
            raise ConfigError(f"{name} is {value}: it must be positive.")
    overrides = list(set_ or [])
    if seed is not None:
        overrides.append(f"seed={seed}")
    if workers is not None:
        overrides.append(f"workers={workers}")

    from tarsus_policies.run_folder import RunFolder
    from tarsus_policies.settings import load_settings, load_task, task_settings

    our_choice = workers is None and ray is None

    def at_home(settings: TrainSettings) -> TrainSettings:  # the settings may be of a larger machine, or of a cluster
        return replace(settings, workers=min(settings.workers, fitting(settings.robots))) if our_choice else settings

    if ray is not None:
        from tarsus_policies.ray_sampler import knock

        knock(ray)
    if not task.endswith(".py"):
        task_settings(task)  # it is one
    if resume is not None and init_from is not None:
        raise ConfigError("--resume goes on with the run's own networks: leave out --init-from.")
    initial: dict[str, Any] | None = None
    if resume is not None:
        if run is not None or config is not None:
            raise ConfigError("--resume goes on in its own folder with its own settings: leave out --run and --config.")
        folder = RunFolder(resume)
        settings = at_home(folder.settings(overrides))
        check_gate(settings, until_gate)
        if folder.updates():
            folder.load()  # it can be read; a run that was stopped before its first checkpoint begins anew
        elif settings.ppo.keep_standing:
            raise ConfigError(
                f"The run '{resume}' has no checkpoint yet, and ppo.keep_standing needs a policy that stands: "
                "begin a new run with --init-from RUN."
            )
    else:
        settings = at_home(load_task(task, overrides) if config is None else load_settings(config, overrides))
        check_gate(settings, until_gate)
        if init_from is not None:
            initial = _start_of(init_from, settings)
        elif settings.ppo.keep_standing:
            raise ConfigError(
                "ppo.keep_standing keeps how the policy of another run stands, and none is given: "
                "train one with 'tarsus train walk', and add --init-from RUN."
            )
        folder = RunFolder(run or Path("runs") / f"{Path(task).stem}-{time.strftime('%Y%m%d-%H%M%S')}")
        folder.create(settings)
    if our_choice and (more := fitting(settings.robots)) > settings.workers > 0:
        print(f"This machine has {available_cores()} cores: --workers {more} is faster.", file=sys.stderr)
    _train(settings, folder, resume is not None, initial, ray, minutes, steps, until_gate, clip_every, quiet)


def _start_of(init_from: Path, settings: TrainSettings) -> dict[str, Any]:
    """Read the networks of another run, widened where the settings drive more joints or keep how it stands."""
    from tarsus_policies.run_folder import RunFolder
    from tarsus_policies.transfer import standing, widened
    from tarsus_sim.walk_contract import walk_contract

    source = RunFolder(init_from)
    before = walk_contract(source.settings().task)
    content = widened(source.load(), before, walk_contract(settings.task))
    return standing(content) if settings.ppo.keep_standing else content


def check_gate(settings: TrainSettings, wanted: bool) -> None:
    """Refuse a gate that is not known, or none where one is wanted.

    Raises:
        ConfigError: saying which there are.
    """
    from tarsus_policies.gate import find_gate

    if settings.exam.gate:
        find_gate(settings.exam.gate)
    elif wanted:
        raise ConfigError("--until-gate needs a gate, and this task has none: name one with --set exam.gate=walk.")


def fitting(robots: int) -> int:
    """Return the largest number of workers that share robots evenly and have a core each."""
    return max(count for count in range(1, available_cores() + 1) if robots % count == 0)


def _train(
    settings: Any,
    folder: Any,
    resume: bool,
    initial: Any,
    ray: str | None,
    minutes: float | None,
    steps: int | None,
    until_gate: bool,
    clip_every: float | None,
    quiet: bool,
) -> None:
    from tarsus_policies.clips import Clips
    from tarsus_policies.exam import Examiner
    from tarsus_policies.progress_bar import TrainingBar
    from tarsus_policies.trainer import Progress, Trainer

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    bar = TrainingBar(hidden=quiet)
    examiner = Examiner(folder, settings.exam, bar.say)
    trainer = Trainer(settings, folder, resume, initial, ray)
    if resume:
        folder.write_settings(settings)  # it fits: the folder tells what the newest checkpoints were trained with
    started = time.monotonic()
    first_steps = trainer.progress.steps

    def done(progress: Progress) -> float | None:
        if until_gate and examiner.passed:
            return 1.0
        shares = []
        if minutes is not None:
            shares.append((time.monotonic() - started) / (60.0 * minutes))
        if steps is not None:
            shares.append((progress.steps - first_steps) / steps)
        return max(shares) if shares else None

    print(f"Training into {folder.path}; curves: tensorboard --logdir {folder.path.parent}", file=sys.stderr)
    clips = Clips(folder.path, None if clip_every is None else 60.0 * clip_every)
    finished = False
    try:
        with bar:
            path = trainer.run(done, lambda p: bar.show(p, done(p)), clips.saved, examiner)
        print(f"Trained {trainer.progress.steps:,} steps; saved {path}.", file=sys.stderr)
        finished = True
    except (KeyboardInterrupt, SimulationError):
        print(
            f"\nStopped at {trainer.progress.steps:,} steps; saved. Go on: tarsus train --resume {folder.path}",
            file=sys.stderr,
        )
        print(f"Next: tarsus export {folder.path}", file=sys.stderr)
        raise
    finally:
        trainer.close()
        clips.close(wait=finished)
    print(f"Next: tarsus export {folder.path}", file=sys.stderr)


def main(argv: Sequence[str]) -> int:
    """Entry point of ``tarsus train``."""
    return run_typer(app, "tarsus train", argv)
