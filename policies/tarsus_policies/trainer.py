# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Trains a policy with rsl_rl's PPO on the vectorised walking environment."""

from __future__ import annotations

import contextlib
import io
import math
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rsl_rl.algorithms import PPO
from torch.utils.tensorboard import SummaryWriter

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import ConfigError, SimulationError
from tarsus_core.processes import available_cores
from tarsus_policies.exam import Examiner
from tarsus_policies.gait_actor import GaitActor, SymmetricCritic, actor_options
from tarsus_policies.nan_guard import NanGuard
from tarsus_policies.run_folder import RunFolder
from tarsus_policies.sampling import LocalSampler, NotFiniteError, Sampler, TrainingError, failed
from tarsus_policies.settings import TrainSettings


@dataclass
class Progress:
    """Where a run stands; saved with each checkpoint."""

    update: int = 0
    steps: int = 0
    """control periods of all robots together"""
    examined: int = 0
    """steps until the last exam"""
    seconds: float = 0.0
    """wall clock of training, over all sessions"""
    assistance: float = 1.0
    difficulty: float = 0.0
    whole_robot: bool = False
    """whether every joint is simulated"""
    reward: float = 0.0
    """mean a control period"""
    error: float = 1.0
    """mean velocity error, m/s"""
    falls: float = 10.0
    """per robot in 20 s"""
    steps_per_s: float = 0.0


