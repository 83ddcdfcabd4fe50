# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The vectorised environment: spaces, seeds, autoreset, and what is left behind when a process dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import tarsus_sim
from tarsus_core.errors import ConfigError, SimulationError
from tarsus_sim import vector_env
from tarsus_sim.vector_env import WalkVectorEnv
from tarsus_sim.walk_config import WalkConfig

assert tarsus_sim.PyBulletWorld, "importing the package registers the environments"

SHORT = WalkConfig(movable="legs", capsules=False, episode_s=0.3)

Make = Callable[..., WalkVectorEnv]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[WalkVectorEnv] = []

    def build(num_envs: int = 2, workers: int = 0, seed: int = 0, config: WalkConfig = SHORT) -> WalkVectorEnv:
        made.append(WalkVectorEnv(config, num_envs, workers, seed))
        return made[-1]

    yield build
    for env in made:
        env.close()


def rollout(env: WalkVectorEnv, steps: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    observation, infos = env.reset()
    kept = [observation, infos["privileged"]]
    for _ in range(steps):
        actions = rng.uniform(-0.3, 0.3, env.action_space.shape or ()).astype(np.float32)
        observation, reward, terminated, truncated, infos = env.step(actions)
        kept += [observation, reward, terminated, truncated, infos["privileged"]]
        if "final_obs" in infos:
            kept.append(infos["final_obs"][infos["_final_obs"]])
    return kept


def assert_equal(a: list[np.ndarray], b: list[np.ndarray]) -> None:
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def memory_exists(env: WalkVectorEnv) -> bool:
    return Path("/dev/shm", env._memory.name.lstrip("/")).exists()


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_make_vec_gives_this_environment_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make_vec("tarsus/G1Walk-v0", num_envs=2, config=SHORT, workers=0)
        assert isinstance(env.unwrapped, WalkVectorEnv)
        assert env.num_envs == 2
        assert env.metadata["autoreset_mode"] == gymnasium.vector.AutoresetMode.SAME_STEP
        observation, _ = env.reset(seed=1)
        assert env.observation_space.contains(observation)
        for _ in range(20):
            observation, reward, terminated, truncated, infos = env.step(env.action_space.sample())
            assert env.observation_space.contains(observation)
            assert reward.shape == terminated.shape == truncated.shape == (2,)
            assert terminated.dtype == truncated.dtype == np.bool_
            assert infos["privileged"].shape == (2, 18)
        env.close()


def test_same_seed_and_workers_give_the_same_run_bit_for_bit(make: Make) -> None:
    """Robots of two processes, with resets among them; another seed, another run."""
    first, second, other = (make(4, 2, seed) for seed in (5, 5, 6))
    a, b, c = (rollout(env, 20) for env in (first, second, other))
    assert_equal(a, b)
    assert not np.array_equal(a[0], c[0])
    assert not np.array_equal(a[0][:2], a[0][2:])  # the workers do not repeat each other

    # a reset with the seed starts the same run again
    again = []
    for env in (first, other):
        env.reset(seed=9)
        again.append(rollout(env, 3))
    assert_equal(*again)


def test_episodes_end_and_start_within_one_step(make: Make) -> None:
    env = make(2)
    env.reset(seed=0)
    actions = np.full((2, 12), 0.1, dtype=np.float32)
    for k in range(15):
        observation, _, terminated, truncated, infos = env.step(actions)
        assert not terminated.any()
        assert truncated.tolist() == [k == 14] * 2
        assert infos["length"].tolist() == [k + 1] * 2
        assert ("final_obs" in infos) == (k == 14)
    assert infos["_final_obs"].tolist() == [True, True]
    np.testing.assert_allclose(infos["final_obs"][:, 33:45], 0.1, atol=1e-6)
    np.testing.assert_allclose(observation[:, 33:45], 0.0)


def test_terms_add_up_to_the_reward(make: Make) -> None:
    env = make(2)
    env.reset(seed=0)
    _, reward, _, _, infos = env.step(np.zeros((2, 12), dtype=np.float32))
    assert sum(infos["terms"].values()) == pytest.approx(float(reward.mean()), abs=1e-5)


def test_what_is_returned_is_the_callers(make: Make) -> None:
    """Shared memory is written again by the next step; what was handed out is not."""
    env = make(2)
    observation, _ = env.reset(seed=0)
    before = observation.copy()
    env.step(np.full((2, 12), 0.3, dtype=np.float32))
    np.testing.assert_array_equal(observation, before)


def test_curriculum_reaches_the_workers(make: Make) -> None:
    """Robots that are told to walk at difficulty 1 get commands beyond the range of difficulty 0."""
    reach = {}
    for difficulty in (0.0, 1.0):
        env = make(16, 1)
        env.set_curriculum(assistance=0.0, difficulty=difficulty, penalty_scale=1.0)
        observation, _ = env.reset(seed=2)
        reach[difficulty] = observation[:, 6].max()
    assert reach[0.0] <= 0.5 < reach[1.0]


def test_killed_worker_is_told_in_one_sentence_and_nothing_is_left(make: Make) -> None:
    env = make(2, 2)
    env.reset(seed=0)
    pids = [process.pid for process in env._processes]
    assert memory_exists(env)
    victim = pids[1]
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    assert wait_until(lambda: not alive(victim))
    with pytest.raises(SimulationError, match=r"^Simulation worker 1 failed: it died, .*[^.]\.$"):
        env.step(np.zeros((2, 12), dtype=np.float32))
    assert not any(alive(pid) for pid in pids if pid is not None)
    assert not memory_exists(env)
    env.close()


def test_error_in_a_worker_is_told_and_nothing_is_left(make: Make) -> None:
    env = make(2, 1)
    env.reset(seed=0)
    pids = [process.pid for process in env._processes]
    with pytest.raises(SimulationError, match=r"worker 0 failed: .*not finite") as caught:
        env.step(np.full((2, 12), np.nan, dtype=np.float32))
    assert "\n" not in str(caught.value)
    assert not str(caught.value).endswith("..")
    assert not any(alive(pid) for pid in pids if pid is not None)
    assert not memory_exists(env)


@pytest.mark.parametrize("workers", [0, 1])
def test_task_that_cannot_start_leaves_nothing(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []

    def share(**options: Any) -> SharedMemory:
        memory = SharedMemory(**options)
        names.append(memory.name)
        return memory

    monkeypatch.setattr(vector_env, "SharedMemory", share)
    with pytest.raises((ConfigError, SimulationError), match="frozen to its leg"):
        WalkVectorEnv(WalkConfig(movable="arms"), 2, workers)
    (name,) = names
    assert not Path("/dev/shm", name.lstrip("/")).exists()


def test_killed_owner_leaves_no_worker_and_no_memory() -> None:
    """The process that made the environment is killed: its workers end, and the memory is freed."""
    code = (
        "import sys, time\n"
        "from tarsus_sim.vector_env import WalkVectorEnv\n"
        "from tarsus_sim.walk_config import WalkConfig\n"
        "if __name__ == '__main__':\n"
        "    env = WalkVectorEnv(WalkConfig(movable='legs', capsules=False), 2, 2)\n"
        "    print(env._memory.name, *(p.pid for p in env._processes), flush=True)\n"
        "    time.sleep(600)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert owner.stdout is not None
    name, *pids = owner.stdout.readline().split()
    memory = Path("/dev/shm", name.lstrip("/"))
    assert memory.exists()
    assert all(alive(int(pid)) for pid in pids)
    owner.kill()
    owner.communicate()
    assert wait_until(lambda: not any(alive(int(pid)) for pid in pids))
    assert wait_until(lambda: not memory.exists())


@pytest.mark.parametrize(("num_envs", "workers"), [(0, 0), (3, 2), (2, -1)])
def test_robots_that_cannot_be_shared_out_are_refused(num_envs: int, workers: int) -> None:
    with pytest.raises(ConfigError, match="cannot be shared evenly"):
        WalkVectorEnv(SHORT, num_envs, workers)
