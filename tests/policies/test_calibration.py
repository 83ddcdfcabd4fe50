# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration: the map is drawn through what was measured, acts inside the network, and leaves alone what it cannot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.policies import make_contract

from tarsus_core.contract import CommandRange, ObservationTerm, PolicyContract
from tarsus_core.robot_model import load_robot
from tarsus_policies import calibration
from tarsus_policies.calibration import CalibratedCommand, CommandMap, calibrate, command_map
from tarsus_policies.trial import Command, Run

ASYMMETRIC = CommandMap(
    forward=(((0.5, 0.6), (1.0, 1.1)), (), ((1.0, 0.9),)),
    backward=((), (), ((1.0, 0.9),)),
)


def contract(scale: float = 1.0, history: int = 1) -> PolicyContract:
    """One term before the command, and one after it."""
    terms = (
        ObservationTerm("projected_gravity", 3),
        ObservationTerm("velocity_command", 3, scale=scale, history=history),
        ObservationTerm("gait_phase", 2),
    )
    limits = CommandRange((-0.5, 1.0), (-0.5, 0.5), (-1.0, 1.0))
    return replace(make_contract(load_robot("g1")), observation=terms, command_range=limits)


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((0.25, 0.0, 0.0), (0.3, 0.0, 0.0)),  # half way to (0.5, 0.6)
        ((0.5, 0.0, 0.0), (0.6, 0.0, 0.0)),
        ((0.75, 0.0, 0.0), (0.85, 0.0, 0.0)),  # half way from (0.5, 0.6) to (1.0, 1.1)
        ((1.2, 0.0, 0.0), (1.3, 0.0, 0.0)),  # on by the last slope, 1
        ((-0.4, 0.3, 0.0), (-0.4, 0.3, 0.0)),  # no knots there
        ((0.5, -0.2, -0.5), (0.6, -0.2, -0.45)),  # each axis on its own
        ((0.0, 0.0, 2.0), (0.0, 0.0, 1.8)),
    ],
)
def test_network_is_given_the_mapped_command(wanted: Command, given: Command) -> None:
    module = CalibratedCommand(torch.nn.Identity(), contract(), ASYMMETRIC)
    seen = module(torch.tensor([[7.0, 8.0, 9.0, *wanted, 5.0, 6.0]]))
    np.testing.assert_allclose(seen, [[7.0, 8.0, 9.0, *given, 5.0, 6.0]], atol=1e-6)


def test_scale_and_history_of_the_term_are_taken_into_account() -> None:
    """The network sees 2 v, for each of the periods kept: 0.75 m/s is 1.5, and becomes 0.85 m/s, which is 1.7."""
    module = CalibratedCommand(torch.nn.Identity(), contract(scale=2.0, history=2), ASYMMETRIC)
    seen = module(torch.tensor([[0.0, 0.0, 0.0, 0.5, 0.0, -1.0, 1.5, 0.0, 2.0, 0.0, 0.0]]))
    np.testing.assert_allclose(seen[0, 3:9], [0.6, 0.0, -0.9, 1.7, 0.0, 1.8], atol=1e-6)


def test_left_and_right_are_one() -> None:
    """Ratios 1.2 and 1.0 of turning left and right become 1.1 for both; forward and backward stay apart."""
    commands: list[Command] = [(0.0, 0.0, 0.5), (0.0, 0.0, -0.5), (0.4, 0.0, 0.0), (-0.4, 0.0, 0.0)]
    found = command_map(commands, [0.6, -0.5, 0.5, None])
    assert found.forward[2] == found.backward[2]
    np.testing.assert_allclose(found.forward[2], [(0.5, 0.55)])
    np.testing.assert_allclose(found.forward[0], [(0.4, 0.5)])
    np.testing.assert_allclose(found.backward[0], [(0.4, 0.4)])
    assert found.as_dict()["wz"] == [pytest.approx([-0.5, -0.55]), pytest.approx([0.5, 0.55])]


def test_map_that_would_not_rise_is_left_out() -> None:
    found = command_map([(0.4, 0.0, 0.0), (0.8, 0.0, 0.0)], [0.5, 0.45])
    assert found.forward[0] == ()


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Command], Any]], list[Command]]:
    """Replaces the trials by a formula: the velocity for a command, or None for a fall. Returns what was tried."""
    tried: list[Command] = []

    def install(respond: Callable[[Command], Any]) -> list[Command]:
        def score(file: Any, settings: Any, workers: int, progress: Any) -> Any:
            tried.extend(settings.commands)
            runs = []
            for command in settings.commands:
                velocity = respond(command)
                fell_at_s = 3.0 if velocity is None else None
                one = Run(command, 0, velocity or (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), fell_at_s, 0.0)
                runs += [one] * settings.seeds
            progress(len(runs), len(runs))
            return SimpleNamespace(runs=tuple(runs))

        monkeypatch.setattr(calibration, "score_policy", score)
        return tried

    return install


FILE: Any = SimpleNamespace(contract=contract())


def test_inverse_of_what_was_measured(plant: Any) -> None:
    """A robot that walks at 0.8 v + 0.05 needs (v - 0.05) / 0.8 to walk at v; turning it goes by 1.2 v."""

    def respond(command: Command) -> Command:
        x, y, z = command
        return (0.8 * x + 0.05 if x else 0.0), y, 1.2 * z

    tried = plant(respond)
    said: list[tuple[int, int]] = []
    found = calibrate(FILE, progress=lambda done, total: said.append((done, total)))
    np.testing.assert_allclose(found.forward[0], [(0.4, 0.35 / 0.8), (0.8, 0.75 / 0.8)], rtol=1e-9)
    np.testing.assert_allclose(found.forward[2], [(0.4, 1.0 / 3.0), (0.8, 2.0 / 3.0)], rtol=1e-9)
    np.testing.assert_allclose(found.forward[1], [(0.2, 0.2), (0.4, 0.4)])
    assert len(tried) == 12 + 11  # -0.2 walks at -0.11: that is no error of gain, and is not tried again
    assert said[-1] == (24 + 22, 48)


def test_what_is_no_error_of_gain_is_left_alone(plant: Any) -> None:
    """A robot that falls, hardly moves, or goes twice as fast keeps its command, and is not tried again."""

    def respond(command: Command) -> Command | None:
        x, y, z = command
        return None if x else (0.0, 0.1 * y, 2.0 * z)

    tried = plant(respond)
    found = calibrate(FILE)
    assert len(tried) == 12
    module = CalibratedCommand(torch.nn.Identity(), contract(), found)
    observation = torch.tensor([[0.0, 0.0, 0.0, 0.7, -0.3, 0.9, 0.0, 0.0]])
    np.testing.assert_allclose(module(observation), observation, atol=1e-6)


def test_fall_in_the_second_round_leaves_the_command(plant: Any) -> None:
    plant(lambda c: None if c[0] > 0.9 else (0.8 * c[0], c[1], c[2]))
    found = calibrate(FILE)
    np.testing.assert_allclose(found.forward[0], [(0.4, 0.5), (0.8, 0.8)])  # 0.8 asks for 1.0, which makes it fall
