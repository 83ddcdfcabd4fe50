# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of diagnostics against numbers worked out by hand."""

from __future__ import annotations

import pytest

from tarsus_nodes.diagnostics import Latency, Rate


def test_rate_counts_between_two_looks() -> None:
    rate = Rate(10.0)
    for _ in range(25):
        rate.count()
    assert rate.look(10.5) == 50.0
    assert rate.look(11.0) == 0.0
    assert rate.look(11.0) == 0.0  # no time has passed


def test_latency_tells_median_99th_percentile_and_largest() -> None:
    latency = Latency()
    assert latency.values("loop") == {"loop p50 [ms]": None, "loop p99 [ms]": None, "loop max [ms]": None}
    for k in range(101):  # 0 to 100 ms
        latency.add(k * 1e-3)
    values = latency.values("loop")
    assert values == pytest.approx({"loop p50 [ms]": 50.0, "loop p99 [ms]": 99.0, "loop max [ms]": 100.0})


def test_latency_forgets_the_oldest() -> None:
    latency = Latency(memory=3)
    for value in (9.0, 0.001, 0.002, 0.003):
        latency.add(value)
    assert latency.values("x")["x max [ms]"] == 3.0
