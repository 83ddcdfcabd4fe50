# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Symmetry and the reference gait of the actor, against hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tensordict import TensorDict

from tarsus_core.contract import PolicyContract
from tarsus_core.errors import ConfigError
from tarsus_core.robot_model import load_robot
from tarsus_policies.gait_actor import fresh_actor
from tarsus_policies.reference_gait import ReferenceGait
from tarsus_policies.settings import GaitReference, PpoSettings
from tarsus_policies.symmetry import action_mirror, observation_mirror, privileged_mirror
from tarsus_sim.walk_config import GaitConfig, WalkConfig
from tarsus_sim.walk_contract import walk_contract
from tarsus_sim.walk_task import PRIVILEGED_SIZE

CONTRACT = walk_contract(WalkConfig())
ROBOT = load_robot("g1")
HURRYING = walk_contract(WalkConfig(gait=GaitConfig(rate_octaves=1.0)))
"""one more action, the rate of the gait clock"""
FEELING = walk_contract(WalkConfig(leg_odometry=True))
"""two more observations, the velocity over the standing foot"""
BALANCE = GaitReference(
    swing_knee_rad=0.6,
    leg_length_m=0.6,
    stance_width_rad=0.05,
    step_time_s=(0.12, 0.3),
    step_lead=1.5,
    swing_upright=1.0,
    stance_upright=(1.5, 2.0),
    stance_upright_s=(0.1, 0.2),
)
JOINTS = CONTRACT.action_joint_names


def _observation(sin: float, cos: float, command: tuple[float, float, float]) -> torch.Tensor:
    observation = torch.zeros(1, CONTRACT.observation_size)
    observation[0, 6:9] = torch.tensor(command)
    observation[0, 45:47] = torch.tensor([sin, cos])
    return observation


def test_mirroring_twice_changes_nothing() -> None:
    for mirror, size in (
        (action_mirror(CONTRACT, ROBOT), 12),
        (action_mirror(HURRYING, ROBOT), 13),
        (observation_mirror(HURRYING, ROBOT), 48),
        (observation_mirror(CONTRACT, ROBOT), 47),
        (privileged_mirror(), PRIVILEGED_SIZE),
    ):
        values = np.random.default_rng(0).normal(size=(3, size))
        assert len(mirror.index) == size
        np.testing.assert_array_equal(mirror(mirror(values)), values)


def test_mirror_swaps_sides_and_turns_roll_and_yaw() -> None:
    action = np.zeros(12)
    action[JOINTS.index("left_hip_roll_joint")] = 0.3
    action[JOINTS.index("left_knee_joint")] = 0.5
    mirrored = action_mirror(CONTRACT, ROBOT)(action)
    assert mirrored[JOINTS.index("right_hip_roll_joint")] == -0.3
    assert mirrored[JOINTS.index("right_knee_joint")] == 0.5
    assert np.count_nonzero(mirrored) == 2
    observation = np.zeros(47)
    observation[:9] = [1, 2, 3, 4, 5, 6, 7, 8, 9]  # angular velocity, gravity, command
    assert observation_mirror(CONTRACT, ROBOT)(observation)[:9].tolist() == [-1, 2, -3, 4, -5, 6, 7, -8, -9]


def test_the_rate_of_the_clock_is_the_same_in_the_mirror_and_zero_in_the_reference() -> None:
    action = np.zeros(13)
    action[12] = 0.4
    np.testing.assert_array_equal(action_mirror(HURRYING, ROBOT)(action), action)
    observation = torch.zeros(1, 48)
    observation[0, 46] = 1.0  # sine of the phase, behind the longer last action
    both = [
        ReferenceGait(c, GaitReference())(o)
        for c, o in ((HURRYING, observation), (CONTRACT, _observation(1, 0, (0, 0, 0))))
    ]
    torch.testing.assert_close(both[0][:, :12], both[1])
    assert both[0][0, 12] == 0.0 and both[1].abs().max() > 0.5


@pytest.mark.parametrize("standing", [False, True], ids=["one", "two"])
@pytest.mark.parametrize("contract", [CONTRACT, HURRYING, FEELING], ids=["fixed", "hurrying", "feeling"])
@pytest.mark.parametrize("reference", [GaitReference(), BALANCE], ids=["plain", "balance"])
def test_the_actor_is_exactly_equivariant(contract: PolicyContract, reference: GaitReference, standing: bool) -> None:
    torch.manual_seed(0)
    actor = fresh_actor(contract, reference, PpoSettings(keep_standing=standing))
    for parameter in actor.parameters():  # the fresh head is nearly zero
        torch.nn.init.normal_(parameter, std=0.3)
    observation = torch.rand(64, contract.observation_size) * 2.0 - 1.0
    phase = contract.place("gait_phase")[0]
    observation[:32, phase : phase + 2] = 0.0
    body = actor.export_module()
    with torch.no_grad():
        there = body(body.observation_mirror(observation))
        back = body.action_mirror(body(observation))
    assert there.abs().max() > 0.1
    torch.testing.assert_close(there, back, rtol=1e-5, atol=1e-6)


