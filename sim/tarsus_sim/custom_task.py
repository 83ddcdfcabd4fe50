# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks that a user writes in one file: a class ``Task`` on top of ``WalkTask``, and settings on top of walk.yaml.

The file's text travels as a setting, so that worker processes, the nodes of a cluster and a resumed run have it. It is
run where robots are trained, never where a policy file is loaded.
"""

from __future__ import annotations

import functools
import hashlib
import linecache
from types import ModuleType
from typing import Any

import numpy as np

from tarsus_core.errors import ConfigError, TarsusError
from tarsus_sim.walk_config import WalkConfig
from tarsus_sim.walk_task import REWARD_NAMES, WalkTask


@functools.lru_cache(maxsize=8)
def load_code(code: str) -> ModuleType:
    """Run a task file's text as a module.

    Raises:
        ConfigError: if it fails, or its ``Task`` is no WalkTask.
    """
    name = f"tarsus_task_{hashlib.sha256(code.encode()).hexdigest()[:12]}"
    module = ModuleType(name)
    module.__file__ = f"<{name}>"
    linecache.cache[module.__file__] = (len(code), None, code.splitlines(keepends=True), module.__file__)
    try:
        exec(compile(code, module.__file__, "exec"), module.__dict__)
    except TarsusError:
        raise
    except Exception as error:  # whatever a user's file may do
        line = getattr(error, "lineno", None) or _line(error, module.__file__)
        raise ConfigError(
            f"The task file fails in line {line} ({type(error).__name__}: {' '.join(str(error).split())})."
        ) from None
    task = getattr(module, "Task", WalkTask)
    if not (isinstance(task, type) and issubclass(task, WalkTask)):
        raise ConfigError("The task file's Task is no WalkTask: write 'class Task(WalkTask):'.")
    taken = [t for t in task.TERMS if t in REWARD_NAMES]
    if taken:
        raise ConfigError(f"The task file's reward term '{taken[0]}' is one of walking's: give it another name.")
    if not isinstance(getattr(module, "SETTINGS", {}), dict):
        raise ConfigError("The task file's SETTINGS is no dict.")
    return module


def task_class(config: WalkConfig) -> type[WalkTask]:
    """Return the class of a task: walking, or a user's."""
    kind: Any = getattr(load_code(config.code), "Task", WalkTask) if config.code else WalkTask
    return kind


def make_task(config: WalkConfig, count: int, seed: int | np.random.SeedSequence) -> WalkTask:
    """Build the task that the configuration names."""
    return task_class(config)(config, count, seed)


def term_names(config: WalkConfig) -> tuple[str, ...]:
    """Names of the task's reward terms, in order."""
    return REWARD_NAMES + tuple(task_class(config).TERMS)


def _line(error: Exception, file: str) -> int:
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
