# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Export: the file does what the checkpoint does, holds what the contract needs, and is the same each time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from tensordict import TensorDict

from tarsus_core.cli import main
from tarsus_core.errors import ConfigError, PolicyFileError
from tarsus_core.robot_model import load_robot
from tarsus_edge.policy_file import read_policy
from tarsus_edge.policy_session import PolicySession
from tarsus_policies import cli_export
from tarsus_policies import export as exporting
from tarsus_policies.calibration import CommandMap
from tarsus_policies.export import Checkpoint, Exported, export_policy, prove, read_checkpoint
from tarsus_policies.gait_actor import GaitActor, fresh_actor
from tarsus_policies.run_folder import CheckpointError, RunFolder
from tarsus_policies.scorer import Score, with_scorecard
from tarsus_policies.settings import PpoSettings, TrainSettings
from tarsus_policies.trial import STAND, Run, ScoreSettings
from tarsus_sim.walk_config import WalkConfig
from tarsus_sim.walk_contract import walk_contract

SETTINGS = TrainSettings(
    task=WalkConfig(movable="legs", capsules=False, gains={".*_knee_joint": (150.0, 4.0)}),
    ppo=PpoSettings(actor_hidden=(24, 16), critic_hidden=(8,)),
)


def trained_actor(settings: TrainSettings = SETTINGS, seed: int = 0) -> GaitActor:
    """An actor as training leaves it: weights of some size, and a normaliser that has seen something."""
    torch.manual_seed(seed)
    actor = fresh_actor(walk_contract(settings.task), settings.reference, settings.ppo)
    with torch.no_grad():
        for parameter in actor.mlp.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
        actor.obs_normalizer._mean.uniform_(-0.3, 0.3)
        actor.obs_normalizer._std.uniform_(0.5, 1.5)
        actor.obs_normalizer._var.copy_(actor.obs_normalizer._std**2)
    return actor.eval()


def make_run(path: Path, settings: TrainSettings = SETTINGS, updates: tuple[int, ...] = (3, 12)) -> Path:
    folder = RunFolder(path)
    folder.create(settings)
    for update in updates:
        content = {
            "actor_state_dict": trained_actor(settings, seed=update).state_dict(),
            "critic_state_dict": {},
            "iter": update,
            "infos": {"update": update, "steps": 1000 * update, "seed": 1, "git_revision": "abc123", "reward": 0.25},
        }
        folder.save(update, content, keep=5)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "walk")


@pytest.fixture(scope="module")
def checkpoint(run: Path) -> Checkpoint:
    return read_checkpoint(run)


@pytest.fixture(scope="module")
def exported(checkpoint: Checkpoint) -> Exported:
    return export_policy(checkpoint)


def test_newest_checkpoint_unless_told_otherwise(run: Path) -> None:
    assert read_checkpoint(run).path.name == "model_12.pt"
    assert read_checkpoint(run).settings == SETTINGS
    older = read_checkpoint(run, 3)
    assert older.infos["steps"] == 3000
    assert not torch.equal(older.actor["mlp.0.weight"], read_checkpoint(run).actor["mlp.0.weight"])


def test_file_acts_as_the_trained_network_with_its_normaliser(exported: Exported) -> None:
    """Compare ONNX Runtime with the model that trains, called the way training calls it."""
    actor = trained_actor(seed=12)
    session = PolicySession(exported.file, load_robot("g1"))
    rng = np.random.default_rng(0)
    observations = rng.normal(0.0, 0.5, (32, 47)).astype(np.float32)
    with torch.inference_mode():
        expected = actor(TensorDict({"policy": torch.from_numpy(observations)}, batch_size=[32])).numpy()
    actions = session.run(observations)
    np.testing.assert_allclose(actions, expected, atol=1e-5)
    assert np.std(actions) > 0.05  # the comparison is of something

    # the normaliser and the reference gait matter: without either the actions are others
    with torch.no_grad():
        actor.obs_normalizer._mean.zero_()
    with torch.inference_mode():
        other = actor(TensorDict({"policy": torch.from_numpy(observations)}, batch_size=[32])).numpy()
    assert np.abs(other - actions).max() > 1e-3


def test_walking_legs_follow_the_reference_gait(exported: Exported) -> None:
    """A quarter through the phase the left knee is bent more than the right one: the gait is in the graph."""
    session = PolicySession(exported.file)
    still = np.zeros((1, 47), dtype=np.float32)
    still[0, 5] = -1.0
    walking = still.copy()
    walking[0, 45] = 1.0
    change = (session.run(walking) - session.run(still))[0]
    names = session.contract.action_joint_names
    assert change[names.index("left_knee_joint")] - change[names.index("right_knee_joint")] > 0.3


