# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""The scorer: its arithmetic on a robot that moves as told, and its repeatability on the simulated one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.policies import make_contract, make_policy, make_policy_bytes

from tarsus_core.errors import ConfigError, PolicyFileError, SimulationError
from tarsus_core.robot_model import RobotModel, load_robot
from tarsus_core.rotations import quat_from_rpy
from tarsus_core.state import GroundTruth, JointCommand, RobotState
from tarsus_edge.policy_file import parse_policy, read_policy
from tarsus_edge.policy_session import PolicySession
from tarsus_policies import trial
from tarsus_policies.score_plots import check_plot_path, plot_card
from tarsus_policies.score_report import score_summary, score_table
from tarsus_policies.scorecard import Scorecard
from tarsus_policies.scorer import Score, score_policy
from tarsus_policies.trial import STAND, Run, ScoreSettings, run_trial

GRID = {
    *((vx, 0.0, 0.0) for vx in (-0.3, 0.0, 0.3, 0.5, 0.8)),
    *((0.0, vy, 0.0) for vy in (-0.2, 0.2)),
    *((0.0, 0.0, wz) for wz in (-0.5, 0.5)),
}
BRIEF = ScoreSettings(commands=(STAND, (0.5, 0.0, 0.0)), seconds=0.6, settle_s=0.2, stand_s=0.2, seeds=2)


@pytest.fixture(scope="module")
def robot() -> RobotModel:
    return load_robot("g1")


class Puppet:
    """A world whose robot glides, once commanded, with one velocity in its heading frame, and falls when told."""

    velocity = (0.4, 0.1, 0.3)
    """vx, vy (m/s), wz (rad/s)"""
    starts_s = 1.0
    falls_s: float | None = None
    breaks_s: float | None = None
    made: list[Puppet]

    def __init__(self, robot: RobotModel, config: Any, variations: Any = None) -> None:
        self.joint_names, self.default_pose, self.config = robot.joint_names, robot.default_pose, config
        self.time_s, self.yaw, self.position = 0.0, 3.0, np.zeros(2)  # the yaw passes pi on the way
        self.start = np.zeros(29)
        self.commands: list[JointCommand] = []
        self.joint_effort, self.joint_velocity = np.zeros((1, 29)), np.zeros((1, 29))
        Puppet.made.append(self)

    def __enter__(self) -> Puppet:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def reset(self, joint_position: np.ndarray) -> None:
        self.start = joint_position[0]

    def step(self, command: JointCommand) -> None:
        self.commands.append(command)
        if self.breaks_s is not None and self.time_s >= self.breaks_s:
            raise SimulationError("no longer finite")
        if self.time_s >= self.starts_s - 1e-9:
            self.yaw += self.velocity[2] * 0.005
            self.position = self.position + self._linear()[:2] * 0.005
        self.time_s += 0.005

    def total_mass_kg(self) -> float:
        return 33.0

    def foot_contact_force(self) -> np.ndarray:
        return np.zeros((1, 2))

    def _linear(self) -> np.ndarray:
        if self.time_s < self.starts_s - 1e-9:
            return np.zeros(3)
        c, s = np.cos(self.yaw), np.sin(self.yaw)
        vx, vy, _ = self.velocity
        return np.array([c * vx - s * vy, s * vx + c * vy, 0.0])

    def read(self) -> tuple[RobotState, GroundTruth]:
        fallen = self.falls_s is not None and self.time_s >= self.falls_s - 1e-9
        zeros = np.zeros((1, 29))
        quat = quat_from_rpy(0.0, 1.1 if fallen else 0.0, self.yaw)[None]
        state = RobotState(self.time_s, self.joint_names, zeros, zeros, zeros, quat, np.zeros((1, 3)), np.zeros((1, 3)))
        at = np.array([[*self.position, 0.74]])
        return state, GroundTruth(at, self._linear()[None], np.ones((1, 2), bool), np.zeros((1, 2)))


@pytest.fixture
def puppet(monkeypatch: pytest.MonkeyPatch) -> type[Puppet]:
    """A class of puppets of this test's own, in the place of the simulator."""
    Puppet.made = []
    own = type("OwnPuppet", (Puppet,), {})
    monkeypatch.setattr(trial, "PyBulletWorld", own)
    return own


