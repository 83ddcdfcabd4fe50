# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The vectorised walking environment: robots shared in PyBullet clients, clients spread over worker processes.

Observations, actions and rewards lie in shared memory; a step costs each worker one short message either way.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import signal
import traceback
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import ConfigError, SimulationError, TarsusError
from tarsus_core.processes import shielded_start
from tarsus_sim.custom_task import make_task, term_names
from tarsus_sim.walk_config import WalkConfig
from tarsus_sim.walk_contract import walk_contract
from tarsus_sim.walk_env import action_space, observation_space
from tarsus_sim.walk_task import PRIVILEGED_SIZE, WalkTask

WORKER_TIMEOUT_S = 120.0
GC_THRESHOLD = 50_000
"""PyBullet returns many tuples, none of them in a cycle: looking for cycles costs 3 % of a step."""


class WalkVectorEnv(gymnasium.vector.VectorEnv[NDArray[np.float32], NDArray[np.float32], NDArray[Any]]):
    """n robots that follow velocity commands, as a ``gymnasium.vector.VectorEnv`` with same-step autoreset.

    Observation (n, 47) and action (n, 12) are as in ``G1WalkEnv``. ``infos`` holds ``privileged`` (n, 18), the state
    for an asymmetric critic; ``final_obs`` (n, 47) and its mask ``_final_obs`` where an episode ended; and ``terms``,
    a dict of reward terms, each a mean over robots.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (gymnasium declares it so)
        "autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP,
        "render_modes": [],
    }

    def __init__(self, config: WalkConfig | None = None, num_envs: int = 16, workers: int = 1, seed: int = 0) -> None:
        """Start the workers.

        Args:
            config: the task.
            num_envs: number of robots, shared evenly among the workers.
            workers: processes; 0 runs the robots in this process.
            seed: of every random draw; ``reset(seed=...)`` starts again from another.

        Raises:
            ConfigError: if the robots cannot be shared out.
            SimulationError: if a worker cannot start.
        """
        self.config = config or WalkConfig()
        if num_envs < 1 or workers < 0 or (workers and num_envs % workers):
            raise ConfigError(f"{num_envs} robots cannot be shared evenly among {workers} workers: choose a multiple.")
        self.num_envs = num_envs
        self.contract = walk_contract(self.config)
        self.single_observation_space = observation_space(self.contract)
        self.single_action_space = action_space(self.contract)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.workers = workers
        self._closed = False
        self._task: WalkTask | None = None
        self._processes: list[multiprocessing.process.BaseProcess] = []
        self._pipes: list[Connection] = []
        self.terms = term_names(self.config)
        shapes = _shapes(num_envs, self.contract, len(self.terms))
        size = sum(int(np.prod(s)) * 4 for s in shapes.values())
        self._memory = SharedMemory(create=True, size=size)
        self._arrays = _views(self._memory, shapes)
        try:
            self._start(seed)
        except BaseException:
            self.close()
            raise

    def _start(self, seed: int) -> None:
        if self.workers == 0:
            self._task = make_task(self.config, self.num_envs, seed)
            return
        context = multiprocessing.get_context("spawn")
        share = self.num_envs // self.workers
        for k, child_seed in enumerate(np.random.SeedSequence(seed).spawn(self.workers)):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_work,
                args=(theirs, self._memory.name, self.num_envs, k * share, share, self.config, child_seed),
                daemon=True,
                name=f"tarsus-sim-{k}",
            )
            with shielded_start():
                process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)
        self._gather()

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start every episode anew; a seed makes the run repeatable."""
        if isinstance(seed, list):
            seed = seed[0]
        super().reset(seed=seed)
        if self._task is not None:
            if seed is not None:
                self._task = _anew(self._task, seed)
            self._arrays["observation"][:], self._arrays["privileged"][:] = self._task.reset()
        else:
            children = np.random.SeedSequence(seed).spawn(self.workers) if seed is not None else [None] * self.workers
            self._order("reset", children)
        return self._arrays["observation"].copy(), {"privileged": self._arrays["privileged"].copy()}

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Run one control period of every robot."""
        arrays = self._arrays
        arrays["action"][:] = actions
        if self._task is not None:
            _store(self._task.step(arrays["action"]), arrays, slice(0, self.num_envs), self.terms)
        else:
            self._order("step", [None] * self.workers)
        terminated, truncated = arrays["terminated"] > 0.0, arrays["truncated"] > 0.0
        infos: dict[str, Any] = {
            "privileged": arrays["privileged"].copy(),
            "terms": dict(zip(self.terms, arrays["terms"].mean(axis=0).tolist(), strict=True)),
            "error": arrays["error"].copy(),
            "length": arrays["length"].copy(),
        }
        done = terminated | truncated
        if done.any():
            infos["final_obs"] = arrays["final"].copy()
            infos["_final_obs"] = done
        return arrays["observation"].copy(), arrays["reward"].copy(), terminated, truncated, infos

    def set_curriculum(self, assistance: float, difficulty: float, penalty_scale: float) -> None:
        """Set helping hand (0..1), difficulty of commands and pushes (0..1), and factor on the penalties."""
        if self._task is not None:
            _set_curriculum(self._task, (assistance, difficulty, penalty_scale))
        else:
            self._order("curriculum", [(assistance, difficulty, penalty_scale)] * self.workers)

    def _order(self, order: str, arguments: list[Any]) -> None:
        """Send every worker an order and wait until all have obeyed."""
        for pipe, argument in zip(self._pipes, arguments, strict=True):
            with contextlib.suppress(OSError):  # a worker that is gone is found when its answer is due
                pipe.send((order, argument))
        self._gather()

    def _gather(self) -> None:
        for k, pipe in enumerate(self._pipes):
            try:
                answer = pipe.recv() if pipe.poll(WORKER_TIMEOUT_S) else f"no answer in {WORKER_TIMEOUT_S:g} s"
            except (EOFError, OSError):
                answer = "it died, perhaps for want of memory: start again, with fewer robots"
            if answer is not None:
                self.close()
                raise SimulationError(f"Simulation worker {k} failed: {answer.rstrip('.')}.")

    def close(self, **_: Any) -> None:
        """Stop the workers and free the shared memory; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._task is not None:
            self._task.close()
        for pipe in self._pipes:
            with contextlib.suppress(OSError):  # the worker may be gone already
                pipe.send(("close", None))
        for process in self._processes:
            process.join(5.0)
            if process.is_alive():
                process.kill()
                process.join()
        self._arrays = {}
        self._memory.close()
        self._memory.unlink()