def test_reference_at_rest_is_the_default_pose() -> None:
    gait = ReferenceGait(CONTRACT, GaitReference())
    assert gait(_observation(0.0, 0.0, (0.0, 0.0, 0.0))).abs().max() == 0.0


def test_reference_at_mid_swing_of_the_left_leg() -> None:
    gait = ReferenceGait(CONTRACT, GaitReference(swing_knee_rad=0.6, leg_length_m=0.6))
    action = dict(zip(JOINTS, gait(_observation(1.0, 0.0, (1.0, 0.0, 0.0)))[0].tolist(), strict=True))
    # both legs pass under the body (cos = 0); the left knee is bent by 0.6, hip and ankle back by half of it
    assert action["left_knee_joint"] == pytest.approx(0.6)
    assert action["left_hip_pitch_joint"] == pytest.approx(-0.3, abs=1e-6)
    assert action["left_ankle_pitch_joint"] == pytest.approx(-0.3, abs=1e-6)
    assert action["right_knee_joint"] == pytest.approx(0.0, abs=1e-6)


def test_reference_at_touch_down_of_the_left_leg() -> None:
    gait = ReferenceGait(CONTRACT, GaitReference(swing_knee_rad=0.6, leg_length_m=0.6))
    action = dict(zip(JOINTS, gait(_observation(0.0, -1.0, (0.5, 0.0, 0.4)))[0].tolist(), strict=True))
    # amplitude v T / 4 / leg = 0.5 * 0.8 / 4 / 0.6 = 1/6 rad: the left leg in front (negative), the right one behind
    assert action["left_hip_pitch_joint"] == pytest.approx(-1.0 / 6.0, rel=1e-5)
    assert action["right_hip_pitch_joint"] == pytest.approx(1.0 / 6.0, rel=1e-5)
    assert action["left_ankle_pitch_joint"] == pytest.approx(1.0 / 6.0, rel=1e-5)
    # yaw: wz T / 4 = 0.08 rad
    assert action["left_hip_yaw_joint"] == pytest.approx(0.08, rel=1e-5)
    assert action["right_hip_yaw_joint"] == pytest.approx(-0.08, rel=1e-5)


def _balanced(sin: float, cos: float, **seen: float) -> dict[str, float]:
    """Angles of the balancing reference; ``seen``: pitch, roll (rad), their rates (rad/s), vx, vy (m/s)."""
    observation = torch.zeros(1, FEELING.observation_size)
    observation[0, 0:2] = 0.25 * torch.tensor([seen.get("roll_rate", 0.0), seen.get("pitch_rate", 0.0)])
    observation[0, 3] = np.sin(seen.get("pitch", 0.0))  # gravity points to the front of a base that leans forwards
    observation[0, 4] = -np.sin(seen.get("roll", 0.0))
    observation[0, 6] = 0.4  # commanded vx
    observation[0, 45:47] = torch.tensor([sin, cos])
    observation[0, 47:49] = 2.0 * torch.tensor([seen.get("vx", 0.4), seen.get("vy", 0.0)])
    return dict(zip(JOINTS, ReferenceGait(FEELING, BALANCE)(observation)[0].tolist(), strict=True))


def test_at_rest_the_balancing_reference_only_stands_wider() -> None:
    angles = _balanced(0.0, 0.0, pitch=0.3, roll=0.3, pitch_rate=1.0, vx=1.0)
    wide = {"left_hip_roll": 0.05, "left_ankle_roll": -0.05, "right_hip_roll": -0.05, "right_ankle_roll": 0.05}
    for name, value in angles.items():
        assert value == pytest.approx(wide.get(name.removesuffix("_joint"), 0.0), abs=1e-7), name