@pytest.fixture(scope="module")
def session(robot: RobotModel) -> PolicySession:
    """A policy that does nothing, whatever it sees."""
    return PolicySession(parse_policy(make_policy_bytes(robot, seed=None)), robot)


def run(
    session: PolicySession, robot: RobotModel, command: tuple[float, float, float], seed: int = 0, **changes: Any
) -> Run:
    return run_trial(session, robot, command, seed, replace(ScoreSettings(), **changes))


def test_grid_is_each_axis_alone() -> None:
    settings = ScoreSettings()
    assert set(settings.commands) == GRID
    assert len(settings.commands) == len(GRID)
    assert (settings.seconds, settings.seeds) == (10.0, 3)


def test_velocity_and_error_in_the_heading_frame(
    puppet: type[Puppet], session: PolicySession, robot: RobotModel
) -> None:
    result = run(session, robot, (0.5, 0.0, -0.2))
    assert result.velocity == pytest.approx((0.4, 0.1, 0.3), abs=1e-9)
    assert result.error == pytest.approx((0.1, 0.1, 0.5), abs=1e-9)
    assert result.fell_at_s is None
    # 1 s of standing, 10 s of the command
    assert Puppet.made[0].time_s == pytest.approx(11.0)
    # a circle with radius v / w = sqrt(0.17) / 0.3 = 1.374 m, 3 rad of it: 2 r sin(1.5) from the start
    assert result.drift_m == pytest.approx(2.0 * np.hypot(0.4, 0.1) / 0.3 * np.sin(1.5), abs=0.01)


def test_the_transient_is_left_out(puppet: type[Puppet], session: PolicySession, robot: RobotModel) -> None:
    """The robot sets off 2 s after the command: only what follows counts. 1 s later, an eighth of 8 s is missing."""
    puppet.starts_s = 3.0
    assert run(session, robot, (0.4, 0.1, 0.3)).error == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
    puppet.starts_s = 4.0
    velocity = run(session, robot, (0.4, 0.1, 0.3)).velocity
    assert velocity == pytest.approx((0.4 * 7 / 8, 0.1 * 7 / 8, 0.3 * 7 / 8), abs=2e-3)


def test_after_a_fall_the_robot_stands_still(puppet: type[Puppet], session: PolicySession, robot: RobotModel) -> None:
    """It falls 6 s into the command: of the 8 s that count it walked 4."""
    puppet.falls_s = 7.0
    result = run(session, robot, (0.4, 0.1, 0.3))
    assert result.fell_at_s == pytest.approx(7.0)
    assert result.velocity == pytest.approx((0.2, 0.05, 0.15), abs=2e-3)
    assert Puppet.made[0].time_s == pytest.approx(7.0)  # the run is over


def test_falling_early_never_looks_like_tracking(
    puppet: type[Puppet], session: PolicySession, robot: RobotModel
) -> None:
    puppet.falls_s = 0.5
    result = run(session, robot, (0.4, 0.0, 0.0))
    assert result.velocity == (0.0, 0.0, 0.0)
    assert result.error == (0.4, 0.0, 0.0)
    assert result.fell_at_s is not None


def test_simulation_that_breaks_is_a_fall(puppet: type[Puppet], session: PolicySession, robot: RobotModel) -> None:
    puppet.breaks_s = 5.0
    assert run(session, robot, (0.4, 0.0, 0.0)).fell_at_s == pytest.approx(5.0, abs=0.01)


def test_command_comes_after_standing(puppet: type[Puppet], session: PolicySession, robot: RobotModel) -> None:
    seen: list[np.ndarray] = []
    settings = replace(ScoreSettings(), seconds=3.0)
    run_trial(session, robot, (0.3, 0.0, 0.0), 0, settings, watch=lambda row: seen.append(row[0]))
    commands = np.array(seen)[:, 6:9]  # make_contract: angular velocity, gravity, command
    assert len(commands) == 4.0 * 50
    assert not commands[:50].any()
    np.testing.assert_allclose(commands[50:], [[0.3, 0.0, 0.0]] * 150, atol=1e-7)
    # 4 physics steps of 5 ms hold one command of 20 ms
    sent = Puppet.made[0].commands
    assert len(sent) == 4 * 200
    assert all(sent[4 * k] is sent[4 * k + 3] for k in range(200))