def _shapes(n: int, contract: PolicyContract, terms: int) -> dict[str, tuple[int, ...]]:
    observation, action = contract.observation_size, contract.action_size
    return {
        "action": (n, action),
        "observation": (n, observation),
        "privileged": (n, PRIVILEGED_SIZE),
        "final": (n, observation),
        "reward": (n,),
        "terminated": (n,),
        "truncated": (n,),
        "error": (n, 3),
        "length": (n,),
        "terms": (n, terms),
    }


def _views(memory: SharedMemory, shapes: dict[str, tuple[int, ...]]) -> dict[str, NDArray[np.float32]]:
    views, offset = {}, 0
    for name, shape in shapes.items():
        views[name] = np.ndarray(shape, np.float32, memory.buf, offset)
        offset += int(np.prod(shape)) * 4
    return views


def _anew(task: WalkTask, seed: int | np.random.SeedSequence) -> WalkTask:
    """Replace a task by one of another seed, at the same stage of the curriculum."""
    task.close()
    new = make_task(task.config, task.count, seed)
    _set_curriculum(new, (task.assistance, task.difficulty, task.penalty_scale))
    return new


def _set_curriculum(task: WalkTask, stage: tuple[float, float, float]) -> None:
    task.assistance, task.difficulty, task.penalty_scale = stage


def _store(result: dict[str, Any], arrays: dict[str, NDArray[np.float32]], part: slice, names: tuple[str, ...]) -> None:
    for name in ("observation", "privileged", "reward", "terminated", "truncated", "error", "length"):
        arrays[name][part] = result[name]
    terms = result["terms"]
    for i, name in enumerate(names):
        if name in terms:
            arrays["terms"][part, i] = terms[name]
    if "ended" in result:
        arrays["final"][part.start + result["ended"]] = result["final_observation"]


def _work(
    pipe: Connection,
    memory_name: str,
    total: int,
    start: int,
    share: int,
    config: WalkConfig,
    seed: np.random.SeedSequence,
) -> None:
    """Serve one worker's robots until told to close, or until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the trainer's: it closes the workers after saving
    gc.set_threshold(GC_THRESHOLD)
    parent = os.getppid()
    memory = SharedMemory(name=memory_name, **_UNTRACKED)
    task = None
    try:
        task = make_task(config, share, seed)
        arrays = _views(memory, _shapes(total, task.contract, len(term_names(config))))
        part, terms = slice(start, start + share), term_names(config)
        pipe.send(None)
        while True:
            while not pipe.poll(5.0):
                if os.getppid() != parent:
                    return
            order, argument = pipe.recv()
            if order == "step":
                _store(task.step(arrays["action"][part]), arrays, part, terms)
            elif order == "reset":
                if argument is not None:
                    task = _anew(task, argument)
                arrays["observation"][part], arrays["privileged"][part] = task.reset()
            elif order == "curriculum":
                _set_curriculum(task, argument)
            else:
                return
            pipe.send(None)
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:  # whatever went wrong is told to the trainer, which stops with one sentence
        detail = traceback.format_exc() if os.environ.get("TARSUS_DEBUG") else ""
        kind = "" if isinstance(error, TarsusError) else f"{type(error).__name__}: "
        pipe.send(f"{kind}{error}{detail}")
    finally:
        if task is not None:
            task.close()
        memory.close()


# Python 3.13 lets a process attach without tracking; before, children of one family share the tracker harmlessly
_UNTRACKED: dict[str, Any] = {"track": False} if "track" in SharedMemory.__init__.__code__.co_varnames else {}
