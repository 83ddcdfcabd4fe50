# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Shares independent runs among processes that end with the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from tarsus_core.errors import SimulationError, TarsusError
from tarsus_core.processes import shielded_start

Job = TypeVar("Job")
Result = TypeVar("Result")
Say = Callable[[int, int], None]
"""Told the number of jobs that are done, and of all jobs."""

_DIED = "A scoring process died, perhaps for want of memory: score again, with fewer --workers."


def run_jobs(
    prepare: Callable[[], Callable[[Job], Result]],
    jobs: Sequence[Job],
    workers: int,
    progress: Say | None = None,
) -> list[Result]:
    """Return the results of all jobs, in their order.

    Args:
        prepare: called once a process, returns the function that does a job; must pickle if ``workers`` > 1.
        jobs: what to do.
        workers: processes; 1 does the jobs here.
        progress: called with the number of jobs done and of all jobs.

    Raises:
        TarsusError: what ``prepare`` or a job raised.
        SimulationError: if a worker dies, or fails in a way that nobody foresaw.
    """
    say: Say = progress or (lambda done, total: None)
    say(0, len(jobs))
    if workers <= 1:
        work, results = prepare(), []
        for job in jobs:
            results.append(work(job))
            say(len(results), len(jobs))
        return results
    return _share(prepare, jobs, min(workers, len(jobs)), say)


def _share(
    prepare: Callable[[], Callable[[Job], Result]],
    jobs: Sequence[Job],
    workers: int,
    say: Say,
) -> list[Result]:
    context = multiprocessing.get_context("spawn")
    processes: list[SpawnProcess] = []
    pipes: list[Connection] = []
    results: dict[int, Result] = {}
    left = iter(enumerate(jobs))
    try:
        for k in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, prepare), daemon=True, name=f"tarsus-score-{k}")
            with shielded_start():
                process.start()
            theirs.close()
            processes.append(process)
            pipes.append(ours)
        for pipe in pipes:
            pipe.send(next(left))
        while len(results) < len(jobs):
            for ready in wait(pipes):
                assert isinstance(ready, Connection)
                index, result = _receive(ready)
                results[index] = result
                say(len(results), len(jobs))
                if (job := next(left, None)) is not None:
                    ready.send(job)
    except BrokenPipeError:
        raise SimulationError(_DIED) from None
    finally:
        for process in processes:
            process.kill()  # none holds anything that outlives it
        for process in processes:
            process.join()
        for pipe in pipes:
            pipe.close()
    return [results[i] for i in range(len(jobs))]


def _receive(pipe: Connection) -> tuple[int, Any]:
    try:
        answer = pipe.recv()
    except (EOFError, ConnectionResetError):
        raise SimulationError(_DIED) from None
    if isinstance(answer, TarsusError):
        raise answer
    return int(answer[0]), answer[1]


def _work(pipe: Connection, prepare: Callable[[], Callable[[Any], Any]]) -> None:
    """Do jobs until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one, which ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work = prepare()
        while True:
            index, job = pipe.recv()
            pipe.send((index, work(job)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except TarsusError as error:
        pipe.send(error)
    except Exception as error:  # whatever went wrong is told to the one that waits
        pipe.send(SimulationError(f"A scoring process failed ({type(error).__name__}: {error})."))


def _end_with_parent() -> None:
    """Leave a job that nobody waits for any more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