def test_seeds_vary_what_they_should_and_the_command_does_not(
    puppet: type[Puppet], session: PolicySession, robot: RobotModel
) -> None:
    brief = {"seconds": 0.4, "settle_s": 0.2, "stand_s": 0.1}
    phases = []
    for seed in (0, 1, 2):
        for vx in (0.3, 0.5):
            rows: list[np.ndarray] = []
            settings = replace(ScoreSettings(), **brief)
            run_trial(session, robot, (vx, 0.0, 0.0), seed, settings, watch=rows.append)
            phases.append(float(rows[5][0, 46]))
    frictions = [world.config.friction for world in Puppet.made]
    assert frictions[0::2] == frictions[1::2]
    assert len(set(frictions)) == 3
    assert all(0.8 <= f <= 1.2 for f in frictions)
    spread = [world.start - robot.default_pose for world in Puppet.made]
    np.testing.assert_array_equal(spread[0], spread[1])
    assert not np.array_equal(spread[0], spread[2])
    assert 0.0 < np.abs(spread[0]).max() <= 0.05
    # cos of the phase: the left foot first, then the right one, then the left one
    assert np.sign(phases).tolist() == [1, 1, -1, -1, 1, 1]


def test_control_period_must_fit_the_physics_step(robot: RobotModel) -> None:
    policy = PolicySession(parse_policy(make_policy_bytes(robot, control_period_s=0.013)), robot)
    with pytest.raises(ConfigError, match=r"control period of 0\.013 s is no multiple"):
        run(policy, robot, STAND)


# ---- a whole score --------------------------------------------------------------------------------------------


def fake_score(runs: list[Run]) -> Score:
    settings = ScoreSettings(commands=(STAND, (0.5, 0.0, 0.0)), seeds=2)
    return Score("f" * 64, "a" * 64, "g1", settings, tuple(runs))


def some_runs(**changes: Any) -> list[Run]:
    stand = [
        Run(STAND, 0, (0.01, -0.02, 0.0), (0.01, 0.02, 0.0), None, 0.03),
        Run(STAND, 1, (0.03, 0.02, 0.02), (0.03, 0.02, 0.02), changes.get("stand_fell"), 0.04),
    ]
    walk = [
        Run((0.5, 0.0, 0.0), 0, (0.3, 0.1, 0.1), (0.2, 0.1, 0.1), None, 4.0),
        Run((0.5, 0.0, 0.0), 1, (0.7, -0.2, -0.3), (0.2, 0.2, 0.3), changes.get("walk_fell"), 5.0),
    ]
    return [*stand, *walk]


def test_score_averages_errors_over_seeds_and_commands() -> None:
    card = fake_score(some_runs(walk_fell=4.0)).as_dict()
    stand, walk = card["commands"]
    assert (stand["vx"], stand["vy"], stand["wz"]) == STAND
    assert (stand["err_vx"], stand["err_vy"], stand["err_wz"]) == pytest.approx((0.02, 0.02, 0.01))
    # errors are averaged, not the error of the average: 0.3 and 0.7 m/s are not 0.5 m/s
    assert (walk["err_vx"], walk["err_vy"], walk["err_wz"]) == pytest.approx((0.2, 0.15, 0.2))
    assert (walk["mean_vx"], walk["mean_vy"], walk["mean_wz"]) == pytest.approx((0.5, -0.05, -0.1))
    assert (stand["fell"], stand["falls"]) == (False, 0)
    assert (walk["fell"], walk["falls"]) == (True, 1)
    # hypot(0.02, 0.02) = 0.02828, hypot(0.2, 0.15) = 0.25
    assert card["mean_lin_err"] == pytest.approx((0.0282843 + 0.25) / 2.0, abs=1e-6)
    assert card["mean_ang_err"] == pytest.approx((0.01 + 0.2) / 2.0)
    assert card["falls"] == 1
    assert card["runs"] == 4
    assert card["stand_drift_m"] == 0.04
    assert (card["robot"], card["engine"], card["seconds"], card["seeds"]) == ("g1", "pybullet", 10.0, 2)
    assert card["policy_sha256"] == "f" * 64
    assert set(card["versions"]) == {"pybullet", "onnxruntime", "numpy"}
    assert json.loads(json.dumps(card)) == card


