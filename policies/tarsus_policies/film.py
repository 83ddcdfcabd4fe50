# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Films one trial of a policy."""

from __future__ import annotations

from pathlib import Path

from tarsus_core.robot_model import load_robot
from tarsus_core.state import GroundTruth, RobotState
from tarsus_edge.policy_file import PolicyFile
from tarsus_edge.policy_session import PolicySession
from tarsus_policies.score_pool import Say
from tarsus_policies.trial import Command, Conditions, Push, Run, ScoreSettings, run_trial
from tarsus_sim.recording import Recorder
from tarsus_sim.video import make_video


def film(
    file: PolicyFile,
    path: Path,
    command: Command,
    seconds: float,
    push_ns: float = 0.0,
    engine: str = "pybullet",
    say: Say = lambda done, count: None,
) -> Run:
    """Run a trial, write an MP4 of it, and return what came of it.

    Args:
        file: the policy.
        path: film to write.
        command: vx, vy (m/s), wz (rad/s), after one second of standing.
        seconds: of the command.
        push_ns: impulse of a push from the right 2 s after the command came; 0: none.
        engine: pybullet or mujoco.
        say: told the frames that are done, and all frames.

    Raises:
        PolicyFileError: if the policy does not fit the robot.
        SimulationError: if the film cannot be written.
    """
    robot = load_robot(file.contract.robot)
    recorder = Recorder(robot.name, robot.joint_names)

    def record(state: RobotState, truth: GroundTruth) -> None:
        recorder.add(
            state.robot(0),
            GroundTruth(
                truth.position_base_in_world[0],
                truth.linear_velocity_base_in_world[0],
                truth.foot_contact[0],
                truth.foot_contact_force_n[0],
            ),
            None,
        )

    push = Push(push_ns, 90.0) if push_ns else None
    settings = ScoreSettings(seconds=seconds, settle_s=min(2.0, 0.5 * seconds))
    result = run_trial(
        PolicySession(file, robot), robot, command, 0, settings, None, Conditions(engine, push=push), record
    )
    make_video(recorder.recording(), robot, path, tell=say)
    return result