def test_contract_is_the_full_robots(exported: Exported) -> None:
    contract, robot = exported.file.contract, load_robot("g1")
    expected = walk_contract(SETTINGS.task)
    assert contract.joint_names == robot.joint_names
    assert contract.action_joint_names == robot.group("legs")
    for name in (
        "kp",
        "kd",
        "default_pose",
        "observation",
        "command_range",
        "gait",
        "action_scale",
        "control_period_s",
    ):
        assert getattr(contract, name) == getattr(expected, name)
    assert contract.kp[robot.joint_names.index("left_knee_joint")] == 150.0


def test_provenance_says_where_it_comes_from(exported: Exported, checkpoint: Checkpoint) -> None:
    provenance = exported.file.contract.provenance
    assert (provenance["git_revision"], provenance["seed"], provenance["steps"]) == ("abc123", 1, 12000)
    assert provenance["training"] == {"update": 12, "reward": 0.25}
    assert provenance["checkpoint_sha256"] == checkpoint.sha256
    assert provenance["settings"]["ppo"]["actor_hidden"] == [24, 16]
    assert provenance["settings"]["task"]["gains"] == {".*_knee_joint": [150.0, 4.0]}
    assert provenance["versions"]["torch"] == str(torch.__version__)
    assert {"rsl-rl-lib", "pybullet", "onnxruntime", "tarsus"} <= set(provenance["versions"])


def test_golden_vectors_come_from_walking(exported: Exported) -> None:
    contract = exported.file.contract
    golden = np.array(contract.golden_observations)
    assert golden.shape == (16, 47)
    commands = golden[:, 6:9]
    assert {tuple(np.round(c, 3)) for c in commands} == {
        (0.0, 0.0, 0.0),
        (0.5, 0.0, 0.0),
        (0.0, 0.2, 0.0),
        (0.3, 0.0, -0.4),
    }
    # real readings: joints move, gravity has unit length, the last action is there
    assert np.abs(golden[:, 21:33]).max() > 0.01
    np.testing.assert_allclose(np.linalg.norm(golden[:, 3:6], axis=1), 1.0, atol=1e-5)
    assert np.abs(golden[:, 33:45]).max() > 0.01
    actions = PolicySession(exported.file).run(golden)
    np.testing.assert_allclose(actions, contract.golden_actions, atol=1e-5)
    assert 0.0 <= exported.difference <= 1e-5
    assert exported.observations >= 16


def test_graph_is_plain_and_says_nothing_of_its_maker(exported: Exported) -> None:
    model = onnx.load_from_string(exported.file.data)
    onnx.checker.check_model(model)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]
    assert model.ir_version == 9
    for value, name, size in ((model.graph.input, "observation", 47), (model.graph.output, "action", 12)):
        (only,) = value
        assert only.name == name
        assert only.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        assert [d.dim_value for d in only.type.tensor_type.shape.dim] == [1, size]
    assert not model.functions
    assert all(not node.domain and not node.doc_string and not node.metadata_props for node in model.graph.node)
    for trace in (b".py", b"/home", b'File "', str(Path(exporting.__file__).parent).encode()):
        assert trace not in exported.file.data


def test_same_checkpoint_gives_the_same_bytes(exported: Exported, tmp_path: Path) -> None:
    """From another folder, under another name."""
    again = export_policy(read_checkpoint(make_run(tmp_path / "elsewhere", updates=(12,))))
    assert again.file.sha256 == exported.file.sha256
    assert again.file.data == exported.file.data


