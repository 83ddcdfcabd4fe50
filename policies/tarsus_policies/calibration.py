# Copyright 2026 The Tarsus Authors
# SPDX-License-Identifier: Apache-2.0
"""Makes a policy follow its command: the mean speed it walks at is measured, and the inverse goes before the network.

Training rewards following noisily and from step to step, so that a policy often walks a little slower or turns a little
faster than it is told, in proportion. Such an error of gain is no lack of skill, and needs no more training: a map from
the wanted to the given command, a few straight pieces for each axis, takes it away. It becomes part of the exported
graph; whoever runs the policy need not know of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tarsus_core.contract import PolicyContract
from tarsus_edge.policy_file import PolicyFile
from tarsus_policies.score_pool import Say
from tarsus_policies.scorer import score_policy
from tarsus_policies.trial import Command, ScoreSettings

PLACES = (0.4, 0.8)
"""knots of each piece of the map, as shares of the trained range: within it, so that what is given stays in it, too"""
MOST_GAIN = 1.5
"""The given command is at most this times the wanted one, and at least its inverse: what needs more is no error of
gain."""
LEAST_SLOPE = 0.5
"""of the response over what is given, two near points apart: below, chance has drawn the line"""
TRIAL = ScoreSettings(seconds=8.0, seeds=2)
AXES = ("vx", "vy", "wz")

Array = NDArray[np.float64]
Knots = tuple[tuple[float, float], ...]
"""(wanted, given) in m/s or rad/s, rising, beside (0, 0); straight lines between them, and on beyond the last one"""


@dataclass(frozen=True)
class CommandMap:
    """The command to give a network for a wanted one: knots of each axis vx, vy, wz, by direction."""

    forward: tuple[Knots, Knots, Knots]
    """of positive commands"""
    backward: tuple[Knots, Knots, Knots]
    """of negative commands, as magnitudes"""

    @property
    def idle(self) -> bool:
        """Whether every command is left as it is."""
        return all(wanted == given for knots in (*self.forward, *self.backward) for wanted, given in knots)

    def as_dict(self) -> dict[str, list[list[float]]]:
        """(wanted, given) pairs by axis, rising: what a contract's provenance tells."""
        return {
            axis: [[-w, -g] for w, g in reversed(self.backward[i])] + [[w, g] for w, g in self.forward[i]]
            for i, axis in enumerate(AXES)
        }


class CalibratedCommand(nn.Module):
    """A network (n, observation_size) -> (n, action_size) that is given mapped commands."""

    bends: Tensor
    slopes: Tensor

    def __init__(self, network: nn.Module, contract: PolicyContract, command_map: CommandMap) -> None:
        """Put a map before a network.

        Args:
            network: takes observations as the contract has them.
            contract: its observation has the term ``velocity_command``.
            command_map: what to do with it.
        """
        super().__init__()
        self.network = network
        self.start, term = contract.place("velocity_command")
        self.end = self.start + term.size * term.history
        pieces = [(_pieces(f), _pieces(b)) for f, b in zip(command_map.forward, command_map.backward, strict=True)]
        count = max(len(bends) for pair in pieces for bends, _ in pair)
        bends, slopes = np.zeros((count, 2, 3)), np.zeros((count, 2, 3))
        for axis, pair in enumerate(pieces):
            for direction, (at, change) in enumerate(pair):
                bends[: len(at), direction, axis] = at
                slopes[: len(at), direction, axis] = change
        tile = (1, 1, term.history)
        self.register_buffer("bends", torch.tensor(np.tile(bends, tile) * term.scale, dtype=torch.float32))
        self.register_buffer("slopes", torch.tensor(np.tile(slopes, tile), dtype=torch.float32))

    def forward(self, observation: Tensor) -> Tensor:
        """Return the network's actions."""
        wanted = observation[:, self.start : self.end]
        given = torch.zeros_like(wanted)
        for bend, slope in zip(self.bends, self.slopes, strict=True):
            given = given + slope[0] * torch.relu(wanted - bend[0]) - slope[1] * torch.relu(-wanted - bend[1])
        return self.network(torch.cat([observation[:, : self.start], given, observation[:, self.end :]], dim=1))


def _pieces(knots: Knots) -> tuple[Array, Array]:
    """Where the slope of the map changes, and by how much: f(v) = sum of change * max(0, v - place)."""
    points = np.array([(0.0, 0.0), *knots])
    if len(points) == 1:
        return np.zeros(1), np.ones(1)
    slopes = np.diff(points[:, 1]) / np.diff(points[:, 0])
    return points[:-1, 0], np.diff(slopes, prepend=0.0)


