# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The scorecard's arithmetic on runs worked out by hand, its gate, and one card measured in both engines."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.policies import make_contract, make_policy_bytes

from tarsus_core.cli import main
from tarsus_core.contract import CommandRange
from tarsus_core.errors import ConfigError
from tarsus_core.robot_model import load_robot
from tarsus_edge.policy_file import parse_policy
from tarsus_policies import cli_score
from tarsus_policies.gate import GATES, find_gate
from tarsus_policies.score_lines import difference, lines, with_moving_arms
from tarsus_policies.score_report import arms_summary, comparison, merit
from tarsus_policies.scorecard import CardSettings, Job, Scorecard, measure, plan, summarise
from tarsus_policies.scorer import Score
from tarsus_policies.trial import STAND, Command, Conditions, Push, Run, ScoreSettings

WALK: Command = (0.5, 0.0, 0.0)
FAST: Command = (1.0, 0.0, 0.0)
SIDE: Command = (0.0, 0.5, 0.0)


def run(command: Command, velocity: Command, fell: float | None = None, drift: float = 0.0) -> Run:
    x, y, z = (abs(v - c) for v, c in zip(velocity, command, strict=True))
    return Run(command, 0, velocity, (x, y, z), fell, drift, {"cost_of_transport": 0.4})


def job(part: str, key: Any, command: Command, **conditions: Any) -> Job:
    return Job(part, key, command, 0, 10.0, Conditions(**conditions))


@pytest.fixture
def contract() -> Any:
    base = make_contract(load_robot("g1"))
    return replace(base, command_range=CommandRange((-0.5, 0.8), (-0.5, 0.5), (-1.0, 1.0)))


def test_means_are_over_the_grid_and_what_was_not_trained_has_no_line(contract: Any) -> None:
    done = [
        (job("tracking", WALK, WALK), run(WALK, (0.4, 0.0, 0.0))),
        (job("tracking", FAST, FAST), run(FAST, (0.2, 0.0, 0.0), fell=3.0)),
        (job("tracking", STAND, STAND), run(STAND, (0.0, 0.0, 0.3), drift=0.02)),
        (job("more", SIDE, SIDE), run(SIDE, (0.0, 0.1, 0.9), fell=1.0)),
    ]
    found = summarise(done, contract)
    assert [row["trained"] for row in found["tracking"]] == [True, False, True, True]
    assert found["mean_lin_err"] == pytest.approx(0.3)  # (0.1 + 0.8 + 0.0) / 3
    assert found["mean_ang_err"] == pytest.approx(0.1)
    assert found["falls"] == 1
    assert found["stand_drift_m"] == 0.02
    assert found["economy"] == {"cost_of_transport": 0.4}
    assert lines(found)["vx +0.50"] == 0.4
    assert lines(found)["vy +0.50"] == 0.1
    assert "vx +1.00" not in lines(found)


@pytest.mark.parametrize(
    ("achieved", "smallest"),
    [
        ((0.05, 0.1, 0.15), 0.05),
        ((0.024, 0.05, 0.15), 0.1),  # half of 0.05 is 0.025
        ((0.05, 0.04, 0.15), 0.15),  # what follows a hole does not count
        ((0.05, 0.1, 0.07), None),
    ],
)
def test_dead_zone_is_the_smallest_speed_from_which_on_all_are_followed(
    contract: Any, achieved: tuple[float, ...], smallest: float | None
) -> None:
    done = []
    for speed, got in zip((0.05, 0.1, 0.15), achieved, strict=True):
        done.append((job("dead_zone", (1, speed), (0.0, speed, 0.0)), run((0.0, speed, 0.0), (0.0, got, 0.0))))
    assert summarise(done, contract)["dead_zone"]["vy"] == smallest


def pushed(survivors: int, impulse: float = 20.0, gait: str = "walk") -> list[tuple[Job, Run]]:
    command = WALK if gait == "walk" else STAND
    return [
        (
            job("pushes", (gait, impulse, k), command, push=Push(impulse, 45.0 * k)),
            run(command, command, None if k < survivors else 3.0),
        )
        for k in range(8)
    ]


def test_pushes_are_counted_and_their_directions_named(contract: Any) -> None:
    found = summarise([*pushed(6), *pushed(8, gait="stand")], contract)["pushes"]
    assert found["walk"] == {"20": {"survived": 6, "of": 8, "fell_deg": [270, 315]}}
    assert found["stand"] == {"20": {"survived": 8, "of": 8, "fell_deg": []}}


def test_stops_count_falls_and_the_drift_of_those_who_stand(contract: Any) -> None:
    def stopped(command: Command, k: int, fell: float | None, drift: float) -> tuple[Job, Run]:
        told = Job("stops", command, command, k, 8.0, Conditions(stop_at_s=2.0 + 0.1 * k))
        return told, replace(run(command, command, fell), drift_m=drift)

    done = [stopped(WALK, 0, None, 0.02), stopped(WALK, 1, 4.0, 0.7), stopped(FAST, 0, None, 0.04)]
    found = summarise(done, contract)["stops"]
    assert found == {"runs": 3, "falls": 1, "fell_from": [[0.5, 0.0, 0.0]], "drift_m": 0.04}
    assert lines({"stops": found}) == {"told to stop: falls": 1.0, "told to stop: drift": 0.04}
    assert summarise(done[1:2], contract)["stops"]["drift_m"] is None


