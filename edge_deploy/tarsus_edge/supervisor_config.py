# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Every threshold of the safety supervisor, with its unit, its range and where it comes from."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TypeVar

from tarsus_core.errors import ConfigError

Number = TypeVar("Number", int, float)


def _number(default: Number, low: float, high: float, description: str) -> Number:
    """Field with its allowed range and a description, which the node shows as a parameter."""
    field: Number = dataclasses.field(default=default, metadata={"range": (low, high), "description": description})
    return field


@dataclass(frozen=True)
class SupervisorConfig:
    """Thresholds of the supervisor. Each is a number within the range that ``limits_of`` gives.

    Raises:
        ConfigError: for a value outside its range, or ages in the wrong order.
    """

    # Ages. Others react to a lost command after 50 ms (unitree_ros_real), 100 ms (upkie) or 300 ms (a public watchdog
    # for the G1); the robot's state comes every 5 ms or faster and the policy's command every 20 ms.
    state_age_warn_s: float = _number(0.020, 0.001, 1.0, "Age of the robot state that counts as late [s]")
    state_age_damp_s: float = _number(0.050, 0.001, 1.0, "Age of the robot state at which the robot is damped [s]")
    command_age_hold_s: float = _number(
        0.060, 0.001, 1.0, "Age of the policy's command at which its pose is only held, and no older one is taken [s]"
    )
    command_age_damp_s: float = _number(
        # The robot must be damped within 100 ms: one state period and the reaction itself are taken off.
        0.090,
        0.001,
        1.0,
        "Age of the policy's command at which the robot is damped [s]",
    )

    states_late_damp: int = _number(
        # A state that is late now and then is normal on a shared machine. Ten in a second, of 200, are a machine that
        # does not keep up; the policy's own view is then late as well.
        10,
        1,
        1000,
        "Number of late robot states within 1 s at which the robot is damped",
    )
    state_delay_damp_s: float = _number(
        # A link that holds messages back more and more shows neither as a hole nor as an age since the last arrival.
        0.100,
        0.005,
        1.0,
        "How much later than the promptest one since the reset a robot state may come before the robot is damped [s]",
    )
    imu_frozen_damp_s: float = _number(
        # Noise makes two readings differ. A sensor that has hung up goes on to be sent by its driver, with new stamps.
        0.050,
        0.005,
        1.0,
        "Time for which the IMU says the same, in every bit, at which the robot is damped [s]",
    )

    joints_frozen_damp_s: float = _number(
        # A bus of motors that hangs does the same to their angles. A robot that stands by stiffness alone may rest in
        # every bit; one that a policy balances does not.
        0.100,
        0.005,
        1.0,
        "Time for which all joints of a walking robot say the same, in every bit, at which it is damped [s]",
    )

    joint_range_margin_rad: float = _number(
        # A joint pushed into its stop gives by some hundredths of a radian. What is further out is an encoder that is a
        # turn off, or a spoiled number, and standing up from there would drive the joint with all its torque.
        0.3,
        0.0,
        math.pi,
        "How far a joint angle may be beyond the joint's range in a state that is believed [rad]",
    )

    # Falls and runaways: 1.0 rad is what unitree_sdk2, unitree_rl_lab and upkie use.
    tilt_damp_rad: float = _number(1.0, 0.1, math.pi, "Tilt of the base at which the robot is damped [rad]")
    base_speed_damp_rad_s: float = _number(
        # unitree_sdk2 takes 6 rad/s. A push that the robot survives turns its trunk by 5 rad/s for a moment.
        10.0,
        1.0,
        100.0,
        "Angular speed of the base at which the robot is damped [rad/s]",
    )
    joint_speed_factor: float = _number(
        # The motors cannot reach their limit under load, so more than 1.5 of it (30 to 55 rad/s on the G1; a public
        # watchdog takes 40 rad/s) is a collapse or a broken reading.
        1.5,
        0.1,
        10.0,
        "Joint speed at which the robot is damped, as a multiple of the joint's speed limit",
    )

    # Standing up: 3 s, as unitree_rl_lab.
    stand_duration_s: float = _number(3.0, 3.0, 60.0, "Duration of the ramp from the measured to the standing pose [s]")
    stand_gain_ramp_s: float = _number(1.0, 0.0, 60.0, "Time in which the stiffness grows to its full value [s]")
    walk_blend_s: float = _number(0.5, 0.0, 5.0, "Time in which the policy takes over from the standing pose [s]")

    # The target may run ahead of the joint, since it is the PD law that makes the torque: a multiple of the joint's
    # speed limit stops only what no trained policy asks for. At 2, a knee's target may move 0.8 rad in 20 ms.
    target_speed_factor: float = _number(
        2.0, 0.1, 100.0, "Fastest change of a position target, as a multiple of the joint's speed limit"
    )
    clamped_damp_s: float = _number(
        # A push or a stumble drives single commands into their limits; a policy that is always beyond them is lost.
        1.0,
        0.02,
        60.0,
        "Time for which every command of the policy is out of its limits at which the robot is damped [s]",
    )

    # Motors: unitree_sdk2 stops at 120 C of the windings. From 100 C on, torque is taken away.
    motor_derate_c: float = _number(100.0, 0.0, 200.0, "Temperature of a motor from which its torque is limited [C]")
    motor_damp_c: float = _number(120.0, 0.0, 200.0, "Temperature of a motor at which the robot is damped [C]")

    motor_age_damp_s: float = _number(
        # Drives report with each state on most robots, and once in a second on slow buses.
        1.0,
        0.05,
        60.0,
        "Silence of motors that have reported at which the robot is damped [s]",
    )

    # Battery: unitree_sdk2 stops below 20 %. A robot that walks has until 10 % to be brought home.
    battery_arm_share: float = _number(0.20, 0.0, 1.0, "Charge of the battery below which arming is refused")
    battery_sit_share: float = _number(0.10, 0.0, 1.0, "Charge of the battery below which the robot halts and sits")
    battery_sit_margin: float = _number(
        # The charge that is reported rises by some percent when the robot stops.
        0.03,
        0.0,
        0.5,
        "How far above battery_sit_share the charge must rise until a halted robot may walk on",
    )
    battery_age_arm_s: float = _number(
        # Battery management systems report once in a second or more often.
        10.0,
        0.5,
        600.0,
        "Silence of a battery that has reported at which arming is refused [s]",
    )
    halt_duration_s: float = _number(
        # Time for the policy to stop: a walking G1 that is told to stand does so within two steps of 0.32 s.
        2.0,
        0.0,
        60.0,
        "Time that the policy has to stop the robot before it sits [s]",
    )
    sit_duration_s: float = _number(3.0, 0.5, 60.0, "Time in which the stiffness of a sitting robot fades to 0 [s]")

    damping_scale: float = _number(
        # A flat kd 3 (unitree_rl_lab) or 8 (rl_sar) exceeds 2 I / dt for the light arm joints at 200 Hz, where explicit
        # damping becomes unstable; the contract's own kd is 0.2 to 0.7 of that bound by the rotor's inertia alone, but
        # for the waist, which turns the trunk's as well. Less than a fifth of it hardly brakes.
        1.0,
        0.2,
        1.0,
        "Damping of the passive and damped robot, as a multiple of the policy's kd",
    )

    def __post_init__(self) -> None:
        """Check every value."""
        for name, value in dataclasses.asdict(self).items():
            low, high = limits_of(name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise ConfigError(f"The supervisor's {name} is {value!r}: it must be in {low:g}..{high:g}.")
        for first, second in (
            ("state_age_warn_s", "state_age_damp_s"),
            ("command_age_hold_s", "command_age_damp_s"),
            ("stand_gain_ramp_s", "stand_duration_s"),
            ("motor_derate_c", "motor_damp_c"),
            ("battery_sit_share", "battery_arm_share"),
        ):
            if getattr(self, first) > getattr(self, second):
                raise ConfigError(
                    f"The supervisor's {first} is {getattr(self, first)}: it must not exceed {second} "
                    f"({getattr(self, second)})."
                )
        if self.battery_sit_share + self.battery_sit_margin > self.battery_arm_share + 1e-9:  # sums are rounded
            raise ConfigError(
                f"The supervisor's battery_sit_share and battery_sit_margin are {self.battery_sit_share} and "
                f"{self.battery_sit_margin}: their sum must not exceed battery_arm_share ({self.battery_arm_share}), "
                "or a robot that may be armed would sit down."
            )


def limits_of(name: str) -> tuple[float, float]:
    """Smallest and largest allowed value of a field."""
    low, high = SupervisorConfig.__dataclass_fields__[name].metadata["range"]
    return float(low), float(high)
