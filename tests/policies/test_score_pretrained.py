# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The policy that ships walks as its scorecard says, and its scorecard is good enough to ship."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tarsus_core.contract import PolicyContract
from tarsus_core.robot_model import load_robot
from tarsus_edge.policy_file import read_policy
from tarsus_edge.policy_session import PolicySession
from tarsus_edge.pretrained import pretrained_policy
from tarsus_policies.scorer import score_policy
from tarsus_policies.trial import STAND, ScoreSettings

PATH = pretrained_policy("g1")


@pytest.fixture(scope="module")
def contract() -> PolicyContract:
    return PolicySession(PATH, load_robot("g1")).contract


def test_scorecard_is_good_enough_to_ship(contract: PolicyContract) -> None:
    card = contract.scorecard
    rows = {(row["vx"], row["vy"], row["wz"]) for row in card["commands"]}
    assert rows >= set(ScoreSettings().commands)
    assert (card["seconds"], card["seeds"]) == (10.0, 3)
    assert card["falls"] == 0
    assert card["mean_lin_err"] <= 0.10
    assert card["stand_drift_m"] <= 0.05
    assert all(figures["stops"]["falls"] == 0 for figures in card["engines"].values())


def test_it_walks_as_its_scorecard_says(contract: PolicyContract) -> None:
    """Two commands again, as long as the scorecard's; other machines may round differently, so with some room."""
    forward = (0.5, 0.0, 0.0)
    settings = replace(ScoreSettings(), commands=(STAND, forward), seeds=1)
    card = score_policy(read_policy(PATH), settings).as_dict()
    assert card["falls"] == 0
    assert card["stand_drift_m"] <= 0.05
    shipped = next(row for row in contract.scorecard["commands"] if row["vx"] == 0.5)
    assert card["commands"][1]["mean_vx"] == pytest.approx(shipped["mean_vx"], abs=0.05)
    assert card["commands"][1]["err_vy"] <= 0.1
    assert card["commands"][1]["err_wz"] <= 0.1


def test_provenance_names_the_training(contract: PolicyContract) -> None:
    provenance = contract.provenance
    assert provenance["settings"]["task"]["robot"] == "g1"
    assert provenance["steps"] > 0
    assert provenance["git_revision"]