class Trainer:
    """Owns environment, algorithm and run folder; ``run`` trains until told to stop."""

    def __init__(
        self,
        settings: TrainSettings,
        folder: RunFolder,
        resume: bool = False,
        initial: dict[str, Any] | None = None,
        ray: str | None = None,
    ) -> None:
        """Start the workers and build the networks.

        Args:
            settings: resolved settings.
            folder: where checkpoints and events go.
            resume: go on from the folder's newest checkpoint, if it has one.
            initial: a checkpoint of another run whose networks this run starts from.
            ray: address of a Ray cluster that simulates; None: this machine does.
        """
        self.settings, self.folder, self.ray = settings, folder, ray
        self.guard = NanGuard()
        self._small_steps = 1.0
        self._explored: torch.Tensor | None = None
        self._began_from: dict[str, Any] | None = None if initial is None else origin(initial)
        self.progress = Progress(assistance=settings.curriculum.assistance)
        began = time.monotonic()
        content = folder.load() if resume and folder.updates() else None
        start = 0 if content is None else int(content["iter"])
        torch.manual_seed(settings.seed + 1_000_003 * start)
        cores = available_cores()  # the workers rest while the networks learn
        torch.set_num_threads(cores if ray is not None else min(max(1, settings.workers), cores))
        if content is not None:
            self.progress = _progress(content)
            self._began_from = content["infos"].get("began_from")
        self._began = began - self.progress.seconds
        self.sampler = self._start(settings.seed + 1_000_003 * start)
        try:
            self.algorithm = _build_algorithm(self.sampler, settings)
            for source in (content, initial):
                if source is not None:
                    self._restore(source, networks_only=source is initial)
            self._set_stage()
        except BaseException:
            self.close()
            raise

    def run(
        self,
        share_done: Callable[[Progress], float | None],
        report: Callable[[Progress], None],
        saved: Callable[[Path], None] = lambda path: None,
        examiner: Examiner | None = None,
    ) -> Path:
        """Train; save every ``save_every_s``, at the end, and when interrupted. Return the last checkpoint.

        Args:
            share_done: asked after every update how much of the training is done, of 1; None: it has no end. Towards
                the end the steps become small, so that the last policy is as good as the mean of the last ones.
            report: told of every update.
            saved: told of every checkpoint but the last.
            examiner: asks for exams of checkpoints on the way, and for one of the last.
        """
        writer = SummaryWriter(str(self.folder.path))
        saved_at = time.monotonic()
        try:
            while (share := share_done(self.progress)) is None or share < 1.0:
                self._anneal(share or 0.0)
                self._update(writer)
                report(self.progress)
                done = self.progress
                if examiner is not None and examiner.due(done.difficulty, done.steps - done.examined):
                    self._examine(examiner, writer)
                elif time.monotonic() - saved_at >= self.settings.save_every_s:
                    path, saved_at = self.save(), time.monotonic()
                    saved(path)
            done = self.progress
            if examiner is not None and examiner.ready(done.difficulty) and done.steps > done.examined:
                path = self._examine(examiner, writer)
            else:
                path = self.save()
        except (KeyboardInterrupt, SimulationError):  # the networks are as good as after the last update
            self.save()
            raise
        finally:
            writer.close()
        return path

    def _examine(self, examiner: Examiner, writer: SummaryWriter) -> Path:
        """Write a checkpoint, and have it examined."""
        progress = self.progress
        progress.examined = progress.steps
        path = self.save()
        examiner.examine(progress.update, progress.steps, time.monotonic() - self._began, writer)
        return path

    def _anneal(self, share: float) -> None:
        ppo = self.settings.ppo
        if share <= ppo.anneal_from:
            return
        log_std = self.algorithm.actor.distribution.log_std_param
        if self._explored is None:
            self._explored = log_std.detach().clone()
        left = (1.0 - share) / (1.0 - ppo.anneal_from)
        self._small_steps = max(left, ppo.anneal_to)
        most = ppo.last_std * (max(ppo.init_std, ppo.last_std) / ppo.last_std) ** left
        with torch.no_grad():  # the parameter and not its range, as it is what rollouts elsewhere are sent
            log_std.clamp_(max=math.log(most))

    def save(self) -> Path:
        """Write a checkpoint."""
        content = self.algorithm.save()
        content["iter"] = self.progress.update
        content["learning_rate"] = self.algorithm.learning_rate
        content["infos"] = {**vars(self.progress), "seed": self.settings.seed, "git_revision": git_revision()}
        if self._began_from is not None:
            content["infos"]["began_from"] = self._began_from
        content["made_for"] = made_for(self.sampler.contract)
        if self._explored is not None:
            content["explored_log_std"] = self._explored
        return self.folder.save(self.progress.update, content, self.settings.keep_checkpoints)

    def _start(self, seed: int) -> Sampler:
        """Start the simulation, of the whole robot once the curriculum is that far."""
        settings = self.settings
        task = replace(settings.task, movable="all") if self.progress.whole_robot else settings.task
        if self.ray is None:
            return LocalSampler(settings, task, seed)
        from tarsus_policies.ray_sampler import RaySampler  # Ray is an extra

        return RaySampler(settings, task, seed, self.ray)

    def close(self) -> None:
        """Stop the workers."""
        self.sampler.close()

    def _restore(self, content: dict[str, Any], networks_only: bool) -> None:
        _check_fit(content.get("made_for", {}), made_for(self.sampler.contract))
        try:
            self.algorithm.load(
                content,
                {"actor": True, "critic": True, "optimizer": not networks_only, "iteration": False},
                strict=True,
            )
        except (RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:160]
            raise ConfigError(
                f"The checkpoint does not fit the settings ({reason}): resume with the run's own settings."
            ) from None
        if "explored_log_std" in content:  # its training had come to its end: who goes on explores as before
            with torch.no_grad():
                self.algorithm.actor.distribution.log_std_param.copy_(content["explored_log_std"])
        if networks_only:
            return
        self._set_learning_rate(float(content["learning_rate"]))

    def _update(self, writer: SummaryWriter) -> None:
        algorithm, progress = self.algorithm, self.progress
        started = time.monotonic()
        algorithm.train_mode()
        try:
            with torch.inference_mode():
                sample = self.sampler.collect(algorithm, self.guard)
        except (SimulationError, NotFiniteError) as error:
            raise failed(error, self.guard, self.folder.path, progress.update) from None
        sampled = time.monotonic()
        losses = algorithm.update()
        if not all(math.isfinite(v) for v in losses.values()):
            raise TrainingError(
                f"The loss is not finite at update {progress.update}: lower ppo.learning_rate and --resume."
            )
        kl = self._follow_kl()
        ended = time.monotonic()

        progress.update += 1
        progress.steps += sample.steps
        progress.seconds = ended - self._began
        progress.steps_per_s = sample.steps / (ended - started)
        progress.reward = sample.reward
        progress.error += 0.2 * (sample.error - progress.error)
        progress.falls += 0.1 * (sample.falls - progress.falls)
        self._advance()
        self._set_stage()
        scalars = {
            "train/reward": progress.reward,
            "train/velocity_error": sample.error,
            "train/falls_per_20s": progress.falls,
            "train/assistance": progress.assistance,
            "train/difficulty": progress.difficulty,
            "train/whole_robot": float(progress.whole_robot),
            "train/kl": kl,
            "train/learning_rate": algorithm.learning_rate,
            "train/action_std": float(algorithm.get_policy().output_std.mean()),
            "speed/steps_per_s": progress.steps_per_s,
            "speed/sampling_share": (sampled - started) / (ended - started),
            **sample.scalars,
            **{f"loss/{k}": v for k, v in losses.items()},
            **{f"reward/{k}": v for k, v in sample.terms.items()},
        }
        for name, value in scalars.items():
            writer.add_scalar(name, value, progress.steps)

    def _follow_kl(self) -> float:
        """KL divergence of the whole update, on part of its batch; the learning rate follows it."""
        ppo, storage = self.settings.ppo, self.algorithm.storage
        with torch.no_grad():
            observations = storage.observations.flatten(0, 1)[::4]
            old = tuple(p.flatten(0, 1)[::4] for p in storage.distribution_params)
            self.algorithm.actor(observations, stochastic_output=True)
            new = self.algorithm.actor.output_distribution_params
            kl = float(self.algorithm.actor.get_kl_divergence(old, new).mean())
        low, high = ppo.learning_rate_range
        rate = self.algorithm.learning_rate
        wanted = ppo.desired_kl * self._small_steps
        if kl > 1.5 * wanted:
            rate /= 1.2
        elif kl < wanted / 1.5:
            rate *= 1.1
        self._set_learning_rate(min(high, max(low, rate)))
        return kl

    def _set_learning_rate(self, rate: float) -> None:
        self.algorithm.learning_rate = rate
        for group in self.algorithm.optimizer.param_groups:
            group["lr"] = rate

    def _advance(self) -> None:
        """Take a step of the curriculum."""
        c, p = self.settings.curriculum, self.progress
        if p.assistance > 0.0:
            if p.falls < c.assistance_falls:
                p.assistance = max(0.0, p.assistance - c.assistance_rate)
        else:
            good = p.error < c.good_error and p.falls < c.good_falls
            bad = p.error > 1.5 * c.good_error or p.falls > 4.0 * c.good_falls
            p.difficulty = min(1.0, max(0.0, p.difficulty + c.rate * (float(good) - float(bad))))
        if p.difficulty >= c.whole_robot_at and not p.whole_robot:
            p.whole_robot = True
            self.close()
            self.sampler = self._start(self.settings.seed + 1_000_003 * (p.update + 1))

    def _set_stage(self) -> None:
        """Tell the simulation and the algorithm how far the curriculum is."""
        c, p = self.settings.curriculum, self.progress
        # noise is what exploration costs in precision: nothing keeps it up once the task is as hard as it gets
        self.algorithm.entropy_coef = self.settings.ppo.entropy_coef * (1.0 - p.difficulty) * self._small_steps
        penalties = c.penalty_start + (1.0 - c.penalty_start) * p.difficulty
        self.sampler.set_curriculum(p.assistance, p.difficulty, penalties)


