# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the walking task, each field with its unit. A YAML file may set any of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tarsus_sim.terrain import GroundConfig


@dataclass(frozen=True)
class CommandConfig:
    """How velocity commands are drawn."""

    vx: tuple[float, float] = (-0.5, 1.0)
    """m/s, final range"""
    vy: tuple[float, float] = (-0.3, 0.3)
    """m/s, final range"""
    wz: tuple[float, float] = (-0.8, 0.8)
    """rad/s, final range"""
    initial_fraction: float = 0.5
    """of the final range at the start of the curriculum"""
    stand_probability: float = 0.15
    one_axis_probability: float = 0.35
    """only one of vx, vy, wz differs from zero"""
    hold_s: tuple[float, float] = (4.0, 8.0)
    """time until the next command"""


@dataclass(frozen=True)
class GaitConfig:
    """The gait clock and its reference."""

    period_s: float = 0.8
    swing_height_m: float = 0.08
    """of the sole at mid swing"""
    stand_below: float = 0.03
    """a command below this on every axis (m/s, rad/s) means standing"""
    recover_s: float = 0.0
    """time for which a standing robot steps after it was disturbed; 0: it never does on its own"""
    recover_rate: float = 0.5
    """rad/s, of roll and pitch together, that disturbs a standing robot"""
    recover_tilt: float = 0.1
    """rad"""
    rate_octaves: float = 0.0
    """how much faster or slower the policy may let the clock run, in octaves; 0: not at all"""
    rate_scale: float = 3.0
    """octaves per unit of action: large, as single noisy actions must move a step's timing to be learned from"""


@dataclass(frozen=True)
class RewardConfig:
    """Weights of the reward terms; each is multiplied by the control period. Negative ones are penalties."""

    track_linear: float = 1.5
    track_angular: float = 1.0
    track_mean_linear: float = 2.5
    track_mean_angular: float = 1.5
    swing_height: float = 1.5
    contact_match: float = 1.0
    alive: float = 1.0
    mean_linear_error: float = -1.5
    mean_angular_error: float = -0.7
    tilt: float = -5.0
    angular_velocity_xy: float = -0.1
    vertical_velocity: float = -0.5
    base_height: float = -20.0
    action_rate: float = -1.0
    action_acceleration: float = -0.3
    torque: float = -2e-5
    joint_acceleration: float = -5e-7
    joint_limit: float = -5.0
    hip_deviation: float = -1.0
    waist_deviation: float = -1.0
    foot_slip: float = -0.3
    foot_tilt: float = -1.0
    feet_apart: float = -10.0
    feet_yaw: float = -1.0
    stand_still: float = -2.0
    stand_velocity: float = -1.0
    restless: float = -1.0
    landing_force: float = -0.5
    gait_rate: float = -0.5
    fall: float = -100.0


@dataclass(frozen=True)
class RandomConfig:
    """What differs between robots and episodes. Ranges are uniform."""

    friction: tuple[float, float] = (0.4, 1.25)
    mass_scale: tuple[float, float] = (0.9, 1.1)
    torso_payload_kg: tuple[float, float] = (-1.0, 3.0)
    torso_com_offset_m: float = 0.03
    """each axis, plus or minus"""
    gain_scale: tuple[float, float] = (0.9, 1.1)
    joint_offset_rad: float = 0.015
    """encoder bias, plus or minus"""
    action_delay_s: tuple[float, float] = (0.0, 0.02)
    push_share: float = 1.0
    """share of the episodes with pushes: precision is learned in the others"""
    push_interval_s: tuple[float, float] = (4.0, 8.0)
    push_impulse_ns: float = 20.0
    """N.s, the largest horizontal push at the torso at full difficulty"""
    push_least: float = 0.0
    """the smallest push, as a share of the largest: little is learned from those that all survive"""
    push_duration_s: float = 0.1
    arm_motion_rad: float = 0.0
    """arms that the policy does not drive move at random so far from the default pose, where they are simulated"""
    arm_speed: float = 1.5
    """rad/s"""
    arm_hold_s: tuple[float, float] = (0.5, 2.0)
    """time until the arms' next target"""
    arm_rest: float = 0.3
    """share of the episodes in which the arms rest"""
    noise_joint_position: float = 0.01
    """rad, plus or minus"""
    noise_joint_velocity: float = 0.6
    """rad/s"""
    noise_angular_velocity: float = 0.15
    """rad/s"""
    noise_tilt: float = 0.02
    """rad"""
    initial_joint_position: float = 0.08
    """rad"""
    initial_velocity: float = 0.3
    """m/s"""


@dataclass(frozen=True)
class AssistConfig:
    """An early helping hand: an external torque that holds the torso upright, faded out as the robots learn to balance.

    Idea: Yu, Turk, Liu, "Learning symmetric and low-energy locomotion", 2018 (virtual assistant).
    """

    stiffness: float = 300.0
    """N.m/rad at full assistance; the robot's own weight topples it with about 230 N.m/rad"""
    damping: float = 30.0
    """N.m.s/rad"""
    alone: float = 0.2
    """share of the episodes that get no help at any time"""


@dataclass(frozen=True)
class WalkConfig:
    """The walking task."""

    robot: str = "g1"
    movable: str = "all"
    """joints that are simulated: a group, a regular expression, or 'all'"""
    driven: str = "legs"
    """joints that the policy drives"""
    control_period_s: float = 0.02
    physics_dt_s: float = 0.005
    solver_iterations: int = 20
    capsules: bool = True
    episode_s: float = 20.0
    action_scale: float = 1.0
    """rad per unit of action"""
    action_clip: float = 1.0
    leg_odometry: bool = False
    """whether the policy observes the base's velocity over the standing foot, as encoders and gyroscope tell it"""
    base_height_m: float = 0.74
    """wanted height of the base link while walking"""
    gains: dict[str, tuple[float, float]] = field(default_factory=dict)
    """joint pattern -> (kp N.m/rad, kd N.m.s/rad); joints that no pattern names keep the robot's own"""
    tracking_time_s: float = 0.4
    """time constant of the mean velocity that the tracking terms compare"""
    command: CommandConfig = CommandConfig()
    gait: GaitConfig = GaitConfig()
    reward: RewardConfig = RewardConfig()
    random: RandomConfig = RandomConfig()
    assist: AssistConfig = AssistConfig()
    ground: GroundConfig = field(default_factory=GroundConfig)
    code: str = ""
    """text of a task file, which makes another task of this one; see custom_task.py"""
    randomise: bool = True
    """False: nominal robot, no noise, no pushes, no delay"""
    robots_a_client: int = 0
    """robots that share a PyBullet client, at most; 0: as many as have about 400 joints, which is what a core's cache
    holds: fewer make Python's share larger, more make PyBullet slower"""