def test_drift_is_unknown_where_the_robot_fell_or_never_stood() -> None:
    assert fake_score(some_runs(stand_fell=3.0)).as_dict()["stand_drift_m"] is None
    walks = some_runs()[2:]
    only = Score("", "", "g1", ScoreSettings(commands=((0.5, 0.0, 0.0),), seeds=2), tuple(walks))
    assert only.as_dict()["stand_drift_m"] is None


def test_scorecard_says_nothing_of_the_file_it_becomes_part_of() -> None:
    score = fake_score(some_runs())
    assert set(score.as_dict()) - set(score.scorecard()) == {"policy_sha256", "graph_sha256"}


def test_score_is_the_same_with_any_number_of_workers(tmp_path: Path, robot: RobotModel) -> None:
    file = read_policy(make_policy(tmp_path / "policy.onnx", robot, seed=3, gain=0.1))
    said: list[tuple[int, int]] = []
    here = score_policy(file, BRIEF, 1)
    there = score_policy(file, BRIEF, 2, lambda done, total: said.append((done, total)))
    assert here == there
    assert json.dumps(here.as_dict()) == json.dumps(there.as_dict())
    assert said[-1] == (4, 4)
    assert [(r.command, r.seed) for r in here.runs] == [(c, s) for c in BRIEF.commands for s in range(2)]
    assert here.policy_sha256 == file.sha256
    # real motion: no two runs are the same
    assert len({r.drift_m for r in here.runs}) == 4


def test_policy_for_another_robot_is_refused(robot: RobotModel) -> None:
    other = parse_policy(make_policy_bytes(robot, urdf_sha256="0" * 64))
    for workers in (1, 2):
        with pytest.raises(PolicyFileError):
            score_policy(other, BRIEF, workers)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seconds": 2.0}, "first 2 s are left out"),
        ({"seconds": float("nan")}, "nan s cannot be"),
        ({"seconds": 1e9}, "at most 3600"),
        ({"seeds": 0}, "1 to 1000 seeds, not 0"),
    ],
)
def test_settings_that_measure_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ScoreSettings(**changes).check()


# ---- what a person reads --------------------------------------------------------------------------------------


def render(make: Callable[[], Any], width: int = 80) -> str:
    from rich.console import Console

    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(make())
    text = console.export_text()
    console.file.close()
    return text


def test_table_fits_80_columns_and_shows_every_figure() -> None:
    text = render(lambda: score_table(fake_score(some_runs(walk_fell=4.0))))
    assert "…" not in text
    rows = [line.split() for line in text.splitlines()]
    assert ["0", "0", "0", "+0.020", "+0.000", "+0.010", "0.020", "0.020", "0.010", "no"] in rows
    assert ["+0.50", "0", "0", "+0.500", "-0.050", "-0.100", "0.200", "0.150", "0.200", "1", "of", "2"] in rows
    assert "10 s a command, 2 seeds" in text


def test_summary_is_one_line() -> None:
    text = score_summary(fake_score(some_runs()))
    assert text == "Mean error 0.139 m/s and 0.105 rad/s, 0 falls in 4 runs, stand drift 0.040 m."
    assert "stand drift none, it fell" in score_summary(fake_score(some_runs(stand_fell=1.0)))


def test_plot_is_a_picture_of_all_runs(tmp_path: Path) -> None:
    import matplotlib.image

    path = tmp_path / "score.png"
    plot_card(Scorecard("a.onnx", fake_score(some_runs(walk_fell=4.0)), {"pybullet": {}}), path)
    picture = matplotlib.image.imread(path)
    assert picture.shape[1] > 1000
    red = (picture[..., 0] > 0.8) & (picture[..., 1] < 0.3)
    blue = (picture[..., 2] > 0.6) & (picture[..., 0] < 0.3)
    assert red.any()  # the fall
    assert blue.any()
    assert list(tmp_path.iterdir()) == [path]


def test_plot_that_cannot_be_written_is_refused_beforehand(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must be a \.png"):
        check_plot_path(tmp_path / "score.pdf")
    with pytest.raises(ConfigError, match="no folder"):
        check_plot_path(tmp_path / "absent" / "score.png")


def test_helper_contract_has_the_command_where_these_tests_look(robot: RobotModel) -> None:
    names = [t.name for t in make_contract(robot).observation]
    assert names[:3] == ["base_angular_velocity", "projected_gravity", "velocity_command"]
    assert names[-1] == "gait_phase"