def test_plan_stops_from_each_command_at_other_points_of_the_step() -> None:
    jobs = [
        j for j in plan(CardSettings(parts=("stops",), stop_commands=(WALK, FAST)), "pybullet") if j.part == "stops"
    ]
    assert [(j.command, j.conditions.stop_at_s) for j in jobs] == [
        (c, pytest.approx(2.0 + 0.1 * k)) for c in (WALK, FAST) for k in range(4)
    ]


def test_plan_pushes_from_every_side_in_both_engines() -> None:
    jobs = plan(CardSettings(parts=("pushes",), impulses_ns=(20.0, 40.0)), "mujoco")
    pushes = [j for j in jobs if j.part == "pushes"]
    assert len(pushes) == 2 * 2 * 8
    assert {j.conditions.push.direction_deg for j in pushes if j.conditions.push} == {45.0 * k for k in range(8)}
    assert all(j.conditions.engine == "mujoco" for j in jobs)
    assert len({(j.part, j.key, j.seed) for j in jobs}) == len(jobs)


def card(survivors: int = 8, velocity: Command = (0.45, 0.0, 0.0), fell: float | None = None) -> Scorecard:
    done = [*pushed(survivors), *pushed(8, gait="stand")]
    figures = summarise(done, make_contract(load_robot("g1")))
    settings = ScoreSettings(commands=(WALK,), seeds=1)
    return Scorecard("p.onnx", Score("", "", "g1", settings, (run(WALK, velocity, fell),)), {"pybullet": figures})


def test_gate_passes_and_says_why_not() -> None:
    gate = find_gate("walk")
    assert gate.reasons(card()) == []
    assert gate.reasons(card(velocity=(0.3, 0.0, 0.2), fell=4.0)) == [
        "It fell in 1 of 1 runs on the grid; 0 are allowed.",
        "Its mean velocity error is 0.200 m/s; at most 0.1 is allowed.",
        "Its mean yaw rate error is 0.200 rad/s; at most 0.15 is allowed.",
    ]
    assert gate.reasons(card(survivors=7)) == [
        "It survived 7 of 8 pushes of 20 N.s while walking at 0.5 m/s; it fell at 315 degrees."
    ]
    with pytest.raises(ConfigError, match=r"no gate 'wlak'.*walk"):
        find_gate("wlak")


def test_gate_measures_what_it_asks_for_and_no_more() -> None:
    settings = GATES["walk"].settings(CardSettings())
    jobs = plan(settings, "pybullet")
    assert settings.engines == ("pybullet",)
    assert sum(j.part == "tracking" for j in jobs) == 27
    assert sum(j.part == "pushes" for j in jobs) == 16


def test_engines_are_apart_by_the_scale_of_each_line() -> None:
    row = {"vx": 0.5, "vy": 0.0, "wz": 0.0, "mean_vx": 0.5, "mean_vy": 0.0, "mean_wz": 0.0, "trained": True}
    first = {"tracking": [row], "stand_drift_m": 0.01, "economy": {"slip_mps": 0.01}}
    second = {"tracking": [{**row, "mean_vx": 0.45}], "stand_drift_m": 0.02, "economy": {"slip_mps": 0.02}}
    assert difference(first, second) == pytest.approx({"vx +0.50": 0.1, "stand_drift_m": 0.02, "slip_mps": 0.5})


def test_what_one_engine_alone_measured_is_wholly_apart() -> None:
    first = {"dead_zone": {"vx": 0.05, "vy": None}, "stand_drift_m": None, "falls": 0}
    second = {"dead_zone": {"vx": None, "vy": None}, "stand_drift_m": 0.01, "falls": 0}
    apart = {"dead zone vx": 1.0, "dead zone vy": 0.0, "stand_drift_m": 1.0, "falls": 0.0}
    assert difference(first, second) == apart == difference(second, first)


def test_what_moving_arms_cost_is_a_share_of_what_the_policy_can() -> None:
    def rows(got: float) -> list[dict[str, Any]]:
        return [{"vx": 0.5, "vy": 0.0, "wz": 0.0, "mean_vx": got, "mean_vy": 0.0, "mean_wz": 0.0, "trained": True}]

    figures: dict[str, Any] = {
        "tracking": rows(0.49),
        "stand_drift_m": 0.01,
        "dead_zone": {"vx": 0.05, "vy": None},
        "moving_arms": {"tracking": rows(0.56), "stand_drift_m": None, "dead_zone": {"vx": 0.1, "vy": 0.2}},
    }
    for part, survived in (("pushes", (8, 4, 0)), ("arms", (6, 5, 0))):
        impulses = {str(10 * k): {"survived": n, "of": 8} for k, n in enumerate(survived)}
        figures[part] = {"walk": impulses}
    found = with_moving_arms(figures)
    assert found == pytest.approx(
        {
            "vx +0.50": 0.9,  # 0.06 off instead of 0.01, of 0.5
            "stand_drift_m": 0.0,  # it fell
            "dead zone vx": 0.9,  # 0.05 more, of 0.5
            "dead zone vy": 1.0,
            "pushes, walk, 0 N.s": 0.75,
            "pushes, walk, 10 N.s": 1.0,
            "pushes, walk, 20 N.s": 1.0,
        }
    )
    (said,) = arms_summary(replace(card(), engines={"pybullet": figures}))
    assert said.endswith("in pybullet: at least 90 % as good on 5 of 7 lines; 0% on the worst, stand_drift_m.")


