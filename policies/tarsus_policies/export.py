# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Turns a checkpoint of a training run into a policy file: one ONNX network with its contract, proven and scored.

The same checkpoint gives the same file, byte for byte, on one machine: nothing in it depends on time, place or names
of folders.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from tarsus_core import __version__
from tarsus_core.contract import PolicyContract
from tarsus_core.errors import ConfigError, PolicyFileError
from tarsus_core.robot_model import load_robot
from tarsus_edge.policy_file import PolicyFile, attach_contract, parse_policy
from tarsus_edge.policy_session import PolicySession
from tarsus_policies.calibration import CalibratedCommand, calibrate
from tarsus_policies.gait_actor import fresh_actor
from tarsus_policies.golden import golden_observations, golden_rows, walk_observations
from tarsus_policies.run_folder import RunFolder
from tarsus_policies.score_pool import Say
from tarsus_policies.settings import TrainSettings
from tarsus_sim.walk_contract import walk_contract

OPSET = 18
IR_VERSION = 9
"""of ONNX 1.14; ONNX Runtime from 1.15 on reads it"""
MAX_DIFFERENCE = 1e-5
"""between an action of torch and of ONNX Runtime; see GOLDEN_ATOL in tarsus_edge.policy_session"""
PACKAGES = ("torch", "rsl-rl-lib", "onnx", "onnxscript", "onnxruntime", "pybullet", "numpy")

Floats = NDArray[np.float32]
Module = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """A training run after one of its updates."""

    path: Path
    settings: TrainSettings
    actor: dict[str, torch.Tensor]
    infos: dict[str, Any]
    sha256: str


@dataclass(frozen=True)
class Exported:
    """A policy file that was proven but not yet written."""

    file: PolicyFile
    difference: float
    """largest difference between torch's and ONNX Runtime's actions on ``observations`` observations"""
    observations: int


def read_checkpoint(run: Path, update: int | None = None) -> Checkpoint:
    """Read a checkpoint of a training run, the newest unless told otherwise.

    Raises:
        ConfigError: for a folder that is no run, or settings that cannot be used.
        CheckpointError: for a run without that checkpoint, or a damaged one.
    """
    if not run.is_dir():
        raise ConfigError(f"There is no training run '{run}': make one with 'tarsus train walk', or check the path.")
    folder = RunFolder(run)
    settings = folder.settings()
    found = folder.updates()
    update = found[-1] if update is None and found else update  # training may save another one meanwhile
    content = folder.load(update)
    path = folder.checkpoints / f"model_{update}.pt"
    return Checkpoint(path, settings, content["actor_state_dict"], content["infos"] or {}, content["sha256"])


def build_actor(checkpoint: Checkpoint, contract: PolicyContract) -> torch.nn.Module:
    """Rebuild the network of a checkpoint: raw observation (n, observation_size) in, action (n, action_size) out.

    Raises:
        ConfigError: if its weights do not fit the run's settings.
    """
    actor = fresh_actor(contract, checkpoint.settings.reference, checkpoint.settings.ppo)
    try:
        actor.load_state_dict(checkpoint.actor)
    except RuntimeError as error:
        reason = " ".join(str(error).split()).partition(": ")[2][:120]
        raise ConfigError(
            f"The checkpoint '{checkpoint.path}' does not fit the settings of its run ({reason}...): "
            "give the settings.yaml it was trained with."
        ) from None
    return actor.export_module()