def calibrate(file: PolicyFile, workers: int = 1, progress: Say | None = None) -> CommandMap:
    """Measure how a policy follows single axes of its command in PyBullet, and return the map that mends it.

    Two rounds of trials: at the wanted commands, and at those scaled by what was missing; a line through both tells
    what to give. Left and right are taken together, as the robot is symmetric. Where the robot falls, or goes at less
    than two thirds or more than three halves of what is wanted, the command is left as it is.

    Args:
        file: a policy file that was read.
        workers: processes that share the trials.
        progress: called with the number of trials done and of all trials.
    """
    wanted = _wanted(file.contract)
    say = progress or (lambda done, total: None)
    half = TRIAL.seeds * len(wanted)
    first = _responses(file, wanted, workers, lambda done: say(done, 2 * half))
    tried = [_scaled(v, r) for v, r in zip(wanted, first, strict=True)]
    again = [given for given in tried if given is not None]
    second = iter(_responses(file, again, workers, lambda done: say(half + done, 2 * half)))
    given = [
        None if g is None or r is None else _line(v, r, g, next(second))
        for v, r, g in zip(wanted, first, tried, strict=True)
    ]
    return command_map(wanted, given)


def command_map(wanted: list[Command], given: list[float | None]) -> CommandMap:
    """Build the map from single-axis commands and the value to give for each, None to leave it as it is."""
    found: dict[tuple[int, bool, float], list[float]] = {}
    for command, value in zip(wanted, given, strict=True):
        axis, size = _axis(command)
        for positive in (True, False) if axis else (size > 0.0,):  # left as right
            ratio = 1.0 if value is None else value / size
            found.setdefault((axis, positive, abs(size)), []).append(ratio)
    knots: list[list[Knots]] = [[(), (), ()], [(), (), ()]]
    for axis in range(3):
        for positive in (True, False):
            mine = sorted(
                (size, size * float(np.mean(r))) for (a, p, size), r in found.items() if (a, p) == (axis, positive)
            )
            rises = all(b[1] > a[1] for a, b in zip([(0.0, 0.0), *mine], mine, strict=False))
            knots[not positive][axis] = tuple(mine) if rises else ()
    (a, b, c), (d, e, f) = knots
    return CommandMap((a, b, c), (d, e, f))


def _wanted(contract: PolicyContract) -> list[Command]:
    limits = contract.command_range
    return [
        _single(axis, place * end)
        for axis in range(3)
        for end in (limits.lower[axis], limits.upper[axis])
        for place in PLACES
        if end
    ]


def _responses(
    file: PolicyFile, commands: list[Command], workers: int, progress: Callable[[int], None]
) -> list[float | None]:
    """Mean speed along each command's own axis; None where a robot fell."""
    if not commands:
        return []
    settings = replace(TRIAL, commands=tuple(commands))
    runs = score_policy(file, settings, workers, lambda done, _: progress(done)).runs
    found: list[float | None] = []
    for k, command in enumerate(commands):
        mine = runs[k * TRIAL.seeds : (k + 1) * TRIAL.seeds]
        fell = any(run.fell_at_s is not None for run in mine)
        found.append(None if fell else float(np.mean([run.velocity[_axis(command)[0]] for run in mine])))
    return found


def _scaled(wanted: Command, response: float | None) -> Command | None:
    """What to give by proportion where the wanted command led to ``response``; None where that is no error of gain."""
    axis, size = _axis(wanted)
    if response is None or not 1.0 / MOST_GAIN <= response / size <= MOST_GAIN:
        return None
    return _single(axis, size * size / response)


def _line(wanted: Command, first: float, given: Command, second: float | None) -> float | None:
    """What to give by the line through (wanted, first) and (given, second); None where that says nothing."""
    (_, v), (_, g) = _axis(wanted), _axis(given)
    if second is None or g == v:
        return None
    slope = (second - first) / (g - v)
    value = g + (v - second) / slope if slope > LEAST_SLOPE else g
    return value if 1.0 / MOST_GAIN <= value / v <= MOST_GAIN else None


def _single(axis: int, value: float) -> Command:
    x, y, z = (float(value) if k == axis else 0.0 for k in range(3))
    return x, y, z


def _axis(command: Command) -> tuple[int, float]:
    """The axis that a command moves along, and its value."""
    axis = int(np.argmax(np.abs(command)))
    return axis, command[axis]