def test_merit_and_comparison() -> None:
    assert merit("vx +0.50", 0.45) > merit("vx +0.50", 0.6)
    assert merit("pushes, walk, 20 N.s", 8.0) > merit("pushes, walk, 20 N.s", 7.0)
    assert merit("falls", 0.0) > merit("falls", 1.0)
    rows = comparison([card(), card(survivors=5)])["pybullet"]
    assert rows["pushes, walk, 20 N.s"] == [8.0, 5.0]


# ---- measured -------------------------------------------------------------------------------------------------

BRIEF = CardSettings(
    ScoreSettings(commands=(STAND, WALK), seconds=0.4, settle_s=0.2, stand_s=0.1, seeds=1),
    parts=("tracking", "dead_zone", "stops", "pushes", "arms", "robustness"),
    stop_commands=(WALK,),
    stops=1,
    stop_s=0.4,
    more_commands=(FAST,),
    arm_commands=(STAND,),
    dead_zone_mps=(0.1,),
    impulses_ns=(20.0,),
    directions=2,
    push_s=0.4,
    brief=(WALK,),
)


def test_a_whole_card_is_measured_in_both_engines_and_again_the_same(tmp_path: Path) -> None:
    file = parse_policy(make_policy_bytes(load_robot("g1")))
    said: list[tuple[int, int]] = []
    first = measure(file, BRIEF, 2, lambda done, total: said.append((done, total))).as_dict()
    jobs = 2 * (3 + 2 + 1 + 4 + (1 + 2 + 4) + 6)
    assert said[-1] == (jobs, jobs)
    assert set(first["engines"]) == {"pybullet", "mujoco"}
    for figures in first["engines"].values():
        assert {"tracking", "dead_zone", "stops", "pushes", "arms", "robustness", "economy"} <= set(figures)
        assert {"tracking", "dead_zone", "stand_drift_m"} == set(figures["moving_arms"])
        assert set(figures["economy"]) >= {"power_w", "saturation", "slip_mps", "action_rate_rps"}
    assert first["difference"]
    assert json.dumps(measure(file, BRIEF, 1).as_dict()) == json.dumps(first)


def test_command_line_compares_and_gates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one.onnx", tmp_path / "two.onnx"
    one.write_bytes(make_policy_bytes(load_robot("g1")))
    two.write_bytes(make_policy_bytes(load_robot("g1"), seed=None))
    monkeypatch.setattr(cli_score, "CardSettings", lambda _: BRIEF)
    assert main(["score", str(one), str(two), "--json", "--quick"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert [p["name"] for p in found["policies"]] == [str(one), str(two)]
    assert len(found["comparison"]["pybullet"]["vx +0.50"]) == 2
    monkeypatch.setattr(cli_score, "measure", lambda *_: card(survivors=7))
    assert main(["score", str(one), "--gate", "walk"]) == 1
    captured = capfd.readouterr()
    assert "tarsus: The gate 'walk' is missed: It survived 7 of 8 pushes" in captured.err
    monkeypatch.setattr(cli_score, "measure", lambda *_: card())
    assert main(["score", str(one), "--gate", "walk"]) == 0
    assert "The gate 'walk' is passed." in capfd.readouterr().out
    assert main(["score", str(one), "--gate", "wlak"]) == 2
    capfd.readouterr()
    for option in (["--quick"], ["--seconds", "2.5"], ["--seeds", "1"], ["--embed"]):
        assert main(["score", str(one), "--gate", "walk", *option]) == 2  # would pass for less than the gate asks
        assert "leave out --quick, --seconds, --seeds and --embed" in capfd.readouterr().err


def test_a_whole_scorecard_is_put_into_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.onnx"
    path.write_bytes(make_policy_bytes(load_robot("g1")))
    before = parse_policy(path.read_bytes())
    monkeypatch.setattr(cli_score, "measure", lambda *_: card())
    assert main(["score", str(path), "--embed"]) == 0
    after = parse_policy(path.read_bytes())
    assert replace(after.contract, scorecard={}) == replace(before.contract, scorecard={})
    assert after.contract.scorecard == json.loads(json.dumps(card().scorecard()))
    assert after.contract.scorecard["engines"]["pybullet"]["pushes"]["walk"]["20"]["survived"] == 8
    assert "policy_sha256" not in after.contract.scorecard
