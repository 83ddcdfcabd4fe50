# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Gates: what a policy must reach to be called good, and the reasons where it does not."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tarsus_core.errors import ConfigError, suggest
from tarsus_policies.scorecard import CardSettings, Scorecard


@dataclass(frozen=True)
class Gate:
    """Bars in the first engine, on the grid of commands; all of them must be met."""

    falls: int
    mean_lin_err: float
    """m/s, at most"""
    mean_ang_err: float
    """rad/s, at most"""
    push_ns: float
    """impulse from which nobody may fall, from any direction, walking and standing"""

    def settings(self, base: CardSettings) -> CardSettings:
        """Return what has to be measured for this gate, and no more."""
        return replace(base, engines=("pybullet",), parts=("pushes",), more_commands=(), impulses_ns=(self.push_ns,))

    def reasons(self, card: Scorecard) -> list[str]:
        """Return what the policy misses, one sentence each; none where it passes."""
        score, found = card.score.as_dict(), []
        if score["falls"] > self.falls:
            found.append(f"It fell in {score['falls']} of {score['runs']} runs on the grid; {self.falls} are allowed.")
        for name, unit, what in (("mean_lin_err", "m/s", "velocity"), ("mean_ang_err", "rad/s", "yaw rate")):
            value, bar = score[name], getattr(self, name)
            if not value <= bar:
                found.append(f"Its mean {what} error is {value:.3f} {unit}; at most {bar:g} is allowed.")
        for gait, impulses in card.engines["pybullet"]["pushes"].items():
            row = impulses[f"{self.push_ns:g}"]
            if row["survived"] < row["of"]:
                doing = "walking at 0.5 m/s" if gait == "walk" else "standing"
                found.append(
                    f"It survived {row['survived']} of {row['of']} pushes of {self.push_ns:g} N.s while {doing}; it "
                    f"fell at {', '.join(map(str, row['fell_deg']))} degrees."
                )
        return found


GATES = {"walk": Gate(falls=0, mean_lin_err=0.10, mean_ang_err=0.15, push_ns=20.0)}


def find_gate(name: str) -> Gate:
    """Return a gate by its name.

    Raises:
        ConfigError: for an unknown one.
    """
    if name not in GATES:
        raise ConfigError(f"There is no gate '{name}'{suggest(name, GATES)}: the gates are {', '.join(GATES)}.")
    return GATES[name]