def origin(content: dict[str, Any]) -> dict[str, Any]:
    """Say of a checkpoint, as ``RunFolder.load`` returns it, what runs that begin with it are to remember of it."""
    told = ("seed", "steps", "git_revision", "began_from")
    return {"checkpoint_sha256": content["sha256"], **{k: content["infos"][k] for k in told if k in content["infos"]}}


def _progress(content: dict[str, Any]) -> Progress:
    known = vars(Progress())
    return Progress(**{k: v for k, v in content["infos"].items() if k in known})


def _build_algorithm(sampler: Sampler, settings: TrainSettings) -> PPO:
    ppo, contract = settings.ppo, sampler.contract
    config = {
        "num_steps_per_env": ppo.steps_per_update,
        "obs_groups": {"actor": ["policy"], "critic": ["policy", "privileged"]},
        "multi_gpu": None,
        "actor": {"class_name": GaitActor, **actor_options(contract, settings.reference, ppo)},
        "critic": {
            "class_name": SymmetricCritic,
            "hidden_dims": list(ppo.critic_hidden),
            "activation": "elu",
            "obs_normalization": True,
            "contract": contract,
        },
        "algorithm": {
            "class_name": PPO,
            "num_learning_epochs": ppo.epochs,
            "num_mini_batches": ppo.minibatches,
            "clip_param": ppo.clip,
            "gamma": ppo.gamma,
            "lam": ppo.lam,
            "value_loss_coef": ppo.value_loss_coef,
            "entropy_coef": ppo.entropy_coef,
            "learning_rate": ppo.learning_rate,
            "max_grad_norm": ppo.max_grad_norm,
            "schedule": "fixed",
            "desired_kl": None,
        },
    }
    with contextlib.redirect_stdout(io.StringIO()):  # rsl_rl prints both networks
        return PPO.construct_algorithm(sampler.get_observations(), sampler, config, "cpu")


def made_for(contract: PolicyContract) -> dict[str, str]:
    """What a network is good for, in words: whoever goes on with it must have the same."""
    return {
        "robot": contract.robot,
        "URDF": contract.urdf_sha256,
        "action": ", ".join(contract.action_joint_names) + (", gait clock" * (contract.gait.rate_octaves > 0.0)),
        "observation": ", ".join(f"{t.name} {t.size}x{t.history}" for t in contract.observation),
    }


def _check_fit(before: dict[str, str], now: dict[str, str]) -> None:
    for what, old in before.items():
        own, others = old.split(", "), now[what].split(", ")
        if own != others:
            more = ", ".join(p for p in own if p not in others) or "nothing else"
            less = ", ".join(p for p in others if p not in own) or "nothing"
            raise ConfigError(
                f"The checkpoint was trained for another {what}: it has {more} where the settings have {less}; "
                "resume with the run's own settings."
            )


def git_revision() -> str:
    """Revision of the source tree, with a plus sign where it was changed; 'unknown' outside a checkout."""
    try:
        git = ["git", "-C", str(Path(__file__).parent)]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10)
        dirty = subprocess.run(
            [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")