def test_calibrated_file_is_given_mapped_commands(
    exported: Exported, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wanted 0.25 m/s does what 0.3 m/s does without the map, through ONNX Runtime."""
    half = (((0.5, 0.6),), (), ())
    monkeypatch.setattr(exporting, "calibrate", lambda *_: CommandMap(half, ((), (), ())))
    mapped = export_policy(checkpoint, calibrated=True).file
    assert mapped.contract.provenance["calibration"]["vx"] == [[0.5, 0.6]]
    wanted, given = np.zeros((1, 47), np.float32), np.zeros((1, 47), np.float32)
    wanted[0, 6], given[0, 6] = 0.25, 0.3
    np.testing.assert_allclose(PolicySession(mapped).run(wanted), PolicySession(exported.file).run(given), atol=1e-6)
    assert np.abs(PolicySession(mapped).run(given) - PolicySession(mapped).run(wanted)).max() > 1e-4


def test_disagreeing_runtimes_are_refused(exported: Exported, checkpoint: Checkpoint) -> None:
    contract = exported.file.contract
    network = PolicySession(exported.file)
    golden = np.array(contract.golden_observations, dtype=np.float32)
    module = exporting.build_actor(checkpoint, contract)
    assert prove(module, network, golden) <= 1e-5
    wrong = {"off by 1e-4": lambda x: module(x) + 1e-4, "not a number": lambda x: module(x) * float("nan")}
    for broken in wrong.values():
        with pytest.raises(PolicyFileError, match="differs from the trained one"):
            prove(broken, network, golden)


def test_scorecard_is_embedded_and_nothing_else_changes(exported: Exported) -> None:
    settings = ScoreSettings(commands=(STAND,), seeds=1)
    runs = (Run(STAND, 0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), None, 0.02),)
    score = Score(exported.file.sha256, exported.file.contract.graph_sha256, "g1", settings, runs)
    scored = with_scorecard(exported.file, score.scorecard())
    contract = scored.contract
    assert contract.scorecard == json.loads(json.dumps(score.scorecard()))
    assert contract.scorecard["stand_drift_m"] == 0.02
    assert replace(contract, scorecard={}) == exported.file.contract
    assert contract.graph_sha256 == exported.file.contract.graph_sha256
    PolicySession(scored, load_robot("g1"))


# ---- bad input ------------------------------------------------------------------------------------------------


def cut_short(run: Path) -> None:
    path = run / "checkpoints" / "model_12.pt"
    path.write_bytes(path.read_bytes()[:5000])


def unsafe(run: Path) -> None:
    """A pickle that would run code: it must be refused, not run."""
    torch.save(
        {"actor_state_dict": print, "critic_state_dict": 0, "iter": 0, "infos": 0}, run / "checkpoints/model_12.pt"
    )


def edit(old: str, new: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        path = run / "settings.yaml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def remove(pattern: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        found = list(run.glob(pattern))
        assert found
        for path in found:
            path.unlink()

    return change


def nothing(run: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("spoil", "options", "words"),
    [
        (nothing, ["--checkpoint", "7"], "no checkpoint 7: it has 3, 12"),
        (nothing, ["--checkpoint", "x"], "'x'"),
        (nothing, ["--output", "absent/policy.onnx"], "no folder 'absent'"),
        (nothing, ["--output", "policy.pt"], "'policy.pt' must be a .onnx"),
        (nothing, ["--outptu", "policy.onnx"], "--outptu"),
        (remove("settings.yaml"), [], "no settings.yaml"),
        (remove("checkpoints/*.pt"), [], "no checkpoint yet"),
        (cut_short, [], "model_12.pt' cannot be read"),
        (unsafe, [], "model_12.pt' cannot be read"),
        (edit("seed: 1", "sede: 1"), [], "no setting 'sede'"),
        (edit("robot: g1", "robot: g7"), [], "no robot 'g7'"),
        (edit("- 24\n", "- 25\n"), [], "does not fit the settings"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_no_file(
    spoil: Callable[[Path], None],
    options: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run = make_run(tmp_path / "run")
    spoil(run)
    monkeypatch.chdir(tmp_path)
    assert main(["export", "run", "--no-score", *options]) != 0
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("tarsus: ")
    assert words in line
    assert "Traceback" not in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


def test_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no training run"):
        read_checkpoint(tmp_path / "absent")
    with pytest.raises(CheckpointError):
        read_checkpoint(make_run(tmp_path / "run", updates=()))


def test_command_writes_a_policy_that_loads(
    run: Path,
    exported: Exported,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """As a user: export with a score, and load what was written."""
    brief = ScoreSettings(commands=(STAND, (0.5, 0.0, 0.0)), seconds=0.3, settle_s=0.1, stand_s=0.1, seeds=1)
    measure = cli_export.score_policy
    monkeypatch.setattr(
        cli_export, "score_policy", lambda file, **options: measure(file, brief, 1, options["progress"])
    )
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(run)]) == 0
    out = capfd.readouterr().out
    assert "Torch and ONNX Runtime agree to" in out
    assert "Next: tarsus sim --duration 20 --vx 0.5 --policy policy.onnx" in out
    file = read_policy("policy.onnx")
    assert file.sha256[:12] in out
    assert file.contract.scorecard["runs"] == 2
    # this one cannot walk: there is nothing to calibrate
    assert file.contract.graph_sha256 == exported.file.contract.graph_sha256
    PolicySession(file, load_robot("g1"))
    assert [p.name for p in tmp_path.iterdir()] == ["policy.onnx"]