def to_onnx(module: torch.nn.Module, contract: PolicyContract) -> bytes:
    """Serialise a network as ONNX: ``observation`` (1, observation_size) to ``action`` (1, action_size), float32."""
    example = torch.zeros(1, contract.observation_size)
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns of packages that no policy needs
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch uses deprecated parts of itself
            program = torch.onnx.export(
                module,
                (example,),
                input_names=["observation"],
                output_names=["action"],
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert program is not None, "torch.onnx.export returns a program when dynamo is on"
    model: onnx.ModelProto = program.model_proto
    _strip(model)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _strip(model: onnx.ModelProto) -> None:
    """Remove what says where and by whom a model was exported, such as stack traces with paths."""
    model.ir_version = IR_VERSION
    model.producer_version = model.producer_version.partition("+")[0]
    parts = (model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output)
    for part in parts:
        del part.metadata_props[:]
        part.doc_string = ""
    del model.graph.value_info[:]


def export_policy(
    checkpoint: Checkpoint, calibrated: bool = False, workers: int = 1, progress: Say | None = None
) -> Exported:
    """Make the policy file of a checkpoint, without a scorecard.

    Args:
        checkpoint: what to export.
        calibrated: whether to measure how the policy follows its command, and to put the inverse into the graph.
        workers: processes that share those trials.
        progress: called with the number of trials done and of all trials.

    Raises:
        ConfigError: if the checkpoint does not fit its settings.
        RobotModelError: if the settings name a robot that is not known.
        PolicyFileError: if torch and ONNX Runtime disagree, or the contract contradicts itself.
    """
    contract = walk_contract(checkpoint.settings.task)
    actor, origin = build_actor(checkpoint, contract), provenance(checkpoint)
    exported = prove_and_pack(actor, contract, origin)
    if not calibrated:
        return exported
    found = calibrate(exported.file, workers, progress)
    if found.idle:
        return exported
    return prove_and_pack(
        CalibratedCommand(actor, contract, found), contract, {**origin, "calibration": found.as_dict()}
    )


def prove_and_pack(module: torch.nn.Module, contract: PolicyContract, origin: dict[str, Any]) -> Exported:
    """Make the policy file of a network, with golden vectors, after proving ONNX Runtime against it.

    Args:
        module: observation (n, observation_size) in, action (n, action_size) out.
        contract: without golden vectors and provenance.
        origin: the provenance.

    Raises:
        RobotModelError: if the contract names a robot that is not known.
        PolicyFileError: if torch and ONNX Runtime disagree, or the contract contradicts itself.
    """
    robot = load_robot(contract.robot)
    contract = replace(contract, actuator=_plain(contract.actuator), provenance=origin)
    model = to_onnx(module, contract)
    network = PolicySession(parse_policy(attach_contract(model, contract), "the new policy"), robot, golden=False)
    seen = walk_observations(network, robot)
    difference = prove(module, network, np.concatenate(seen))
    golden = golden_observations(seen)
    contract = replace(
        contract,
        golden_observations=golden_rows(golden),
        golden_actions=golden_rows(run_torch(module, golden)),
    )
    file = parse_policy(attach_contract(model, contract), "the new policy")
    PolicySession(file, robot)
    return Exported(file, difference, sum(map(len, seen)))


def prove(module: Module, network: PolicySession, observations: Floats, limit: float = MAX_DIFFERENCE) -> float:
    """Return the largest difference between torch's and ONNX Runtime's actions for observations (n, size).

    Raises:
        PolicyFileError: if it is above the limit, or not a number.
    """
    expected, actual = run_torch(module, observations), network.run(observations)
    difference = float(np.max(np.abs(expected - actual)))
    if not difference <= limit:
        raise PolicyFileError(
            f"The exported network differs from the trained one by {difference:.3g} in an action, more than {limit:g}: "
            "export another checkpoint with --checkpoint."
        )
    return difference


def run_torch(module: Module, observations: Floats) -> Floats:
    """Actions (n, action_size) of the torch network, row by row as they are run on the robot."""
    with torch.inference_mode():
        return torch.cat([module(torch.from_numpy(row[None])) for row in observations]).numpy()


def provenance(checkpoint: Checkpoint) -> dict[str, Any]:
    """Where a policy comes from: revision, seed, steps, checkpoint, settings, versions, how training went."""
    training = dict(checkpoint.infos)
    return _plain(
        {
            **{key: training.pop(key, None) for key in ("git_revision", "seed", "steps")},
            "training": training,
            "checkpoint_sha256": checkpoint.sha256,
            "settings": asdict(checkpoint.settings),
            "versions": {"tarsus": __version__, **{name: version(name) for name in PACKAGES}},
        }
    )


def _plain(value: Any) -> Any:
    """Turn tuples into lists and tensors into numbers, as JSON reads them back."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value.tolist() if isinstance(value, torch.Tensor) else value