def test_who_is_too_fast_steps_farther() -> None:
    fine, fast = _balanced(1.0, 0.0), _balanced(1.0, 0.0, vx=0.9, vy=-0.2)
    # half of the swing is over: 0.5, with a lead of 1.5 that is 0.75 in swing; 0.12 s / 0.6 m * 0.5 m/s = 0.1 rad
    assert fast["left_hip_pitch_joint"] - fine["left_hip_pitch_joint"] == pytest.approx(-0.075, abs=1e-6)
    assert fast["right_hip_pitch_joint"] - fine["right_hip_pitch_joint"] == pytest.approx(-0.05, abs=1e-6)
    assert fast["left_ankle_pitch_joint"] - fine["left_ankle_pitch_joint"] == pytest.approx(0.075, abs=1e-6)
    # sideways 0.3 s / 0.6 m * -0.2 m/s = -0.1 rad
    assert fast["left_hip_roll_joint"] - fine["left_hip_roll_joint"] == pytest.approx(-0.075, abs=1e-6)
    assert fast["right_ankle_roll_joint"] - fine["right_ankle_roll_joint"] == pytest.approx(0.05, abs=1e-6)
    mad = _balanced(1.0, 0.0, vx=50.0)  # 2 m/s at most
    assert mad["left_hip_pitch_joint"] - fine["left_hip_pitch_joint"] == pytest.approx(-0.3, abs=1e-6)


def test_the_swinging_leg_goes_by_the_vertical_and_the_standing_hip_turns_the_base_upright() -> None:
    fine = _balanced(1.0, 0.0)
    leaning = _balanced(1.0, 0.0, pitch=0.2, roll=0.1)
    turning = _balanced(1.0, 0.0, pitch_rate=-1.0, roll_rate=0.5)
    changes = {
        "left_hip_pitch_joint": (-0.2, 0.0),
        "left_hip_roll_joint": (-0.1, 0.0),
        "right_hip_pitch_joint": (0.3, -0.1),
        "right_hip_roll_joint": (0.2, 0.1),
    }
    for name in JOINTS:
        lean, turn = changes.get(name, (0.0, 0.0))
        assert leaning[name] - fine[name] == pytest.approx(lean, abs=1e-6), name
        assert turning[name] - fine[name] == pytest.approx(turn, abs=1e-6), name


def test_driving_one_leg_alone_is_refused() -> None:
    contract = walk_contract(WalkConfig(driven="left_leg"))
    with pytest.raises(ConfigError, match="mirror image 'right_hip_pitch_joint' is not"):
        action_mirror(contract, ROBOT)


def test_another_network_acts_while_the_gait_clock_rests_and_does_not_learn() -> None:
    actor = fresh_actor(CONTRACT, BALANCE, PpoSettings(keep_standing=True))
    with torch.no_grad():
        for value in (*actor.mlp.parameters(), *actor.standing_mlp.parameters()):
            value.zero_()
        last = len(actor.mlp) - 1
        actor.get_parameter(f"mlp.{last}.bias").fill_(1.0)
        actor.get_parameter(f"standing_mlp.{last}.bias").fill_(-2.0)
    knee = JOINTS.index("left_knee_joint")
    poses = _observation(0.0, 0.0, (0.0, 0.0, 0.0)), _observation(0.0, 1.0, (0.0, 0.0, 0.0))
    reference = ReferenceGait(CONTRACT, BALANCE)
    outputs = [(actor.body(pose) - reference(pose))[0, knee] for pose in poses]
    # the knee is its own mirror image: half of twice the output, times the scale of 0.25
    assert [float(output.detach()) for output in outputs] == pytest.approx([-0.5, 0.25])
    sum(outputs).backward()
    assert actor.get_parameter(f"standing_mlp.{last}.bias").grad is None
    assert float(actor.get_parameter(f"mlp.{last}.bias").grad[knee]) == pytest.approx(0.125)
    actor.train()
    actor.update_normalization(TensorDict({"policy": torch.ones(4, 47)}, batch_size=[4]))
    assert float(actor.obs_normalizer.count) == 4 and float(actor.standing_normalizer.count) == 0


def test_robots_at_rest_explore_less_and_all_others_as_ever() -> None:
    torch.manual_seed(0)
    actor = fresh_actor(CONTRACT, GaitReference(), PpoSettings(init_std=0.2, rest_std=0.25))
    both = torch.cat([_observation(0.0, 0.0, (0.0, 0.0, 0.0)), _observation(0.0, 1.0, (0.0, 0.0, 0.0))])
    actor(TensorDict({"policy": both}, batch_size=[2]), stochastic_output=True)
    torch.testing.assert_close(actor.output_std, torch.tensor([[0.05], [0.2]]).expand(2, 12))
    # the log density of the mean: - 12 (ln std + ln(2 pi) / 2)
    density = actor.get_output_log_prob(actor.output_mean)
    expected = -12.0 * (torch.log(torch.tensor([0.05, 0.2])) + 0.9189385)
    torch.testing.assert_close(density, expected)
    plain = fresh_actor(CONTRACT, GaitReference(), PpoSettings(init_std=0.2))
    plain(TensorDict({"policy": both}, batch_size=[2]), stochastic_output=True)
    torch.testing.assert_close(plain.output_std, torch.full((2, 12), 0.2))
