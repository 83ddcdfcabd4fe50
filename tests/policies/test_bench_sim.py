# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark's arithmetic, that its yardstick leaves the world as it was, and one small measurement."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tarsus_core.cli import main
from tarsus_core.robot_model import load_robot
from tarsus_policies import cli_bench
from tarsus_policies.bench_sim import MODELS, BenchSettings, Throughput, bench_sim
from tarsus_sim.pybullet_world import PyBulletWorld, WorldConfig


def test_ratio_and_scaling() -> None:
    """500 control periods of 4 steps are 2,000 steps a second, of the 2,500 that the bare engine makes: 0.8."""
    found = Throughput(12, 4, 2500.0, {1: 500.0, 2: 950.0}, {16: 450.0}).as_dict()
    assert found["ratio"] == pytest.approx(0.8)
    assert found["cores"]["1"] == pytest.approx({"env_steps_per_s": 500.0, "ratio": 0.8, "scaling": 1.0})
    assert found["cores"]["2"] == pytest.approx({"env_steps_per_s": 950.0, "ratio": 1.52, "scaling": 1.9})
    assert found["robots"] == {"16": 450.0}


def test_the_yardstick_leaves_the_world_as_it_was() -> None:
    robot = load_robot("g1")
    ends = []
    for timed in (False, True):
        with PyBulletWorld(robot, WorldConfig(capsules=False, accelerometer=False, robots_a_client=2), 3) as world:
            hold = np.tile(world.default_pose, (4, 3, 1))
            gains = np.full((3, 29), 100.0), np.full((3, 29), 3.0)
            for _ in range(10):
                world.run_pd(hold, *gains)
                if timed:
                    assert world.time_engine(4) > 0.0
            ends.append(world.joint_position.copy())
            assert world.ticks == 40
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-9)


def test_a_small_measurement(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    small = BenchSettings(robots=2, rounds=2, warm_up=1, growth=(1,), growth_rounds=1, workers=2)
    monkeypatch.setattr("tarsus_policies.bench_sim.BenchSettings", lambda **_: small)
    assert main(["bench", "sim", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert set(found["models"]) == {str(joints) for joints in MODELS}
    for row in found["models"].values():
        assert set(row["cores"]) == {"1", "2"}
        # Two rounds beside other tests measure nothing: how large a rate is belongs to the benchmark, not to a test.
        assert row["ratio"] > 0.0 and row["robots"]["1"] > 0.0
        assert row["ratio"] == row["cores"]["1"]["ratio"]
    assert found["ratio"] == min(row["ratio"] for row in found["models"].values())
    assert cli_bench._table(found).row_count == 6


def test_bad_input_is_one_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Exception, match="0 robots"):
        bench_sim(BenchSettings(robots=0))
    assert main(["bench", "sim", "--robots", "0"]) == 2
    assert "A benchmark with 0 robots cannot be" in capfd.readouterr().err
    assert main(["bench", "smi"]) == 2
    assert main(["bench", "sim", "--rounds", "no"]) == 2
